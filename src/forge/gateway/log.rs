//! What the gateway writes down: one line a request, without its body and its headers.
//!
//! Guarantees: bounded; every text of the agent's in it is shortened and made visible. Never: holds anything that an
//! answer said but its status and its cost.

use serde::Serialize;

use super::budget::{Limit, Limits, Tokens, Totals};
use crate::model::{text, time::Timestamp};

/// Lines that are kept; the rest is only counted.
const MOST_LINES: usize = 2000;

/// The longest method and path that are kept, in characters.
const MAX_METHOD: usize = 16;
const MAX_TARGET: usize = 120;

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "end", content = "why")]
pub enum End {
    /// The provider's answer was handed on to its end.
    Answered,
    /// The gateway answered by itself.
    Greeted,
    /// The gateway refused.
    Refused(&'static str),
    /// A limit of the budget forbade it or cut it off.
    Spent(Limit),
    /// The provider could not be reached.
    Unreachable(&'static str),
    /// The provider's answer broke off.
    BrokenOff(&'static str),
    /// The agent went away before the end.
    Abandoned,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Line {
    /// When it began.
    pub at: Timestamp,
    /// The method.
    pub method: String,
    /// The path and query.
    pub path: String,
    /// The status that the agent got; none when it got no answer.
    pub status: Option<u16>,
    /// Bytes of the body that went up.
    pub bytes_up: u64,
    /// Bytes of the answer that came down.
    pub bytes_down: u64,
    /// What it cost.
    pub tokens: Tokens,
    /// How long it took.
    pub duration_ms: u64,
    /// How it ended.
    #[serde(flatten)]
    pub end: End,
}

impl Line {
    /// A request that begins now.
    pub fn begin(at: Timestamp) -> Self {
        Self {
            at,
            method: String::new(),
            path: String::new(),
            status: None,
            bytes_up: 0,
            bytes_down: 0,
            tokens: Tokens::default(),
            duration_ms: 0,
            end: End::Abandoned,
        }
    }

    /// Notes what was asked for.
    pub fn asked(&mut self, method: &str, target: &str) {
        self.method = text::line(method, MAX_METHOD);
        self.path = text::line(target, MAX_TARGET);
    }
}

/// The lines of an attempt.
#[derive(Debug, Default)]
pub struct Log {
    lines: Vec<(u64, Line)>,
    unlisted: u64,
    last: Option<(u64, End)>,
}

impl Log {
    /// Adds the line of the request with this number. They come in the order of their ends.
    pub fn push(&mut self, number: u64, line: Line) {
        if self.last.is_none_or(|(last, _)| last < number) {
            self.last = Some((number, line.end));
        }
        if self.lines.len() < MOST_LINES {
            self.lines.push((number, line));
        } else {
            self.unlisted = self.unlisted.saturating_add(1);
        }
    }

    /// The account of the attempt.
    pub fn close(mut self, limits: Limits, totals: Totals, crossed: Option<Limit>) -> Account {
        self.lines.sort_by_key(|(number, _)| *number);
        Account {
            limits,
            totals,
            crossed,
            last: self.last.map(|(_, end)| end),
            lines: self.lines.into_iter().map(|(_, line)| line).collect(),
            unlisted: self.unlisted,
        }
    }
}

/// What an attempt did at the gateway.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Account {
    /// What it might use.
    pub limits: Limits,
    /// What it used.
    pub totals: Totals,
    /// The limit that cut it off.
    pub crossed: Option<Limit>,
    /// How its last request ended.
    #[serde(skip)]
    pub last: Option<End>,
    /// Its requests, in their order.
    pub lines: Vec<Line>,
    /// Requests beyond those.
    pub unlisted: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        max_requests: 1,
        max_request_bytes: 1,
        max_response_bytes: 1,
        max_input_tokens: 1,
        max_output_tokens: 1,
    };

    #[test]
    fn a_line_is_one_line_of_plain_text() -> Result<(), Box<dyn std::error::Error>> {
        let mut line = Line::begin(Timestamp::from_millis(0)?);
        line.asked(&"X".repeat(100), &format!("/\u{1b}[2J\u{202e}\n{}", "a".repeat(1000)));
        line.end = End::Refused("because");
        let text = serde_json::to_string(&line)?;
        insta::assert_snapshot!(text.replace(&"a".repeat(100), "…100…"), @r#"{"at":"1970-01-01T00:00:00.000Z","method":"XXXXXXXXXXXXXXXX…","path":"/\\u{1b}[2J\\u{202e}\\u{a}…100…aaaaaaaaaaaaa…","status":null,"bytes_up":0,"bytes_down":0,"tokens":{"input":0,"output":0},"duration_ms":0,"end":"refused","why":"because"}"#);
        Ok(())
    }

    #[test]
    fn a_flood_of_requests_fills_no_log() -> Result<(), Box<dyn std::error::Error>> {
        let mut log = Log::default();
        for number in 0..2007 {
            log.push(number, Line::begin(Timestamp::from_millis(0)?));
        }
        let account = log.close(LIMITS, Totals::default(), None);
        assert_eq!((account.lines.len(), account.unlisted), (MOST_LINES, 7));
        Ok(())
    }

    #[test]
    fn requests_are_told_in_their_order_although_they_end_in_another() -> Result<(), Box<dyn std::error::Error>> {
        let mut log = Log::default();
        for (number, end) in [(2, End::Refused("second")), (1, End::Answered)] {
            log.push(number, Line { end, ..Line::begin(Timestamp::from_millis(0)?) });
        }
        let account = log.close(LIMITS, Totals::default(), None);
        assert_eq!(account.last, Some(End::Refused("second")));
        assert_eq!(account.lines.first().map(|line| line.end), Some(End::Answered));
        Ok(())
    }
}
