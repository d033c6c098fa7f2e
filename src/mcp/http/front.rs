//! What a request goes through before the SDK sees it: who sends it, how large it is, whether it is a message at all.
//!
//! Guarantees: of a request without the token nothing is read but its head; a body is read to a limit and within a time; what is
//! handed on is what the strict parser took, so that every mistake has an answer; messages in an array are taken from clients of
//! the one revision that has them, each as if it came alone, and answered together.
//!
//! Deliberately never: says anything about a token but that it is wrong.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, TryStreamExt as _};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited, StreamBody};
use hyper::body::{Body, Bytes, Frame};
use hyper::header::{
    AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, ORIGIN, RETRY_AFTER,
    WWW_AUTHENTICATE,
};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode, Uri};
use rmcp::model::{ClientJsonRpcMessage, ClientRequest, JsonRpcMessage};
use rmcp::transport::StreamableHttpService;
use serde_json::Value;
use tokio::time::timeout;

use super::super::frame::{self, Line, MOST_BYTES, One};
use super::super::server::Server;
use super::super::session::Session;
use super::seats::Seat;
use super::sessions::Sessions;
use crate::model::digest::Digest;

/// Where the protocol is spoken.
pub(super) const PATH: &str = "/mcp";
/// How long a body may take to come.
const BODY_TIME: Duration = Duration::from_secs(30);

/// What is sent back.
pub(super) type Answer = Response<BoxBody<Bytes, Infallible>>;

/// What all requests go through.
pub(super) struct Front {
    pub(super) service: StreamableHttpService<Arc<Server>, Sessions>,
    pub(super) sessions: Arc<Sessions>,
    /// The digest of the token: two digests take as long to compare whatever the tokens have in common.
    pub(super) token: Digest,
    /// What clients may call this host, with its port.
    pub(super) hosts: Vec<String>,
    /// The origins that are the server's own.
    pub(super) origins: Vec<String>,
}

/// An answer that is a JSON document.
fn document(status: StatusCode, document: &Value) -> Answer {
    let mut answer = Response::new(Full::new(Bytes::from(document.to_string())).boxed());
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// An answer that says what is wrong.
fn refuse(status: StatusCode, why: &str) -> Answer {
    document(status, &frame::error(Value::Null, frame::INVALID_REQUEST, why))
}

/// An answer after which the connection is closed.
fn last(mut answer: Answer) -> Answer {
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

/// An answer to somebody who may try again.
fn later(mut answer: Answer) -> Answer {
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("10"));
    answer
}

/// The header of this name, if it stands there once and is text.
fn only<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then(|| value.to_str().ok()).flatten()
}

/// Whether the request brings the token.
fn has_token(headers: &HeaderMap, token: Digest) -> bool {
    let given = only(headers, AUTHORIZATION.as_str()).and_then(|value| value.split_once(' '));
    given.is_some_and(|(scheme, given)| {
        scheme.eq_ignore_ascii_case("bearer") && Digest::of(given.trim().as_bytes()) == token
    })
}

impl Front {
    /// What is said to a request that is not for this host, comes from a page of somebody else's, or does not bring the token. The
    /// connection is not kept.
    fn refusal(&self, uri: &Uri, headers: &HeaderMap, seat: &Seat) -> Option<Answer> {
        let called = |name: &str| self.hosts.iter().any(|host| host.eq_ignore_ascii_case(name));
        let host = only(headers, HOST.as_str()).is_some_and(called);
        if !host || uri.authority().is_some_and(|authority| !called(authority.as_str())) {
            return Some(last(refuse(StatusCode::FORBIDDEN, "this host is not called so")));
        }
        let own = |origin: &HeaderValue| self.origins.iter().any(|own| origin == own);
        if !headers.get_all(ORIGIN).iter().all(own) {
            return Some(last(refuse(StatusCode::FORBIDDEN, "pages of other origins are not served")));
        }
        if !has_token(headers, self.token) {
            let why = "a request brings `Authorization: Bearer` and the token";
            let mut answer = last(refuse(StatusCode::UNAUTHORIZED, why));
            answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            return Some(answer);
        }
        if !seat.is_known() {
            return Some(last(later(refuse(StatusCode::SERVICE_UNAVAILABLE, "too many connections are open"))));
        }
        None
    }

