//! The way of a skill through the real binary: propose → build → verify → promote → run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/kavi.rs"]
mod support;

use std::fs;

use support::Workspace;

#[test]
fn a_note_is_written_by_a_promoted_component() {
    let workspace = Workspace::new();
    let id = workspace.trusted_write_note();
    let ran = workspace.note("Inbox/AI/hello.md").expect(0).json();
    assert_eq!(ran["output"]["written_path"], "Inbox/AI/hello.md");
    let note = fs::read_to_string(workspace.path().join("vault_out/Inbox/AI/hello.md")).unwrap();
    assert_eq!(note, "# Title\n\nBody\n");
    let shown = workspace.json(&["show", "write_note"]).expect(0).json();
    assert_eq!(shown["id"], id.as_str());
    assert_eq!(shown["status"], "TRUSTED");
    assert_eq!(shown["promotions"][0]["approved_by"], "test");
}
