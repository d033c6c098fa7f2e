//! The programs that Kavi is measured against, made ready: each is had, or says why it is left out.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::workspace::{WRITE_NOTE, copy, said};

/// wasmtime's command line and the component it runs.
pub struct Cli {
    program: PathBuf,
    compiled: PathBuf,
    vault: PathBuf,
}

impl Cli {
    /// KAVI_BENCH_WASMTIME, or `wasmtime` on PATH; and the skill, built for it and compiled ahead of time.
    pub fn find(workspace: &Path) -> Result<Self, String> {
        let program = std::env::var_os("KAVI_BENCH_WASMTIME").unwrap_or_else(|| "wasmtime".into());
        let version = said(Command::new(&program).arg("--version"))
            .map_err(|why| format!("{why}; `cargo install wasmtime-cli --version 48.0.8` gives one"))?;
        println!("{}", version.trim());
        let component = component_without_log(workspace)?;
        let (compiled, vault) = (workspace.join("write_note.cwasm"), workspace.join("empty"));
        fs::create_dir_all(&vault).map_err(|error| error.to_string())?;
        said(Command::new(&program).arg("compile").arg(&component).arg("-o").arg(&compiled))?;
        Ok(Self { program: program.into(), compiled, vault })
    }

    /// The vault for reading, and for writing the folder that the notes go to.
    pub fn command(&self, workspace: &Path, input: &str) -> Command {
        let mut command = Command::new(&self.program);
        let dir = |host: &Path, guest: &str| format!("{}::{guest}", host.display());
        command.args(["run", "--allow-precompiled", "--dir", &dir(&self.vault, "/vault")]);
        command.args(["--dir", &dir(&workspace.join("vault_out"), "/out")]);
        // A string of JSON is a string of the command line's own notation.
        command.args(["--invoke", &format!("run({})", serde_json::Value::from(input))]).arg(&self.compiled);
        command
    }
}

/// wasmtime's command line cannot give a component the import `kavi:skill/log`. So the same source is built with an SDK
/// whose log does nothing, by cargo and with the release profile that `kavi init` writes.
fn component_without_log(workspace: &Path) -> Result<PathBuf, String> {
    let plain = |error: std::io::Error| error.to_string();
    let folder = workspace.join("without_log");
    copy(&workspace.join(".kavi/sdk"), &folder.join("sdk"));
    copy(&workspace.join(".kavi/wit"), &folder.join("wit"));
    for name in ["Cargo.toml", "Cargo.lock"] {
        fs::copy(workspace.join(".kavi").join(name), folder.join(name)).map_err(plain)?;
    }
    let log = folder.join("sdk/src/log.rs");
    let text = fs::read_to_string(&log).map_err(plain)?;
    let import = "use crate::bindings::skill::kavi::skill::log::{Level, write};";
    let silent =
        "enum Level { Debug, Info, Warn, Error }\n#[cfg(target_family = \"wasm\")]\nfn write(_: Level, _: &str) {}";
    if !text.contains(import) {
        return Err("the SDK's log is not what it was: teach benches/oneshot/rivals.rs".to_owned());
    }
    fs::write(&log, text.replace(import, silent)).map_err(plain)?;
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).map_err(plain)?;
    fs::write(folder.join("Cargo.toml"), manifest.replace("[\"sdk\"]", "[\"sdk\", \"note\"]")).map_err(plain)?;
    fs::create_dir_all(folder.join("note/src")).map_err(plain)?;
    fs::write(folder.join("note/src/lib.rs"), WRITE_NOTE).map_err(plain)?;
    fs::write(folder.join("note/Cargo.toml"), NOTE).map_err(plain)?;
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--release", "--quiet", "--target", "wasm32-wasip2", "-p", "note", "--target-dir"]);
    said(cargo.arg(folder.join("target")).current_dir(&folder).env_remove("CARGO_TARGET_DIR"))?;
    Ok(folder.join("target/wasm32-wasip2/release/note.wasm"))
}

const NOTE: &str = r#"[package]
name = "note"
version = "0.1.0"
edition = "2024"

[lib]
crate-type = ["cdylib"]

[dependencies]
kavi-sdk = { path = "../sdk" }
serde = { version = "1.0", features = ["derive"] }
"#;

/// Python with pydantic.
pub struct Python {
    program: PathBuf,
}

impl Python {
    /// A virtual environment of this benchmark's own, made once.
    pub fn find() -> Result<Self, String> {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench-python");
        let program = folder.join("bin/python");
        let has = |program: &Path| said(Command::new(program).args(["-c", "import pydantic; print(pydantic.VERSION)"]));
        if has(&program).is_err() {
            said(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
            said(Command::new(&program).args(["-m", "pip", "install", "--quiet", "pydantic"]))?;
        }
        let python = said(Command::new(&program).arg("--version"))?;
        println!("{}, pydantic {}", python.trim(), has(&program)?.trim());
        Ok(Self { program })
    }

    pub fn command(&self, workspace: &Path, input: &str) -> Command {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/python/write_note.py");
        let mut command = Command::new(&self.program);
        command.arg(script).arg(workspace.join("vault_out")).arg(input);
        command
    }
}
