//! The keeper: the thread of the host that owns the socket of a broker. It grants each call and signature, has the broker make
//! it, and keeps what was said.
//!
//! Guarantees: every call that was granted is kept, also where its run ended before the response. What a run asks for is limited,
//! refused calls included. What is kept was scanned for every secret of the run before the run may be recorded.
//!
//! Deliberately never: connects to anything, or has a value.

use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::time::Duration;

use super::authorize;
use super::signing::authorize_signing;
use super::wire::{self, BrokerMessage, CallHead, ExchangedHead, HostMessage, SigningHead};
use crate::model::{
    exchange::{CallBudget, ExchangeRecord, Exchanged, HttpCall, HttpFailure, HttpFailureKind, HttpReply},
    host_grants::HostGrants,
    secret::SecretName,
    secret_binding::SecretBinding,
    signing::{SignatureRecord, SigningCall, SigningFailure, SigningFailureKind, SigningResult},
};
use crate::secrets::{self, ReadRefusal, SecretError, SecretReader, ValueLength};

/// Most requests and signatures that one run asks for, refused ones included: each of them is in its record.
const MAX_ASKED: usize = 10_000;
/// Most bytes of all their URLs, headers and names.
const MAX_ASKED_HEADS: usize = 4 << 20;
/// Most bytes of all their bodies.
const MAX_ASKED_BODIES: usize = 64 << 20;

/// An exchange with its bodies, for the store.
#[derive(Debug)]
pub struct KeptExchange {
    /// What the record of the run has of it.
    pub record: ExchangeRecord,
    /// The bodies that the record names.
    pub bodies: Vec<Vec<u8>>,
}

/// What a run asked for, for its record and the store.
#[derive(Debug, Default)]
pub struct KeptCalls {
    /// Its exchanges, in order.
    pub exchanges: Vec<KeptExchange>,
    /// Its signatures, in order.
    pub signatures: Vec<SignatureRecord>,
}

/// A call that waits for the keeper.
pub(super) struct PendingCall {
    pub(super) call: HttpCall,
    pub(super) time: Duration,
    pub(super) answer: mpsc::Sender<Result<Result<HttpReply, HttpFailure>, String>>,
}

/// What the keeper is asked. An outer error ends the run.
pub(super) enum KeeperTask {
    /// Make this call.
    Call(PendingCall),
    /// Make this signature.
    Sign { call: SigningCall, answer: mpsc::Sender<Result<SigningResult, String>> },
    /// Look for the secrets of the run in these bytes.
    Scan { bytes: Vec<u8>, answer: mpsc::Sender<LeakVerdict> },
    /// Look for them in everything that is kept.
    ScanKept { answer: mpsc::Sender<LeakVerdict> },
}

/// What the broker found in what a run leaves behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LeakVerdict {
    /// No secret of the run.
    Clean,
    /// A secret, described without its value.
    Leak(String),
    /// It could not look, because it was ended or is busy with a server.
    Unscanned,
}

/// What a broker must never do.
const OTHER_ANSWER: &str = "the broker answers what it was not asked";

/// How much a run has asked for.
#[derive(Debug, Default)]
struct AskedTotal {
    calls: usize,
    heads: usize,
    bodies: usize,
}

impl AskedTotal {
    /// Counts one request or signature. The error ends the run, because its record would have no end.
    fn add(&mut self, head: usize, body: usize) -> Result<(), String> {
        self.calls = self.calls.saturating_add(1);
        self.heads = self.heads.saturating_add(head);
        self.bodies = self.bodies.saturating_add(body);
        let over = |what: String| Err(format!("the run asks for more than {what}"));
        if self.calls > MAX_ASKED {
            return over(format!("{MAX_ASKED} requests and signatures"));
        }
        if self.heads > MAX_ASKED_HEADS {
            return over(format!("{MAX_ASKED_HEADS} bytes of URLs and headers"));
        }
        if self.bodies > MAX_ASKED_BODIES {
            return over(format!("{MAX_ASKED_BODIES} bytes of bodies"));
        }
        Ok(())
    }
}

/// Owns the socket.
pub(super) struct Keeper<'a> {
    grants: &'a HostGrants,
    socket: UnixStream,
    budget: &'a mut dyn CallBudget,
    secrets: KeeperSecrets<'a>,
    asked: AskedTotal,
    leaked: bool,
    kept: KeptCalls,
}

/// The secrets that the broker may ask for.
pub(super) struct KeeperSecrets<'a> {
    pub(super) bindings: &'a [SecretBinding],
    pub(super) reader: SecretReader<'a>,
    /// Whether the broker has one.
    pub(super) used: bool,
    /// Whether a store was asked, whatever came of it.
    pub(super) asked: bool,
}

