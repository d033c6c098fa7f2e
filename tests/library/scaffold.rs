//! What `kavi new` writes is what it promises: a skill that builds, tests and lints with plain cargo.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use kavi::forge::{scaffold, sdk_sources};
use kavi::model::name::SkillName;

use crate::support;

type Result<T = ()> = std::result::Result<T, Box<dyn Error>>;

fn put(root: &Path, path: &str, bytes: &[u8]) -> Result {
    let place = root.join(path);
    fs::create_dir_all(place.parent().ok_or("no folder")?)?;
    Ok(fs::write(place, bytes)?)
}

fn workspace(name: &str) -> Result<PathBuf> {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    if root.exists() {
        fs::remove_dir_all(&root)?;
    }
    for (path, bytes) in sdk_sources::FILES {
        put(&root, &format!(".kavi/{path}"), bytes)?;
    }
    for (path, text) in scaffold::shared_files() {
        put(&root, path, text.as_bytes())?;
    }
    for skill in ["tidy_inbox", "a", &"z".repeat(64)] {
        for (path, text) in scaffold::files(&SkillName::parse(skill)?) {
            put(&root, &path, text.as_bytes())?;
        }
    }
    // What cargo and editors leave beside the skills is no skill.
    put(&root, "skills/target/CACHEDIR.TAG", b"")?;
    put(&root, "skills/.idea/modules.xml", b"")?;
    Ok(root)
}

/// Runs cargo in a folder. Offline: the dependencies are those of this repository, and therefore there.
fn cargo(folder: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", Path::new(env!("CARGO_TARGET_TMPDIR")).join("scaffold-target"))
        .env("CARGO_NET_OFFLINE", "true")
        .env_remove("RUSTFLAGS")
        .output()?;
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.success() { Ok(text) } else { Err(format!("cargo {arguments:?}:\n{text}").into()) }
}

#[test]
fn a_new_skill_builds_tests_and_lints_with_plain_cargo() -> Result {
    let skills = workspace("scaffold")?.join("skills");
    let tested = cargo(&skills, &["test"])?;
    assert_eq!(tested.matches("3 passed").count(), 3, "{tested}");
    cargo(&skills, &["fmt", "--check"])?;
    cargo(&skills, &["clippy", "--all-targets", "--", "-D", "warnings"])?;
    cargo(&skills, &["build", "--release", "--target", "wasm32-wasip2"])?;
    let component = "scaffold-target/wasm32-wasip2/release/tidy_inbox.wasm";
    let bytes = fs::read(Path::new(env!("CARGO_TARGET_TMPDIR")).join(component))?;
    assert!(wasmparser::Parser::is_component(&bytes));
    Ok(())
}

#[test]
fn the_carried_sdk_builds_from_its_own_lock_file() -> Result {
    let root = workspace("carried")?;
    cargo(&root.join(".kavi"), &["build", "--locked", "--release", "--target", "wasm32-wasip2"])?;
    Ok(())
}

#[test]
fn a_new_skill_goes_the_whole_way_as_it_is() -> Result {
    let workspace = support::Workspace::new();
    let made = workspace.json(&["new", "tidy_inbox"]).expect(0).json();
    assert_eq!(made["written"], serde_json::json!(["skills/tidy_inbox/Cargo.toml", "skills/tidy_inbox/src/lib.rs"]));
    workspace.refused(&["new", "tidy_inbox"], 3);
    // A person tries it first; what cargo leaves behind, here and in a crate that stands alone, is no part of it.
    let folder = workspace.path().join("skills/tidy_inbox");
    cargo(&folder, &["build"])?;
    put(&folder, "Cargo.lock", b"version = 4\n")?;
    put(&folder, "target/CACHEDIR.TAG", b"")?;
    put(&folder, "target/debug/libtidy_inbox.so", b"\x7fELF")?;

    let schema = r#"{"input":{"who":"str"},"output":{"greeting":"str"}}"#;
    let id = workspace.propose("tidy_inbox", "READ_ONLY", schema, &[]);
    workspace.json(&["build-skill", "tidy_inbox", "--from", "skills/tidy_inbox"]).expect(0);
    workspace.json(&["verify-skill", "tidy_inbox"]).expect(0);
    workspace.json(&["promote-skill", &id, "--approved-by", "test", "--yes"]).expect(0);
    let ran = workspace.run("tidy_inbox", serde_json::json!({ "who": "Ada" })).expect(0).json();
    assert_eq!(ran["output"]["greeting"], "Hello, Ada!");
    assert_eq!(ran["logs"][0]["message"], "greeting somebody");
    Ok(())
}