    /// Answers one request.
    pub(super) async fn answer<B>(&self, request: Request<B>, seat: &Seat) -> Answer
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + std::fmt::Display,
    {
        if let Some(refused) = self.refusal(request.uri(), request.headers(), seat) {
            return refused;
        }
        if request.uri().path() != PATH {
            return refuse(StatusCode::NOT_FOUND, "the protocol is spoken at /mcp");
        }
        if request.method() != Method::POST {
            return self.service.handle(request).await;
        }
        let (parts, body) = request.into_parts();
        // Nobody is told to go on with what is refused anyway.
        if body.size_hint().lower() > MOST_BYTES as u64 {
            return last(document(StatusCode::PAYLOAD_TOO_LARGE, &frame::too_long(b"")));
        }
        let body = match timeout(BODY_TIME, Limited::new(body, MOST_BYTES).collect()).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                return last(document(StatusCode::PAYLOAD_TOO_LARGE, &frame::too_long(b"")));
            }
            Ok(Err(_)) => return last(refuse(StatusCode::BAD_REQUEST, "the body did not come whole")),
            Err(_) => return last(refuse(StatusCode::REQUEST_TIMEOUT, "the body took too long to come")),
        };
        match frame::parse(&body) {
            Ok(Line::One(message)) => self.one(parts, body, message).await,
            Ok(Line::Several(messages)) => self.several(&parts, messages).await,
            Ok(Line::Empty) => refuse(StatusCode::BAD_REQUEST, "there is no message"),
            Err(answer) => document(StatusCode::BAD_REQUEST, &answer),
        }
    }

    async fn one(&self, parts: Parts, body: Bytes, message: Value) -> Answer {
        let message = match frame::one(message, &alone()) {
            One::Deliver(message) => message,
            One::Answer(answer) => return document(StatusCode::BAD_REQUEST, &answer),
            One::Nothing => return refuse(StatusCode::BAD_REQUEST, "the message is not what its method asks for"),
        };
        if opens(&message)
            && let Err(error) = self.sessions.room()
        {
            return later(refuse(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()));
        }
        self.service.handle(Request::from_parts(parts, Full::new(body))).await
    }

    async fn several(&self, parts: &Parts, messages: Vec<Value>) -> Answer {
        let Some(session) = only(&parts.headers, "mcp-session-id").and_then(|id| self.sessions.used(id)) else {
            return refuse(StatusCode::BAD_REQUEST, "messages in an array belong to a session");
        };
        if let Err(why) = frame::array(&messages, &session) {
            return refuse(StatusCode::BAD_REQUEST, &why);
        }
        let mut bodies = Vec::new();
        for message in messages {
            let (text, id) = (message.to_string(), message.get("id").cloned().unwrap_or_default());
            let answer = match frame::one(message, &alone()) {
                One::Deliver(_) => {
                    let request = Request::from_parts(parts.clone(), Full::new(Bytes::from(text)));
                    self.service.handle(request).await
                }
                One::Answer(answer) => event(&answer),
                One::Nothing => continue,
            };
            match answer.status() {
                StatusCode::OK => bodies.push(answer.into_body()),
                // A notification.
                StatusCode::ACCEPTED => {}
                // Others of the array are under way: what is wrong with this one is said beside their answers.
                _ => bodies.push(said(answer, id).await.into_body()),
            }
        }
        if bodies.is_empty() {
            let mut answer = Response::new(Full::default().boxed());
            *answer.status_mut() = StatusCode::ACCEPTED;
            return answer;
        }
        // All at once: one that nobody takes from keeps its whole session from going on.
        let together = stream::select_all(bodies.into_iter().map(|body| body.into_data_stream())).map_ok(Frame::data);
        events(BoxBody::new(StreamBody::new(together)))
    }
}

/// What a message is read by that has no other beside it.
fn alone() -> Session {
    let session = Session::new();
    session.open();
    session
}

fn opens(message: &ClientJsonRpcMessage) -> bool {
    matches!(message, JsonRpcMessage::Request(request) if matches!(request.request, ClientRequest::InitializeRequest(_)))
}

/// A stream of server-sent events.
fn events(body: BoxBody<Bytes, Infallible>) -> Answer {
    let mut answer = Response::new(body);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    answer
}

/// A refusal of the SDK's as an event, answering the message with this id.
async fn said(answer: Answer, id: Value) -> Answer {
    let Ok(body) = answer.into_body().collect().await;
    let body = body.to_bytes();
    let document = serde_json::from_slice(&body).ok().filter(|document: &Value| document.get("error").is_some());
    event(&document.unwrap_or_else(|| frame::error(id, frame::INVALID_REQUEST, &String::from_utf8_lossy(&body))))
}

/// One event.
fn event(document: &Value) -> Answer {
    events(Full::new(Bytes::from(format!("data: {document}\n\n"))).boxed())
}