impl<'a> Keeper<'a> {
    /// One for the broker at the other end of this socket.
    pub(super) fn new(
        grants: &'a HostGrants,
        socket: UnixStream,
        budget: &'a mut dyn CallBudget,
        secrets: KeeperSecrets<'a>,
    ) -> Self {
        Self {
            grants,
            socket,
            budget,
            secrets,
            asked: AskedTotal::default(),
            leaked: false,
            kept: KeptCalls::default(),
        }
    }

    /// Does what it is asked until nobody can ask any more, and gives what it kept.
    pub(super) fn serve(mut self, tasks: mpsc::Receiver<KeeperTask>) -> KeptCalls {
        for task in tasks {
            // Whoever asked may have been ended meanwhile.
            let _ = match task {
                KeeperTask::Call(PendingCall { call, time, answer }) => answer.send(self.make(call, time)).is_ok(),
                KeeperTask::Sign { call, answer } => answer.send(self.sign(call)).is_ok(),
                KeeperTask::Scan { bytes, answer } => answer.send(self.scan(&bytes)).is_ok(),
                KeeperTask::ScanKept { answer } => answer.send(self.scan_kept()).is_ok(),
            };
        }
        self.kept
    }

    /// Makes one call.
    fn make(&mut self, call: HttpCall, time: Duration) -> Result<Result<HttpReply, HttpFailure>, String> {
        let fields = call.headers.iter().map(|field| field.name.len() + field.value.len());
        self.asked.add(call.url.len() + fields.sum::<usize>(), call.body.len())?;
        let made = match self.grant(&call) {
            Ok(()) => self.ask(&call, time),
            // The broker would say the same. It is not asked, so that a refused call costs nothing.
            Err(failure) => Ok(Exchanged { hops: Vec::new(), end: Err(failure) }),
        };
        let exchanged = match &made {
            Ok(exchanged) => exchanged.clone(),
            Err(_) => {
                let message = "the run or its broker ended before the response";
                Exchanged { hops: Vec::new(), end: Err(HttpFailure::new(HttpFailureKind::Connect, message)) }
            }
        };
        // A request with a secret in it must not be kept. Of a response with one the broker gave nothing.
        let call = if self.leaked { without_content(call) } else { call };
        let record = exchanged.record(&call);
        let reply = exchanged.end.iter().map(|reply| reply.body.clone());
        let bodies = [call.body].into_iter().chain(reply).filter(|body| !body.is_empty()).collect();
        self.kept.exchanges.push(KeptExchange { record, bodies });
        made.map(|exchanged| exchanged.end)
    }

    fn grant(&mut self, call: &HttpCall) -> Result<(), HttpFailure> {
        let request = authorize::authorize(self.grants, call.method, &call.url)?;
        authorize::check_call(request.rule, call)?;
        self.budget.grant(request.rule).map_err(|why| HttpFailure::new(HttpFailureKind::Refused, why))
    }

    fn ask(&mut self, call: &HttpCall, time: Duration) -> Result<Exchanged, String> {
        let head = CallHead {
            method: call.method,
            url: call.url.clone(),
            headers: call.headers.clone(),
            time_ms: u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
        };
        wire::send(&mut self.socket, &HostMessage::Call(head), &call.body).map_err(gone)?;
        match self.answer("an exchange")? {
            (BrokerMessage::Exchanged(ExchangedHead { hops, end }), body) => {
                let reply = |head: wire::ReplyHead| HttpReply { status: head.status, headers: head.headers, body };
                Ok(Exchanged { hops, end: end.map(reply) })
            }
            _ => Err(OTHER_ANSWER.to_owned()),
        }
    }

    /// The answer of the broker about `what`. It may need secrets first.
    fn answer(&mut self, what: &str) -> Result<(BrokerMessage, Vec<u8>), String> {
        loop {
            match wire::receive::<BrokerMessage>(&mut self.socket).map_err(gone)? {
                (BrokerMessage::NeedsSecret(name), _) => self.hand_over(&name)?,
                (BrokerMessage::Leak(found), _) => {
                    self.leaked = true;
                    return Err(format!("{what} {found}"));
                }
                answer => return Ok(answer),
            }
        }
    }

    /// Has the broker sign.
    fn sign(&mut self, call: SigningCall) -> Result<SigningResult, String> {
        // The bytes are not kept.
        self.asked.add(call.secret.len(), 0)?;
        let made = match authorize_signing(self.secrets.bindings, &call, self.kept.signatures.len()) {
            Ok(()) => self.ask_to_sign(&call),
            // The broker and the store are not asked.
            Err(failure) => Ok(Err(failure)),
        };
        let ended = || {
            let message = "the run or its broker ended before the signature";
            Err(SigningFailure::new(SigningFailureKind::Unavailable, message))
        };
        let result = made.clone().unwrap_or_else(|_| ended());
        // Not even a digest is kept of what has a secret in it.
        let call = if self.leaked { SigningCall { bytes: Vec::new(), ..call } } else { call };
        self.kept.signatures.push(SignatureRecord::of(&call, &result));
        made
    }

