//! One request of the agent: the checks, in order of what they cost, and the response.
//!
//! Guarantees: the provider is contacted only after every check. One exchange with the provider runs at a time, so that
//! the price of one is known before the next begins. A response is charged exactly once, also when the agent disconnects.
//! Never: sends a byte of the agent's head to the provider.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::stream;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Bytes, Frame, Incoming};
use hyper::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Request, Response, StatusCode, Version};
use tokio::sync::OwnedMutexGuard;
use tokio::time::timeout;

use super::access_log::{AccessLogLine, ExchangeEnd};
use super::agent_stream::{ReceivedBytes, SentHead};
use super::attempt_gateway::Gateway;
use super::budget::{GatewayLimit, TokenCount};
use super::redactor::Redactor;
use super::refusal::{AgentBody, CutOff, Refusal, full};
use super::request_policy::{self, MAX_BODY, PolicyViolation};
use super::upstream::{ENDPOINT, REQUEST_HEADERS, UpstreamError, UpstreamRequest, UpstreamResponse};
use super::usage_meter::{ResponseFormat, UsageMeter};
use crate::sync::lock;

/// How long the body of a request may take.
const BODY_TIME: Duration = Duration::from_secs(60);

/// Why a request does not go to the provider.
enum Rejection {
    Refused(Refusal),
    BudgetSpent(GatewayLimit),
}

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl From<GatewayLimit> for Rejection {
    fn from(limit: GatewayLimit) -> Self {
        Self::BudgetSpent(limit)
    }
}

/// A request that passed the checks.
enum AcceptedRequest {
    /// The agent asks whether the gateway is there.
    Greeting,
    /// The agent asks the provider, at a price of at most `maximum`.
    Forward { request: UpstreamRequest, maximum: TokenCount },
}

/// What a request to the provider may still cost, and the right to send one. Whoever has it holds up all others.
struct OpenCharge {
    /// None for a response that is not charged.
    meter: Option<UsageMeter>,
    _turn: OwnedMutexGuard<()>,
}

struct ExchangeState {
    line: AccessLogLine,
    end: Option<ExchangeEnd>,
    /// Whether the head of the provider's response went to the agent.
    relayed: bool,
    charge: Option<OpenCharge>,
}

/// One request of the agent and what is known about it so far.
pub(super) struct Exchange {
    gateway: Arc<Gateway>,
    received: Arc<ReceivedBytes>,
    state: Mutex<ExchangeState>,
}

impl Exchange {
    pub(super) fn new(gateway: Arc<Gateway>, line: AccessLogLine) -> Self {
        let state = ExchangeState { line, end: None, relayed: false, charge: None };
        Self { gateway, received: Arc::default(), state: Mutex::new(state) }
    }

    /// What the agent has sent.
    pub(super) fn received(&self) -> &Arc<ReceivedBytes> {
        &self.received
    }

    /// Responds to the request whose head hyper has parsed.
    pub(super) async fn respond(self: Arc<Self>, request: Request<Incoming>) -> Response<AgentBody> {
        let (head, body) = request.into_parts();
        match self.check(&head, body).await {
            // Not counted: the agent only asks whether the gateway is there, and nothing is spent.
            Ok(AcceptedRequest::Greeting) => {
                let mut state = lock(&self.state);
                state.line.status = Some(StatusCode::OK.as_u16());
                state.end = Some(ExchangeEnd::Greeted);
                Response::new(full(Vec::new()))
            }
            Ok(AcceptedRequest::Forward { request, maximum }) => self.forward(request, maximum).await,
            Err(rejection) => self.reject(rejection),
        }
    }

    /// The line of the log, once the connection has ended. `delivered` says whether the response reached the socket.
    pub(super) fn finish(&self, delivered: bool) -> AccessLogLine {
        // Here at the latest: the connection has ended, so nothing can change the price any more.
        self.settle();
        let mut state = lock(&self.state);
        state.line.end = match state.end {
            // The provider's response was complete, but its end did not reach the agent.
            Some(ExchangeEnd::Answered) | None if !delivered => ExchangeEnd::Abandoned,
            Some(end) => end,
            None => ExchangeEnd::Abandoned,
        };
        // The log gives the status that the agent saw. A refusal that was not written was not seen.
        if !delivered && !state.relayed {
            state.line.status = None;
        }
        state.line.clone()
    }

    /// The line of the log for a request whose head hyper could not parse.
    pub(super) fn finish_unparsed(&self, refusal: Refusal, delivered: bool) -> AccessLogLine {
        let mut line = lock(&self.state).line.clone();
        line.status = delivered.then_some(refusal.status.as_u16());
        line.end = ExchangeEnd::Refused(refusal.why);
        line
    }

