//! What an attempt may use of the provider, and what it has used. Pure.
//!
//! Guarantees: no count ever wraps; once a limit has cut something off it stays exceeded, so that a smaller request does
//! not get through afterwards. Never: reads a clock.

use std::fmt;

use serde::Serialize;

/// What one attempt may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct GatewayLimits {
    /// Requests with the token of the attempt, including those that were refused.
    pub max_requests: u64,
    /// Bytes of all request bodies together.
    pub max_request_bytes: u64,
    /// Bytes of all responses together.
    pub max_response_bytes: u64,
    /// Tokens sent, including cached ones.
    pub max_input_tokens: u64,
    /// Tokens received.
    pub max_output_tokens: u64,
}

/// A limit that an attempt exceeded. Its text is the name of the setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GatewayLimit {
    /// [`GatewayLimits::max_requests`]
    MaxRequests,
    /// [`GatewayLimits::max_request_bytes`]
    MaxRequestBytes,
    /// [`GatewayLimits::max_response_bytes`]
    MaxResponseBytes,
    /// [`GatewayLimits::max_input_tokens`]
    MaxInputTokens,
    /// [`GatewayLimits::max_output_tokens`]
    MaxOutputTokens,
}

impl GatewayLimit {
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

impl fmt::Display for GatewayLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Tokens of one exchange or of many.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct TokenCount {
    /// Sent, including cached ones.
    pub input: u64,
    /// Received.
    pub output: u64,
}

/// What an attempt has used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct GatewayUsage {
    /// Requests with the token of the attempt, including those that were refused.
    pub requests: u64,
    /// Bytes of request bodies that were accepted.
    pub request_bytes: u64,
    /// Bytes of responses that were passed on.
    pub response_bytes: u64,
    /// Tokens.
    pub tokens: TokenCount,
}

/// The limits of one attempt and what it has used of them.
#[derive(Debug, Clone)]
pub struct AttemptBudget {
    limits: GatewayLimits,
    used: GatewayUsage,
    exceeded: Option<GatewayLimit>,
}

impl AttemptBudget {
    /// Nothing used yet.
    pub fn new(limits: GatewayLimits) -> Self {
        Self { limits, used: GatewayUsage::default(), exceeded: None }
    }

    /// What was used so far.
    pub fn used(&self) -> GatewayUsage {
        self.used
    }

    /// The first limit that cut something off.
    pub fn exceeded(&self) -> Option<GatewayLimit> {
        self.exceeded
    }

    /// Counts a request.
    ///
    /// # Errors
    /// The limit that forbids it.
    pub fn count_request(&mut self) -> Result<(), GatewayLimit> {
        // Counted before the check, so that refused requests show in the report.
        self.used.requests = self.used.requests.saturating_add(1);
        self.enforce(GatewayLimit::MaxRequests, self.used.requests > self.limits.max_requests)?;
        self.check_response_budget()
    }

    /// Counts a request body before it is read.
    ///
    /// # Errors
    /// The limit that forbids it; nothing of it is counted then.
    pub fn count_request_body(&mut self, bytes: u64) -> Result<(), GatewayLimit> {
        let sum = self.used.request_bytes.saturating_add(bytes);
        self.enforce(GatewayLimit::MaxRequestBytes, sum > self.limits.max_request_bytes)?;
        self.used.request_bytes = sum;
        Ok(())
    }

    /// Checks whether one more request may go to the provider. Its price in tokens is known only afterwards.
    ///
    /// # Errors
    /// The limit that forbids it.
    pub fn check_response_budget(&mut self) -> Result<(), GatewayLimit> {
        let TokenCount { input, output } = self.used.tokens;
        // Equality refuses too: one more request would certainly exceed the limit.
        self.enforce(GatewayLimit::MaxInputTokens, input >= self.limits.max_input_tokens)?;
        self.enforce(GatewayLimit::MaxOutputTokens, output >= self.limits.max_output_tokens)?;
        self.enforce(GatewayLimit::MaxResponseBytes, self.used.response_bytes >= self.limits.max_response_bytes)
    }

