//! Requests to the hosts that the skill's specification names, and to no others.
//!
//! A request is made outside of the skill. It passes when one of the specification's host rules allows its method, host and
//! path; the rule limits its size, its time and how often it is made. The skill has no socket and follows no redirect itself. A
//! secret that the specification binds to the host is put in on the way: the skill never has its value.
//!
//! Each reason why there is no response is a kind of [`Error`] of its own, so that a skill can try again, answer in another way,
//! or say what is wrong. `?` makes a [`SkillError`] of it.
//!
//! A test says what a host answers with [`testing::respond`](crate::testing::respond) and
//! [`testing::fail`](crate::testing::fail). A request that no test answers is refused.
//!
//! ```
//! use kavi_sdk::prelude::*;
//! use kavi_sdk::{http, testing};
//!
//! #[derive(Deserialize)]
//! struct Forecast {
//!     celsius: f64,
//! }
//! fn warmest(city: &str) -> Result<f64, SkillError> {
//!     let request = http::get("https://api.example.com/v1/forecast").query("city", city);
//!     let forecast: Forecast = request.send()?.success()?.json()?;
//!     Ok(forecast.celsius)
//! }
//!
//! testing::respond("https://api.example.com/v1/forecast?city=Graz+West", 200, "{\"celsius\": 21.5}");
//! assert_eq!(warmest("Graz West"), Ok(21.5));
//! testing::fail("https://api.example.com/v1/forecast?city=x", http::ErrorKind::Timeout);
//! assert!(matches!(warmest("x"), Err(SkillError::Failed(_))));
//! ```

use std::{error, fmt};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::SkillError;
use crate::test_answers::TestAnswers;

/// A method that a host rule can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `GET`
    Get,
    /// `HEAD`
    Head,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `PATCH`
    Patch,
    /// `DELETE`
    Delete,
}

/// A request that is being put together.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a request does nothing until it is sent"]
pub struct Request {
    method: Method,
    url: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// A request of this method.
pub fn request(method: Method, url: impl Into<String>) -> Request {
    Request { method, url: url.into(), headers: Vec::new(), body: Vec::new() }
}

/// A `GET` request.
pub fn get(url: impl Into<String>) -> Request {
    request(Method::Get, url)
}

/// A `POST` request.
pub fn post(url: impl Into<String>) -> Request {
    request(Method::Post, url)
}

impl Request {
    /// The same request with this header.
    pub fn header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// The same request with this parameter in its query.
    pub fn query(mut self, name: &str, value: &str) -> Self {
        self.url.push(if self.url.contains('?') { '&' } else { '?' });
        escape(name, &mut self.url);
        self.url.push('=');
        escape(value, &mut self.url);
        self
    }

    /// The same request with this body.
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// The same request with this value as its JSON body.
    ///
    /// # Errors
    /// Failed when the value is no JSON.
    pub fn json<T: Serialize + ?Sized>(self, value: &T) -> Result<Self, SkillError> {
        let body = serde_json::to_vec(value)?;
        Ok(self.header("content-type", "application/json").body(body))
    }

    /// Makes the request and waits for the whole response, whatever its status is.
    ///
    /// # Errors
    /// [`Error`] when there is no response.
    pub fn send(self) -> Result<Response, Error> {
        match ANSWERS.with(|answers| answers.take(&self.url)) {
            Some(answer) => answer,
            None => host(self),
        }
    }
}

/// Appends a text as a form writes it.
fn escape(text: &str, into: &mut String) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => into.push(char::from(byte)),
            b' ' => into.push('+'),
            byte => {
                const DIGITS: [char; 16] =
                    ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'A', 'B', 'C', 'D', 'E', 'F'];
                into.push('%');
                into.push(DIGITS.get(usize::from(byte >> 4)).copied().unwrap_or_default());
                into.push(DIGITS.get(usize::from(byte & 15)).copied().unwrap_or_default());
            }
        }
    }
}

/// A whole response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

impl Response {
    /// The status.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The body.
    pub fn body(&self) -> &[u8] {
        &self.body
    }

    /// This response, if its status says that the request succeeded.
    ///
    /// # Errors
    /// [`ErrorKind::Status`] for every status but 200 to 299.
    pub fn success(self) -> Result<Self, Error> {
        match self.status {
            200..=299 => Ok(self),
            status => Err(Error::new(ErrorKind::Status(status), format!("the response has the status {status}"))),
        }
    }

    /// The body as text.
    ///
    /// # Errors
    /// [`ErrorKind::Body`] when it is not UTF-8.
    pub fn text(&self) -> Result<&str, Error> {
        str::from_utf8(&self.body).map_err(|_| Error::new(ErrorKind::Body, "the body is not UTF-8"))
    }

    /// The body as a JSON value.
    ///
    /// # Errors
    /// [`ErrorKind::Body`] when it is none, or does not fit `T`.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let read = serde_json::from_slice(&self.body);
        read.map_err(|error| Error::new(ErrorKind::Body, format!("the body is not the expected JSON: {error}")))
    }
}

/// Why there is no response, or none that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// No host rule allows the request, or the rule allows no more of them now.
    Refused,
    /// The name has no address that may be reached.
    Dns,
    /// No connection.
    Connect,
    /// No encrypted connection.
    Tls,
    /// It took too long.
    Timeout,
    /// The request or the response is larger than the rule allows.
    TooLarge,
    /// What came is no response that the rule allows.
    Invalid,
    /// The response has a status that says no.
    Status(u16),
    /// The body is not what was expected.
    Body,
}

impl ErrorKind {
    /// Its name, for an output or a log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::TooLarge => "too-large",
            Self::Invalid => "invalid",
            Self::Status(_) => "status",
            Self::Body => "body",
        }
    }
}

