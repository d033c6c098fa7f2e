//! The host of a broker: it starts one for a run, counts and grants each call, and keeps what was said.
//!
//! The guest's thread is behind the second wall and can open nothing. It hands a call to the *keeper*, a thread of this module
//! that owns the broker's socket, and waits. While it waits it asks whether the run may go on, so a deadline, a stop or a
//! cancelled run ends in every phase of an exchange.
//!
//! Guarantees: every call that was granted is kept, also where its run ended before the response. The broker is dead when
//! [`serve`] returns.
//!
//! Deliberately never: connects to anything.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use super::authorize;
use super::broker::VERB;
use super::wire::{self, BrokerMessage, BrokerOrder, BrokerReady, CallHead, ExchangedHead, HostMessage};
use crate::cage::Cage;
use crate::model::{
    exchange::{
        CallBudget, CallEnd, ExchangeRecord, Exchanged, HttpCall, HttpFailure, HttpFailureKind, HttpPort, HttpReply,
    },
    host_grants::HostGrants,
    secret::{SecretName, SecretStore},
    secret_binding::SecretBinding,
    switch::{Cancelled, Halt, Watch},
};
use crate::secrets::{self, ReadRefusal, SecretError, SecretReader, ValueLength};
use crate::sync::lock;

/// The time between two checks whether the run may go on.
const LOOK: Duration = Duration::from_millis(25);

/// The longest wait for a scan.
const SCAN_TIME: Duration = Duration::from_secs(5);

/// Why there is no broker.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    /// The system.
    #[error("the process that makes requests cannot be started: {0}")]
    Start(#[from] io::Error),
    /// The file with certificate authorities.
    #[error("the certificates in SSL_CERT_FILE cannot be read: {0}")]
    Roots(io::Error),
    /// The broker itself.
    #[error("the process that makes requests cannot work: {0}")]
    Broker(String),
}

/// An exchange with its bodies, for the store.
#[derive(Debug)]
pub struct KeptExchange {
    /// What the record of the run has of it.
    pub record: ExchangeRecord,
    /// The bodies that the record names.
    pub bodies: Vec<Vec<u8>>,
}

/// A call that waits for the keeper.
struct PendingCall {
    call: HttpCall,
    time: Duration,
    answer: mpsc::Sender<Result<Result<HttpReply, HttpFailure>, String>>,
}

/// What the keeper is asked.
enum KeeperTask {
    Call(PendingCall),
    Scan { bytes: Vec<u8>, answer: mpsc::Sender<LeakVerdict> },
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

/// Looks for the secrets of a run. Only its broker can, because only the broker has them.
#[derive(Debug)]
pub struct LeakCheck {
    tasks: mpsc::Sender<KeeperTask>,
}

impl LeakCheck {
    /// Looks for them in one part of what a run leaves behind.
    pub fn scan(&self, bytes: Vec<u8>) -> LeakVerdict {
        let (answer, answered) = mpsc::channel();
        match self.tasks.send(KeeperTask::Scan { bytes, answer }) {
            // A keeper that waits for a server does not answer. What was not looked at must not be kept.
            Ok(()) => answered.recv_timeout(SCAN_TIME).unwrap_or(LeakVerdict::Unscanned),
            Err(_) => LeakVerdict::Unscanned,
        }
    }
}

/// What a broker is started with.
#[derive(Debug, Clone, Copy)]
pub struct BrokerLaunch<'a> {
    /// Starts it.
    pub cage: &'a Cage,
    /// What the run may reach.
    pub grants: &'a HostGrants,
    /// A file with the certificate authorities that it trusts; none for those that are built in.
    pub roots_file: Option<&'a Path>,
    /// Where the values of its secrets go.
    pub bindings: &'a [SecretBinding],
    /// Where they come from.
    pub stores: &'a BTreeMap<SecretName, SecretStore>,
}

/// Ends a reader whose run is over.
#[derive(Debug, Default)]
struct RunOver(AtomicBool);

impl Watch for RunOver {
    fn look(&self) -> Result<(), Halt> {
        if self.0.load(Ordering::SeqCst) { Err(Cancelled.into()) } else { Ok(()) }
    }
}

