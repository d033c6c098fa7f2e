//! Reads what Claude Code prints with `--output-format stream-json`: one JSON object per line.
//!
//! Guarantees: memory is bounded: a line longer than [`MAX_LINE`] is dropped and counted, and lists are capped. No input makes
//! the parser fail: bytes that are not an event are counted and skipped. Every text of the agent is shortened, and its control,
//! bidirectional and other invisible characters are escaped.
//! Deliberately never: runs, opens or believes anything that the agent said. `verdict` decides whether the run is accepted,
//! and `intake` reads what it left.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The longest line that is read: many times longer than a `Write` of a whole source file.
pub const MAX_LINE: usize = 8 * 1024 * 1024;

/// How many entries of any list are kept; the rest is only counted.
const MAX_LISTED: usize = 64;

/// How many characters of any one text are kept.
const MAX_SHOWN: usize = 120;

/// An event of the agent that is worth one line on a progress display. All texts are safe to print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentEvent {
    /// The agent is up and talks to this model.
    Started {
        /// The model's name as the agent gave it.
        model: String,
    },
    /// The agent asked for a tool.
    Tool {
        /// The tool's name.
        name: String,
        /// The path or pattern, relative to the workspace where it lies inside.
        target: Option<String>,
    },
    /// A tool call came back as an error.
    ToolFailed,
    /// A tool call was refused by the agent's own permission rules.
    Denied {
        /// The tool's name.
        name: String,
    },
    /// The provider did not answer as hoped; the agent tries again.
    Retry {
        /// Which retry this is, from 1.
        attempt: u64,
        /// The HTTP status, when there was an answer at all.
        status: Option<u16>,
    },
    /// The agent says it is done.
    Finished,
}

impl fmt::Display for AgentEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started { model } => write!(f, "started with {model}"),
            Self::Tool { name, target: Some(target) } => write!(f, "{name} {target}"),
            Self::Tool { name, target: None } => f.write_str(name),
            Self::ToolFailed => f.write_str("a tool call failed"),
            Self::Denied { name } => write!(f, "{name} was denied"),
            Self::Retry { attempt, status: Some(status) } => write!(f, "retry {attempt} after status {status}"),
            Self::Retry { attempt, status: None } => write!(f, "retry {attempt} after a failed connection"),
            Self::Finished => f.write_str("finished"),
        }
    }
}

/// A tool call that the agent's permission rules refused.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ToolDenial {
    /// The tool's name.
    pub tool: String,
    /// The path or pattern it was for, when known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

impl fmt::Display for ToolDenial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{} {path}", self.tool),
            None => f.write_str(&self.tool),
        }
    }
}

/// Tokens, by the agent's own count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct TokenUsage {
    /// Tokens sent, without the cached ones.
    pub input_tokens: u64,
    /// Tokens received.
    pub output_tokens: u64,
    /// Tokens written to the provider's cache.
    pub cache_creation_input_tokens: u64,
    /// Tokens read from the provider's cache.
    pub cache_read_input_tokens: u64,
}

/// The closing event of the agent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ResultEvent {
    /// `success` or the name of an error. `success` alone proves nothing.
    pub subtype: String,
    /// Whether the agent reports the session as failed.
    pub is_error: bool,
    /// The HTTP status that ended the session.
    pub api_error_status: Option<u16>,
    /// Why the model stopped speaking.
    pub stop_reason: Option<String>,
    /// Why the agent stopped working.
    pub terminal_reason: Option<String>,
    /// How many turns it took.
    pub num_turns: u64,
    /// The cost at list prices, by the agent's own count.
    pub total_cost_usd: f64,
    /// Tokens spent.
    pub usage: TokenUsage,
    /// Tool calls that were refused, at most 64 of them.
    pub permission_denials: Vec<ToolDenial>,
}

/// The summary of a whole stream.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct StreamSummary {
    /// The closing event, the first when there were several.
    pub result: Option<ResultEvent>,
    /// How many closing events there were. There should be one.
    pub results: u32,
    /// How many closing events could not be read.
    pub malformed_results: u32,
    /// How many `system/init` events there were.
    pub inits: u32,
    /// Every tool that the agent listed.
    pub tools: BTreeSet<String>,
    /// How many MCP servers the agent listed.
    pub mcp_servers: u64,
    /// The model as the agent gave it.
    pub model: Option<String>,
    /// The agent's name for the session.
    pub session_id: Option<String>,
    /// The agent's own version.
    pub agent_version: Option<String>,
    /// Tool calls that were refused while it worked, at most 64 of them.
    pub denials: Vec<ToolDenial>,
    /// The label of the last error on the way to the provider, e.g. `max_output_tokens`.
    pub api_error: Option<String>,
    /// Tool calls that came back as errors.
    pub tool_errors: u64,
    /// Times the agent asked the provider again.
    pub api_retries: u64,
    /// The first line on standard error.
    pub complaint: Option<String>,
    /// Lines that were JSON objects.
    pub events: u64,
    /// Lines that were not, or were too long.
    pub unparsed_lines: u64,
}

