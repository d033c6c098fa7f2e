//! What hosts answer during a verification: nothing is asked outside of this process.
//!
//! The examples gate answers from the exchanges that an example declares. For other inputs each answer is drawn. It is a
//! declared exchange as it is, or one that was changed in status, header or body. Or it is a hostile body, or a reason why
//! there is no response. So the arms of a skill for errors are reached as well.
//!
//! Guarantees: a request is held to the host rules first, as outside of a verification. The same draw, input and request give
//! the same answer, so that two runs of one input can be compared.
//!
//! Signatures are made up in the same way. No store of a secret is asked.
//!
//! Deliberately never: connects, looks a name up, or has a secret.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::draw::Draw;
use crate::egress::authorize;
use crate::egress::signing::authorize_signing;
use crate::model::{
    digest::Digest,
    example::{ExampleExchange, ExampleReply, ExampleSignature},
    exchange::{CallEnd, HeaderField, HttpCall, HttpFailure, HttpFailureKind, HttpPort, HttpReply},
    host_grants::HostGrants,
    secret_binding::SecretBinding,
    signing::{SignatureBytes, SigningCall, SigningFailure, SigningFailureKind, SigningResult},
    spec::SkillSpec,
};
use crate::sync::lock;

/// What answers the requests of a trial.
#[derive(Debug, Clone, Copy)]
pub(super) enum TrialExchanges<'a> {
    /// Each answer is drawn.
    Drawn,
    /// The exchanges and signatures that an example declares, each once.
    Declared { exchanges: &'a [ExampleExchange], signatures: &'a [ExampleSignature] },
    /// The record of an earlier run.
    Recorded(&'a Arc<dyn HttpPort>),
}

/// What the requests of all trials of a verification are answered from.
#[derive(Debug)]
pub(super) struct ExchangeSource {
    grants: HostGrants,
    bindings: Vec<SecretBinding>,
    /// What the examples of the spec declare.
    declared: Vec<ExampleExchange>,
    seed: [u8; 32],
}

impl ExchangeSource {
    pub(super) fn new(spec: &SkillSpec, grants: &HostGrants, draw: &Draw) -> Self {
        let declared = spec.examples.iter().flat_map(|example| example.exchanges.iter().cloned()).collect();
        Self { grants: grants.clone(), bindings: spec.secrets.clone(), declared, seed: draw.seed("exchanges") }
    }

    /// What answers the requests of one trial; none where the skill reaches no host.
    pub(super) fn port(&self, exchanges: TrialExchanges<'_>, input: &str) -> Option<Arc<dyn HttpPort>> {
        if self.grants.is_empty() {
            return None;
        }
        let answers = match exchanges {
            TrialExchanges::Recorded(port) => return Some(Arc::clone(port)),
            TrialExchanges::Declared { exchanges, signatures } => {
                Answers::Declared { exchanges: exchanges.to_vec(), signatures: signatures.to_vec() }
            }
            TrialExchanges::Drawn => {
                // By the input: the second run of an input gets the same answers, and any
                // difference is the skill's own.
                let seed = Digest::of(&[self.seed.as_slice(), input.as_bytes()].concat());
                Answers::Drawn { declared: self.declared.clone(), seed, asked: 0 }
            }
        };
        let (grants, bindings) = (self.grants.clone(), self.bindings.clone());
        Some(Arc::new(TrialPort { grants, bindings, answers: Mutex::new(answers), signed: Mutex::default() }))
    }
}

#[derive(Debug)]
enum Answers {
    /// Those that were not used yet.
    Declared {
        exchanges: Vec<ExampleExchange>,
        signatures: Vec<ExampleSignature>,
    },
    Drawn {
        declared: Vec<ExampleExchange>,
        seed: Digest,
        asked: u64,
    },
}

#[derive(Debug)]
struct TrialPort {
    grants: HostGrants,
    bindings: Vec<SecretBinding>,
    answers: Mutex<Answers>,
    /// How often it was asked to sign.
    signed: Mutex<usize>,
}

