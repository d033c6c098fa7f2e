//! The result of a run, for people and for machines. A run by itself, each line of a batch and each step of a chain print it.

use serde_json::json;

use super::out::Out;
use crate::app::{RunFiles, RunResult};
use crate::model::execution::Effect;

/// What became of the files, for people.
pub fn remark(out: &Out, ran: &RunResult) {
    let named = |effect: &Effect| match effect.sha256 {
        Some(_) => effect.path.to_string(),
        None => format!("{} (removed)", effect.path),
    };
    let written: Vec<String> = ran.record.effects.iter().map(named).collect();
    let written = written.join(", ");
    match &ran.files {
        RunFiles::Committed if written.is_empty() => {}
        RunFiles::Committed if ran.record.commit_id.is_none() => out.remark(&format!("{written} is unchanged")),
        RunFiles::Committed => out.remark(&format!("wrote {written} (run {})", ran.record.execution_id.short())),
        RunFiles::Held(commit, _) => {
            let id = commit.id.short();
            out.remark(&format!("held: {written}\nnext: kavi effects show {id}, then kavi effects approve {id} or kavi effects reject {id}"));
        }
        RunFiles::Shown(diffs) if diffs.is_empty() => out.remark("nothing would change"),
        RunFiles::Shown(_) | RunFiles::Deferred(_) => out.remark("nothing was changed"),
    }
}

/// A run, for machines.
pub fn document(ran: &RunResult) -> serde_json::Value {
    let logs = ran.observed.logs.iter().map(|line| json!({ "level": line.level.as_str(), "message": line.message }));
    let mut machine = json!(ran.record);
    machine["output"] = json!(ran.output);
    match &ran.files {
        RunFiles::Held(commit, diffs) => {
            machine["held"] = json!({ "id": commit.id, "expires_at": commit.expires_at });
            machine["diffs"] = json!(diffs);
        }
        RunFiles::Shown(diffs) => machine["diffs"] = json!(diffs),
        RunFiles::Committed | RunFiles::Deferred(_) => {}
    }
    machine["code"] = json!(ran.code);
    machine["logs"] = logs.collect();
    machine
}
