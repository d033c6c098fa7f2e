//! The verdict over one run of Claude Code, from its exit and its output. Pure.
//!
//! Guarantees: a run is accepted only when the process exited with code 0, reported success exactly once, was denied
//! nothing, and had only the tools that it was given. Everything else, known or not, is a typed failure.
//! Deliberately never: looks at the files, or at what the agent claims about them. An accepted run only permits the intake to
//! read its workspace.

use std::time::Duration;

use serde::Serialize;

use super::stream::{ResultEvent, StreamSummary, TokenUsage, ToolDenial};
use crate::forge::gateway::{ExchangeEnd, GatewayLimit, GatewayReport};
use crate::model::lifecycle::FailureKind;

/// The tools that the agent gets. None of them runs a program.
pub const TOOLS: [&str; 5] = ["Read", "Edit", "Write", "Glob", "Grep"];

/// How the process of Claude Code ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClaudeExit {
    /// By itself, with this code.
    Code(i32),
    /// By this signal.
    Signal(i32),
    /// Killed, because it ran longer than this.
    WallClock(Duration),
    /// Killed, because it printed nothing for this long.
    Idle(Duration),
    /// Killed, because it printed more than it may.
    OutputLimit,
}

/// A run whose workspace the intake may read.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AcceptedAttempt {
    /// How many turns it took.
    pub turns: u64,
    /// The cost at list prices, by the agent's own count.
    pub cost_usd: f64,
    /// Tokens spent.
    pub usage: TokenUsage,
    /// Tool calls that failed. They are normal, and no reason to refuse the run.
    pub tool_errors: u64,
}

/// Why a run is not accepted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ClaudeFailure {
    /// The provider answered with an error.
    #[error("claude code gave up: the model provider answered with status {status}")]
    ApiError {
        /// The HTTP status.
        status: u16,
    },
    /// The provider did not accept the key.
    #[error("claude code gave up: the model provider did not accept the api key (status 401)")]
    Unauthorised,
    /// The provider could not be reached, or did not answer in time.
    #[error("claude code gave up: the model provider could not be reached")]
    ConnectionFailed,
    /// The gateway ended it at a limit.
    #[error("claude code was stopped at the gateway: the attempt's {limit} is used up")]
    BudgetSpent {
        /// The limit.
        limit: GatewayLimit,
    },
    /// The gateway refused its request.
    #[error("claude code gave up: the gateway refused its request, {why}")]
    GatewayRefused {
        /// The gateway's reason.
        why: &'static str,
    },
    /// The model refused to continue.
    #[error("claude code gave up: the model refused the task")]
    ModelRefused,
    /// The model's answer was cut off.
    #[error("claude code gave up: an answer of the model exceeded the longest permitted length")]
    AnswerTooLong,
    /// The limit on turns was reached.
    #[error("claude code stopped at its limit of turns, after {turns}")]
    TurnLimit {
        /// How many turns it took.
        turns: u64,
    },
    /// The limit on spending was reached.
    #[error("claude code stopped at its limit of spending")]
    BudgetLimit,
    /// Tool calls were refused.
    #[error("claude code was denied tool calls that it must not make: {}", listed(.denials))]
    Denied {
        /// What was refused.
        denials: Vec<ToolDenial>,
    },
    /// It had more than it was given: this version ignores the settings.
    #[error("claude code ran with disallowed settings: it had {extra}")]
    NotLockedDown {
        /// What it must not have had.
        extra: String,
    },
    /// It was interrupted.
    #[error("claude code was interrupted before it had finished")]
    Interrupted,
    /// It ended without a closing event.
    #[error("claude code ended with code {code} and gave no result{}", after_colon(.complaint))]
    NoResult {
        /// The exit code.
        code: i32,
        /// The first line on standard error.
        complaint: Option<String>,
    },
    /// A signal ended it.
    #[error("claude code was ended by signal {signal}")]
    Terminated {
        /// The signal.
        signal: i32,
    },
    /// It exceeded its time limit.
    #[error("claude code was still running after {} s and was stopped", .after.as_secs_f32())]
    TimedOut {
        /// How long it may run.
        after: Duration,
    },
    /// It exceeded the limit for silence.
    #[error("claude code printed nothing for {} s and was stopped", .after.as_secs_f32())]
    Stalled {
        /// How long it may be silent.
        after: Duration,
    },
    /// It exceeded its output limit.
    #[error("claude code exceeded its output limit and was stopped")]
    OutputLimit,
    /// Its output is contradictory.
    #[error("claude code's report contradicts itself: {what}")]
    Malformed {
        /// The contradiction.
        what: String,
    },
}