/// Starts a broker for a run, does the work of the run with it, and ends it. Gives what was said besides.
///
/// # Errors
/// [`EgressError`] when it cannot be started or confined.
pub fn serve<T>(
    launch: BrokerLaunch<'_>,
    budget: &mut dyn CallBudget,
    work: impl FnOnce(&Arc<dyn HttpPort>, &LeakCheck) -> T,
) -> Result<(T, Vec<KeptExchange>), EgressError> {
    let BrokerLaunch { cage, grants, roots_file, bindings, stores } = launch;
    // Read here: the broker can open no such file.
    let pem = roots_file.map(std::fs::read).transpose().map_err(EgressError::Roots)?.unwrap_or_default();
    let process = cage.start_service(VERB)?;
    let mut socket = process.socket().try_clone()?;
    wire::send(&mut socket, &BrokerOrder { grants: grants.clone(), secrets: bindings.to_vec() }, &pem)?;
    if let (BrokerReady::Failed(why), _) = wire::receive::<BrokerReady>(&mut socket)? {
        return Err(EgressError::Broker(why));
    }
    let over = Arc::new(RunOver::default());
    let reader_cage = cage.clone().watched(Arc::<RunOver>::clone(&over));
    let reader = SecretReader { cage: &reader_cage, stores };
    thread::scope(|scope| {
        let (tasks, pending) = mpsc::channel();
        let keeper = thread::Builder::new().name("kavi-egress".to_owned()).spawn_scoped(scope, move || {
            let secrets = KeeperSecrets { bindings, reader, used: false };
            let mut keeper = Keeper { grants, socket, budget, secrets, leaked: false, kept: Vec::new() };
            // Ends when the last holder of the port is gone.
            for task in pending {
                match task {
                    KeeperTask::Call(PendingCall { call, time, answer }) => {
                        let _ = answer.send(keeper.make(call, time));
                    }
                    KeeperTask::Scan { bytes, answer } => {
                        let _ = answer.send(keeper.scan(&bytes));
                    }
                }
            }
            keeper.kept
        })?;
        let check = LeakCheck { tasks: tasks.clone() };
        let port: Arc<dyn HttpPort> = Arc::new(LivePort { tasks: Mutex::new(tasks) });
        let done = work(&port, &check);
        // First: a keeper that waits for a server is woken by the end of the socket, and one that waits for a reader by this.
        over.0.store(true, Ordering::SeqCst);
        drop(process);
        drop((port, check));
        Ok((done, keeper.join().unwrap_or_default()))
    })
}

/// Owns the socket.
struct Keeper<'a> {
    grants: &'a HostGrants,
    socket: std::os::unix::net::UnixStream,
    budget: &'a mut dyn CallBudget,
    secrets: KeeperSecrets<'a>,
    leaked: bool,
    kept: Vec<KeptExchange>,
}

/// The secrets that the broker may ask for.
struct KeeperSecrets<'a> {
    bindings: &'a [SecretBinding],
    reader: SecretReader<'a>,
    /// Whether the broker has one.
    used: bool,
}

impl Keeper<'_> {
    /// Makes one call. The outer error ends the run.
    fn make(&mut self, call: HttpCall, time: Duration) -> Result<Result<HttpReply, HttpFailure>, String> {
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
        self.kept.push(KeptExchange { record, bodies });
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
        let gone = |error: io::Error| format!("the process that makes requests ended: {error}");
        wire::send(&mut self.socket, &HostMessage::Call(head), &call.body).map_err(gone)?;
        loop {
            let (message, body) = wire::receive::<BrokerMessage>(&mut self.socket).map_err(gone)?;
            match message {
                BrokerMessage::Exchanged(ExchangedHead { hops, end }) => {
                    let reply = |head: wire::ReplyHead| HttpReply { status: head.status, headers: head.headers, body };
                    return Ok(Exchanged { hops, end: end.map(reply) });
                }
                BrokerMessage::NeedsSecret(name) => self.hand_over(&name)?,
                BrokerMessage::Leak(found) => {
                    self.leaked = true;
                    return Err(format!("an exchange {found}"));
                }
                BrokerMessage::Clean => return Err("the broker answers what it was not asked".to_owned()),
            }
        }
    }

    /// Has a reader write the value into the socket of the broker. This process never has it.
    fn hand_over(&mut self, name: &SecretName) -> Result<(), String> {
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
}

/// A call of which only the method is kept.
fn without_content(call: HttpCall) -> HttpCall {
    HttpCall { url: String::new(), headers: Vec::new(), body: Vec::new(), ..call }
}

/// Hands calls to the keeper.
#[derive(Debug)]
struct LivePort {
    tasks: Mutex<mpsc::Sender<KeeperTask>>,
}

impl HttpPort for LivePort {
    fn exchange(&self, call: HttpCall, time: Duration, may_go_on: &mut dyn FnMut() -> bool) -> CallEnd {
        let (answer, answered) = mpsc::channel();
        let gone = || CallEnd::Broken("the thread that makes requests ended early".to_owned());
        let task = KeeperTask::Call(PendingCall { call, time, answer });
        if lock(&self.tasks).send(task).is_err() {
            return gone();
        }
        loop {
            match answered.recv_timeout(LOOK) {
                Ok(Ok(end)) => return CallEnd::Answered(end),
                Ok(Err(why)) => return CallEnd::Broken(why),
                Err(mpsc::RecvTimeoutError::Timeout) if may_go_on() => {}
                Err(mpsc::RecvTimeoutError::Timeout) => return CallEnd::Interrupted,
                Err(mpsc::RecvTimeoutError::Disconnected) => return gone(),
            }
        }
    }
}
