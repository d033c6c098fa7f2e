//! Compiles a snapshot: rustc and clippy run in the cage (the sandbox of every child process),
//! without a manifest.
//!
//! Guarantees: the sources are written from the snapshot into a fresh folder, and every flag is Kavi's. The tools see only the
//! toolchain, the SDK and these sources, at fixed paths. So the same snapshot gives the same bytes.
//!
//! Deliberately never: runs cargo, a build script or a compiled program.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::build_workspace::{self, BuildWorkspaceError};
use super::toolchain::{TARGET, Toolchain};
use crate::artifacts::{self, ReadError};
use crate::cage::{Cage, CageError, Exit, Finished, Job, JobLimits, Mount};
use crate::model::{finding::Finding, name::SkillName, snapshot::Snapshot};
use crate::sync::uninterrupted;

/// The paths inside the cage.
pub(super) const INSIDE_TOOLCHAIN: &str = "/tc";
const INSIDE_KIT: &str = "/kit";
const INSIDE_SOURCES: &str = "/s";
const INSIDE_OUT: &str = "/o";

/// Why a tool could not check the sources.
#[derive(Debug, thiserror::Error)]
pub enum CompileError {
    /// The sources could not be laid out.
    #[error(transparent)]
    Workspace(#[from] BuildWorkspaceError),
    /// The tool could not be run.
    #[error(transparent)]
    Cage(#[from] CageError),
    /// The kit lacks a library.
    #[error("the SDK kit lacks `{0}`: delete the cache folder and try again")]
    Kit(&'static str),
    /// A file.
    #[error("{path}: {message}")]
    File {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
}

/// A fresh folder with the sources of one snapshot and room for the output of each tool.
#[derive(Debug)]
pub struct CompileSandbox<'a> {
    cage: &'a Cage,
    toolchain: &'a Toolchain,
    name: &'a SkillName,
    folder: tempfile::TempDir,
}

/// The output of the compiler.
#[derive(Debug)]
pub struct CompileOutput {
    /// The component, if the sources compiled.
    pub component: Option<Vec<u8>>,
    /// The errors of the compiler.
    pub findings: Vec<Finding>,
    /// The cage it ran in.
    pub confinement: crate::cage::AppliedConfinement,
}

/// Which program is compiled from a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgramKind {
    /// The component that is promoted.
    Release,
    /// The test program of the same sources.
    Tests,
    /// A component of changed sources, compiled without optimization for one gate.
    Instrumented,
}

/// The lints of clippy that refuse a skill: code that is wrong or almost certainly wrong, and addresses of functions, which
/// differ between the tested and the promoted program. The others are advice about style and speed.
const REFUSED_LINTS: [&str; 3] = ["clippy::correctness", "clippy::suspicious", "clippy::fn_to_numeric_cast_any"];

/// What clippy and rustc say of the sources.
#[derive(Debug)]
pub struct LintOutput {
    /// Warnings that refuse the skill.
    pub findings: Vec<Finding>,
    /// Advice that refuses nothing.
    pub remarks: Vec<Finding>,
}

impl<'a> CompileSandbox<'a> {
    /// Writes the sources into a fresh folder below `parent`.
    ///
    /// # Errors
    /// [`CompileError`] when they cannot be written.
    pub fn new(
        cage: &'a Cage,
        toolchain: &'a Toolchain,
        name: &'a SkillName,
        snapshot: &Snapshot,
        parent: &Path,
    ) -> Result<Self, CompileError> {
        let io = |source: std::io::Error| CompileError::File { path: parent.to_owned(), message: source.to_string() };
        uninterrupted(|| fs::create_dir_all(parent)).map_err(io)?;
        let folder = tempfile::Builder::new().prefix("bench-").tempdir_in(parent).map_err(io)?;
        let sandbox = Self { cage, toolchain, name, folder };
        build_workspace::write(&sandbox.sources(), Some(snapshot))?;
        // Clippy looks for a configuration file upwards. Without a cage this one ends the search
        // here.
        fs::write(sandbox.sources().join("clippy.toml"), "").map_err(io)?;
        Ok(sandbox)
    }

    fn sources(&self) -> PathBuf {
        self.folder.path().join("s")
    }

    fn root_file(&self) -> PathBuf {
        self.sources().join("src/lib.rs")
    }

    /// A tool of the toolchain over these sources.
    fn job(&self, tool: &str, out: &Path) -> Job {
        let limits = JobLimits {
            // Five times the processor time: on a busy machine the clock goes on, and no verdict may rest on
            // that.
            wall: Duration::from_secs(450),
            cpu: Some(Duration::from_secs(90)),
            address_space: Some(4 << 30),
            file_size: Some(256 << 20),
            ..JobLimits::default()
        };
        Job::new(self.toolchain.sysroot.join("bin").join(tool))
            .cwd(self.sources())
            // The linker is found there. Nothing of the person's own PATH is inside.
            .env("PATH", format!("{INSIDE_TOOLCHAIN}/bin"))
            .env_path("TMPDIR", out)
            .mount(Mount::read_only(&self.toolchain.sysroot, INSIDE_TOOLCHAIN))
            .mount(Mount::read_only(&self.toolchain.kit, INSIDE_KIT))
            .mount(Mount::read_only(self.sources(), INSIDE_SOURCES))
            .mount(Mount::read_write(out, INSIDE_OUT))
            // The compiler includes any file that it can read. `/proc` would show it the mounts and
            // the command line of this machine.
            .hide_proc()
            .limits(limits)
    }

    /// The flags that rustc and clippy share.
    fn flags(&self, job: Job) -> Result<Job, CompileError> {
        let sdk = self.toolchain.library("libkavi_sdk").ok_or(CompileError::Kit("kavi_sdk"))?;
        let serde = self.toolchain.library("libserde").ok_or(CompileError::Kit("serde"))?;
        let remap = |from: &Path, to: &str| format!("--remap-path-prefix={}={to}", from.display());
        Ok(job
            .args(["--crate-name", self.name.as_str(), "--edition", "2024", "--target", TARGET])
            // `-F` cannot be taken back by an attribute of the source, unlike `-D`.
            .args(["-F", "unsafe_code", "--error-format", "json"])
            .path_arg(self.root_file())
            .arg("-L")
            .prefixed_path_arg("dependency=", self.toolchain.kit.join("deps"))
            .arg("-L")
            .prefixed_path_arg("dependency=", self.toolchain.kit.join("macros"))
            .arg("--extern")
            .prefixed_path_arg("kavi_sdk=", sdk)
            .arg("--extern")
            .prefixed_path_arg("serde=", serde)
            // Without a cage the paths are not fixed. Then at least the names in the component are.
            .arg(remap(&self.sources(), INSIDE_SOURCES))
            .arg(remap(&self.toolchain.sysroot, INSIDE_TOOLCHAIN)))
    }

    fn out(&self, name: &str) -> Result<PathBuf, CompileError> {
        let out = self.folder.path().join(name);
        uninterrupted(|| fs::create_dir(&out))
            .map_err(|error| CompileError::File { path: out.clone(), message: error.to_string() })?;
        Ok(out)
    }

    /// Compiles one of the programs.
    ///
    /// # Errors
    /// [`CompileError`] when the compiler could not be run. Its errors are in [`CompileOutput`].
    pub fn compile(&self, product: ProgramKind) -> Result<CompileOutput, CompileError> {
        let (folder, kind): (&str, &[&str]) = match product {
            ProgramKind::Release => {
                ("release", &["--crate-type", "cdylib", "-C", "opt-level=s", "-C", "overflow-checks=on"])
            }
            ProgramKind::Tests => {
                ("tests", &["--test", "-C", "opt-level=0", "-C", "overflow-checks=on", "-C", "debug-assertions=off"])
            }
            ProgramKind::Instrumented => (
                "changed",
                &[
                    "--crate-type",
                    "cdylib",
                    "-C",
                    "opt-level=0",
                    "-C",
                    "overflow-checks=on",
                    "-C",
                    "debug-assertions=off",
                ],
            ),
        };
        let out = self.out(folder)?;
        let file = out.join("skill.wasm");
        let job = self
            .flags(self.job("rustc", &out))?
            .args(kind.iter().copied())
            // One unit, because with several their order depends on the number of cores, and the
            // bytes must be the same on each machine.
            .args(["-C", "codegen-units=1", "-C", "strip=symbols", "-o"])
            .path_arg(&file);
        let done = self.cage.run(&job, &mut |_, _| {})?;
        let errors = diagnostics(&done, DiagnosticLevel::Errors).into_iter();
        let mut findings: Vec<Finding> = errors.map(|error| finding(error, "compile")).collect();
        let component = match (done.exit.success(), artifacts::read_once(&file)) {
            (true, Ok(bytes)) => Some(bytes),
            // The compiler says that it succeeded, so this is a fault of the machine and not of the
            // skill.
            (true, Err(error)) => {
                let message = match error {
                    ReadError::Missing => "the compiler left no file".to_owned(),
                    ReadError::NotAFile(what) => what,
                    ReadError::Io(error) => error.to_string(),
                };
                return Err(CompileError::File { path: file, message });
            }
            (false, _) => {
                if findings.is_empty() {
                    findings.push(tool_failure(&done, "compile", "rustc"));
                }
                None
            }
        };
        Ok(CompileOutput { component, findings, confinement: done.confinement })
    }

    /// The warnings of clippy and rustc. The lints are set here, so that the source needs no attributes.
    ///
    /// # Errors
    /// [`CompileError`] when clippy could not be run.
    pub fn lint(&self) -> Result<LintOutput, CompileError> {
        let out = self.out("lint")?;
        let job = self
            .flags(self.job("clippy-driver", &out))?
            .args(["--crate-type", "cdylib", "--emit", "metadata", "-W", "clippy::all"])
            .args(REFUSED_LINTS.iter().flat_map(|lints| ["-D", lints]))
            .arg("-o")
            .path_arg(out.join("skill.rmeta"));
        let done = self.cage.run(&job, &mut |_, _| {})?;
        let diagnostics = diagnostics(&done, DiagnosticLevel::ErrorsAndWarnings);
        let (advice, refused): (Vec<_>, Vec<_>) = diagnostics.into_iter().partition(Diagnostic::is_advice);
        let of = |diagnostics: Vec<Diagnostic>| diagnostics.into_iter().map(|it| finding(it, "lint")).collect();
        let mut output = LintOutput { findings: of(refused), remarks: of(advice) };
        if !done.exit.success() && output.findings.is_empty() {
            output.findings.push(tool_failure(&done, "lint", "clippy-driver"));
        }
        Ok(output)
    }
}

/// The part from `src/` on of a path that a tool printed.
fn relative(path: &str) -> String {
    // The last one: the folders above the sources are Kavi's, and one of them may be called `src`.
    let at = path.rfind("/src/").map_or(0, |at| at + 1);
    path[at..].to_owned()
}

/// The finding for a tool that failed without a diagnostic.
fn tool_failure(done: &Finished, gate: &str, tool: &str) -> Finding {
    let how = match done.exit {
        Exit::Code(code) => format!("ended with code {code}"),
        Exit::Signal(signal) => format!("was ended by signal {signal}"),
        Exit::WallClock => "exceeded its time limit".to_owned(),
        Exit::Idle => "stalled".to_owned(),
        Exit::OutputLimit => "exceeded its output limit".to_owned(),
    };
    let stderr = String::from_utf8_lossy(&done.stderr);
    let last = stderr.lines().rfind(|line| !line.trim().is_empty()).unwrap_or_default();
    let said = if last.is_empty() { String::new() } else { format!(": {}", crate::model::text::line(last, 300)) };
    Finding::new(format!("{gate}/tool"), format!("{tool} {how}{said}"))
}

/// Which messages of a compiler become findings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DiagnosticLevel {
    Errors,
    ErrorsAndWarnings,
}

/// The needed members of one message of `--error-format json`.
#[derive(Deserialize)]
struct Diagnostic {
    message: String,
    code: Option<Code>,
    level: String,
    #[serde(default)]
    spans: Vec<Span>,
}

#[derive(Deserialize)]
struct Code {
    code: String,
}

#[derive(Deserialize)]
struct Span {
    file_name: String,
    line_start: u32,
    is_primary: bool,
}

impl Diagnostic {
    /// Whether it is one of clippy's lints that only warn. A warning of rustc itself is no advice.
    fn is_advice(&self) -> bool {
        self.level == "warning" && self.code.as_ref().is_some_and(|code| code.code.starts_with("clippy::"))
    }
}

fn diagnostics(done: &Finished, wanted: DiagnosticLevel) -> Vec<Diagnostic> {
    let text = String::from_utf8_lossy(&done.stderr);
    let parsed = text.lines().filter_map(|line| serde_json::from_str::<Diagnostic>(line).ok());
    let counts = |d: &Diagnostic| {
        let level = d.level == "error"
            || d.level.starts_with("error:")
            || (d.level == "warning" && wanted == DiagnosticLevel::ErrorsAndWarnings);
        let closing = d.spans.is_empty()
            && (d.message.starts_with("aborting due to")
                || d.message.contains("warnings emitted")
                || d.message.contains("warning emitted"));
        level && !closing
    };
    // A source can make rustc print without end. The first hundred are more than anybody mends at
    // once.
    parsed.filter(counts).take(100).collect()
}

fn finding(diagnostic: Diagnostic, gate: &str) -> Finding {
    let rule = diagnostic.code.map_or_else(|| diagnostic.level.clone(), |code| code.code);
    let finding = Finding::new(format!("{gate}/{rule}"), crate::model::text::line(&diagnostic.message, 500));
    match diagnostic.spans.iter().find(|span| span.is_primary) {
        Some(span) => finding.at(relative(&span.file_name), span.line_start),
        None => finding,
    }
}