impl ClaudeFailure {
    /// What to do next.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::ApiError { status: 400 | 404 } => {
                "check the builder's model and base url in kavi.toml, then run `kavi build-skill` again"
            }
            Self::ApiError { status: 403 } => "check what the api key may use, then run `kavi build-skill` again",
            Self::ApiError { .. } | Self::Interrupted | Self::Terminated { .. } => {
                "run `kavi build-skill` again; each run is a new attempt"
            }
            Self::Unauthorised => {
                "set ANTHROPIC_API_KEY or the key file to a valid key, then run `kavi build-skill` again"
            }
            Self::ConnectionFailed => "check the network and the builder's base url, then run `kavi build-skill` again",
            Self::TurnLimit { .. }
            | Self::BudgetLimit
            | Self::BudgetSpent { .. }
            | Self::TimedOut { .. }
            | Self::AnswerTooLong => {
                "make the proposal smaller or raise the builder's limit in kavi.toml, then run `kavi build-skill` again"
            }
            Self::ModelRefused => "read the transcript, then describe the skill differently in a new proposal",
            Self::Denied { .. } => "read the transcript: the agent may only work inside its workspace",
            Self::NotLockedDown { .. } | Self::Malformed { .. } | Self::GatewayRefused { .. } => {
                "install the claude code version that kavi was tested with"
            }
            Self::NoResult { .. } => {
                "check that the builder's executable is claude code and that it is the version kavi was tested with"
            }
            Self::Stalled { .. } | Self::OutputLimit => "read the transcript, then run `kavi build-skill` again",
        }
    }

    /// The kind under which diagnosis classifies it.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::TimedOut { .. } | Self::Stalled { .. } => FailureKind::Timeout,
            Self::Denied { .. } | Self::NotLockedDown { .. } => FailureKind::GateViolation,
            _ => FailureKind::BuildError,
        }
    }
}

/// Decides over a run.
///
/// # Errors
/// The first [`ClaudeFailure`] that applies: how the process ended, then what its closing event says, then
/// what the rest of the stream says.
pub fn decide(exit: ClaudeExit, summary: &StreamSummary) -> Result<AcceptedAttempt, ClaudeFailure> {
    // The process comes first: what a killed agent wrote about itself is not complete.
    let code = ended_by_itself(exit)?;
    let result = only_result(code, summary)?;
    claims_success(result, summary)?;
    // After the reasons that the agent gives itself, which say more than a number.
    if code != 0 {
        return Err(malformed(format!("it reported success and exited with code {code}")));
    }
    kept_inside(result, summary)?;
    Ok(AcceptedAttempt {
        turns: result.num_turns,
        cost_usd: result.total_cost_usd,
        usage: result.usage,
        tool_errors: summary.tool_errors,
    })
}

/// Decides over a run with the account of the gateway. The agent sees only HTTP statuses; the gateway knows whether the
/// provider or the gateway itself sent them.
///
/// # Errors
/// The first [`ClaudeFailure`] that applies.
pub fn decide_with_account(
    exit: ClaudeExit,
    summary: &StreamSummary,
    account: &GatewayReport,
) -> Result<AcceptedAttempt, ClaudeFailure> {
    // Before the agent's own report: it may call a refused request a success.
    if let Some(limit) = account.exceeded {
        return Err(ClaudeFailure::BudgetSpent { limit });
    }
    decide(exit, summary).map_err(|failure| match (&failure, account.last) {
        (
            // These statuses can be the gateway's own, and then say nothing about the provider.
            ClaudeFailure::ApiError { .. } | ClaudeFailure::Unauthorised,
            Some(ExchangeEnd::Unreachable(_) | ExchangeEnd::BrokenOff(_)),
        ) => ClaudeFailure::ConnectionFailed,
        (ClaudeFailure::ApiError { .. } | ClaudeFailure::Unauthorised, Some(ExchangeEnd::Refused(why))) => {
            ClaudeFailure::GatewayRefused { why }
        }
        _ => failure,
    })
}