/// Parses the stream from the pieces in which it arrives.
#[derive(Debug)]
pub struct StreamParser {
    workspace: String,
    line: Vec<u8>,
    too_long: bool,
    summary: StreamSummary,
}

impl StreamParser {
    /// A parser that shows paths relative to `workspace`, as the agent sees that folder.
    pub fn new(workspace: &str) -> Self {
        // With the slash, so that a neighbour whose name only begins the same is not shown as
        // inside.
        let workspace = format!("{}/", workspace.trim_end_matches('/'));
        Self { workspace, line: Vec::new(), too_long: false, summary: StreamSummary::default() }
    }

    /// Takes the next piece, telling `tell` what it completes.
    pub fn push(&mut self, mut bytes: &[u8], tell: &mut dyn FnMut(AgentEvent)) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.take(&bytes[..end]);
            self.end_line(tell);
            bytes = &bytes[end + 1..];
        }
        self.take(bytes);
    }

    /// Ends the stream. A last line without an end counts as a line.
    pub fn finish(mut self, tell: &mut dyn FnMut(AgentEvent)) -> StreamSummary {
        self.end_line(tell);
        self.summary
    }

    fn take(&mut self, bytes: &[u8]) {
        // The memory is given back at once, and the rest of the line is skipped.
        if self.line.len() + bytes.len() > MAX_LINE {
            self.too_long = true;
            self.line = Vec::new();
        }
        if !self.too_long {
            self.line.extend_from_slice(bytes);
        }
    }

    fn end_line(&mut self, tell: &mut dyn FnMut(AgentEvent)) {
        let line = std::mem::take(&mut self.line);
        let too_long = std::mem::take(&mut self.too_long);
        if !too_long && line.trim_ascii().is_empty() {
            return;
        }
        // The usual parser with its depth limit: of a repeated key the last counts, and nothing
        // here grants anything.
        match serde_json::from_slice::<Value>(&line) {
            Ok(event @ Value::Object(_)) if !too_long => {
                self.summary.events += 1;
                self.event(&event, tell);
            }
            _ => self.summary.unparsed_lines += 1,
        }
    }

    fn event(&mut self, event: &Value, tell: &mut dyn FnMut(AgentEvent)) {
        match (text(event, "type").unwrap_or(""), text(event, "subtype").unwrap_or("")) {
            ("system", "init") => self.init(event, tell),
            ("system", "api_retry") => {
                self.summary.api_retries += 1;
                self.summary.api_error = label(event, "error");
                let attempt = event.get("attempt").and_then(Value::as_u64).unwrap_or(0);
                tell(AgentEvent::Retry { attempt, status: status(event, "error_status") });
            }
            ("system", "permission_denied") => {
                let tool = label(event, "tool_name").unwrap_or_default();
                if self.summary.denials.len() < MAX_LISTED {
                    self.summary.denials.push(ToolDenial { tool: tool.clone(), path: None });
                }
                tell(AgentEvent::Denied { name: tool });
            }
            ("assistant", _) => self.assistant(event, tell),
            ("user", _) => self.tool_results(event, tell),
            ("result", _) => self.result(event, tell),
            // Events of a later version are no fault. Only the closing event decides.
            _ => {}
        }
    }

    fn init(&mut self, event: &Value, tell: &mut dyn FnMut(AgentEvent)) {
        let model = label(event, "model").unwrap_or_default();
        self.summary.inits += 1;
        self.summary.session_id = label(event, "session_id");
        self.summary.agent_version = label(event, "claude_code_version");
        // Added up over all such events: a second one must not hide what the first one listed.
        self.summary.mcp_servers += list(event.get("mcp_servers")).len() as u64;
        for tool in list(event.get("tools")).iter().filter_map(Value::as_str) {
            // The limit hides nothing: only five names are permitted, so 64 different ones contain
            // a forbidden one.
            if self.summary.tools.len() < MAX_LISTED {
                self.summary.tools.insert(shown(tool));
            }
        }
        self.summary.model = Some(model.clone());
        tell(AgentEvent::Started { model });
    }

    fn assistant(&mut self, event: &Value, tell: &mut dyn FnMut(AgentEvent)) {
        if let Some(error) = label(event, "error") {
            self.summary.api_error = Some(error);
        }
        for block in content(event) {
            if text(block, "type") == Some("tool_use") {
                let name = label(block, "name").unwrap_or_default();
                tell(AgentEvent::Tool { name, target: self.target(block.get("input")) });
            }
        }
    }

    fn tool_results(&mut self, event: &Value, tell: &mut dyn FnMut(AgentEvent)) {
        for block in content(event) {
            if block.get("is_error") == Some(&Value::Bool(true)) {
                self.summary.tool_errors += 1;
                tell(AgentEvent::ToolFailed);
            }
        }
    }

    fn result(&mut self, event: &Value, tell: &mut dyn FnMut(AgentEvent)) {
        self.summary.results += 1;
        let Ok(raw) = RawResult::deserialize(event) else {
            self.summary.malformed_results += 1;
            return;
        };
        // The first one stays. Their number makes the verdict refuse the run.
        if self.summary.result.is_some() {
            return;
        }
        let permission_denials = raw.permission_denials.iter().take(MAX_LISTED).map(|denial| ToolDenial {
            tool: label(denial, "tool_name").unwrap_or_default(),
            path: self.target(denial.get("tool_input")),
        });
        self.summary.result = Some(ResultEvent {
            permission_denials: permission_denials.collect(),
            subtype: shown(&raw.subtype),
            is_error: raw.is_error,
            api_error_status: raw.api_error_status,
            stop_reason: raw.stop_reason.as_deref().map(shown),
            terminal_reason: raw.terminal_reason.as_deref().map(shown),
            num_turns: raw.num_turns.unwrap_or_default(),
            total_cost_usd: raw.total_cost_usd.unwrap_or_default(),
            usage: usage(raw.usage.as_ref()),
        });
        tell(AgentEvent::Finished);
    }

    /// The target of a tool call: its path, or else its pattern.
    fn target(&self, input: Option<&Value>) -> Option<String> {
        let input = input?;
        let target = ["file_path", "path", "pattern"].iter().find_map(|key| text(input, key))?;
        Some(shown(target.strip_prefix(&self.workspace).unwrap_or(target)))
    }
}

