//! The gateway's access log: one line for each request, without its body and its headers.
//!
//! Guarantees: the log has a size limit; text that the agent sent is shortened and its control characters are escaped.
//! Never: holds anything of a response but its status and its price.

use serde::Serialize;

use super::budget::{GatewayLimit, GatewayLimits, GatewayUsage, TokenCount};
use crate::model::{text, time::Timestamp};

/// The most lines that are kept of requests to the provider, and the most of all others. The rest is counted.
const MOST_LINES: usize = 2000;

/// The longest method and path that are kept, in characters.
const MAX_METHOD: usize = 16;
const MAX_TARGET: usize = 120;

/// How a request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "end", content = "why")]
pub enum ExchangeEnd {
    /// The provider's response was passed on to its end.
    Answered,
    /// The gateway responded by itself.
    Greeted,
    /// The gateway refused the request.
    Refused(&'static str),
    /// A limit of the budget refused it or cut it off.
    Spent(GatewayLimit),
    /// The provider could not be reached.
    Unreachable(&'static str),
    /// The provider's response is incomplete.
    BrokenOff(&'static str),
    /// The agent disconnected before the end.
    Abandoned,
}

impl ExchangeEnd {
    /// The end in one word, as the access log spells it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Greeted => "greeted",
            Self::Refused(_) => "refused",
            Self::Spent(_) => "spent",
            Self::Unreachable(_) => "unreachable",
            Self::BrokenOff(_) => "broken-off",
            Self::Abandoned => "abandoned",
        }
    }
}

/// The log line of one request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AccessLogLine {
    /// When it began.
    pub at: Timestamp,
    /// The method.
    pub method: String,
    /// The path and query.
    pub path: String,
    /// The status that the agent received. None when it received none.
    pub status: Option<u16>,
    /// Bytes of the body of the request.
    pub bytes_up: u64,
    /// Bytes of the body of the response.
    pub bytes_down: u64,
    /// The tokens that it cost.
    pub tokens: TokenCount,
    /// How long it took.
    pub duration_ms: u64,
    /// Whether the provider was asked, which costs.
    #[serde(skip)]
    pub is_asked: bool,
    /// How it ended.
    #[serde(flatten)]
    pub end: ExchangeEnd,
}

impl AccessLogLine {
    /// The line of a request that begins now.
    pub fn begin(at: Timestamp) -> Self {
        Self {
            at,
            method: String::new(),
            path: String::new(),
            status: None,
            bytes_up: 0,
            bytes_down: 0,
            tokens: TokenCount::default(),
            duration_ms: 0,
            is_asked: false,
            end: ExchangeEnd::Abandoned,
        }
    }

    /// Sets the method and the target.
    pub fn set_request(&mut self, method: &str, target: &str) {
        self.method = text::line(method, MAX_METHOD);
        self.path = text::line(target, MAX_TARGET);
    }
}

/// The log of an attempt.
#[derive(Debug, Default)]
pub struct AccessLog {
    /// Requests to the provider. They are limited by the budget of the attempt.
    asked: Vec<(u64, AccessLogLine)>,
    /// All others. An agent can send any number of them, so they have no room of the first.
    others: Vec<(u64, AccessLogLine)>,
    unlisted: u64,
    last: Option<(u64, ExchangeEnd)>,
}

impl AccessLog {
    /// Adds the line of the request with this number. Requests are added in the order in which they end.
    pub fn push(&mut self, number: u64, line: AccessLogLine) {
        // Requests end in any order. The verdict needs the one that began last.
        if self.last.is_none_or(|(last, _)| last < number) {
            self.last = Some((number, line.end));
        }
        // The first lines are kept, so that a flood of requests cannot push out what came before
        // it.
        let lines = if line.is_asked { &mut self.asked } else { &mut self.others };
        if lines.len() < MOST_LINES {
            lines.push((number, line));
        } else {
            self.unlisted = self.unlisted.saturating_add(1);
        }
    }