/// The exit code of a process that ended by itself.
fn ended_by_itself(exit: ClaudeExit) -> Result<i32, ClaudeFailure> {
    match exit {
        ClaudeExit::WallClock(after) => Err(ClaudeFailure::TimedOut { after }),
        ClaudeExit::Idle(after) => Err(ClaudeFailure::Stalled { after }),
        ClaudeExit::OutputLimit => Err(ClaudeFailure::OutputLimit),
        ClaudeExit::Signal(signal) => Err(ClaudeFailure::Terminated { signal }),
        // A program that catches a signal reports it like a shell: 128 plus its number. Claude Code does so for SIGTERM.
        ClaudeExit::Code(code @ 129..=192) => Err(ClaudeFailure::Terminated { signal: code - 128 }),
        ClaudeExit::Code(code) => Ok(code),
    }
}

fn only_result(code: i32, summary: &StreamSummary) -> Result<&ResultEvent, ClaudeFailure> {
    match (&summary.result, summary.results) {
        // First, because a broken event beside a good one means that the format has changed.
        _ if summary.malformed_results > 0 => Err(malformed("its closing event lacks a required member")),
        (Some(result), 1) => Ok(result),
        (Some(_), several) => Err(malformed(format!("it closed {several} times"))),
        // After an interrupt it exits with code 0 and no closing event.
        (None, _) if code == 0 => Err(ClaudeFailure::Interrupted),
        (None, _) => Err(ClaudeFailure::NoResult { code, complaint: summary.complaint.clone() }),
    }
}

fn claims_success(result: &ResultEvent, summary: &StreamSummary) -> Result<(), ClaudeFailure> {
    match (result.subtype.as_str(), result.is_error, result.api_error_status) {
        ("error_max_turns", ..) => Err(ClaudeFailure::TurnLimit { turns: result.num_turns }),
        ("error_max_budget_usd", ..) => Err(ClaudeFailure::BudgetLimit),
        ("error_during_execution", ..) => Err(ClaudeFailure::Interrupted),
        // A session that ends with an HTTP error still has the subtype `success`.
        ("success", _, Some(401)) => Err(ClaudeFailure::Unauthorised),
        ("success", _, Some(status)) => Err(ClaudeFailure::ApiError { status }),
        ("success", true, None) => Err(without_status(result, summary)),
        ("success", false, None) => finished(result),
        (other, ..) => Err(malformed(format!("it closed with `{other}`"))),
    }
}

/// The failure of a session without an HTTP status.
fn without_status(result: &ResultEvent, summary: &StreamSummary) -> ClaudeFailure {
    match (result.stop_reason.as_deref(), summary.api_error.as_deref()) {
        (Some("refusal"), _) => ClaudeFailure::ModelRefused,
        (_, Some("max_output_tokens")) => ClaudeFailure::AnswerTooLong,
        _ => ClaudeFailure::ConnectionFailed,
    }
}

fn finished(result: &ResultEvent) -> Result<(), ClaudeFailure> {
    match result.terminal_reason.as_deref() {
        None | Some("completed") => Ok(()),
        Some(other) => Err(malformed(format!("it reported success and stopped because of `{other}`"))),
    }
}

/// Checks that nothing was denied and that the agent had only the permitted tools.
fn kept_inside(result: &ResultEvent, summary: &StreamSummary) -> Result<(), ClaudeFailure> {
    // The closing event has the paths. The events before it count when it lists none.
    let denials = if result.permission_denials.is_empty() { &summary.denials } else { &result.permission_denials };
    if !denials.is_empty() {
        return Err(ClaudeFailure::Denied { denials: denials.clone() });
    }
    // Without that event nobody knows which tools the agent had.
    if summary.inits == 0 {
        return Err(malformed("it never listed its tools"));
    }
    if let Some(tool) = summary.tools.iter().find(|tool| !TOOLS.contains(&tool.as_str())) {
        return Err(ClaudeFailure::NotLockedDown { extra: format!("the tool `{tool}`") });
    }
    if summary.mcp_servers > 0 {
        return Err(ClaudeFailure::NotLockedDown { extra: format!("{} mcp servers", summary.mcp_servers) });
    }
    Ok(())
}

fn malformed(what: impl Into<String>) -> ClaudeFailure {
    ClaudeFailure::Malformed { what: what.into() }
}

fn after_colon(text: &Option<String>) -> String {
    text.as_deref().map(|text| format!(": {text}")).unwrap_or_default()
}

/// The first few denials, and how many more there were.
fn listed(denials: &[ToolDenial]) -> String {
    const NAMED: usize = 5;
    let mut text = denials.iter().take(NAMED).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if denials.len() > NAMED {
        text.push_str(&format!(", and {} more", denials.len() - NAMED));
    }
    text
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
