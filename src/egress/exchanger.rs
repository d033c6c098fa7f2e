//! One call of a guest: its rule, its addresses, its redirects, its limits.
//!
//! Guarantees: each hop is authorized, looked up and checked like a first request. At most [`MAX_HOPS`] redirects are followed,
//! never from https to http. On another origin the headers of the guest are dropped, and a body never goes there. The time and
//! the bytes of the rule hold for the call as a whole.
//!
//! Deliberately never: repeats what a server said in an error, retries, or keeps a connection.

use std::time::{Duration, Instant};

use super::authorize::{self, AuthorizedRequest};
use super::resolve::{self, NameLookup};
use super::target::RequestTarget;
use crate::http::{HttpError, PinnedClient, PinnedRequest, PinnedResponse};
use crate::model::{
    exchange::{ExchangeHop, Exchanged, HeaderField, HttpCall, HttpFailure, HttpFailureKind, HttpReply},
    host_grants::HostGrants,
    host_rule::{HostRule, RequestMethod},
    signing::{SigningCall, SigningFailure, SigningFailureKind, SigningResult},
    web_origin::{UrlScheme, WebOrigin},
};
use crate::secrets::{HeldSecrets, Leak, OutgoingRequest, PlacementError, SecretSource};

/// Most redirects of one call.
pub const MAX_HOPS: usize = 5;
/// Most bytes of the head of a response.
const MAX_HEAD_BYTES: usize = 64 << 10;
/// Most bytes of all bodies of one run.
const MAX_RUN_BYTES: u64 = 64 << 20;

