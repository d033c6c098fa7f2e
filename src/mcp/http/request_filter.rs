//! Checks a request before the SDK sees it: host, origin, token, size, and whether its body is a message.
//!
//! Guarantees: only the head of a request without the token is read. A body has a size limit and a time limit. Only messages
//! that the strict parser accepts reach the SDK, so that every error has a response. Messages in an array are accepted from
//! clients of the one revision that permits them; each is handled alone, and the responses are sent together.
//!
//! Deliberately never: reports more about a wrong token than that it is wrong.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, TryStreamExt as _};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited, StreamBody};
use hyper::body::{Body, Bytes, Frame};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, HOST, HeaderMap, HeaderValue, ORIGIN, WWW_AUTHENTICATE};
use hyper::http::request::Parts;
use hyper::{Method, Request, Response, StatusCode, Uri};
use rmcp::model::{ClientJsonRpcMessage, ClientRequest, JsonRpcMessage};
use rmcp::transport::StreamableHttpService;
use serde_json::Value;
use tokio::time::timeout;

use super::super::frame::{self, MOST_BYTES, ParsedMessage, ParsedText};
use super::super::service::McpService;
use super::super::session::McpSession;
use super::accept::{self, ResponseForm};
use super::auth::BearerToken;
use super::connection_limiter::ConnectionSlot;
use super::headers::single_header;
use super::responses::{FilterResponse, closing, document, refuse, retry_later};
use super::sessions::Sessions;
use crate::model::text;

/// The path of the endpoint.
pub(super) const PATH: &str = "/mcp";
/// How long the client may take to send a body.
const BODY_TIMEOUT: Duration = Duration::from_secs(30);

/// The checks, and the SDK behind them.
pub(super) struct RequestFilter {
    pub(super) service: StreamableHttpService<Arc<McpService>, Sessions>,
    pub(super) sessions: Arc<Sessions>,
    pub(super) token: BearerToken,
    /// The host names with port that clients may use.
    pub(super) hosts: Vec<String>,
    /// The origins whose pages may send requests.
    pub(super) origins: Vec<String>,
}

/// The same JSON, or the same event with JSON, in printable characters. The SDK sends each event as one piece.
fn printable(bytes: Bytes) -> Bytes {
    match std::str::from_utf8(&bytes) {
        Ok(data) if !bytes.is_ascii() => Bytes::from(text::json(data)),
        _ => bytes,
    }
}

impl RequestFilter {
    /// The response to a request with a wrong host, a foreign origin, or without the token. It closes the connection.
    fn refusal(&self, uri: &Uri, headers: &HeaderMap, slot: &ConnectionSlot) -> Option<FilterResponse> {
        // The host comes first: a page whose name was rebound to loopback sends its own name here.
        let is_ours = |name: &str| self.hosts.iter().any(|host| host.eq_ignore_ascii_case(name));
        let host = single_header(headers, HOST.as_str()).is_some_and(is_ours);
        // A request line may name another host than the header. Both must be ours.
        if !host || uri.authority().is_some_and(|authority| !is_ours(authority.as_str())) {
            return Some(closing(refuse(StatusCode::FORBIDDEN, "unknown Host header")));
        }
        let own = |origin: &HeaderValue| self.origins.iter().any(|own| origin == own);
        // Only browsers send this header. A page of another origin must not use the token of a
        // person's client.
        if !headers.get_all(ORIGIN).iter().all(own) {
            return Some(closing(refuse(StatusCode::FORBIDDEN, "requests from other origins are not allowed")));
        }
        if !self.token.authenticates(headers) {
            let why = "a request needs the header `Authorization: Bearer` with the token";
            let mut answer = closing(refuse(StatusCode::UNAUTHORIZED, why));
            answer.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            return Some(answer);
        }
        // After the token, because only clients that have it take one of these slots.
        if !slot.authenticate() {
            return Some(closing(retry_later(refuse(
                StatusCode::SERVICE_UNAVAILABLE,
                "too many connections are open",
            ))));
        }
        None
    }

    /// Answers one request. What is not printable is escaped in the JSON of the response.
    pub(super) async fn answer<B>(&self, mut request: Request<B>, slot: &ConnectionSlot) -> FilterResponse
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + std::fmt::Display,
    {
        let form = accept::normalize(request.headers_mut());
        let answer = self.answer_checked(request, slot).await;
        let answer = if form == ResponseForm::Json { accept::as_json(answer).await } else { answer };
        answer.map(|body| body.map_frame(|frame| frame.map_data(printable)).boxed())
    }

