//! What an attempt may use of the provider, and what it has used. Pure.
//!
//! Guarantees: no count ever wraps; a limit that has once cut something off stays crossed, so that nothing gets through
//! after it by being smaller. Never: looks at a clock.

use std::fmt;

use serde::Serialize;

/// What one attempt may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Requests that showed the word of the attempt, the refused ones included.
    pub max_requests: u64,
    /// Bytes of all request bodies together.
    pub max_request_bytes: u64,
    /// Bytes of all answers together.
    pub max_response_bytes: u64,
    /// Tokens sent, the cached ones included.
    pub max_input_tokens: u64,
    /// Tokens received.
    pub max_output_tokens: u64,
}

/// The limit that cut an attempt off. Its text is the name of the setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// [`Limits::max_requests`]
    MaxRequests,
    /// [`Limits::max_request_bytes`]
    MaxRequestBytes,
    /// [`Limits::max_response_bytes`]
    MaxResponseBytes,
    /// [`Limits::max_input_tokens`]
    MaxInputTokens,
    /// [`Limits::max_output_tokens`]
    MaxOutputTokens,
}

impl Limit {
    /// The name of the setting.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::MaxRequests => "max_requests",
            Self::MaxRequestBytes => "max_request_bytes",
            Self::MaxResponseBytes => "max_response_bytes",
            Self::MaxInputTokens => "max_input_tokens",
            Self::MaxOutputTokens => "max_output_tokens",
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Tokens of one exchange or of many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tokens {
    /// Sent, the cached ones included.
    pub input: u64,
    /// Received.
    pub output: u64,
}

/// What an attempt has used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Requests that showed the word of the attempt, the refused ones included.
    pub requests: u64,
    /// Bytes of request bodies that were taken.
    pub request_bytes: u64,
    /// Bytes of answers that were handed on.
    pub response_bytes: u64,
    /// Tokens.
    pub tokens: Tokens,
}

/// The account of one attempt.
#[derive(Debug, Clone)]
pub struct Budget {
    limits: Limits,
    used: Totals,
    crossed: Option<Limit>,
}

impl Budget {
    /// Nothing used yet.
    pub fn new(limits: Limits) -> Self {
        Self { limits, used: Totals::default(), crossed: None }
    }

    /// What was used so far.
    pub fn used(&self) -> Totals {
        self.used
    }

    /// The limit that cut something off, the first one.
    pub fn crossed(&self) -> Option<Limit> {
        self.crossed
    }

    /// Counts a request.
    ///
    /// # Errors
    /// The limit that forbids it.
    pub fn open(&mut self) -> Result<(), Limit> {
        self.used.requests = self.used.requests.saturating_add(1);
        self.hold(Limit::MaxRequests, self.used.requests > self.limits.max_requests)?;
        self.ask()
    }

    /// Counts a request body before it is read.
    ///
    /// # Errors
    /// The limit that forbids it; nothing of it is counted then.
    pub fn take(&mut self, bytes: u64) -> Result<(), Limit> {
        let sum = self.used.request_bytes.saturating_add(bytes);
        self.hold(Limit::MaxRequestBytes, sum > self.limits.max_request_bytes)?;
        self.used.request_bytes = sum;
        Ok(())
    }

    /// Whether the provider may be asked once more. What it will cost in tokens is known only afterwards.
    ///
    /// # Errors
    /// The limit that forbids it.
    pub fn ask(&mut self) -> Result<(), Limit> {
        let Tokens { input, output } = self.used.tokens;
        self.hold(Limit::MaxInputTokens, input >= self.limits.max_input_tokens)?;
        self.hold(Limit::MaxOutputTokens, output >= self.limits.max_output_tokens)?;
        self.hold(Limit::MaxResponseBytes, self.used.response_bytes >= self.limits.max_response_bytes)
    }

    /// Counts a piece of an answer before it is handed on.
    ///
    /// # Errors
    /// The limit that forbids it; nothing of it is counted then.
    pub fn give(&mut self, bytes: u64) -> Result<(), Limit> {
        let sum = self.used.response_bytes.saturating_add(bytes);
        self.hold(Limit::MaxResponseBytes, sum > self.limits.max_response_bytes)?;
        self.used.response_bytes = sum;
        Ok(())
    }

    /// Counts what an exchange cost. Never refuses: it has been spent.
    pub fn charge(&mut self, tokens: Tokens) {
        let used = &mut self.used.tokens;
        used.input = used.input.saturating_add(tokens.input);
        used.output = used.output.saturating_add(tokens.output);
    }

    fn hold(&mut self, limit: Limit, over: bool) -> Result<(), Limit> {
        if let Some(crossed) = self.crossed {
            return Err(crossed);
        }
        if over {
            self.crossed = Some(limit);
            return Err(limit);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        max_requests: 3,
        max_request_bytes: 100,
        max_response_bytes: 100,
        max_input_tokens: 50,
        max_output_tokens: 20,
    };

    #[test]
    fn each_limit_is_met_exactly_and_not_passed() {
        let mut budget = Budget::new(LIMITS);
        assert_eq!([budget.open(), budget.open(), budget.open()], [Ok(()); 3]);
        assert_eq!(budget.open(), Err(Limit::MaxRequests));

        let mut budget = Budget::new(LIMITS);
        assert_eq!([budget.take(60), budget.take(40)], [Ok(()); 2]);
        assert_eq!(budget.take(1), Err(Limit::MaxRequestBytes));
        assert_eq!(budget.used().request_bytes, 100);

        let mut budget = Budget::new(LIMITS);
        assert_eq!(budget.give(100), Ok(()));
        assert_eq!(budget.give(1), Err(Limit::MaxResponseBytes));
        assert_eq!(budget.used().response_bytes, 100);
    }

    #[test]
    fn tokens_are_counted_after_the_fact_and_forbid_the_next_question() {
        let mut budget = Budget::new(LIMITS);
        budget.charge(Tokens { input: 49, output: 19 });
        assert_eq!(budget.ask(), Ok(()));
        budget.charge(Tokens { input: 1, output: 0 });
        assert_eq!(budget.crossed(), None, "what was answered was answered");
        assert_eq!(budget.open(), Err(Limit::MaxInputTokens));
        let mut budget = Budget::new(LIMITS);
        budget.charge(Tokens { input: 0, output: 20 });
        assert_eq!(budget.ask(), Err(Limit::MaxOutputTokens));
    }

    #[test]
    fn a_crossed_limit_stays_crossed() {
        let mut budget = Budget::new(LIMITS);
        assert_eq!(budget.take(101), Err(Limit::MaxRequestBytes));
        assert_eq!(budget.take(1), Err(Limit::MaxRequestBytes));
        assert_eq!(budget.open(), Err(Limit::MaxRequestBytes));
        assert_eq!(budget.crossed(), Some(Limit::MaxRequestBytes));
    }

    #[test]
    fn nothing_wraps() {
        let mut budget = Budget::new(LIMITS);
        budget.charge(Tokens { input: u64::MAX, output: u64::MAX });
        budget.charge(Tokens { input: u64::MAX, output: 1 });
        assert_eq!(budget.used().tokens, Tokens { input: u64::MAX, output: u64::MAX });
        assert_eq!(budget.take(u64::MAX), Err(Limit::MaxRequestBytes));
    }
}
