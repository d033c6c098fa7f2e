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

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use super::authorize;
use super::broker::VERB;
use super::wire::{self, BrokerOrder, BrokerReady, CallHead, ExchangedHead};
use crate::cage::Cage;
use crate::model::{
    exchange::{
        CallBudget, CallEnd, ExchangeRecord, Exchanged, HttpCall, HttpFailure, HttpFailureKind, HttpPort, HttpReply,
    },
    host_grants::HostGrants,
};
use crate::sync::lock;

/// The time between two checks whether the run may go on.
const LOOK: Duration = Duration::from_millis(25);

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

/// What a broker is started with.
#[derive(Debug, Clone, Copy)]
pub struct BrokerLaunch<'a> {
    /// Starts it.
    pub cage: &'a Cage,
    /// What the run may reach.
    pub grants: &'a HostGrants,
    /// A file with the certificate authorities that it trusts; none for those that are built in.
    pub roots_file: Option<&'a Path>,
}

/// Starts a broker for a run, does the work of the run with it, and ends it. Gives what was said besides.
///
/// # Errors
/// [`EgressError`] when it cannot be started or confined.
pub fn serve<T>(
    launch: BrokerLaunch<'_>,
    budget: &mut dyn CallBudget,
    work: impl FnOnce(&Arc<dyn HttpPort>) -> T,
) -> Result<(T, Vec<KeptExchange>), EgressError> {
    let BrokerLaunch { cage, grants, roots_file } = launch;
    // Read here: the broker can open no such file.
    let pem = roots_file.map(std::fs::read).transpose().map_err(EgressError::Roots)?.unwrap_or_default();
    let process = cage.start_service(VERB)?;
    let mut socket = process.socket().try_clone()?;
    wire::send(&mut socket, &BrokerOrder { grants: grants.clone() }, &pem)?;
    if let (BrokerReady::Failed(why), _) = wire::receive::<BrokerReady>(&mut socket)? {
        return Err(EgressError::Broker(why));
    }
    thread::scope(|scope| {
        let (calls, pending) = mpsc::channel();
        let keeper = thread::Builder::new().name("kavi-egress".to_owned()).spawn_scoped(scope, move || {
            let mut keeper = Keeper { grants, socket, budget, kept: Vec::new() };
            // Ends when the last holder of the port is gone.
            for PendingCall { call, time, answer } in pending {
                let _ = answer.send(keeper.make(call, time));
            }
            keeper.kept
        })?;
        let port: Arc<dyn HttpPort> = Arc::new(LivePort { calls: Mutex::new(calls) });
        let done = work(&port);
        // First: a keeper that waits for a server is woken by the end of the socket.
        drop(process);
        drop(port);
        Ok((done, keeper.join().unwrap_or_default()))
    })
}

/// Owns the socket.
struct Keeper<'a> {
    grants: &'a HostGrants,
    socket: std::os::unix::net::UnixStream,
    budget: &'a mut dyn CallBudget,
    kept: Vec<KeptExchange>,
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
        wire::send(&mut self.socket, &head, &call.body).map_err(gone)?;
        let (ExchangedHead { hops, end }, body) = wire::receive(&mut self.socket).map_err(gone)?;
        let reply = |head: wire::ReplyHead| HttpReply { status: head.status, headers: head.headers, body };
        Ok(Exchanged { hops, end: end.map(reply) })
    }
}

/// Hands calls to the keeper.
#[derive(Debug)]
struct LivePort {
    calls: Mutex<mpsc::Sender<PendingCall>>,
}

impl HttpPort for LivePort {
    fn exchange(&self, call: HttpCall, time: Duration, may_go_on: &mut dyn FnMut() -> bool) -> CallEnd {
        let (answer, answered) = mpsc::channel();
        let gone = || CallEnd::Broken("the thread that makes requests ended early".to_owned());
        if lock(&self.calls).send(PendingCall { call, time, answer }).is_err() {
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
