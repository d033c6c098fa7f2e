//! Makes programs that stand in for Claude Code, each with a script of its own.

use std::{
    env,
    ffi::OsStr,
    io::{self, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};

use serde_json::Value;

#[path = "../standin/src/script.rs"]
mod script;

pub use script::{Script, Step};

/// Writes a stand-in that does `steps` into `folder`, and gives its path.
pub fn standin(folder: &Path, steps: Vec<Step>) -> io::Result<PathBuf> {
    static PROGRAM: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let program = PROGRAM.get_or_init(|| build().map_err(|error| error.to_string()));
    let path = folder.join("claude");
    // The program writes its own copy: a file that this process had open for writing could be inherited by a
    // child of another test's thread, and would then be too busy to be executed.
    let mut child = Command::new(program.as_ref().map_err(|error| io::Error::other(error.clone()))?)
        .args([OsStr::new(script::MAKE), path.as_os_str()])
        .stdin(Stdio::piped())
        .spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin.write_all(&serde_json::to_vec(&Script(steps))?)?;
    }
    match child.wait()?.success() {
        true => Ok(path),
        false => Err(io::Error::other("the stand-in did not write its copy")),
    }
}

/// The usual beginning.
pub fn init() -> Step {
    Step::Init { tools: ["Edit", "Glob", "Grep", "Read", "Write"].map(String::from).into(), mcp_servers: 0 }
}

/// The closing event of a session that went well.
pub fn success() -> Step {
    closing("success", false, None, "completed")
}

/// Any closing event.
pub fn closing(subtype: &str, is_error: bool, status: Option<u16>, terminal_reason: &str) -> Step {
    let (subtype, terminal_reason) = (subtype.to_owned(), terminal_reason.to_owned());
    Step::Result { subtype, is_error, status, terminal_reason, stop_reason: None }
}

/// A file that the agent writes.
pub fn write(path: &str, content: &str) -> Step {
    Step::Write { path: path.to_owned(), content: content.to_owned() }
}

/// Builds the program, once for this process. Cargo knows whether there is anything to do.
fn build() -> io::Result<PathBuf> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    let output = Command::new(cargo)
        .args(["build", "--quiet", "--locked", "--package", "kavi-standin", "--message-format=json", "--manifest-path"])
        .arg(manifest)
        .stderr(Stdio::inherit())
        .output()?;
    let messages = String::from_utf8_lossy(&output.stdout).into_owned();
    let executable = messages.lines().find_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        message["executable"].as_str().map(PathBuf::from)
    });
    executable.ok_or_else(|| io::Error::other("cargo did not build kavi-standin"))
}
