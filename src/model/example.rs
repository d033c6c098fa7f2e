//! Golden examples of a spec: an input, a vault, and what must come of them.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    exchange::{ExchangeRecord, HttpCall, HttpFailureKind, RecordedEnd},
    host_rule::RequestMethod,
    signing::{SignatureBytes, SignatureRecord, SigningEnd, SigningFailureKind},
    time::Timestamp,
    vault_path::VaultPath,
};

/// One golden case, run on the exact component that would be promoted.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Example {
    /// Its name in reports.
    pub name: String,
    /// The input.
    pub input: Value,
    /// Text files that lie in the vault before the run.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub vault: BTreeMap<VaultPath, String>,
    /// The time of the run, for a skill that asks for the time. Without it the example must hold at any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<Timestamp>,
    /// What hosts answer to its requests, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exchanges: Vec<ExampleExchange>,
    /// The signatures that it gets, each once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub signatures: Vec<ExampleSignature>,
    /// What must come back.
    pub expect: Expectation,
    /// Files that the run must stage, with their whole text. Empty: not compared.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<VaultPath, String>,
    /// Files that the run must remove. Compared where `files` or this is not empty.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub removed: BTreeSet<VaultPath>,
}

/// One request of an example, and what comes of it: a reply, or the reason why there is none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExampleExchange {
    /// The method.
    #[serde(default = "get", skip_serializing_if = "is_get")]
    pub method: RequestMethod,
    /// The URL, exactly as the skill asks for it.
    pub url: String,
    /// The body of the request; none where it is not compared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// The response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply: Option<ExampleReply>,
    /// Why there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fail: Option<HttpFailureKind>,
}

/// A response of an example.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExampleReply {
    /// The status.
    #[serde(default = "ok", skip_serializing_if = "is_ok")]
    pub status: u16,
    /// The headers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// The body.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
}

fn get() -> RequestMethod {
    RequestMethod::Get
}

fn is_get(method: &RequestMethod) -> bool {
    *method == RequestMethod::Get
}

fn ok() -> u16 {
    200
}

fn is_ok(status: &u16) -> bool {
    *status == 200
}

/// One signature of an example, or the reason why there is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExampleSignature {
    /// The secret.
    pub secret: String,
    /// The signature.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<SignatureBytes>,
    /// Why there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fail: Option<SigningFailureKind>,
}

impl From<&SignatureRecord> for ExampleSignature {
    fn from(record: &SignatureRecord) -> Self {
        let secret = record.call.secret.clone();
        match &record.end {
            SigningEnd::Signature(bytes) => Self { secret, signature: Some(bytes.clone()), fail: None },
            SigningEnd::Failure(failure) => Self { secret, signature: None, fail: Some(failure.kind) },
        }
    }
}

/// A response that an example cannot have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the response to {method} {url} is not text, so an example cannot have it")]
pub struct BinaryReply {
    /// The method of the request.
    pub method: RequestMethod,
    /// Its URL, without the query.
    pub url: String,
}

impl ExampleExchange {
    /// The exchange of a run, with both bodies. A request body that is not text is not compared.
    ///
    /// # Errors
    /// [`BinaryReply`]
    pub fn recorded(record: &ExchangeRecord, request: Vec<u8>, reply: Vec<u8>) -> Result<Self, BinaryReply> {
        let (method, url) = (record.call.method, record.call.url.clone());
        let (reply, fail) = match &record.end {
            RecordedEnd::Failure(failure) => (None, Some(failure.kind)),
            RecordedEnd::Reply { status, headers, .. } => {
                let without_query = || url.split('?').next().unwrap_or_default().to_owned();
                // Refused and not replaced: an example with other bytes than the host sent would
                // test something that never happened.
                let body = String::from_utf8(reply).map_err(|_| BinaryReply { method, url: without_query() })?;
                let mut fields = BTreeMap::<String, String>::new();
                for field in headers {
                    let value = fields.entry(field.name.clone()).or_default();
                    // Several lines of one header mean the same as one line.
                    *value = if value.is_empty() { field.value.clone() } else { format!("{value}, {}", field.value) };
                }
                (Some(ExampleReply { status: *status, headers: fields, body }), None)
            }
        };
        let body = String::from_utf8(request).ok().filter(|body| !body.is_empty());
        Ok(Self { method, url, body, reply, fail })
    }

    /// Whether it is of this request.
    pub fn is_of(&self, call: &HttpCall) -> bool {
        // A body that the example leaves out may hold the time or a random number, which differ
        // from run to run.
        let same_body = self.body.as_ref().is_none_or(|body| body.as_bytes() == call.body);
        self.method == call.method && self.url == call.url && same_body
    }
}

/// What an example must give.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Expectation {
    /// Exactly this output.
    Ok(Value),
    /// An error of this kind.
    Err(ErrorKind),
}

/// The kinds of error a skill can return, as in `wit/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// The input matched the schema, but the skill cannot use it.
    InvalidInput,
    /// What the input names is not there.
    NotFound,
    /// Not allowed to this skill.
    Denied,
    /// Anything else.
    Failed,
}

impl ErrorKind {
    /// The spelling in WIT and in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidInput => "invalid-input",
            Self::NotFound => "not-found",
            Self::Denied => "denied",
            Self::Failed => "failed",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::exchange::{Exchanged, HeaderField, HttpFailure, HttpReply};

    fn call(body: &[u8]) -> HttpCall {
        let url = "https://api.example.com/v1/a?q=made-up".to_owned();
        HttpCall { method: RequestMethod::Post, url, headers: Vec::new(), body: body.to_vec() }
    }

    #[test]
    fn a_recorded_exchange_is_of_its_request_and_a_binary_response_is_refused() -> Result<(), BinaryReply> {
        let field = |value: &str| HeaderField { name: "x-part".to_owned(), value: value.to_owned() };
        let reply = |body: &[u8]| HttpReply { status: 201, headers: vec![field("a"), field("b")], body: body.to_vec() };
        let record = |end| Exchanged { hops: Vec::new(), end }.record(&call(b"sent"));
        let made = ExampleExchange::recorded(&record(Ok(reply(b"got"))), b"sent".to_vec(), b"got".to_vec())?;
        assert!(made.is_of(&call(b"sent")) && !made.is_of(&call(b"other")));
        let got =
            made.reply.as_ref().map(|reply| (reply.status, reply.headers["x-part"].as_str(), reply.body.as_str()));
        assert_eq!((got, made.fail), (Some((201, "a, b", "got")), None));
        let failure = HttpFailure::new(HttpFailureKind::Tls, "x");
        let failed = ExampleExchange::recorded(&record(Err(failure)), b"\xff".to_vec(), Vec::new())?;
        assert_eq!((failed.fail, failed.reply.is_some(), failed.body), (Some(HttpFailureKind::Tls), false, None));
        let refused = ExampleExchange::recorded(&record(Ok(reply(b"\xff"))), Vec::new(), b"\xff".to_vec());
        assert!(refused.is_err_and(|error| !error.to_string().contains("made-up")));
        Ok(())
    }
}