    async fn check(&self, head: &Parts, body: Incoming) -> Result<AcceptedRequest, Rejection> {
        // First of all: until now the stream discards what is written, also a refusal.
        let sent = self.received.complete_head();
        lock(&self.state).line.set_request(head.method.as_str(), &sent.target);
        // Other versions have other rules for where a body ends.
        if head.version != Version::HTTP_11 {
            return Err(Refusal::new(StatusCode::HTTP_VERSION_NOT_SUPPORTED, "only HTTP/1.1 is supported").into());
        }
        // The target is compared as it was sent. hyper's form of it lacks a fragment.
        let target = sent.target.as_str();
        if (head.method.as_str(), target) == ("HEAD", "/") {
            return Ok(AcceptedRequest::Greeting);
        }
        // Only who has the token can spend the budget.
        self.authenticate(&head.headers)?;
        // Refused requests count as well, or an agent could try requests without an end.
        lock(&self.gateway.budget).count_request()?;
        // The query is one of two fixed texts. Nothing that the agent wrote becomes part of the
        // address.
        let query = match (head.method.as_str(), target.split_at_checked(ENDPOINT.len())) {
            ("POST", Some((ENDPOINT, ""))) => "",
            ("POST", Some((ENDPOINT, "?beta=true"))) => "?beta=true",
            _ => return Err(Refusal::new(StatusCode::FORBIDDEN, "only POST /v1/messages is allowed").into()),
        };
        // Before a byte of the body is read, so that a wrong length costs no memory.
        let length = body_length(&head.headers, &sent)?;
        if length > MAX_BODY {
            return Err(Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, "the body of the request is too long").into());
        }
        // A list of what passes. Everything else, `x-api-key` above all, stays here.
        let mut headers = Vec::new();
        for name in REQUEST_HEADERS {
            let value = single_header(&head.headers, &HeaderName::from_static(name))?;
            headers.extend(value.map(|value| (name, value.as_bytes().to_vec())));
        }
        let bytes = u64::try_from(length).unwrap_or(u64::MAX);
        lock(&self.state).line.bytes_up = bytes;
        // The declared size is charged in full. A body that is shorter is refused as incomplete.
        lock(&self.gateway.budget).count_request_body(bytes)?;
        let body = self.read_body(body, sent.size.saturating_add(length)).await?;
        // Last, because parsing sixteen megabytes is the dearest of the checks.
        let checked = request_policy::check(&body).map_err(|violation| match violation {
            PolicyViolation::Malformed(why) => Refusal::new(StatusCode::BAD_REQUEST, why),
            PolicyViolation::OutsideAccess(why) => Refusal::new(StatusCode::FORBIDDEN, why),
        })?;
        // A token is seldom less than two bytes.
        let maximum = TokenCount { input: bytes.div_ceil(2), output: checked.max_tokens };
        Ok(AcceptedRequest::Forward { request: UpstreamRequest { query, headers, body }, maximum })
    }

    /// The agent shows the token of the attempt, in either of the two headers that its library uses.
    fn authenticate(&self, headers: &HeaderMap) -> Result<(), Refusal> {
        let token = self.gateway.token.as_bytes();
        // A repeated header is refused and not searched: two readers could disagree about which one
        // counts.
        let api_key = single_header(headers, &HeaderName::from_static("x-api-key"))?;
        let bearer =
            single_header(headers, &AUTHORIZATION)?.and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
        if api_key.is_some_and(|shown| shown.as_bytes() == token) || bearer.is_some_and(|shown| shown == token) {
            return Ok(());
        }
        Err(Refusal::new(StatusCode::UNAUTHORIZED, "this is not the token of the attempt"))
    }

    /// Reads the body. `request_size` is the size of head and body together.
    async fn read_body(&self, mut body: Incoming, request_size: usize) -> Result<Vec<u8>, Refusal> {
        let mut bytes = Vec::new();
        let read = async {
            // hyper ends the body at its declared length, which was compared with the limit.
            while let Some(frame) = body.frame().await {
                bytes.extend_from_slice(frame?.data_ref().map_or(&[][..], |data| data));
            }
            Ok::<_, hyper::Error>(())
        };
        match timeout(BODY_TIME, read).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) => return Err(Refusal::new(StatusCode::BAD_REQUEST, "the body of the request is incomplete")),
            Err(_) => return Err(Refusal::new(StatusCode::REQUEST_TIMEOUT, "the body of the request took too long")),
        }
        // A second request in the same bytes would be one that no check has seen.
        if self.received.total() > request_size {
            return Err(Refusal::new(StatusCode::BAD_REQUEST, "more than one request was sent"));
        }
        // From here on the stream reports its end to hyper, whatever else arrives.
        self.received.complete_request();
        Ok(bytes)
    }

    fn reject(&self, rejection: Rejection) -> Response<AgentBody> {
        match rejection {
            Rejection::Refused(refusal) => self.refuse(refusal, ExchangeEnd::Refused(refusal.why)),
            Rejection::BudgetSpent(limit) => self.refuse(Refusal::budget(limit), ExchangeEnd::Spent(limit)),
        }
    }

    fn refuse(&self, refusal: Refusal, end: ExchangeEnd) -> Response<AgentBody> {
        let mut state = lock(&self.state);
        state.line.status = Some(refusal.status.as_u16());
        state.end = Some(end);
        refusal.response()
    }

    /// Sends the request when its turn has come. hyper drops this future when the agent disconnects, and with it the
    /// connection to the provider.
    async fn forward(self: Arc<Self>, request: UpstreamRequest, maximum: TokenCount) -> Response<AgentBody> {
        // The price of a response is known at its end. With several at a time, each could still fit
        // the rest of the budget.
        let turn = Arc::clone(&self.gateway.turn).lock_owned().await;
        // The exchange before may have spent the rest.
        let allowed = lock(&self.gateway.budget).check_response_budget();
        if let Err(limit) = allowed {
            return self.reject(limit.into());
        }
        // From here on the request can cost the maximum, however this ends.
        // In place before the request is sent: this future may be dropped at any point after it.
        let meter = UsageMeter::new(ResponseFormat::Document, maximum);
        {
            let mut state = lock(&self.state);
            state.charge = Some(OpenCharge { meter: Some(meter), _turn: turn });
            state.line.is_asked = true;
        }
        let bad_gateway = |why| Refusal::new(StatusCode::BAD_GATEWAY, why);
        match self.gateway.provider.send(&self.gateway.client, request).await {
            Ok(response) if is_redirect(response.status) => {
                // A redirect comes instead of an answer, so no model has worked.
                self.charge_nothing();
                let why = "the provider redirected the request, and redirects are not followed";
                self.refuse(bad_gateway(why), ExchangeEnd::Unreachable(why))
            }
            Ok(response) => {
                let success = (200..300).contains(&response.status);
                let format = ResponseFormat::of(response.content_type());
                if let Some(charge) = &mut lock(&self.state).charge {
                    // An error response costs no tokens, so there is nothing to count.
                    charge.meter = success.then(|| UsageMeter::new(format, maximum));
                }
                self.relay(response)
            }
            Err(UpstreamError::NotReached(why)) => {
                self.charge_nothing();
                self.refuse(bad_gateway(why), ExchangeEnd::Unreachable(why))
            }
            Err(UpstreamError::NoResponse(why)) => self.refuse(bad_gateway(why), ExchangeEnd::BrokenOff(why)),
        }
    }

    /// Passes a response on as it comes.
    fn relay(self: Arc<Self>, upstream: UpstreamResponse) -> Response<AgentBody> {
        let key = &self.gateway.provider.key;
        let status = StatusCode::from_u16(upstream.status).unwrap_or(StatusCode::BAD_GATEWAY);
        let mut head = Response::builder().status(status);
        for (name, value) in &upstream.headers {
            // A provider or a proxy that echoes a request must not hand the key to the agent.
            if let Ok(value) = HeaderValue::from_bytes(&key.redact(value.as_bytes())) {
                head = head.header(*name, value);
            }
        }
        {
            let mut state = lock(&self.state);
            state.line.status = Some(status.as_u16());
            state.relayed = true;
        }
        let redactor = key.redactor();
        let relay = Relay { exchange: self, upstream: Some(upstream), redactor: Some(redactor) };
        let body = StreamBody::new(stream::unfold(relay, Relay::next)).boxed_unsync();
        head.body(body).unwrap_or_else(|_| Response::new(full(Vec::new())))
    }

    fn charge_nothing(&self) {
        if let Some(charge) = &mut lock(&self.state).charge {
            charge.meter = None;
        }
    }

    /// Charges what the exchange cost, and lets the next one begin.
    fn settle(&self) {
        let mut state = lock(&self.state);
        // Taken out, so that an exchange is charged once. Dropping it lets the next one go.
        let Some(charge) = state.charge.take() else { return };
        if let Some(meter) = charge.meter {
            state.line.tokens = meter.finish();
            lock(&self.gateway.budget).charge_tokens(state.line.tokens);
        }
    }

    /// Counts a piece of the response before it goes to the agent.
    fn count_response(&self, bytes: &[u8]) -> Result<(), GatewayLimit> {
        let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        // Before the piece is passed on, so that the limit is exact.
        lock(&self.gateway.budget).count_response(length)?;
        let mut state = lock(&self.state);
        state.line.bytes_down = state.line.bytes_down.saturating_add(length);
        Ok(())
    }
}