impl HttpPort for TrialPort {
    fn exchange(&self, call: HttpCall, _: Duration, _: &mut dyn FnMut() -> bool) -> CallEnd {
        // The rules of the broker. Without them a request to a host that is not granted would be
        // answered here, and refused in every real run.
        let allowed = authorize::authorize(&self.grants, call.method, &call.url);
        let allowed = allowed.and_then(|request| authorize::check_call(request.rule, &call));
        CallEnd::Answered(allowed.and_then(|()| match &mut *lock(&self.answers) {
            Answers::Declared { exchanges, .. } => declared(exchanges, &call),
            Answers::Drawn { declared, seed, asked } => {
                *asked += 1;
                drawn(declared, &Dice::new(*seed, &call, *asked))
            }
        }))
    }

    fn sign(&self, call: SigningCall, _: &mut dyn FnMut() -> bool) -> CallEnd<SigningResult> {
        let mut signed = lock(&self.signed);
        let allowed = authorize_signing(&self.bindings, &call, *signed);
        *signed += 1;
        CallEnd::Answered(allowed.and_then(|()| match &mut *lock(&self.answers) {
            Answers::Declared { signatures, .. } => {
                let found = signatures.iter().position(|signature| signature.secret == call.secret);
                let found = found.map(|index| signatures.remove(index));
                found.map_or_else(|| Err(not_signed("the example declares no signature like this")), declared_signature)
            }
            Answers::Drawn { seed, .. } => drawn_signature(*seed, &call),
        }))
    }
}

fn not_signed(message: &str) -> SigningFailure {
    SigningFailure::new(SigningFailureKind::Refused, message)
}

fn signing_failure(kind: SigningFailureKind) -> SigningFailure {
    SigningFailure::new(kind, format!("the verification answers with this reason: {}", kind.as_str()))
}

fn declared_signature(declared: ExampleSignature) -> SigningResult {
    match (declared.signature, declared.fail) {
        (Some(SignatureBytes(bytes)), _) => Ok(bytes),
        (None, kind) => Err(signing_failure(kind.unwrap_or(SigningFailureKind::Unavailable))),
    }
}

/// The same for the same secret and bytes, as a real one is.
fn drawn_signature(seed: Digest, call: &SigningCall) -> SigningResult {
    let parts = [seed.as_bytes().as_slice(), call.algorithm.as_str().as_bytes(), call.secret.as_bytes(), &call.bytes];
    let dice = Dice(Digest::of(&parts.concat()));
    if dice.roll("kind", 8) == 0 {
        let kind = dice.of("failure", &SigningFailureKind::ALL).copied();
        return Err(signing_failure(kind.unwrap_or(SigningFailureKind::Unavailable)));
    }
    let half = |purpose: &str| *Digest::of(&[dice.0.as_bytes().as_slice(), purpose.as_bytes()].concat()).as_bytes();
    let mut signature = [half("first"), half("second")].concat();
    signature.truncate(call.algorithm.signature_bytes());
    Ok(signature)
}

/// The first exchange that was not used yet and is of this request.
fn declared(left: &mut Vec<ExampleExchange>, call: &HttpCall) -> Result<HttpReply, HttpFailure> {
    let found = left.iter().position(|exchange| exchange.is_of(call));
    match found.map(|index| left.remove(index)) {
        Some(exchange) => answer(&exchange),
        None => {
            let message = "the example declares no exchange like this request";
            Err(HttpFailure::new(HttpFailureKind::Refused, message))
        }
    }
}

fn answer(exchange: &ExampleExchange) -> Result<HttpReply, HttpFailure> {
    match (&exchange.reply, exchange.fail) {
        (Some(reply), _) => Ok(reply_of(reply)),
        (None, kind) => Err(failure(kind.unwrap_or(HttpFailureKind::Invalid))),
    }
}

fn reply_of(reply: &ExampleReply) -> HttpReply {
    let field =
        |(name, value): (&String, &String)| HeaderField { name: name.to_ascii_lowercase(), value: value.clone() };
    HttpReply {
        status: reply.status,
        headers: reply.headers.iter().map(field).collect(),
        body: reply.body.clone().into(),
    }
}

fn failure(kind: HttpFailureKind) -> HttpFailure {
    HttpFailure::new(kind, format!("the verification answers with this reason: {}", kind.as_str()))
}

/// Draws for one request.
struct Dice(Digest);

impl Dice {
    fn new(seed: Digest, call: &HttpCall, asked: u64) -> Self {
        // By the request too, so that one more request at the beginning does not change the answers
        // to all others.
        let parts = [seed.as_bytes().as_slice(), call.method.as_str().as_bytes(), call.url.as_bytes(), &call.body];
        Self(Digest::of(&[parts.concat(), asked.to_be_bytes().to_vec()].concat()))
    }

