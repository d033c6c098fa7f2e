//! The toolchain: the Rust compiler, and the SDK built once with it (the "kit").
//!
//! Guarantees: the compiler has an absolute path inside one sysroot. No proxy chooses it by the current folder. The kit is
//! built from the sources in this binary against a lock file, under a lock, and is renamed into place complete. Every use
//! checks the seal of its files.
//!
//! Deliberately never: reads a tree that a model wrote, or needs the network once the kit exists.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{kit, sdk_sources};
use crate::artifacts;
use crate::cage::{Cage, CageError, Finished, Job, JobLimits};
use crate::log_targets::NOTE;
use crate::model::digest::Digest;
use crate::runtime::{CacheError, SealKey};
use crate::sync::uninterrupted;

/// The target of every skill.
pub const TARGET: &str = "wasm32-wasip2";

/// The part of the person's environment that Kavi's own tools get.
#[derive(Debug, Clone, Default)]
pub struct HostTools {
    /// The compiler, or rustup's proxy for it.
    pub rustc: Option<PathBuf>,
    /// Cargo, or rustup's proxy for it.
    pub cargo: Option<PathBuf>,
    /// Rustup, where the toolchain came that way.
    pub rustup: Option<PathBuf>,
    /// The search path for further programs, such as the linker.
    pub path: OsString,
    /// Variables that rustup, cargo and the linker need: homes, certificates, the chosen toolchain.
    pub vars: Vec<(String, OsString)>,
    /// The folder of the kits.
    pub cache: PathBuf,
}

/// A toolchain that is ready to compile skills.
#[derive(Debug, Clone)]
pub struct Toolchain {
    /// The sysroot of the compiler.
    pub sysroot: PathBuf,
    /// `rustc -vV`, in one line.
    pub version: String,
    /// The folder of the built SDK: `deps/*.rlib` for wasm, `macros/*.so` for this machine.
    pub kit: PathBuf,
    /// Digest over the names and digests of the kit's files.
    pub kit_sha256: Digest,
}