/// Headers of a response that concern the connection or the browser, which the guest does not get.
const DROPPED: [&str; 8] = [
    "connection",
    "content-encoding",
    "keep-alive",
    "proxy-authenticate",
    "set-cookie",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// Makes the calls of one run.
#[derive(Debug)]
pub struct Exchanger<L> {
    grants: HostGrants,
    client: PinnedClient,
    lookup: L,
    /// How many requests each rule allowed in this run.
    made: Vec<u64>,
    bytes: u64,
    secrets: Option<HeldSecrets<Box<dyn SecretSource>>>,
    leak: Option<Leak>,
}

/// What is sent next.
struct NextRequest {
    method: RequestMethod,
    headers: Vec<HeaderField>,
    body: Vec<u8>,
}

impl<L: NameLookup> Exchanger<L> {
    /// One for a run with these grants.
    pub fn new(grants: HostGrants, client: PinnedClient, lookup: L) -> Self {
        let made = vec![0; grants.rules.len()];
        Self { grants, client, lookup, made, bytes: 0, secrets: None, leak: None }
    }

    /// The same, which puts secrets into requests that have passed every rule.
    #[must_use]
    pub fn with_secrets(mut self, secrets: HeldSecrets<Box<dyn SecretSource>>) -> Self {
        self.secrets = Some(secrets);
        self
    }

    /// The secret that the last call or signature was refused for. The run must not go on.
    pub fn take_leak(&mut self) -> Option<Leak> {
        self.leak.take()
    }

    /// Gets every secret of the run that can be read.
    pub fn hold_secrets(&mut self) {
        if let Some(secrets) = &mut self.secrets {
            secrets.hold_all();
        }
    }

    /// A secret of the run in what it leaves behind.
    pub fn leak_in(&self, bytes: &[u8]) -> Option<Leak> {
        self.secrets.as_ref().and_then(|secrets| secrets.leak_in(bytes))
    }

    /// Makes one signature.
    pub fn sign(&mut self, call: &SigningCall) -> SigningResult {
        let refused = |message: String| Err(SigningFailure::new(SigningFailureKind::Refused, message));
        let Some(secrets) = &mut self.secrets else { return refused("this run has no secret".to_owned()) };
        secrets.sign(call).unwrap_or_else(|leak| {
            let failure = refused(format!("what is to be signed {leak}"));
            self.leak = Some(leak);
            failure
        })
    }

    /// Makes one call. `time` is what the run has left.
    pub fn exchange(&mut self, call: HttpCall, time: Duration) -> Exchanged {
        let mut hops = Vec::new();
        let end = self.follow(call, time, &mut hops);
        Exchanged { hops, end }
    }

    fn follow(
        &mut self,
        call: HttpCall,
        time: Duration,
        hops: &mut Vec<ExchangeHop>,
    ) -> Result<HttpReply, HttpFailure> {
        let started = Instant::now();
        let grants = self.grants.clone();
        let mut request = authorize::authorize(&grants, call.method, &call.url)?;
        authorize::check_call(request.rule, &call)?;
        // Of the first rule, for all hops: a chain of redirects must not add up the seconds of
        // several rules.
        let time = time.min(Duration::from_secs(request.rule.limits.seconds));
        let mut next = NextRequest { method: call.method, headers: call.headers, body: call.body };
        loop {
            let left = time.saturating_sub(started.elapsed());
            let response = self.request(&request, &next, left, hops)?;
            let Some(target) = redirect(&request.target, &response)? else {
                return self.reply(request.rule, response);
            };
            // Before the next rule is looked for, so that a loop ends with its own reason.
            if hops.len() > MAX_HOPS {
                let message = format!("the server redirects more than {MAX_HOPS} times");
                return Err(HttpFailure::new(HttpFailureKind::Invalid, message));
            }
            next = redirected(next, response.status, &request.target, &target)?;
            // The server chose this address. So it is checked like one that the guest wrote.
            request = authorize::authorize_target(&grants, next.method, target).map_err(|failure| {
                HttpFailure::new(failure.kind, format!("the server redirects elsewhere: {}", failure.message))
            })?;
        }
    }

    fn request(
        &mut self,
        request: &AuthorizedRequest<'_>,
        next: &NextRequest,
        time: Duration,
        hops: &mut Vec<ExchangeHop>,
    ) -> Result<PinnedResponse, HttpFailure> {
        let AuthorizedRequest { index, rule, target } = request;
        // Before the lookup: names that are asked for cost something too, and tell something.
        self.count(*index, rule)?;
        hops.push(ExchangeHop {
            url: target.without_query(),
            rule: rule.to_string(),
            address: None,
            tls: None,
            certificate: None,
            status: None,
        });
        if time.is_zero() {
            return Err(timeout(rule));
        }
        let started = Instant::now();
        let addresses = resolve::resolve(&self.lookup, &self.grants, target, time)?;
        // Known to the client beforehand, so that a large body is not read first and refused then.
        let most = rule.limits.response_bytes.min(MAX_RUN_BYTES.saturating_sub(self.bytes));
        // As late as it can be: no check before it has a value in its hands.
        let outgoing = self.with_values(target, next)?;
        let response = self.client.exchange(&PinnedRequest {
            method: next.method,
            url: &outgoing.url,
            host: &target.origin().host,
            addresses: &addresses,
            headers: &outgoing.headers,
            body: &outgoing.body,
            time: time.saturating_sub(started.elapsed()),
            response_head: MAX_HEAD_BYTES,
            response_body: usize::try_from(most).unwrap_or(usize::MAX),
        });
        let response = response.map_err(|error| failed(error, rule))?;
        self.refuse_leak(&response)?;
        self.bytes = self.bytes.saturating_add((response.body.len() + next.body.len()) as u64);
        if let Some(hop) = hops.last_mut() {
            hop.address = response.address.map(|address| address.to_string());
            hop.tls = response.tls.map(|tls| tls.version.to_owned());
            hop.certificate = response.tls.map(|tls| tls.certificate);
            hop.status = Some(response.status);
        }
        // What was connected to must be what was checked. The client promises it, and here it is seen.
        let pinned = response.address.is_none_or(|address| addresses.contains(&address));
        let message = "the connection went to another address than the one that was checked";
        if pinned { Ok(response) } else { Err(HttpFailure::new(HttpFailureKind::Refused, message)) }
    }

    /// The request as it is sent: with the values that are bound to this origin, and to no other.
    fn with_values(&mut self, target: &RequestTarget, next: &NextRequest) -> Result<OutgoingRequest, HttpFailure> {
        let NextRequest { headers, body, .. } = next;
        let mut outgoing =
            OutgoingRequest { url: target.url().to_owned(), headers: headers.clone(), body: body.clone() };
        let Some(secrets) = &mut self.secrets else { return Ok(outgoing) };
        let origin: &WebOrigin = target.origin();
        match secrets.place(origin, &mut outgoing) {
            Ok(()) => Ok(outgoing),
            Err(PlacementError::Refused(why)) => Err(HttpFailure::new(HttpFailureKind::Refused, why)),
            Err(PlacementError::Leak(leak)) => Err(self.leaked("the request", leak)),
        }
    }

    /// Refuses a response with a secret before anything of it is used, its `location` included.
    fn refuse_leak(&mut self, response: &PinnedResponse) -> Result<(), HttpFailure> {
        let secrets = self.secrets.as_ref();
        match secrets.and_then(|secrets| secrets.leak_in_reply(&response.headers, &response.body)) {
            Some(leak) => Err(self.leaked("the response", leak)),
            None => Ok(()),
        }
    }

    fn leaked(&mut self, what: &str, leak: Leak) -> HttpFailure {
        let failure = HttpFailure::new(HttpFailureKind::Refused, format!("{what} {leak}"));
        self.leak = Some(leak);
        failure
    }

    fn count(&mut self, index: usize, rule: &HostRule) -> Result<(), HttpFailure> {
        let most = rule.limits.calls_per_run;
        match self.made.get_mut(index) {
            Some(made) if *made < most => {
                *made += 1;
                Ok(())
            }
            _ => Err(HttpFailure::new(
                HttpFailureKind::Refused,
                format!("this run has made the {most} requests that `calls_per_run` of rule `{rule}` allows"),
            )),
        }
    }

    fn reply(&self, rule: &HostRule, response: PinnedResponse) -> Result<HttpReply, HttpFailure> {
        authorize::check_type(rule, &response.headers, !response.body.is_empty())?;
        let headers = response.headers.into_iter().filter(|field| !DROPPED.contains(&field.name.as_str())).collect();
        Ok(HttpReply { status: response.status, headers, body: response.body })
    }
}

/// Where the server sends the client, if it does.
fn redirect(from: &RequestTarget, response: &PinnedResponse) -> Result<Option<RequestTarget>, HttpFailure> {
    if !matches!(response.status, 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let location = response.headers.iter().find(|field| field.name == "location");
    // Without a place to go it is a response like any other.
    let Some(location) = location else { return Ok(None) };
    let refused = |message: String| HttpFailure::new(HttpFailureKind::Refused, message);
    // Parsed with the rules of a guest's URL: a relative one is resolved, and a name and password
    // in it are refused.
    let target = from.redirected(&location.value);
    let target = target.map_err(|error| refused(format!("the server redirects to a URL that is refused: {error}")))?;
    // A rule may allow both schemes. Even then the server may not move what is sent into the open.
    if from.origin().scheme == UrlScheme::Https && target.origin().scheme == UrlScheme::Http {
        return Err(refused("the server redirects from https to http".to_owned()));
    }
    Ok(Some(target))
}

/// The request that follows a redirect.
fn redirected(
    last: NextRequest,
    status: u16,
    from: &RequestTarget,
    to: &RequestTarget,
) -> Result<NextRequest, HttpFailure> {
    let same_origin = from.origin() == to.origin();
    // The others become GET, as browsers do it and RFC 9110 allows.
    let keeps_method = matches!(status, 307 | 308) || matches!(last.method, RequestMethod::Get | RequestMethod::Head);
    if keeps_method && !same_origin && !last.body.is_empty() {
        let message = "the server redirects a request with a body to another origin";
        return Err(HttpFailure::new(HttpFailureKind::Refused, message));
    }
    // Any header may hold what only the first origin is to see.
    let headers = if same_origin { last.headers } else { Vec::new() };
    if keeps_method {
        return Ok(NextRequest { headers, ..last });
    }
    let without_body = |field: &HeaderField| !field.name.to_ascii_lowercase().starts_with("content-");
    let headers = headers.into_iter().filter(without_body).collect();
    Ok(NextRequest { method: RequestMethod::Get, headers, body: Vec::new() })
}

fn timeout(rule: &HostRule) -> HttpFailure {
    HttpFailure::new(HttpFailureKind::Timeout, format!("no response within `seconds` of rule `{rule}`"))
}

fn failed(error: HttpError, rule: &HostRule) -> HttpFailure {
    let kind = match error {
        HttpError::InvalidRequest(_) => HttpFailureKind::Refused,
        HttpError::UnknownHost => HttpFailureKind::Dns,
        HttpError::ConnectTimeout | HttpError::Timeout => return timeout(rule),
        HttpError::TlsHandshake => HttpFailureKind::Tls,
        HttpError::Unreachable | HttpError::ProxyFailed => HttpFailureKind::Connect,
        HttpError::HeadTooLarge { .. } => HttpFailureKind::TooLarge,
        HttpError::BodyTooLarge { .. } => {
            let message = format!("the body of the response exceeds `response_bytes` of rule `{rule}`");
            return HttpFailure::new(HttpFailureKind::TooLarge, message);
        }
        HttpError::Encoded | HttpError::BrokenResponse => HttpFailureKind::Invalid,
    };
    HttpFailure::new(kind, error.to_string())
}
