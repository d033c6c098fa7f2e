//! Guests in place of trusted skills: what no gate would let through.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use kavi::model::digest::Digest;

use crate::support::Workspace;

/// A component that no gate has seen, from `tests/guests/`.
pub fn guest(name: &str) -> Vec<u8> {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    let built = BUILT.get_or_init(|| {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("guests");
        let built = Command::new("cargo")
            .args(["build", "--offline", "--quiet", "--release", "--target", "wasm32-wasip2", "--examples"])
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/guests"))
            .env("CARGO_TARGET_DIR", &target)
            .status();
        assert!(built.unwrap().success(), "the guests do not compile");
        target.join("wasm32-wasip2/release/examples")
    });
    fs::read(built.join(format!("{name}.wasm"))).unwrap()
}

/// Puts a component into the store of a workspace and gives its digest.
pub fn stored(workspace: &Workspace, component: &[u8]) -> String {
    let digest = Digest::of(component).to_string();
    let place = workspace.path().join(".kavi/store/components").join(&digest[..2]).join(&digest);
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::write(place, component).unwrap();
    digest
}

/// A workspace in which a trusted skill is this guest, with more time than any test takes.
pub fn with_guest(skill: &str, component: &[u8]) -> Workspace {
    let workspace = Workspace::trusted();
    let digest = stored(&workspace, component);
    let sql = "UPDATE skill_proposals SET component_sha256 = ?1 WHERE name = ?2 AND status = 'TRUSTED'";
    assert_eq!(workspace.ledger().execute(sql, [digest.as_str(), skill]).unwrap(), 1);
    // The history knows nothing of that, so a person accepts it.
    workspace.adopt();
    let path = workspace.path().join("kavi.toml");
    let toml = fs::read_to_string(&path).unwrap();
    let toml = toml.replace("wall_ms = 10000", "wall_ms = 120000").replace("cpu_ms = 5000", "cpu_ms = 120000");
    fs::write(path, toml).unwrap();
    workspace
}