    async fn answer_checked<B>(&self, request: Request<B>, slot: &ConnectionSlot) -> FilterResponse
    where
        B: Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>> + std::fmt::Display,
    {
        if let Some(refused) = self.refusal(request.uri(), request.headers(), slot) {
            return refused;
        }
        // After the token as well: without it, a stranger learns nothing about what is here.
        if request.uri().path() != PATH {
            return refuse(StatusCode::NOT_FOUND, "the endpoint is /mcp");
        }
        if request.method() != Method::POST {
            return self.service.handle(request).await;
        }
        let (parts, body) = request.into_parts();
        // Checked before the body is read, so that the client is not asked to continue.
        if body.size_hint().lower() > MOST_BYTES as u64 {
            return closing(document(StatusCode::PAYLOAD_TOO_LARGE, &frame::too_long(b"")));
        }
        // The declared size can be missing or wrong, so bytes are counted while they arrive.
        let body = match timeout(BODY_TIMEOUT, Limited::new(body, MOST_BYTES).collect()).await {
            Ok(Ok(body)) => body.to_bytes(),
            Ok(Err(error)) if error.is::<LengthLimitError>() => {
                return closing(document(StatusCode::PAYLOAD_TOO_LARGE, &frame::too_long(b"")));
            }
            Ok(Err(_)) => return closing(refuse(StatusCode::BAD_REQUEST, "the body is incomplete")),
            Err(_) => return closing(refuse(StatusCode::REQUEST_TIMEOUT, "the body took too long")),
        };
        match frame::parse(&body) {
            Ok(ParsedText::Single(message)) => self.handle_single(parts, body, message).await,
            Ok(ParsedText::Batch(messages)) => self.handle_batch(&parts, messages).await,
            Ok(ParsedText::Empty) => refuse(StatusCode::BAD_REQUEST, "the body is empty"),
            Err(answer) => document(StatusCode::BAD_REQUEST, &answer),
        }
    }

    async fn handle_single(&self, parts: Parts, body: Bytes, message: Value) -> FilterResponse {
        let message = match frame::parse_message(message, &parsing_session()) {
            ParsedMessage::Deliver(message) => message,
            ParsedMessage::Answer(answer) => return document(StatusCode::BAD_REQUEST, &answer),
            // Over standard input this is silent. A request over HTTP needs some response.
            ParsedMessage::Ignore => return refuse(StatusCode::BAD_REQUEST, "invalid parameters for this method"),
        };
        // Here, because a refusal by the SDK would be an internal error and say nothing of trying
        // again.
        if opens_session(&message)
            && let Err(error) = self.sessions.room()
        {
            return retry_later(refuse(StatusCode::SERVICE_UNAVAILABLE, &error.to_string()));
        }
        self.service.handle(Request::from_parts(parts, Full::new(unmarked(&body)))).await
    }

    async fn handle_batch(&self, parts: &Parts, messages: Vec<Value>) -> FilterResponse {
        // The revision that permits arrays was negotiated by a session, so there must be one.
        let Some(session) = single_header(&parts.headers, "mcp-session-id").and_then(|id| self.sessions.used(id))
        else {
            return refuse(StatusCode::BAD_REQUEST, "messages in an array need a session");
        };
        if let Err(why) = frame::check_batch(&messages, &session) {
            return refuse(StatusCode::BAD_REQUEST, &why);
        }
        let mut bodies = Vec::new();
        for message in messages {
            let (text, id) = (message.to_string(), message.get("id").cloned().unwrap_or_default());
            let answer = match frame::parse_message(message, &parsing_session()) {
                ParsedMessage::Deliver(_) => {
                    let request = Request::from_parts(parts.clone(), Full::new(Bytes::from(text)));
                    // One after the other, in the order of the array. Only the responses come in
                    // any order.
                    self.service.handle(request).await
                }
                ParsedMessage::Answer(answer) => event(&answer),
                ParsedMessage::Ignore => continue,
            };
            match answer.status() {
                StatusCode::OK => bodies.push(answer.into_body()),
                // A notification.
                StatusCode::ACCEPTED => {}
                // Other messages of the array are active already, so this error joins their responses.
                _ => bodies.push(error_event(answer, id).await.into_body()),
            }
        }
        if bodies.is_empty() {
            let mut answer = Response::new(Full::default().boxed());
            *answer.status_mut() = StatusCode::ACCEPTED;
            return answer;
        }
        // All streams are polled at once: a stream that is not read would block its whole session.
        let together = stream::select_all(bodies.into_iter().map(|body| body.into_data_stream())).map_ok(Frame::data);
        events(BoxBody::new(StreamBody::new(together)))
    }
}

/// The body without a byte order mark: the SDK parses it once more.
fn unmarked(body: &Bytes) -> Bytes {
    body.slice_ref(frame::without_mark(body))
}

/// A session for parsing one message. The SDK keeps the real one.
fn parsing_session() -> McpSession {
    let session = McpSession::new();
    session.open();
    session
}

fn opens_session(message: &ClientJsonRpcMessage) -> bool {
    matches!(message, JsonRpcMessage::Request(request) if matches!(request.request, ClientRequest::InitializeRequest(_)))
}

/// A stream of server-sent events.
fn events(body: BoxBody<Bytes, Infallible>) -> FilterResponse {
    let mut answer = Response::new(body);
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    answer
}

/// An error of the SDK as an event that answers the message with this id.
async fn error_event(answer: FilterResponse, id: Value) -> FilterResponse {
    let Ok(body) = answer.into_body().collect().await;
    let body = body.to_bytes();
    let document = serde_json::from_slice(&body).ok().filter(|document: &Value| document.get("error").is_some());
    event(&document.unwrap_or_else(|| frame::error(id, frame::INVALID_REQUEST, &String::from_utf8_lossy(&body))))
}

/// One event.
fn event(document: &Value) -> FilterResponse {
    events(Full::new(Bytes::from(format!("data: {document}\n\n"))).boxed())
}