    /// A number below `below`, another one for each purpose.
    fn roll(&self, purpose: &str, below: usize) -> usize {
        let digest = Digest::of(&[self.0.as_bytes().as_slice(), purpose.as_bytes()].concat());
        let [a, b, c, d, ..] = *digest.as_bytes();
        usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(0) % below.max(1)
    }

    fn of<'a, T>(&self, purpose: &str, all: &'a [T]) -> Option<&'a T> {
        all.get(self.roll(purpose, all.len()))
    }
}

/// Statuses that a skill must expect, besides the one that it hopes for.
const STATUSES: [u16; 12] = [200, 201, 204, 304, 400, 401, 403, 404, 410, 429, 500, 503];
const TYPES: [&str; 5] =
    ["application/json", "text/html", "text/plain; charset=latin1", "application/octet-stream", ""];
/// Bodies that are no answer to anything.
const HOSTILE: [&[u8]; 10] = [
    b"",
    b"null",
    b"{}",
    b"[]",
    b"{\"",
    b"<html><body>503</body></html>",
    b"\xff\xfe\x00",
    b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
    b"{\"a\":1e999,\"a\":-0,\"b\":\"\\ud800\"}",
    b"18446744073709551616",
];

fn drawn(declared: &[ExampleExchange], dice: &Dice) -> Result<HttpReply, HttpFailure> {
    let replies: Vec<&ExampleReply> = declared.iter().filter_map(|exchange| exchange.reply.as_ref()).collect();
    let known = dice.of("declared", &replies).map(|reply| reply_of(reply));
    let made = || HttpReply {
        status: 200,
        headers: vec![HeaderField { name: "content-type".to_owned(), value: "application/json".to_owned() }],
        body: b"{\"value\":1}".to_vec(),
    };
    let mut reply = known.unwrap_or_else(made);
    match dice.roll("kind", 8) {
        // As it was declared: else the arm for a good answer would be reached by the examples alone.
        0..=2 => {}
        3 => return Err(failure(*dice.of("failure", &HttpFailureKind::ALL).unwrap_or(&HttpFailureKind::Timeout))),
        4 => reply.status = dice.of("status", &STATUSES).copied().unwrap_or(500),
        5 => {
            let value = dice.of("type", &TYPES).copied().unwrap_or_default().to_owned();
            reply.headers.retain(|field| field.name != "content-type");
            reply.headers.push(HeaderField { name: "content-type".to_owned(), value });
        }
        6 => reply.body.truncate(dice.roll("cut", reply.body.len())),
        _ => reply.body = dice.of("hostile", &HOSTILE).map(|body| body.to_vec()).unwrap_or_default(),
    }
    Ok(reply)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::*;
    use crate::model::{
        host_rule::RequestMethod, id::RandomIds, id::VerificationId, signing::SignatureAlgorithm, time::Timestamp,
    };

    fn source(declared: Vec<ExampleExchange>) -> Result<ExchangeSource, Box<dyn std::error::Error>> {
        let rules = vec!["GET https://api.example.com/v1/**".parse()?];
        let draw = Draw::new(VerificationId::new(&RandomIds), Timestamp::parse("2026-11-20T08:30:00Z")?);
        let grants = HostGrants { rules, private: Vec::new() };
        let bindings = vec!["KEY https://api.example.com hmac-sha256".parse()?];
        Ok(ExchangeSource { grants, bindings, declared, seed: draw.seed("exchanges") })
    }

    fn ask(port: &Arc<dyn HttpPort>, url: &str) -> Option<Result<HttpReply, HttpFailure>> {
        let call = HttpCall { method: RequestMethod::Get, url: url.to_owned(), headers: Vec::new(), body: Vec::new() };
        match port.exchange(call, Duration::ZERO, &mut || true) {
            CallEnd::Answered(answered) => Some(answered),
            _ => None,
        }
    }

    fn exchange(url: &str, body: &str) -> ExampleExchange {
        let reply = ExampleReply { status: 200, headers: BTreeMap::new(), body: body.to_owned() };
        ExampleExchange { method: RequestMethod::Get, url: url.to_owned(), body: None, reply: Some(reply), fail: None }
    }

    const URL: &str = "https://api.example.com/v1/a";

    fn sign(port: &Arc<dyn HttpPort>, secret: &str, bytes: String) -> Option<SigningResult> {
        let call =
            SigningCall { secret: secret.to_owned(), algorithm: SignatureAlgorithm::HmacSha256, bytes: bytes.into() };
        match port.sign(call, &mut || true) {
            CallEnd::Answered(answered) => Some(answered),
            _ => None,
        }
    }

    #[test]
    fn signatures_are_declared_or_drawn_and_no_other_secret_signs() -> Result<(), Box<dyn std::error::Error>> {
        let kind = |got: Option<SigningResult>| got.and_then(Result::err).map(|failure| failure.kind);
        let refused = Some(SigningFailureKind::Refused);
        let signature = |secret: &str| ExampleSignature {
            secret: secret.to_owned(),
            signature: Some(SignatureBytes(vec![1])),
            fail: None,
        };
        // The second is of a secret that the specification does not name.
        let signatures = [signature("KEY"), signature("OTHER")];
        let declared = TrialExchanges::Declared { exchanges: &[], signatures: &signatures };
        let port = source(Vec::new())?.port(declared, "{}").ok_or("no port")?;
        assert_eq!(kind(sign(&port, "OTHER", String::new())), refused);
        assert_eq!(sign(&port, "KEY", String::new()), Some(Ok(vec![1])));
        assert_eq!(kind(sign(&port, "KEY", String::new())), refused);
        let source = source(Vec::new())?;
        let drawn = |input: usize, bytes: &str| {
            let port = source.port(TrialExchanges::Drawn, &input.to_string())?;
            sign(&port, "KEY", bytes.to_owned())
        };
        let mut kinds = BTreeSet::new();
        // So many that the chance of a missing one is below 10⁻²⁰.
        for input in 0..2_000 {
            let signed = drawn(input, "a");
            assert_eq!(signed, drawn(input, "a"));
            match signed.ok_or("no answer")? {
                Ok(signature) => assert_eq!(signature.len(), 32),
                Err(failure) => drop(kinds.insert(failure.kind)),
            }
            if let (Some(Ok(one)), Some(Ok(other))) = (drawn(input, "a"), drawn(input, "b")) {
                assert_ne!(one, other);
            }
        }
        assert_eq!(kinds.len(), SigningFailureKind::ALL.len());
        Ok(())
    }

    #[test]
    fn a_declared_exchange_answers_once_and_the_rules_hold() -> Result<(), Box<dyn std::error::Error>> {
        let declared = [exchange(URL, "1"), exchange("https://evil.test/", "2")];
        let declared = TrialExchanges::Declared { exchanges: &declared, signatures: &[] };
        let port = source(Vec::new())?.port(declared, "{}").ok_or("no port")?;
        let refused = |got: Option<Result<HttpReply, HttpFailure>>| {
            got.is_some_and(|got| got.is_err_and(|failure| failure.kind == HttpFailureKind::Refused))
        };
        assert!(ask(&port, URL).is_some_and(|got| got.is_ok_and(|reply| reply.body == b"1")));
        assert!(refused(ask(&port, URL)) && refused(ask(&port, "https://evil.test/")));
        Ok(())
    }

    #[test]
    fn drawn_answers_are_of_every_kind_and_the_same_for_the_same_input() -> Result<(), Box<dyn std::error::Error>> {
        let source = source(vec![exchange(URL, "{\"n\":1}")])?;
        let answer = |input: &str| {
            let port = source.port(TrialExchanges::Drawn, input)?;
            ask(&port, URL)
        };
        let (mut statuses, mut kinds, mut bodies) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
        // So many that the chance of a missing one is below 10⁻²⁰.
        for number in 0..6_000 {
            let input = number.to_string();
            let drawn = answer(&input);
            assert_eq!(drawn, answer(&input));
            match drawn.ok_or("no answer")? {
                Ok(reply) => {
                    statuses.insert(reply.status);
                    bodies.insert(reply.body);
                }
                Err(failure) => drop(kinds.insert(failure.kind)),
            }
        }
        assert_eq!(kinds.len(), HttpFailureKind::ALL.len());
        assert_eq!(statuses.len(), STATUSES.len());
        assert!(bodies.contains(b"{\"n\":1}".as_slice()) && bodies.len() > HOSTILE.len(), "{}", bodies.len());
        Ok(())
    }
}
