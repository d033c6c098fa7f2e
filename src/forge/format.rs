//! Formatting: the forge runs rustfmt itself, so that no attempt fails for the want of it.
//!
//! Guarantees: the formatted text is what every later stage reads. rustfmt runs in the cage on one
//! file at a time, from its standard input, so it opens no other file that a source names. Sources
//! that exceed a cap of size or nesting are left as they are: the policy gate refuses them.
//!
//! Deliberately never: changes the files of the person or of the workspace, or reads a
//! configuration.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::compile::{CompileError, INSIDE_TOOLCHAIN};
use super::context::ForgeContext;
use crate::cage::{Job, JobLimits, Mount};
use crate::model::{guidance::GUIDANCE_FILE, snapshot::Snapshot};
use crate::policy::scan;
use crate::sync::uninterrupted;

/// rustfmt of one toolchain.
#[derive(Debug, Clone)]
pub struct Formatter {
    /// The sysroot that contains it.
    sysroot: PathBuf,
}

/// Sources after rustfmt.
#[derive(Debug)]
pub struct FormattedSources {
    /// The sources.
    pub snapshot: Snapshot,
    /// The files that rustfmt changed.
    pub changed: usize,
    /// The files that it cannot read. They are unchanged, and will not compile either.
    pub unreadable: Vec<String>,
}

impl Formatter {
    /// The rustfmt below this sysroot.
    pub fn new(sysroot: PathBuf) -> Self {
        Self { sysroot }
    }

    /// Formats every file of a snapshot.
    ///
    /// # Errors
    /// [`CompileError`] when rustfmt could not be run.
    pub fn format(&self, forge: &ForgeContext<'_>, snapshot: Snapshot) -> Result<FormattedSources, CompileError> {
        let mut formatted = FormattedSources { snapshot, changed: 0, unreadable: Vec::new() };
        if !scan::precheck(&formatted.snapshot).is_empty() {
            return Ok(formatted);
        }
        let folder = forge.layout.state().join("scratch");
        let io = |source: std::io::Error| CompileError::File { path: folder.clone(), message: source.to_string() };
        uninterrupted(|| std::fs::create_dir_all(&folder)).map_err(io)?;
        let temporary = tempfile::Builder::new().prefix("format-").tempdir_in(&folder).map_err(io)?;
        // A folder inside of it: the temporary one is closed to the user in the cage.
        let empty = temporary.path().join("s");
        uninterrupted(|| std::fs::create_dir(&empty)).map_err(io)?;
        // rustfmt looks for a configuration upwards. Without a cage this file ends the search.
        std::fs::write(empty.join("rustfmt.toml"), "").map_err(io)?;
        let mut files = BTreeMap::new();
        files.extend(formatted.snapshot.guidance().map(|text| (GUIDANCE_FILE.to_owned(), text.to_vec())));
        for (path, bytes) in formatted.snapshot.sources() {
            let job = self.job(empty.clone()).stdin(bytes.to_vec());
            let done = forge.cage.run(&job, &mut |_, _| {})?;
            let text = match done.exit.success() && (!done.stdout.is_empty() || bytes.is_empty()) {
                true => done.stdout,
                false => {
                    formatted.unreadable.push(path.to_owned());
                    bytes.to_vec()
                }
            };
            formatted.changed += usize::from(text != bytes);
            files.insert(path.to_owned(), text);
        }
        formatted.snapshot = Snapshot::new(files);
        Ok(formatted)
    }

    fn job(&self, empty: PathBuf) -> Job {
        let limits = JobLimits {
            // Five times the processor time: on a busy machine the clock goes on, and no verdict may rest on
            // that.
            wall: Duration::from_secs(100),
            cpu: Some(Duration::from_secs(20)),
            address_space: Some(4 << 30),
            output_bytes: 8 << 20,
            ..JobLimits::default()
        };
        Job::new(self.sysroot.join("bin/rustfmt"))
            .args(["--edition", "2024", "--color", "never"])
            .env("PATH", format!("{INSIDE_TOOLCHAIN}/bin"))
            .cwd(&empty)
            .mount(Mount::read_only(&self.sysroot, INSIDE_TOOLCHAIN))
            .mount(Mount::read_only(empty, "/s"))
            .hide_proc()
            .capture(8 << 20)
            .limits(limits)
    }
}
