//! Verbs with which a person decides something, for the kill matrix and the power-loss images: each leaves all of its decision, or
//! nothing of it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;

use crate::governance;
use crate::kills::{Verb, note, text, works, written};
use crate::support::{self, PEEK, Workspace};

pub const DECISIONS: &[Verb] = &[
    Verb { name: "promote", start: verified, prepare: note, args: |workspace| proposal(workspace, &["promote-skill"]) },
    Verb { name: "rollback", start: promoted, prepare: note, args: |_| by(&["rollback", "peek"]) },
    Verb {
        name: "reject-proposal",
        start: verified,
        prepare: note,
        args: |workspace| text(&["reject", &newest(workspace), "--why", "x"]),
    },
    Verb {
        name: "revoke-one",
        start: Workspace::trusted,
        prepare: note,
        args: |_| by(&["revoke", "write_note", "--why", "x"]),
    },
    Verb {
        name: "policy-set",
        start: Workspace::trusted,
        prepare: note,
        args: |_| by(&["policy", "set", "rate_limit_per_minute", "7"]),
    },
    Verb {
        name: "charter-set",
        start: Workspace::trusted,
        prepare: charter,
        args: |_| by(&["charter", "set", "charter.md"]),
    },
    Verb {
        name: "capability-revoke",
        start: Workspace::trusted,
        prepare: note,
        args: |_| by(&["capability", "revoke", "person", "export_records"]),
    },
    Verb {
        name: "guidance-edit",
        start: Workspace::trusted,
        prepare: guide,
        args: |_| by(&["guidance", "edit", "peek", "--from", "guide.md", "--why", "x"]),
    },
    Verb {
        name: "prune-old",
        start: Workspace::trusted,
        prepare: old,
        args: |_| by(&["prune", "--keep", "1", "--yes"]),
    },
];

fn by(args: &[&str]) -> Vec<String> {
    text(&[args, &["--approved-by", "ada"]].concat())
}

fn newest(workspace: &Workspace) -> String {
    support::strings(&workspace.ledger(), "SELECT id FROM skill_proposals ORDER BY rowid DESC LIMIT 1").remove(0)
}

fn proposal(workspace: &Workspace, verb: &[&str]) -> Vec<String> {
    by(&[verb, &[newest(workspace).as_str(), "--yes"]].concat())
}

/// A workspace with a second revision of `peek`, as far as VERIFIED.
fn verified() -> Workspace {
    static ONCE: OnceLock<PathBuf> = OnceLock::new();
    Workspace::made_once(&ONCE, "kills-verified", || {
        let workspace = Workspace::trusted();
        workspace.verified(&PEEK);
        workspace
    })
}

/// The same, TRUSTED.
fn promoted() -> Workspace {
    static ONCE: OnceLock<PathBuf> = OnceLock::new();
    Workspace::made_once(&ONCE, "kills-promoted", || {
        let workspace = verified();
        let args = proposal(&workspace, &["promote-skill"]);
        workspace.call(&args.iter().map(String::as_str).collect::<Vec<_>>()).expect(0);
        workspace
    })
}

fn charter(workspace: &Workspace) {
    note(workspace);
    fs::write(workspace.path().join("charter.md"), governance::CHARTER).unwrap();
}

fn guide(workspace: &Workspace) {
    note(workspace);
    fs::write(workspace.path().join("guide.md"), "# Peek\n\nReads one note.\n").unwrap();
}

/// Records that are old enough to be pruned.
fn old(workspace: &Workspace) {
    written(workspace);
    workspace.act("two", "Inbox/AI/a.md");
    let ledger = workspace.ledger();
    let days = "UPDATE executions SET started_at = strftime('%Y-%m-%dT%H:%M:%fZ', started_at, '-100 days'), \
                finished_at = strftime('%Y-%m-%dT%H:%M:%fZ', finished_at, '-100 days')";
    ledger.execute(days, []).unwrap();
    // The ledger is taken over as it is now, so that the edit of this test is none.
    ledger.execute_batch("DELETE FROM history; DELETE FROM checkpoints; DELETE FROM trust_state").unwrap();
    drop(ledger);
    let _ = fs::remove_dir_all(support::state_folder(workspace.path()));
    workspace.adopt();
}

/// What was decided: the rows of every table that only decisions write, and the state of each proposal.
pub fn decided(workspace: &Workspace, what: &str) -> Vec<String> {
    works(workspace, what);
    let ledger = workspace.ledger();
    let tables = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT IN \
                  ('executions', 'history', 'checkpoints', 'trust_state', 'used_allowances', 'artifacts')";
    let count = |table: &String| {
        let found = support::strings(&ledger, &format!("SELECT CAST(count(*) AS TEXT) FROM {table}")).concat();
        format!("{table}: {found}")
    };
    let mut decided: Vec<String> = support::strings(&ledger, tables).iter().map(count).collect();
    decided.extend(support::strings(&ledger, "SELECT id || status FROM skill_proposals ORDER BY rowid"));
    // `works` itself reads a note with `peek`.
    decided.extend(support::strings(&ledger, "SELECT execution_id FROM executions WHERE skill_name <> 'peek'"));
    decided
}
