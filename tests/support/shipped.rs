//! The skills that come with Kavi, brought through the whole forge from the files beside them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::once::once;
use crate::support::{Workspace, copy, files};

pub const SKILLS: [&str; 9] = [
    "write_note",
    "edit_note",
    "move_note",
    "create_daily_note",
    "read_note",
    "list_notes",
    "read_notes_by_tag",
    "search_notes",
    "summarize_note",
];

/// The crate of one.
pub fn skill(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("skills").join(name)
}

/// A workspace of its own in which all of them are TRUSTED: brought there once by one binary from the same files, and copied.
pub fn fresh() -> Workspace {
    let binary = fs::metadata(env!("CARGO_BIN_EXE_kavi")).unwrap();
    let skills = files(skill("").as_path());
    let version = format!("{:?} {} {skills:?}", binary.modified().unwrap(), binary.len());
    let trusted = once("shipped", &version, |folder| {
        copy(trusted().path(), folder);
        Ok(())
    });
    let workspace = Workspace::new();
    copy(&trusted.unwrap(), workspace.path());
    workspace
}

fn trusted() -> Workspace {
    let workspace = Workspace::new();
    let added = workspace.json(&["add", "--all", "--approved-by", "test", "--yes"]).expect(0).json();
    let skills = added["added"].as_array().unwrap();
    assert_eq!(skills.len(), SKILLS.len(), "{added:#}");
    for name in SKILLS {
        let added = skills.iter().find(|added| added["name"] == name).unwrap();
        let gates = added["trusted"]["gates"].as_array().unwrap();
        assert_eq!(gates.len(), 12, "{name}");
        assert!(gates.iter().all(|gate| gate["status"] == "PASSED"), "{name}: {added:#}");
        assert_eq!(workspace.status_of(name), "TRUSTED");
    }
    workspace
}
