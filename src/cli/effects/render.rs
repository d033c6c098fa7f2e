//! Pending changes as tables, texts and documents.

use serde_json::{Value, json};

use super::super::views;
use crate::app::{App, CommitReview, ExecutionRow, FileDiff, HeldChange};
use crate::error::Error;
use crate::model::{commit::VaultChange, id::IdPrefix, text};

/// Changes as a table.
pub fn table(changes: &[HeldChange]) -> String {
    let header = ["effect", "state", "kind", "skill", "channel", "caller", "made", "expires", "files"];
    views::table(&header, changes.iter().map(row).collect())
}

fn row(HeldChange { commit, runs }: &HeldChange) -> Vec<String> {
    let files = commit.changes.iter().map(VaultChange::path);
    let files = files.map(|path| text::line(path.as_str(), 200));
    // Runs of a chain mostly have one caller, and each skill once is enough.
    let each = |of: &dyn Fn(&ExecutionRow) -> String| {
        let mut all: Vec<String> = runs.iter().map(of).collect();
        all.dedup();
        all.join(", ")
    };
    vec![
        commit.id.short(),
        commit.state.to_string(),
        commit.undoes.map_or(commit.kind.to_string(), |undone| format!("{} of {}", commit.kind, undone.short())),
        each(&|row| row.record.skill_name.to_string()),
        each(&|row| row.record.channel.to_string()),
        each(&|row| text::line(&row.record.caller, 100)),
        commit.created_at.to_string(),
        commit.expires_at.map(|at| at.to_string()).unwrap_or_default(),
        views::list(files),
    ]
}

/// A change with its runs in short, for machines.
pub fn held(change: &HeldChange) -> Value {
    let run = |row: &ExecutionRow| {
        let run = &row.record;
        json!({
            "execution_id": run.execution_id, "skill_name": run.skill_name, "revision": run.revision,
            "door": run.channel, "asked_by": run.caller,
        })
    };
    let mut machine = json!(change.commit);
    machine["runs"] = change.runs.iter().map(run).collect();
    machine
}

/// The effect that somebody typed the id of.
pub fn find(app: &App, id: &str) -> Result<CommitReview, Error> {
    app.effects().show(&IdPrefix::parse(id).map_err(|error| Error::Usage(error.to_string()))?)
}

/// What a change does, in a line.
pub fn what_happens(change: &VaultChange) -> String {
    let what = match change {
        VaultChange::File(change) if change.before.is_none() => "new",
        VaultChange::File(_) => "changed",
        VaultChange::Removal(_) => "removed",
    };
    format!("{what:<7}  {}", text::line(change.path().as_str(), 1_100))
}

/// An effect, for people.
pub fn human(shown: &CommitReview) -> String {
    let commit = &shown.commit;
    let mut rows = vec![
        ("effect", commit.id.to_string()),
        ("state", commit.state.to_string()),
        ("kind", commit.kind.to_string()),
        ("made", commit.created_at.to_string()),
    ];
    rows.extend(commit.expires_at.map(|at| ("expires", at.to_string())));
    rows.extend(shown.runs.iter().map(|row| {
        let run = &row.record;
        let revision = run.revision.map_or(String::new(), |revision| format!(" revision {revision}"));
        let by = text::line(&run.caller, 100);
        ("run", format!("{} {}{revision}, by {by} through {}", run.execution_id.short(), run.skill_name, run.channel))
    }));
    rows.extend(commit.decided_by.as_ref().map(|by| ("decided by", text::line(by, 100))));
    rows.extend(commit.why.as_ref().map(|why| ("why", text::line(why, 1_000))));
    rows.extend(commit.changes.iter().map(|change| ("file", what_happens(change))));
    views::facts(&rows) + &diffs(&shown.diffs)
}

/// Diffs, each below a heading. `patch` and `git apply` take them as they are.
///
/// A line of a file begins with a space, `+` or `-` here. So nothing that a file says can look like the heading of another one.
pub fn diffs(diffs: &[FileDiff]) -> String {
    let section = |diff: &FileDiff| {
        let path = text::line(diff.change.path.as_str(), 1_100);
        format!("\nfile {path}: {} lines added, {} removed\n{}", diff.added, diff.removed, diff.text)
    };
    diffs.iter().map(section).collect()
}

/// The files of which not every change is shown.
pub fn not_whole(shown: &CommitReview) -> Vec<String> {
    let hidden = shown.diffs.iter().filter(|diff| !diff.whole);
    hidden.map(|diff| text::line(diff.change.path.as_str(), 300)).collect()
}

/// An effect, for machines.
pub fn machine(shown: &CommitReview) -> Value {
    let mut machine = json!(shown.commit);
    machine["runs"] = shown.runs.iter().map(|row| json!(row.record)).collect();
    machine["diffs"] = json!(shown.diffs);
    machine
}
