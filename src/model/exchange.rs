//! One exchange with a host: what a guest asks, what it gets, and what its record has.
//!
//! Guarantees: a record names everything that decided about the exchange, and the digest of both bodies. Deliberately never:
//! has the value of a secret, because the request is recorded as the guest made it.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    digest::Digest,
    host_rule::{HostRule, RequestMethod},
    signing::{SigningCall, SigningResult},
};

/// A request as the guest made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpCall {
    /// The method.
    pub method: RequestMethod,
    /// The URL.
    pub url: String,
    /// Its headers, in the order of the guest.
    pub headers: Vec<HeaderField>,
    /// Its body.
    pub body: Vec<u8>,
}

/// One header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeaderField {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A whole response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpReply {
    /// The status.
    pub status: u16,
    /// Its headers, names in lower case.
    pub headers: Vec<HeaderField>,
    /// Its body.
    pub body: Vec<u8>,
}

/// Why there is no response, as a guest can tell the reasons apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HttpFailureKind {
    /// No rule allows it, or a limit of the rule is used up.
    Refused,
    /// The name has no address, or one that may not be reached.
    Dns,
    /// No connection.
    Connect,
    /// No TLS session.
    Tls,
    /// It took too long.
    Timeout,
    /// The request or the response is larger than the rule allows.
    TooLarge,
    /// The response is not what it should be.
    Invalid,
}

impl HttpFailureKind {
    /// All of them, in the order of the contract.
    pub const ALL: [Self; 7] =
        [Self::Refused, Self::Dns, Self::Connect, Self::Tls, Self::Timeout, Self::TooLarge, Self::Invalid];

    /// The spelling in WIT and in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::TooLarge => "too-large",
            Self::Invalid => "invalid",
        }
    }
}

/// Why there is no response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{}: {message}", kind.as_str())]
pub struct HttpFailure {
    /// Its kind.
    pub kind: HttpFailureKind,
    /// What happened, without anything that the server said.
    pub message: String,
}

impl HttpFailure {
    /// A failure of this kind.
    pub fn new(kind: HttpFailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

/// One request on the wire: an exchange has several where a server redirects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExchangeHop {
    /// Its URL, without its query.
    pub url: String,
    /// The rule that allowed it.
    pub rule: String,
    /// The address that was connected to; none where there was no connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// The version of TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<String>,
    /// The digest of the server's certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Digest>,
    /// The status of its response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
}

impl ExchangeHop {
    /// The origin of its URL.
    pub fn origin(&self) -> &str {
        // By hand, because the URL was parsed before it was recorded, and `model` knows no URL
        // parser.
        let host = self.url.find("://").map_or(0, |at| at + "://".len());
        let end = self.url.get(host..).and_then(|rest| rest.find('/')).map_or(self.url.len(), |at| host + at);
        self.url.get(..end).unwrap_or_default()
    }
}

/// A body that the store has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredBody {
    /// Its digest.
    pub sha256: Digest,
    /// Its size in bytes.
    pub bytes: u64,
}

impl StoredBody {
    /// What a record says of this body.
    pub fn of(body: &[u8]) -> Self {
        Self { sha256: Digest::of(body), bytes: body.len() as u64 }
    }
}

/// A request as a record has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedCall {
    /// The method.
    pub method: RequestMethod,
    /// The URL.
    pub url: String,
    /// The headers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<HeaderField>,
    /// The body.
    pub body: StoredBody,
}

impl From<&HttpCall> for RecordedCall {
    fn from(call: &HttpCall) -> Self {
        let HttpCall { method, url, headers, body } = call;
        Self { method: *method, url: url.clone(), headers: headers.clone(), body: StoredBody::of(body) }
    }
}

/// How an exchange ended, as a record has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordedEnd {
    /// With a response.
    Reply {
        /// The status.
        status: u16,
        /// The headers.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        headers: Vec<HeaderField>,
        /// The body.
        body: StoredBody,
    },
    /// Without one.
    Failure(HttpFailure),
}

/// One exchange, as a record has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExchangeRecord {
    /// What was asked.
    pub call: RecordedCall,
    /// What went over the wire, redirects included.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hops: Vec<ExchangeHop>,
    /// How it ended.
    pub end: RecordedEnd,
}

impl ExchangeRecord {
    /// The bodies that the store must have for it.
    pub fn bodies(&self) -> impl Iterator<Item = StoredBody> {
        let reply = match &self.end {
            RecordedEnd::Reply { body, .. } => Some(*body),
            RecordedEnd::Failure(_) => None,
        };
        // An empty body is known without the store.
        [Some(self.call.body), reply].into_iter().flatten().filter(|body| body.bytes > 0)
    }
}

/// An exchange with everything that was said in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchanged {
    /// What went over the wire.
    pub hops: Vec<ExchangeHop>,
    /// What the guest gets.
    pub end: Result<HttpReply, HttpFailure>,
}

impl Exchanged {
    /// What its record has.
    pub fn record(&self, call: &HttpCall) -> ExchangeRecord {
        let end = match &self.end {
            Ok(HttpReply { status, headers, body }) => {
                RecordedEnd::Reply { status: *status, headers: headers.clone(), body: StoredBody::of(body) }
            }
            Err(failure) => RecordedEnd::Failure(failure.clone()),
        };
        ExchangeRecord { call: call.into(), hops: self.hops.clone(), end }
    }
}

/// Makes the exchanges and signatures of a run, or answers for them without a network and without a secret.
pub trait HttpPort: fmt::Debug + Send + Sync {
    /// Makes one exchange. `time` is what the run has left, and `may_go_on` says again and again whether it may wait.
    fn exchange(&self, call: HttpCall, time: Duration, may_go_on: &mut dyn FnMut() -> bool) -> CallEnd;

    /// Makes one signature. `may_go_on` says again and again whether it may wait.
    fn sign(&self, call: SigningCall, may_go_on: &mut dyn FnMut() -> bool) -> CallEnd<SigningResult>;
}

/// How a call of a guest ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallEnd<T = Result<HttpReply, HttpFailure>> {
    /// The guest gets this.
    Answered(T),
    /// The run had to end.
    Interrupted,
    /// The record that answers has no such call, which is named.
    NotRecorded(String),
    /// What makes exchanges is broken.
    Broken(String),
}

/// Counts the calls of a skill over all of its runs.
pub trait CallBudget: fmt::Debug + Send {
    /// Counts one call, unless the rule allows no more within an hour.
    ///
    /// # Errors
    /// Why it may not be made.
    fn grant(&mut self, rule: &HostRule) -> Result<(), String>;
}
