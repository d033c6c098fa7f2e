//! The skills that come with Kavi, brought through the whole forge from the files beside them.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::once::once;
use crate::support::{Workspace, copy, files};

pub const SKILLS: [&str; 5] =
    ["write_note", "create_daily_note", "read_notes_by_tag", "search_notes", "summarize_note"];

/// The crate of one.
pub fn skill(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("skills").join(name)
}

/// A workspace of its own in which all five are TRUSTED: brought there once by one binary from the same files, and copied.
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
    for name in SKILLS {
        let spec = skill(name).join("spec.json");
        let proposed = workspace.json(&["propose-skill", "--spec", &spec.to_string_lossy()]).expect(0).json();
        let id = proposed["id"].as_str().unwrap();
        workspace.import(id, &skill(name)).expect(0);
        let verified = workspace.json(&["verify-skill", id]).expect(0).json();
        let gates = verified["gates"].as_array().unwrap();
        assert_eq!(gates.len(), 11, "{name}");
        assert!(gates.iter().all(|gate| gate["status"] == "PASSED"), "{name}: {verified:#}");
        workspace.json(&["promote-skill", id, "--approved-by", "test", "--yes"]).expect(0);
        assert_eq!(workspace.status_of(name), "TRUSTED");
    }
    workspace
}