    /// Counts a piece of a response before it is passed on.
    ///
    /// # Errors
    /// The limit that forbids it; nothing of it is counted then.
    pub fn count_response(&mut self, bytes: u64) -> Result<(), GatewayLimit> {
        let sum = self.used.response_bytes.saturating_add(bytes);
        self.enforce(GatewayLimit::MaxResponseBytes, sum > self.limits.max_response_bytes)?;
        self.used.response_bytes = sum;
        Ok(())
    }

    /// Counts the tokens of an exchange. Never refuses, because they have been spent.
    pub fn charge_tokens(&mut self, tokens: TokenCount) {
        let used = &mut self.used.tokens;
        used.input = used.input.saturating_add(tokens.input);
        used.output = used.output.saturating_add(tokens.output);
    }

    fn enforce(&mut self, limit: GatewayLimit, over: bool) -> Result<(), GatewayLimit> {
        // The first limit stays the reason, whatever is asked for afterwards.
        if let Some(exceeded) = self.exceeded {
            return Err(exceeded);
        }
        if over {
            self.exceeded = Some(limit);
            return Err(limit);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: GatewayLimits = GatewayLimits {
        max_requests: 3,
        max_request_bytes: 100,
        max_response_bytes: 100,
        max_input_tokens: 50,
        max_output_tokens: 20,
    };

    #[test]
    fn each_limit_is_met_exactly_and_not_passed() {
        let mut budget = AttemptBudget::new(LIMITS);
        assert_eq!([budget.count_request(), budget.count_request(), budget.count_request()], [Ok(()); 3]);
        assert_eq!(budget.count_request(), Err(GatewayLimit::MaxRequests));

        let mut budget = AttemptBudget::new(LIMITS);
        assert_eq!([budget.count_request_body(60), budget.count_request_body(40)], [Ok(()); 2]);
        assert_eq!(budget.count_request_body(1), Err(GatewayLimit::MaxRequestBytes));
        assert_eq!(budget.used().request_bytes, 100);

        let mut budget = AttemptBudget::new(LIMITS);
        assert_eq!(budget.count_response(100), Ok(()));
        assert_eq!(budget.count_response(1), Err(GatewayLimit::MaxResponseBytes));
        assert_eq!(budget.used().response_bytes, 100);
    }

    #[test]
    fn tokens_are_counted_afterwards_and_forbid_the_next_request() {
        let mut budget = AttemptBudget::new(LIMITS);
        budget.charge_tokens(TokenCount { input: 49, output: 19 });
        assert_eq!(budget.check_response_budget(), Ok(()));
        budget.charge_tokens(TokenCount { input: 1, output: 0 });
        assert_eq!(budget.exceeded(), None, "what was answered was answered");
        assert_eq!(budget.count_request(), Err(GatewayLimit::MaxInputTokens));
        let mut budget = AttemptBudget::new(LIMITS);
        budget.charge_tokens(TokenCount { input: 0, output: 20 });
        assert_eq!(budget.check_response_budget(), Err(GatewayLimit::MaxOutputTokens));
    }

    #[test]
    fn a_exceeded_limit_stays_exceeded() {
        let mut budget = AttemptBudget::new(LIMITS);
        assert_eq!(budget.count_request_body(101), Err(GatewayLimit::MaxRequestBytes));
        assert_eq!(budget.count_request_body(1), Err(GatewayLimit::MaxRequestBytes));
        assert_eq!(budget.count_request(), Err(GatewayLimit::MaxRequestBytes));
        assert_eq!(budget.exceeded(), Some(GatewayLimit::MaxRequestBytes));
    }

    #[test]
    fn nothing_wraps() {
        let mut budget = AttemptBudget::new(LIMITS);
        budget.charge_tokens(TokenCount { input: u64::MAX, output: u64::MAX });
        budget.charge_tokens(TokenCount { input: u64::MAX, output: 1 });
        assert_eq!(budget.used().tokens, TokenCount { input: u64::MAX, output: u64::MAX });
        assert_eq!(budget.count_request_body(u64::MAX), Err(GatewayLimit::MaxRequestBytes));
    }
}