/// The members of a closing event that the verdict needs. Without one of the first three the event cannot be read.
#[derive(Deserialize)]
struct RawResult {
    subtype: String,
    is_error: bool,
    permission_denials: Vec<Value>,
    api_error_status: Option<u16>,
    stop_reason: Option<String>,
    terminal_reason: Option<String>,
    num_turns: Option<u64>,
    total_cost_usd: Option<f64>,
    usage: Option<Value>,
}

fn text<'v>(value: &'v Value, key: &str) -> Option<&'v str> {
    value.get(key).and_then(Value::as_str)
}

fn label(value: &Value, key: &str) -> Option<String> {
    text(value, key).map(shown)
}

fn status(value: &Value, key: &str) -> Option<u16> {
    value.get(key).and_then(Value::as_u64).and_then(|status| u16::try_from(status).ok())
}

/// The count of tokens. It is only information, so a missing number counts as 0.
fn usage(value: Option<&Value>) -> TokenUsage {
    let count = |key: &str| value.and_then(|usage| usage.get(key)).and_then(Value::as_u64).unwrap_or_default();
    TokenUsage {
        input_tokens: count("input_tokens"),
        output_tokens: count("output_tokens"),
        cache_creation_input_tokens: count("cache_creation_input_tokens"),
        cache_read_input_tokens: count("cache_read_input_tokens"),
    }
}

fn list(value: Option<&Value>) -> &[Value] {
    value.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn content(event: &Value) -> &[Value] {
    list(event.get("message").and_then(|message| message.get("content")))
}

/// `text` on one line, safe for a terminal and for markdown's code spans, and not longer than [`MAX_SHOWN`].
pub(super) fn shown(text: &str) -> String {
    let mut out = String::new();
    // Counted before escaping, so that the limit cannot cut an escape in two.
    for (count, char) in text.chars().enumerate() {
        if count == MAX_SHOWN {
            out.push('…');
            break;
        }
        match char {
            '\'' | '"' => out.push(char),
            '`' => out.push_str("\\u{60}"),
            // The standard table escapes every control, format and separator character: no terminal
            // sequence, no bidirectional override, no line break gets through.
            other => out.extend(other.escape_debug()),
        }
    }
    out
}

#[cfg(test)]
#[path = "stream_tests.rs"]
mod tests;
