//! Decides whether an attempt of Claude Code counts, from how it ended and what it said.
//!
//! Guarantees: an attempt is accepted only when the process ended by itself with code 0, having said exactly
//! once that it succeeded, with nothing denied, and with no tools but the ones it was given. Everything else,
//! known or not, is a typed failure. Pure: the same ending and summary give the same verdict.
//! Never: looks at the files, or at what the agent claims about them. An accepted attempt has only earned
//! that the gate looks at its workspace.

use std::time::Duration;

use serde::Serialize;

use super::stream::{Denial, ResultEvent, Summary, Usage};
use crate::forge::gateway::{ExchangeEnd, GatewayLimit, GatewayReport};
use crate::model::lifecycle::FailureKind;

/// The tools the agent is given. None of them runs a program.
pub const TOOLS: [&str; 5] = ["Read", "Edit", "Write", "Glob", "Grep"];

/// How the process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentExit {
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

/// An attempt that may go to the gate.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Accepted {
    /// How many turns it took.
    pub turns: u64,
    /// What it cost at list prices, as the agent reckons.
    pub cost_usd: f64,
    /// Tokens spent.
    pub usage: Usage,
    /// Tool calls that came back as errors: no reason to refuse, but worth knowing.
    pub tool_errors: u64,
}

/// Why an attempt does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AgentFailure {
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
    /// The gateway cut it off.
    #[error("claude code was cut off at the gateway: the attempt's {limit} is spent")]
    BudgetSpent {
        /// The limit.
        limit: GatewayLimit,
    },
    /// The gateway did not let its request through.
    #[error("claude code gave up: the gateway refused its request, {why}")]
    GatewayRefused {
        /// The gateway's reason.
        why: &'static str,
    },
    /// The model declined to go on.
    #[error("claude code gave up: the model refused the task")]
    ModelRefused,
    /// The model's answer was cut off.
    #[error("claude code gave up: an answer of the model exceeded its longest length")]
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
    #[error("claude code was denied what it may not do: {}", listed(.denials))]
    Denied {
        /// What was refused.
        denials: Vec<Denial>,
    },
    /// It had more than it was given: this version does not honour the locks.
    #[error("claude code did not keep to its locks: it had {extra}")]
    NotLockedDown {
        /// What it had too much.
        extra: String,
    },
    /// It was interrupted in the middle.
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
    /// It ran longer than it may.
    #[error("claude code was still running after {} s and was stopped", .after.as_secs_f32())]
    TimedOut {
        /// How long it may run.
        after: Duration,
    },
    /// It stood still for longer than it may.
    #[error("claude code printed nothing for {} s and was stopped", .after.as_secs_f32())]
    Stalled {
        /// How long it may be silent.
        after: Duration,
    },
    /// It printed more than it may.
    #[error("claude code printed more than it may and was stopped")]
    OutputLimit,
    /// What it said makes no sense.
    #[error("claude code's account of itself makes no sense: {what}")]
    Malformed {
        /// What does not fit.
        what: String,
    },
}

impl AgentFailure {
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
                "set ANTHROPIC_API_KEY or the key file to a key that is valid, then run `kavi build-skill` again"
            }
            Self::ConnectionFailed => "check the network and the builder's base url, then run `kavi build-skill` again",
            Self::TurnLimit { .. }
            | Self::BudgetLimit
            | Self::BudgetSpent { .. }
            | Self::TimedOut { .. }
            | Self::AnswerTooLong => {
                "make the proposal smaller or raise the builder's limit in kavi.toml, then run `kavi build-skill` again"
            }
            Self::ModelRefused => "read the transcript, then word the proposal differently",
            Self::Denied { .. } => "read the transcript: the skill must be written inside its workspace alone",
            Self::NotLockedDown { .. } | Self::Malformed { .. } | Self::GatewayRefused { .. } => {
                "install the claude code version that kavi was tested with"
            }
            Self::NoResult { .. } => {
                "check that the builder's executable is claude code and that it is the version kavi was tested with"
            }
            Self::Stalled { .. } | Self::OutputLimit => "read the transcript, then run `kavi build-skill` again",
        }
    }

    /// How research files it.
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::TimedOut { .. } | Self::Stalled { .. } => FailureKind::Timeout,
            Self::Denied { .. } | Self::NotLockedDown { .. } => FailureKind::GateViolation,
            _ => FailureKind::BuildError,
        }
    }
}

/// Judges an attempt.
///
/// # Errors
/// The first [`AgentFailure`] that applies: how the process ended, then what its closing event says, then
/// what the rest of the stream says.
pub fn judge(exit: AgentExit, summary: &Summary) -> Result<Accepted, AgentFailure> {
    let code = ended_by_itself(exit)?;
    let result = only_result(code, summary)?;
    claims_success(result, summary)?;
    if code != 0 {
        return Err(malformed(format!("it calls itself successful and ended with code {code}")));
    }
    kept_inside(result, summary)?;
    Ok(Accepted {
        turns: result.num_turns,
        cost_usd: result.total_cost_usd,
        usage: result.usage,
        tool_errors: summary.tool_errors,
    })
}

