//! The part of a build log that tells of Claude Code: how it was started, what it reported, and what passed at the gateway.
//!
//! Guarantees: no key is in it, because neither the agent nor the gateway's account ever holds one.

use super::claude::ClaudeAttempt;
use super::command::{self, ClaudeConfig};
use crate::cage::AppliedConfinement;
use crate::model::text;

/// Longest piece of standard error that is kept, in characters.
const MAX_STDERR: usize = 4_000;

/// The entry for one run of Claude Code.
pub fn entry(config: &ClaudeConfig, attempt: &ClaudeAttempt) -> serde_json::Value {
    let verdict = match &attempt.verdict {
        Ok(accepted) => format!("accepted after {} turns", accepted.turns),
        Err(failure) => format!("refused: {failure}"),
    };
    let network = match attempt.confinement {
        AppliedConfinement::Caged { .. } => "none but the gateway's socket",
        AppliedConfinement::Unconfined => "UNCONFINED: the machine's network; the gateway listens on a loopback port",
    };
    serde_json::json!({
        "executable": config.executable.file_name().map(|name| name.to_string_lossy()),
        "arguments": command::arguments(config),
        "network": network,
        "gateway": attempt.account,
        "verdict": verdict,
        "model": attempt.summary.model,
        "agent_version": attempt.summary.agent_version,
        "tools": attempt.summary.tools,
        "denials": attempt.summary.denials,
        "tool_errors": attempt.summary.tool_errors,
        "api_retries": attempt.summary.api_retries,
        "events": attempt.summary.events,
        "unparsed_lines": attempt.summary.unparsed_lines,
        "stderr": text::block(&String::from_utf8_lossy(&attempt.stderr), MAX_STDERR),
        "duration_ms": u64::try_from(attempt.duration.as_millis()).unwrap_or(u64::MAX),
    })
}