/// A response on its way from the provider to the agent.
struct Relay {
    exchange: Arc<Exchange>,
    /// None when the response has ended.
    upstream: Option<UpstreamResponse>,
    redactor: Option<Redactor>,
}

impl Relay {
    /// The next piece for the agent. A response that is cut off ends with an error, so that the agent sees that it is
    /// incomplete.
    async fn next(mut self) -> Option<(Result<Frame<Bytes>, CutOff>, Self)> {
        loop {
            let piece = match self.upstream.as_mut()?.body.chunk().await {
                Ok(Some(bytes)) => {
                    if let Some(charge) = &mut lock(&self.exchange.state).charge
                        && let Some(meter) = &mut charge.meter
                    {
                        // The provider's own bytes, before the redactor could change their number.
                        meter.push(&bytes);
                    }
                    self.redactor.as_mut().map(|redactor| redactor.push(&bytes)).unwrap_or_default()
                }
                Ok(None) => {
                    self.upstream = None;
                    self.redactor.take().map(Redactor::finish).unwrap_or_default()
                }
                Err(_) => return self.cut_off(ExchangeEnd::BrokenOff("the provider's response is incomplete")).await,
            };
            if let Err(limit) = self.exchange.count_response(&piece) {
                return self.cut_off(ExchangeEnd::Spent(limit)).await;
            }
            // After the last piece was counted: a limit that it exceeds makes the response
            // incomplete.
            if self.upstream.is_none() {
                lock(&self.exchange.state).end = Some(ExchangeEnd::Answered);
            }
            // The redactor may hold a whole piece back. An empty frame would look like the end to
            // some clients.
            if !piece.is_empty() {
                return Some((Ok(Frame::data(piece.into())), self));
            }
        }
    }