/// Judges an attempt once more, knowing what passed at the gateway: the agent sees statuses, the gateway knows whose.
///
/// # Errors
/// The first [`AgentFailure`] that applies.
pub fn judge_with(exit: AgentExit, summary: &Summary, account: &GatewayReport) -> Result<Accepted, AgentFailure> {
    if let Some(limit) = account.exceeded {
        return Err(AgentFailure::BudgetSpent { limit });
    }
    judge(exit, summary).map_err(|failure| match (&failure, account.last) {
        (
            AgentFailure::ApiError { .. } | AgentFailure::Unauthorised,
            Some(ExchangeEnd::Unreachable(_) | ExchangeEnd::BrokenOff(_)),
        ) => AgentFailure::ConnectionFailed,
        (AgentFailure::ApiError { .. } | AgentFailure::Unauthorised, Some(ExchangeEnd::Refused(why))) => {
            AgentFailure::GatewayRefused { why }
        }
        _ => failure,
    })
}

/// The exit code of a process that nothing ended from outside.
fn ended_by_itself(exit: AgentExit) -> Result<i32, AgentFailure> {
    match exit {
        AgentExit::WallClock(after) => Err(AgentFailure::TimedOut { after }),
        AgentExit::Idle(after) => Err(AgentFailure::Stalled { after }),
        AgentExit::OutputLimit => Err(AgentFailure::OutputLimit),
        AgentExit::Signal(signal) => Err(AgentFailure::Terminated { signal }),
        // Programs that catch a signal, as this one does with SIGTERM, report it the way shells do.
        AgentExit::Code(code @ 129..=192) => Err(AgentFailure::Terminated { signal: code - 128 }),
        AgentExit::Code(code) => Ok(code),
    }
}

fn only_result(code: i32, summary: &Summary) -> Result<&ResultEvent, AgentFailure> {
    match (&summary.result, summary.results) {
        _ if summary.malformed_results > 0 => Err(malformed("its closing event lacks what a verdict rests on")),
        (Some(result), 1) => Ok(result),
        (Some(_), several) => Err(malformed(format!("it closed {several} times"))),
        // An interrupt ends it with code 0 and nothing said.
        (None, _) if code == 0 => Err(AgentFailure::Interrupted),
        (None, _) => Err(AgentFailure::NoResult { code, complaint: summary.complaint.clone() }),
    }
}

fn claims_success(result: &ResultEvent, summary: &Summary) -> Result<(), AgentFailure> {
    match (result.subtype.as_str(), result.is_error, result.api_error_status) {
        ("error_max_turns", ..) => Err(AgentFailure::TurnLimit { turns: result.num_turns }),
        ("error_max_budget_usd", ..) => Err(AgentFailure::BudgetLimit),
        ("error_during_execution", ..) => Err(AgentFailure::Interrupted),
        ("success", _, Some(401)) => Err(AgentFailure::Unauthorised),
        ("success", _, Some(status)) => Err(AgentFailure::ApiError { status }),
        ("success", true, None) => Err(without_status(result, summary)),
        ("success", false, None) => finished(result),
        (other, ..) => Err(malformed(format!("it closed with `{other}`"))),
    }
}

/// A session that failed on the way to the provider or back, without an answer to blame.
fn without_status(result: &ResultEvent, summary: &Summary) -> AgentFailure {
    match (result.stop_reason.as_deref(), summary.api_error.as_deref()) {
        (Some("refusal"), _) => AgentFailure::ModelRefused,
        (_, Some("max_output_tokens")) => AgentFailure::AnswerTooLong,
        _ => AgentFailure::ConnectionFailed,
    }
}

fn finished(result: &ResultEvent) -> Result<(), AgentFailure> {
    match result.terminal_reason.as_deref() {
        None | Some("completed") => Ok(()),
        Some(other) => Err(malformed(format!("it calls itself successful and stopped for `{other}`"))),
    }
}

/// Nothing was denied, and nothing was on offer that should not have been.
fn kept_inside(result: &ResultEvent, summary: &Summary) -> Result<(), AgentFailure> {
    // The closing event knows the paths; what was told on the way counts when it knows nothing.
    let denials = if result.permission_denials.is_empty() { &summary.denials } else { &result.permission_denials };
    if !denials.is_empty() {
        return Err(AgentFailure::Denied { denials: denials.clone() });
    }
    if summary.inits == 0 {
        return Err(malformed("it never said which tools it had"));
    }
    if let Some(tool) = summary.tools.iter().find(|tool| !TOOLS.contains(&tool.as_str())) {
        return Err(AgentFailure::NotLockedDown { extra: format!("the tool `{tool}`") });
    }
    if summary.mcp_servers > 0 {
        return Err(AgentFailure::NotLockedDown { extra: format!("{} mcp servers", summary.mcp_servers) });
    }
    Ok(())
}

fn malformed(what: impl Into<String>) -> AgentFailure {
    AgentFailure::Malformed { what: what.into() }
}

fn after_colon(text: &Option<String>) -> String {
    text.as_deref().map(|text| format!(": {text}")).unwrap_or_default()
}

/// The first few denials, and how many more there were.
fn listed(denials: &[Denial]) -> String {
    const NAMED: usize = 5;
    let mut text = denials.iter().take(NAMED).map(ToString::to_string).collect::<Vec<_>>().join(", ");
    if denials.len() > NAMED {
        text.push_str(&format!(", and {} more", denials.len() - NAMED));
    }
    text
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
