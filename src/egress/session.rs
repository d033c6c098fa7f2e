//! The host of a broker: it starts one for a run, and ends it with the run.
//!
//! The guest's thread is behind the second wall and can open nothing. It hands a call to the *keeper*, a thread that owns the
//! broker's socket (`keeper.rs`), and waits. While it waits it asks whether the run may go on, so a deadline, a stop or a
//! cancelled run ends in every phase of an exchange.
//!
//! Guarantees: the broker is dead when [`serve`] returns.
//!
//! Deliberately never: connects to anything.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use super::broker::VERB;
use super::keeper::{Keeper, KeeperSecrets, KeeperTask, KeptCalls, LeakVerdict, PendingCall};
use super::wire::{self, BrokerOrder, BrokerReady};
use crate::cage::Cage;
use crate::model::{
    exchange::{CallBudget, CallEnd, HttpCall, HttpPort},
    host_grants::HostGrants,
    secret::{SecretName, SecretStore},
    secret_binding::SecretBinding,
    signing::{SigningCall, SigningResult},
    switch::{Cancelled, Halt, Watch},
};
use crate::secrets::SecretReader;
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

/// Looks for the secrets of a run. Only its broker can, because only the broker has them.
#[derive(Debug)]
pub struct LeakCheck {
    tasks: mpsc::Sender<KeeperTask>,
}

impl LeakCheck {
    /// Looks for them in one part of what a run leaves behind.
    pub fn scan(&self, bytes: Vec<u8>) -> LeakVerdict {
        self.ask(|answer| KeeperTask::Scan { bytes, answer })
    }

    /// Looks for them in all requests of the run and their responses, also those that were made before a secret was known.
    pub fn scan_exchanges(&self) -> LeakVerdict {
        self.ask(|answer| KeeperTask::ScanKept { answer })
    }

    fn ask(&self, task: impl FnOnce(mpsc::Sender<LeakVerdict>) -> KeeperTask) -> LeakVerdict {
        let (answer, answered) = mpsc::channel();
        match self.tasks.send(task(answer)) {
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
) -> Result<(T, KeptCalls), EgressError> {
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
        let secrets = KeeperSecrets { bindings, reader, used: false, asked: false };
        let keeper = Keeper::new(grants, socket, budget, secrets);
        // Ends when the last holder of the port is gone.
        let named = thread::Builder::new().name("kavi-egress".to_owned());
        let keeper = named.spawn_scoped(scope, move || keeper.serve(pending))?;
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

const NO_KEEPER: &str = "the thread that makes requests ended early";

/// Hands calls to the keeper.
#[derive(Debug)]
struct LivePort {
    tasks: Mutex<mpsc::Sender<KeeperTask>>,
}

impl HttpPort for LivePort {
    fn exchange(&self, call: HttpCall, time: Duration, may_go_on: &mut dyn FnMut() -> bool) -> CallEnd {
        let (answer, answered) = mpsc::channel();
        let task = KeeperTask::Call(PendingCall { call, time, answer });
        if lock(&self.tasks).send(task).is_err() {
            return CallEnd::Broken(NO_KEEPER.to_owned());
        }
        wait(&answered, may_go_on)
    }

    fn sign(&self, call: SigningCall, may_go_on: &mut dyn FnMut() -> bool) -> CallEnd<SigningResult> {
        let (answer, answered) = mpsc::channel();
        match lock(&self.tasks).send(KeeperTask::Sign { call, answer }) {
            Ok(()) => wait(&answered, may_go_on),
            Err(_) => CallEnd::Broken(NO_KEEPER.to_owned()),
        }
    }
}

/// Waits for the keeper, as long as the run may go on.
fn wait<T>(answered: &mpsc::Receiver<Result<T, String>>, may_go_on: &mut dyn FnMut() -> bool) -> CallEnd<T> {
    loop {
        match answered.recv_timeout(LOOK) {
            Ok(Ok(end)) => return CallEnd::Answered(end),
            Ok(Err(why)) => return CallEnd::Broken(why),
            Err(mpsc::RecvTimeoutError::Timeout) if may_go_on() => {}
            Err(mpsc::RecvTimeoutError::Timeout) => return CallEnd::Interrupted,
            Err(mpsc::RecvTimeoutError::Disconnected) => return CallEnd::Broken(NO_KEEPER.to_owned()),
        }
    }
}