    fn ask_to_sign(&mut self, call: &SigningCall) -> Result<SigningResult, String> {
        let head = SigningHead { secret: call.secret.clone(), algorithm: call.algorithm };
        wire::send(&mut self.socket, &HostMessage::Sign(head), &call.bytes).map_err(gone)?;
        match self.answer("what is to be signed")? {
            (BrokerMessage::Signed(end), signature) => Ok(end.map(|()| signature)),
            _ => Err(OTHER_ANSWER.to_owned()),
        }
    }

    /// Has a reader write the value into the socket of the broker. This process never has it.
    fn hand_over(&mut self, name: &SecretName) -> Result<(), String> {
        self.secrets.asked = true;
        let bound = self.secrets.bindings.iter().any(|binding| binding.name == name.as_str());
        let read = match bound {
            true => self.secrets.reader.hand_over(name, self.socket.as_fd()),
            false => Err(SecretError::Unknown(name.clone())),
        };
        match read {
            Ok(length) => {
                self.secrets.used = true;
                if length == ValueLength::Short {
                    tracing::warn!("the secret {name} has fewer than 16 bytes, so no scan can recognise it");
                }
                Ok(())
            }
            // A part of a value may be in the socket. What comes after it would be taken for the rest.
            Err(error @ SecretError::Refused { refusal: ReadRefusal::Undelivered(_), .. }) => Err(error.to_string()),
            Err(error @ (SecretError::Refused { .. } | SecretError::Unknown(_))) => {
                tracing::warn!("{error}");
                secrets::write_no_value(&mut self.socket).map_err(|error| error.to_string())
            }
            Err(error) => Err(error.to_string()),
        }
    }

    fn scan(&mut self, bytes: &[u8]) -> LeakVerdict {
        // Without a secret there is nothing to look for.
        if !self.secrets.used {
            return LeakVerdict::Clean;
        }
        let sent = wire::send(&mut self.socket, &HostMessage::Scan, bytes);
        match sent.and_then(|()| wire::receive::<BrokerMessage>(&mut self.socket)) {
            Ok((BrokerMessage::Clean, _)) => LeakVerdict::Clean,
            Ok((BrokerMessage::Leak(found), _)) => LeakVerdict::Leak(found),
            _ => LeakVerdict::Unscanned,
        }
    }

    /// Has the broker get the secrets of a run whose requests were all refused before one was needed.
    fn hold(&mut self) -> Result<(), String> {
        wire::send(&mut self.socket, &HostMessage::Hold, &[]).map_err(gone)?;
        match self.answer("a request")? {
            (BrokerMessage::Clean, _) => Ok(()),
            _ => Err(OTHER_ANSWER.to_owned()),
        }
    }

    /// Looks at what was asked and answered while a secret was not known yet: the guest may have known it.
    fn scan_kept(&mut self) -> LeakVerdict {
        // A request that was refused is kept too, and what the guest wrote into it was looked at by nobody.
        let was_refused = self.kept.exchanges.iter().any(|kept| kept.record.hops.is_empty());
        let is_bound = !self.secrets.bindings.is_empty();
        if was_refused && is_bound && !self.secrets.asked && self.hold().is_err() {
            return LeakVerdict::Unscanned;
        }
        let kept = std::mem::take(&mut self.kept);
        for KeptExchange { record, bodies } in &kept.exchanges {
            let fields = record.call.headers.iter().flat_map(|field| [field.name.as_str(), &field.value]);
            let head = std::iter::once(record.call.url.as_str()).chain(fields).collect::<Vec<_>>().join("\n");
            for part in std::iter::once(head.as_bytes()).chain(bodies.iter().map(Vec::as_slice)) {
                let verdict = self.scan(part);
                if verdict != LeakVerdict::Clean {
                    // Nothing of it goes into the record or the store.
                    return verdict;
                }
            }
        }
        self.kept = kept;
        LeakVerdict::Clean
    }
}

/// What is said of a broker that is not there any more.
fn gone(error: io::Error) -> String {
    format!("the process that makes requests ended: {error}")
}

/// A call of which only the method is kept.
fn without_content(call: HttpCall) -> HttpCall {
    HttpCall { url: String::new(), headers: Vec::new(), body: Vec::new(), ..call }
}
