//! What the comparison pulls in stays in the tests.

use std::{error::Error, process::Command};

use crate::ROOT;

#[test]
fn the_binary_has_neither_the_stock_implementation_nor_the_async_engine() -> Result<(), Box<dyn Error>> {
    let tree = Command::new("cargo")
        .args(["tree", "--locked", "--offline", "--package", "kavi", "--edges", "normal", "--prefix", "none"])
        .args(["--format", "{p}={f}"])
        .current_dir(ROOT)
        .output()?;
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout)?;
    let engine = tree.lines().find(|line| line.starts_with("wasmtime v")).ok_or("wasmtime is not in the tree")?;
    let features = engine.split_once('=').map_or("", |(_, features)| features.trim_end_matches(" (*)"));
    assert!(!features.split(',').any(|feature| feature == "async"), "{engine}");
    assert!(!tree.lines().any(|line| line.starts_with("wasmtime-wasi")), "wasmtime-wasi is in the binary");
    Ok(())
}
