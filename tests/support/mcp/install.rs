//! Clients that others wrote, from their registries, each in a folder of its own that is used again.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use crate::support::once::once;

/// A Node that is new enough for what runs in it.
const NODE: &str = "node@22";

/// Says why something could not be tried, also where the harness keeps back what a test that passes prints.
pub fn skipped(what: &str, why: &str) {
    // Who reads nothing misses nothing.
    let _ = writeln!(std::io::stderr(), "skipped: {what} cannot be installed: {why}");
}

fn run(command: &mut Command) -> Result<(), String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| format!("{program}: {error}"))?;
    let said = [output.stderr, output.stdout].map(|part| String::from_utf8_lossy(&part).trim().to_owned());
    if output.status.success() { Ok(()) } else { Err(format!("{program}: {}", said.join("\n"))) }
}

/// A Python with this package.
pub fn python(package: &str) -> Result<PathBuf, String> {
    let folder = once("python", package, |folder| {
        run(Command::new("python3").args(["-m", "venv"]).arg(folder))?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "1", package];
        run(Command::new(folder.join("bin/python")).args(pip))
    })?;
    Ok(folder.join("bin/python"))
}

/// The folder with a package's programs, and a Node beside them.
pub fn node(name: &str, package: &str) -> Result<PathBuf, String> {
    let folder = once(name, package, |folder| {
        let npm =
            ["install", "--no-audit", "--no-fund", "--fetch-retries", "1", "--fetch-timeout", "20000", "--prefix"];
        run(Command::new("npm").args(npm).arg(folder).args([NODE, package]))?;
        run(Command::new(folder.join("node_modules/.bin/node")).arg("--version"))
    })?;
    Ok(folder.join("node_modules/.bin"))
}
