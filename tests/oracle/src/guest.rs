//! The guest programs, compiled.

use std::{error::Error, fs, path::Path, process::Command};

use wit_bindgen_rust::Opts;

use crate::{ROOT, generate::generate};

/// Compiles `guest/` against the WASI that the wall offers.
pub fn operations() -> Result<Vec<u8>, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    for source in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("guest"))? {
        let source = source?;
        fs::copy(source.path(), folder.path().join(source.file_name()))?;
    }
    let options = Opts {
        runtime_path: Some("crate::runtime".to_owned()),
        bitflags_path: Some("crate::runtime".to_owned()),
        generate_all: true,
        ..Opts::default()
    };
    let bindings = generate(&Path::new(ROOT).join("src/runtime/wit"), "wall", options)?;
    fs::write(folder.path().join("bindings.rs"), bindings)?;
    rustc(&folder.path().join("main.rs"))
}

/// Compiles one file for `wasm32-wasip2`.
pub fn rustc(source: &Path) -> Result<Vec<u8>, Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    let wasm = folder.path().join("guest.wasm");
    let status = Command::new("rustc")
        .args(["--edition", "2024", "--target", "wasm32-wasip2", "-C", "opt-level=1", "-C", "strip=symbols"])
        .arg(source)
        .arg("-o")
        .arg(&wasm)
        .status()?;
    if !status.success() {
        return Err("the guest does not compile (rustup target add wasm32-wasip2)".into());
    }
    Ok(fs::read(wasm)?)
}
