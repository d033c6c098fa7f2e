//! Responses of the gateway itself, in the provider's own form, which the agent's library understands.
//!
//! Never: holds text that the agent or the provider sent.

use std::convert::Infallible;

use http_body_util::{BodyExt as _, Full, combinators::UnsyncBoxBody};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};
use serde_json::json;

use super::budget::GatewayLimit;

/// The header by which the agent's library learns not to send a request again: the response would be the same.
const SHOULD_RETRY: HeaderName = HeaderName::from_static("x-should-retry");

/// A response that broke off. hyper closes the connection then, so that the agent sees an incomplete response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the response was cut off")]
pub struct CutOff;

/// The body of a response to the agent.
pub type AgentBody = UnsyncBoxBody<Bytes, CutOff>;

/// Why a request does not go to the provider, or why its response does not come from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// The status.
    pub status: StatusCode,
    /// The reason.
    pub why: &'static str,
}

impl Refusal {
    /// A refusal with this status.
    pub const fn new(status: StatusCode, why: &'static str) -> Self {
        Self { status, why }
    }

    /// The request exceeds the budget. The status is not 429, which asks the agent to try again later.
    pub const fn budget(limit: GatewayLimit) -> Self {
        let why = match limit {
            GatewayLimit::MaxRequests => "the attempt's budget is spent: max_requests",
            GatewayLimit::MaxRequestBytes => "the attempt's budget is spent: max_request_bytes",
            GatewayLimit::MaxResponseBytes => "the attempt's budget is spent: max_response_bytes",
            GatewayLimit::MaxInputTokens => "the attempt's budget is spent: max_input_tokens",
            GatewayLimit::MaxOutputTokens => "the attempt's budget is spent: max_output_tokens",
        };
        Self::new(StatusCode::FORBIDDEN, why)
    }

    /// The response that tells the agent.
    pub fn response(self) -> Response<AgentBody> {
        let mut response = Response::new(full(self.body()));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        // Retries would only use up the attempt's time.
        headers.insert(SHOULD_RETRY, HeaderValue::from_static("false"));
        response
    }

    /// The same response as bytes, for a request that hyper could not parse and therefore cannot respond to.
    pub fn bytes(self) -> Vec<u8> {
        let body = self.body();
        let head = format!(
            "HTTP/1.1 {}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nx-should-retry: false\r\n\
             connection: close\r\n\r\n",
            self.status,
            body.len()
        );
        [head.into_bytes(), body].concat()
    }

    fn body(self) -> Vec<u8> {
        let kind = match self.status.as_u16() {
            // The provider's own kinds of errors, because the agent's library knows no others.
            401 => "authentication_error",
            403 => "permission_error",
            413 => "request_too_large",
            429 => "rate_limit_error",
            500.. => "api_error",
            _ => "invalid_request_error",
        };
        let message = format!("kavi's gateway: {}", self.why);
        json!({"type": "error", "error": {"type": kind, "message": message}}).to_string().into_bytes()
    }
}

/// A body in one piece.
pub fn full(bytes: Vec<u8>) -> AgentBody {
    Full::new(Bytes::from(bytes)).map_err(|never: Infallible| match never {}).boxed_unsync()
}