/// Why there is no response, or none that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// The kind.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl error::Error for Error {}

impl From<Error> for SkillError {
    fn from(error: Error) -> Self {
        match error.kind {
            ErrorKind::Refused => Self::Denied(error.message),
            ErrorKind::Status(404 | 410) => Self::NotFound(error.message),
            _ => Self::Failed(error.message),
        }
    }
}

thread_local! {
    /// What a test says that a URL answers.
    static ANSWERS: TestAnswers<Result<Response, Error>> = const { TestAnswers::new() };
}

/// What the test has said that hosts answer, for the host that runs the call.
#[cfg(target_family = "wasm")]
pub(crate) fn told() -> Vec<crate::bindings::skill_test::kavi::skill::testing::Answer> {
    use crate::bindings::skill_test::kavi::skill::testing::{Answer as Told, NoReply, NoReplyReason as Reason, Reply};

    let told = |url: String, answer: &Result<Response, Error>| {
        let reason = match answer {
            Ok(Response { status, body, .. }) => {
                return Told::Reply(Reply { url, status: *status, body: body.clone() });
            }
            Err(error) => match error.kind {
                // These two are what a skill makes of a response.
                ErrorKind::Status(status) => return Told::Reply(Reply { url, status, body: Vec::new() }),
                ErrorKind::Body => return Told::Reply(Reply { url, status: 200, body: b"?".to_vec() }),
                ErrorKind::Refused => Reason::Refused,
                ErrorKind::Dns => Reason::Dns,
                ErrorKind::Connect => Reason::Connect,
                ErrorKind::Tls => Reason::Tls,
                ErrorKind::Timeout => Reason::Timeout,
                ErrorKind::TooLarge => Reason::TooLarge,
                ErrorKind::Invalid => Reason::Invalid,
            },
        };
        Told::NoReply(NoReply { url, reason })
    };
    ANSWERS.with(|answers| answers.told(told))
}

pub(crate) fn forget() {
    ANSWERS.with(TestAnswers::forget);
}

pub(crate) fn respond(url: &str, status: u16, body: &[u8]) {
    let response = Response { status, headers: Vec::new(), body: body.to_vec() };
    ANSWERS.with(|answers| answers.push(url, Ok(response)));
}

pub(crate) fn fail(url: &str, kind: ErrorKind) {
    let error = Error::new(kind, format!("the test says so: {kind:?}"));
    ANSWERS.with(|answers| answers.push(url, Err(error)));
}

#[cfg(not(target_family = "wasm"))]
fn host(_: Request) -> Result<Response, Error> {
    Err(Error::new(ErrorKind::Refused, "no test answers this request: use `testing::respond`"))
}

#[cfg(target_family = "wasm")]
fn host(request: Request) -> Result<Response, Error> {
    use crate::bindings::skill::kavi::skill::http as wit;

    let Request { method, url, headers, body } = request;
    let method = match method {
        Method::Get => wit::Method::Get,
        Method::Head => wit::Method::Head,
        Method::Post => wit::Method::Post,
        Method::Put => wit::Method::Put,
        Method::Patch => wit::Method::Patch,
        Method::Delete => wit::Method::Delete,
    };
    match wit::send(&wit::Request { method, url, headers, body }) {
        Ok(wit::Response { status, headers, body }) => Ok(Response { status, headers, body }),
        Err(error) => {
            let (kind, message) = match error {
                wit::Error::Refused(message) => (ErrorKind::Refused, message),
                wit::Error::Dns(message) => (ErrorKind::Dns, message),
                wit::Error::Connect(message) => (ErrorKind::Connect, message),
                wit::Error::Tls(message) => (ErrorKind::Tls, message),
                wit::Error::Timeout(message) => (ErrorKind::Timeout, message),
                wit::Error::TooLarge(message) => (ErrorKind::TooLarge, message),
                wit::Error::Invalid(message) => (ErrorKind::Invalid, message),
            };
            Err(Error::new(kind, message))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{json, testing};

    const URL: &str = "https://api.example.com/v1/a";

    #[test]
    fn a_test_answers_each_request_once() {
        testing::respond(URL, 200, "{\"n\":1}");
        testing::respond(URL, 404, "");
        testing::fail(URL, ErrorKind::Tls);
        let first = get(URL).send().and_then(Response::success).and_then(|response| response.json());
        assert_eq!(first, Ok(json!({ "n": 1 })));
        let second = get(URL).send().and_then(Response::success).map_err(|error| error.kind());
        assert_eq!(second, Err(ErrorKind::Status(404)));
        assert_eq!(get(URL).send().map_err(|error| error.kind()), Err(ErrorKind::Tls));
        assert_eq!(get(URL).send().map_err(|error| error.kind()), Err(ErrorKind::Refused));
    }

    #[test]
    fn a_query_is_escaped() {
        let request = get(URL).query("q", "a b&c=\u{e4}/").query("n", "1");
        assert_eq!(request.url, format!("{URL}?q=a+b%26c%3D%C3%A4%2F&n=1"));
    }

    #[test]
    fn each_kind_becomes_the_error_that_it_means() {
        let error = |kind| SkillError::from(Error::new(kind, "x"));
        assert_eq!(error(ErrorKind::Refused), SkillError::denied("x"));
        assert_eq!(error(ErrorKind::Status(404)), SkillError::not_found("x"));
        for kind in [ErrorKind::Dns, ErrorKind::Timeout, ErrorKind::Status(500), ErrorKind::Body] {
            assert_eq!(error(kind), SkillError::failed("x"));
        }
        let body = post(URL).json(&json!({ "a": 1 })).map(|request| (request.body, request.headers));
        let header = ("content-type".to_owned(), "application/json".to_owned());
        assert_eq!(body, Ok((b"{\"a\":1}".to_vec(), vec![header])));
    }
}