    /// The report of the attempt.
    pub fn into_report(
        self,
        limits: GatewayLimits,
        totals: GatewayUsage,
        exceeded: Option<GatewayLimit>,
    ) -> GatewayReport {
        let mut lines = [self.asked, self.others].concat();
        lines.sort_by_key(|(number, _)| *number);
        GatewayReport {
            limits,
            totals,
            exceeded,
            last: self.last.map(|(_, end)| end),
            lines: lines.into_iter().map(|(_, line)| line).collect(),
            unlisted: self.unlisted,
        }
    }
}

/// What an attempt did at the gateway. Part of the build log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GatewayReport {
    /// What it was allowed to use.
    pub limits: GatewayLimits,
    /// What it used.
    pub totals: GatewayUsage,
    /// The first limit that cut it off.
    #[serde(rename = "crossed")]
    pub exceeded: Option<GatewayLimit>,
    /// How its last request ended.
    #[serde(skip)]
    pub last: Option<ExchangeEnd>,
    /// Its requests, in the order in which they began.
    pub lines: Vec<AccessLogLine>,
    /// The number of requests that are not listed.
    pub unlisted: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: GatewayLimits = GatewayLimits {
        max_requests: 1,
        max_request_bytes: 1,
        max_response_bytes: 1,
        max_input_tokens: 1,
        max_output_tokens: 1,
    };

    #[test]
    fn a_line_is_one_line_of_plain_text() -> Result<(), Box<dyn std::error::Error>> {
        let mut line = AccessLogLine::begin(Timestamp::from_millis(0)?);
        line.set_request(&"X".repeat(100), &format!("/\u{1b}[2J\u{202e}\n{}", "a".repeat(1000)));
        line.end = ExchangeEnd::Refused("because");
        let text = serde_json::to_string(&line)?;
        insta::assert_snapshot!(text.replace(&"a".repeat(100), "…100…"), @r#"{"at":"1970-01-01T00:00:00.000Z","method":"XXXXXXXXXXXXXXXX…","path":"/\\u{1b}[2J\\u{202e}\\u{a}…100…aaaaaaaaaaaaa…","status":null,"bytes_up":0,"bytes_down":0,"tokens":{"input":0,"output":0},"duration_ms":0,"end":"refused","why":"because"}"#);
        Ok(())
    }

    #[test]
    fn a_flood_of_requests_fills_no_log() -> Result<(), Box<dyn std::error::Error>> {
        let mut log = AccessLog::default();
        for number in 0..2007 {
            log.push(number, AccessLogLine::begin(Timestamp::from_millis(0)?));
        }
        let account = log.into_report(LIMITS, GatewayUsage::default(), None);
        assert_eq!((account.lines.len(), account.unlisted), (MOST_LINES, 7));
        Ok(())
    }

    #[test]
    fn a_flood_of_requests_that_cost_nothing_hides_none_that_costs() -> Result<(), Box<dyn std::error::Error>> {
        let mut log = AccessLog::default();
        for number in 0..3000 {
            let line = AccessLogLine::begin(Timestamp::from_millis(0)?);
            log.push(number, AccessLogLine { end: ExchangeEnd::Greeted, ..line });
        }
        let line = AccessLogLine::begin(Timestamp::from_millis(0)?);
        log.push(3000, AccessLogLine { is_asked: true, end: ExchangeEnd::Answered, ..line });
        let account = log.into_report(LIMITS, GatewayUsage::default(), None);
        assert_eq!(account.lines.last().map(|line| line.end), Some(ExchangeEnd::Answered));
        assert_eq!((account.lines.len(), account.unlisted), (MOST_LINES + 1, 1000));
        Ok(())
    }

    #[test]
    fn requests_are_told_in_their_order_although_they_end_in_another() -> Result<(), Box<dyn std::error::Error>> {
        let mut log = AccessLog::default();
        for (number, end) in [(2, ExchangeEnd::Refused("second")), (1, ExchangeEnd::Answered)] {
            log.push(number, AccessLogLine { end, ..AccessLogLine::begin(Timestamp::from_millis(0)?) });
        }
        let account = log.into_report(LIMITS, GatewayUsage::default(), None);
        assert_eq!(account.last, Some(ExchangeEnd::Refused("second")));
        assert_eq!(account.lines.first().map(|line| line.end), Some(ExchangeEnd::Answered));
        Ok(())
    }
}