    async fn cut_off(mut self, end: ExchangeEnd) -> Option<(Result<Frame<Bytes>, CutOff>, Self)> {
        // Drops the connection to the provider, which stops working on an answer that nobody gets.
        self.upstream = None;
        lock(&self.exchange.state).end = Some(end);
        // hyper discards what it has not written when a body fails. One pause lets it write the pieces before.
        tokio::task::yield_now().await;
        Some((Err(CutOff), self))
    }
}

/// Whether a status is neither a success nor an error.
fn is_redirect(status: u16) -> bool {
    !(200..300).contains(&status) && !(400..600).contains(&status)
}

/// The value of a header that may be given once.
fn single_header<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Result<Option<&'h HeaderValue>, Refusal> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (first, None) => Ok(first),
        _ => Err(Refusal::new(StatusCode::BAD_REQUEST, "a header is repeated")),
    }
}

/// The length of the body. It must be given in the one plain way, so that no other reader can see another request.
fn body_length(headers: &HeaderMap, sent: &SentHead) -> Result<usize, Refusal> {
    use hyper::header::{CONTENT_ENCODING, CONTENT_LENGTH, EXPECT, TRANSFER_ENCODING, UPGRADE};
    let no_length = Refusal::new(StatusCode::LENGTH_REQUIRED, "a body needs a content-length");
    // Each of these gives a request a second meaning: another length, another form, another
    // protocol.
    for (name, refusal) in [
        (TRANSFER_ENCODING, no_length),
        (CONTENT_ENCODING, Refusal::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "an encoded body is not supported")),
        (EXPECT, Refusal::new(StatusCode::EXPECTATION_FAILED, "expectations are not supported")),
        (UPGRADE, Refusal::new(StatusCode::BAD_REQUEST, "another protocol is not supported")),
    ] {
        if single_header(headers, &name)?.is_some() {
            return Err(refusal);
        }
    }
    let length = single_header(headers, &CONTENT_LENGTH)?.ok_or(no_length)?;
    // hyper merges equal lengths into one. Two in the head are refused all the same.
    if sent.content_lengths != 1 {
        return Err(Refusal::new(StatusCode::BAD_REQUEST, "a header is repeated"));
    }
    // `parse` also accepts a leading plus sign, which another reader may not.
    let digits = length.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    let invalid = Refusal::new(StatusCode::BAD_REQUEST, "the content-length is not a number");
    digits.and_then(|text| text.parse().ok()).ok_or(invalid)
}