/// Why there is no toolchain. Each message says what to run.
#[derive(Debug, thiserror::Error)]
pub enum ToolchainError {
    /// A program is missing.
    #[error("`{program}` is missing: {hint}")]
    Missing {
        /// The program or part.
        program: String,
        /// What to do.
        hint: String,
    },
    /// A program failed.
    #[error("{what} failed: {message}")]
    Failed {
        /// What was tried.
        what: String,
        /// Its last lines of output.
        message: String,
    },
    /// The compiler loads the macros of the SDK from the cache folder, and may not there.
    #[error("nothing can be executed in the cache folder {}: its file system is mounted `noexec`", .0.display())]
    NoExec(PathBuf),
    /// A process could not be run at all.
    #[error(transparent)]
    Cage(#[from] CageError),
    /// The key of the kits cannot be used.
    #[error("the SDK's seal cannot be checked: {0}")]
    Seal(#[from] CacheError),
    /// A file could not be read or written.
    #[error(transparent)]
    File(#[from] artifacts::ArtifactError),
}

impl HostTools {
    /// The key that kits are sealed with.
    fn kit_key(&self) -> PathBuf {
        self.cache.join("kit.key")
    }

    /// A job for one of Kavi's own tools in `cwd`, with the person's home folders and certificates.
    fn job(&self, program: impl Into<PathBuf>, cwd: &Path) -> Job {
        let limits = JobLimits { wall: Duration::from_secs(900), ..JobLimits::default() };
        let job = Job::new(program).cwd(cwd).env("PATH", self.path.clone()).limits(limits);
        self.vars.iter().fold(job, |job, (name, value)| job.env(name, value.clone()))
    }
}

/// The parts that the toolchain still lacks. Installs nothing.
///
/// # Errors
/// [`ToolchainError`] when there is no compiler at all.
pub fn missing_parts(cage: &Cage, tools: &HostTools) -> Result<Vec<String>, ToolchainError> {
    make_cache(tools)?;
    let Compiler { sysroot, version } = find_compiler(cage, tools)?;
    let missing = parts(&sysroot).into_iter().filter(|part| !part.place.exists());
    let mut missing: Vec<String> = missing.map(|part| part.what.to_owned()).collect();
    let sealed = SealKey::read(&tools.kit_key())?.and_then(|key| kit::check(&kit_folder(tools, &version), &key));
    if sealed.is_none() {
        missing.push("the SDK compiled for it".to_owned());
    }
    Ok(missing)
}

/// The cache folder is the person's, wherever a link leads.
fn make_cache(tools: &HostTools) -> Result<(), ToolchainError> {
    uninterrupted(|| fs::create_dir_all(&tools.cache))
        .map_err(|source| ToolchainError::File(artifacts::ArtifactError::Io { path: tools.cache.clone(), source }))
}

/// A Rust compiler of this machine.
struct Compiler {
    sysroot: PathBuf,
    /// `rustc -vV`, in one line.
    version: String,
}

fn find_compiler(cage: &Cage, tools: &HostTools) -> Result<Compiler, ToolchainError> {
    let rustc = tools.rustc.clone().ok_or_else(|| ToolchainError::Missing {
        program: "rustc".to_owned(),
        hint: "install a Rust toolchain (rustup), 1.95 or later, and make sure that it is on PATH".to_owned(),
    })?;
    let sysroot =
        PathBuf::from(tool_output(cage, tools.job(rustc, &tools.cache).args(["--print", "sysroot"]), "rustc")?);
    // The compiler of the sysroot and not the proxy again: rustup may choose another one by then.
    let version = tool_output(cage, tools.job(sysroot.join("bin/rustc"), &tools.cache).arg("-vV"), "rustc")?;
    let version = version.lines().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ");
    Ok(Compiler { sysroot, version })
}

fn kit_folder(tools: &HostTools, version: &str) -> PathBuf {
    let key = Digest::of(format!("{}\n{version}\n{KIT_VERSION}", sdk_sources::digest()).as_bytes());
    tools.cache.join(format!("kit-{}", key.short()))
}

/// Finds the toolchain and installs the missing parts. Each step is a note in the log.
///
/// # Errors
/// [`ToolchainError`] names the missing part and the command that installs it.
pub fn ensure(cage: &Cage, tools: &HostTools) -> Result<Toolchain, ToolchainError> {
    make_cache(tools)?;
    let Compiler { sysroot, version } = find_compiler(cage, tools)?;
    let _lock = lock(&tools.cache.join("setup.lock"))?;
    ensure_parts(cage, tools, &sysroot)?;
    // The name of the folder holds what the kit is made from. So another compiler or SDK has a kit
    // of its own, and none is ever mended in place.
    let kit = kit_folder(tools, &version);
    let key = SealKey::read_or_make(&tools.kit_key())?;
    let kit_sha256 = match kit::check(&kit, &key) {
        Some(digest) => digest,
        None => {
            tracing::info!(target: NOTE, "building the SDK once for this toolchain (wasm32-wasip2, release)");
            let digest = build_kit(cage, tools, &sysroot, &kit)?;
            kit::seal(&kit, &key)?;
            digest
        }
    };
    Ok(Toolchain { sysroot, version, kit, kit_sha256 })
}

/// Finds the sysroot that contains rustfmt, and installs it where it is missing. The target and the
/// kit are not needed.
///
/// # Errors
/// [`ToolchainError`] names the missing part and the command that installs it.
pub fn rustfmt_sysroot(cage: &Cage, tools: &HostTools) -> Result<PathBuf, ToolchainError> {
    make_cache(tools)?;
    let Compiler { sysroot, .. } = find_compiler(cage, tools)?;
    if !sysroot.join("bin/rustfmt").exists() {
        let _lock = lock(&tools.cache.join("setup.lock"))?;
        ensure_parts(cage, tools, &sysroot)?;
    }
    Ok(sysroot)
}

/// Increased whenever the way in which the kit is built changes.
const KIT_VERSION: &str = "kit 1";

/// A part of a toolchain beyond the compiler.
struct ToolchainPart {
    what: &'static str,
    place: PathBuf,
    /// The arguments with which rustup installs it.
    command: [&'static str; 3],
}

fn parts(sysroot: &Path) -> [ToolchainPart; 3] {
    let part = |what, place: &str, command| ToolchainPart { what, place: sysroot.join(place), command };
    [
        part("the target wasm32-wasip2", "lib/rustlib/wasm32-wasip2/lib", ["target", "add", TARGET]),
        part("rustfmt", "bin/rustfmt", ["component", "add", "rustfmt"]),
        part("clippy", "bin/clippy-driver", ["component", "add", "clippy"]),
    ]
}

fn ensure_parts(cage: &Cage, tools: &HostTools, sysroot: &Path) -> Result<(), ToolchainError> {
    for ToolchainPart { what, place, command } in parts(sysroot) {
        if place.exists() {
            continue;
        }
        let by_hand = format!("run `rustup {}`", command.join(" "));
        let missing = |why: &str| ToolchainError::Missing { program: what.to_owned(), hint: format!("{by_hand}{why}") };
        let rustup =
            tools.rustup.clone().ok_or_else(|| missing(", or install it the way this toolchain was installed"))?;
        tracing::info!(target: NOTE, "adding {what} to the toolchain: rustup {}", command.join(" "));
        // Named explicitly: rustup's default may be another toolchain.
        let toolchain = sysroot.file_name().map(OsStr::to_owned).unwrap_or_default();
        let job = tools.job(rustup, &tools.cache).args(command).arg("--toolchain").arg(toolchain);
        let done = cage.run_tool(&job, &mut |_, _| {})?;
        if !done.exit.success() || !place.exists() {
            return Err(missing(&format!(", which failed here: {}", stderr_tail(&done))));
        }
    }
    Ok(())
}

/// Whether no program of this folder can run. One that cannot be looked at is tried.
fn is_noexec(folder: &Path) -> bool {
    rustix::fs::statvfs(folder).is_ok_and(|found| found.f_flag.contains(rustix::fs::StatVfsMountFlags::NOEXEC))
}

fn build_kit(cage: &Cage, tools: &HostTools, sysroot: &Path, kit: &Path) -> Result<Digest, ToolchainError> {
    let io = |path: &Path| {
        let path = path.to_owned();
        move |source| ToolchainError::File(artifacts::ArtifactError::Io { path, source })
    };
    if is_noexec(&tools.cache) {
        return Err(ToolchainError::NoExec(tools.cache.clone()));
    }
    let scratch = tempfile::Builder::new().prefix("kit-build-").tempdir_in(&tools.cache).map_err(io(&tools.cache))?;
    let tree = scratch.path().join("tree");
    for (path, bytes) in sdk_sources::FILES {
        let path = tree.join(path);
        uninterrupted(|| fs::create_dir_all(path.parent().unwrap_or(&tree))).map_err(io(&path))?;
        fs::write(&path, bytes).map_err(io(&path))?;
    }
    let target = scratch.path().join("target");
    let cargo = tools.cargo.clone().ok_or_else(|| ToolchainError::Missing {
        program: "cargo".to_owned(),
        hint: "install a Rust toolchain (rustup) and make sure that it is on PATH".to_owned(),
    })?;
    let cargo_in_sysroot = Some(sysroot.join("bin/cargo")).filter(|path| path.is_file()).unwrap_or(cargo);
    let build = |network: &str| {
        // Every skill links the kit: paths of this machine must not get into it.
        let flags = format!("--remap-path-prefix={}=/kit\u{1f}{}", scratch.path().display(), registry_remap(tools));
        tools
            .job(&cargo_in_sysroot, &tree)
            .args(["build", "--release", "--locked", "--package", "kavi-sdk", "--target", TARGET])
            .args(["--config", &format!("net.offline={network}")])
            .arg("--target-dir")
            .arg(target.as_os_str())
            .env("RUSTC", sysroot.join("bin/rustc").into_os_string())
            .env("CARGO_ENCODED_RUSTFLAGS", flags)
    };
    // Offline first: only the very first build has to download the dependencies.
    let mut done = cage.run_tool(&build("true"), &mut |_, _| {})?;
    if !done.exit.success() {
        done = cage.run_tool(&build("false"), &mut |_, _| {})?;
    }
    if !done.exit.success() {
        let message = format!(
            "{}; the dependencies of the SDK must be downloaded once: run `cargo fetch` in a checkout of kavi, or try again with network access",
            stderr_tail(&done)
        );
        return Err(ToolchainError::Failed { what: "building the SDK".to_owned(), message });
    }
    let fresh = scratch.path().join("kit");
    collect(&target.join(TARGET).join("release/deps"), "rlib", &fresh.join("deps")).map_err(io(&fresh))?;
    collect(&target.join("release/deps"), "so", &fresh.join("macros")).map_err(io(&fresh))?;
    let digest = kit::list(&fresh).map_err(io(&fresh))?;
    // A kit without a good seal: half of one, or one that somebody changed. It is never linked.
    if kit.exists() {
        uninterrupted(|| fs::remove_dir_all(kit)).map_err(io(kit))?;
    }
    uninterrupted(|| fs::rename(&fresh, kit)).map_err(io(kit))?;
    // The seal follows. A seal that survives a power loss without the kit would be refused, and
    // cost another build.
    artifacts::sync_folder(&tools.cache)?;
    Ok(digest)
}

fn registry_remap(tools: &HostTools) -> String {
    let var = |name: &str| tools.vars.iter().find(|(key, _)| key == name).map(|(_, value)| PathBuf::from(value));
    let home = var("CARGO_HOME").or_else(|| var("HOME").map(|home| home.join(".cargo"))).unwrap_or_default();
    format!("--remap-path-prefix={}=/cargo", home.display())
}

/// Copies the files with this extension, each fsynced.
fn collect(from: &Path, extension: &str, to: &Path) -> std::io::Result<()> {
    uninterrupted(|| fs::create_dir_all(to))?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        if path.extension() == Some(OsStr::new(extension)) {
            let target = to.join(path.file_name().unwrap_or_default());
            uninterrupted(|| fs::copy(&path, &target))?;
            File::open(&target)?.sync_all()?;
        }
    }
    Ok(())
}

impl Toolchain {
    /// The one library of the kit whose name starts with `stem`.
    pub fn library(&self, stem: &str) -> Option<PathBuf> {
        let prefix = format!("{stem}-");
        let entries = fs::read_dir(self.kit.join("deps")).ok()?;
        let mut paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        paths.find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&prefix)))
    }
}

fn tool_output(cage: &Cage, job: Job, what: &str) -> Result<String, ToolchainError> {
    let done = cage.run_tool(&job, &mut |_, _| {})?;
    if !done.exit.success() {
        return Err(ToolchainError::Failed { what: what.to_owned(), message: stderr_tail(&done) });
    }
    Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned())
}

/// The last lines that a tool wrote to stderr, made safe to show.
fn stderr_tail(done: &Finished) -> String {
    let text = String::from_utf8_lossy(&done.stderr);
    let lines: Vec<&str> = text.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines[lines.len().saturating_sub(4)..].join("; ");
    if last.is_empty() { format!("{:?}", done.exit) } else { crate::model::text::line(&last, 600) }
}

fn lock(path: &Path) -> Result<File, ToolchainError> {
    let io = |source| artifacts::ArtifactError::Io { path: path.to_owned(), source };
    let file = artifacts::open_lock(path.parent().unwrap_or(path), path)?;
    uninterrupted(|| file.lock()).map_err(io)?;
    Ok(file)
}
