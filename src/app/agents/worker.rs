//! The threads that serve agents: call threads, a thread that lists skills, and the worker.
//!
//! Calls run on the threads of one [`Resident`], whose records share group commits. More threads start while calls wait.
//! The worker is the calling thread, the only one that has the workspace open. It does every other task, and looks in
//! between whether another process changed what is trusted.
//!
//! Guarantees: every request is answered or its reply is dropped; a promotion by another process applies from the next
//! call on, and the listener is called.

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use super::super::context;
use super::super::notify::NotifyService;
use super::super::open_workspace::OpenWorkspace;
use super::api::{AgentIdentity, AgentSkill};
use super::call_queue::{CallQueue, MOST_THREADS};
use super::handle::{AgentHandle, ListenerSlot, Listing, Task};
use crate::context::reader::ContextReader;
use crate::error::Error;
use crate::history::anchor::HistoryAnchor;
use crate::invoke::resident::Resident;
use crate::ledger::{Create, Ledger, Proposal, Recorder};
use crate::model::{
    channel::Channel,
    governance::GovernanceRows,
    guidance::GuidanceText,
    id::ProposalId,
    time::{Clock as _, SystemClock},
};
use crate::policy::{actor_capability::ActorCapability, channels::ChannelPolicy, matrix::Actor};
use crate::sync::lock;

/// How long nobody calls a skill before loaded skills and their memory are let go. The next call then takes some
/// milliseconds more.
const IDLE: Duration = Duration::from_secs(30);
/// How often the worker looks whether the trusted skills changed.
const CHANGE_CHECK_INTERVAL: Duration = Duration::from_millis(200);
/// The shortest time between two looks for notices.
const BETWEEN_NOTICES_MS: i64 = 1_000;
/// How often the worker looks whether a held change expires soon.
const EXPIRY_CHECK_INTERVAL_MS: i64 = 60_000;

/// Runs a server on a thread of its own, and serves its requests until it returns.
///
/// # Errors
/// When a thread cannot start. The result of a call goes to its caller alone.
pub(super) fn serve<T: Send>(
    workspace: &OpenWorkspace,
    server: impl FnOnce(AgentHandle) -> T + Send,
) -> Result<T, Error> {
    let no_thread = |source| Error::Io { what: "a thread of the server for agents".to_owned(), source };
    // To begin with; more threads start while calls wait.
    let threads = thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
    let calls = Arc::new(CallQueue::new(threads, IDLE));
    let (handle, requests) = AgentHandle::new(Arc::clone(&calls));
    let (recorder, resident) = (OnceLock::new(), OnceLock::new());
    thread::scope(|scope| {
        let ledger = workspace.config.layout.ledger();
        let lister = thread::Builder::new().name("kavi-list".into());
        // Listing must not wait behind a task of the worker, such as a proposal that is being
        // written.
        let listed = Listed { context: &workspace.context, channels: &workspace.config.channels };
        let anchor = workspace.ledger.anchor();
        lister.spawn_scoped(scope, move || list(&ledger, listed, anchor, &requests.lists)).map_err(no_thread)?;
        // The server starts first: it can answer the opening of a connection while the engine is still being made.
        let server = thread::Builder::new().name("kavi-mcp".into()).spawn_scoped(scope, move || server(handle));
        let server = server.map_err(no_thread)?;
        let worker = Worker { workspace, tasks: requests.tasks, listener: requests.listener };
        match make_resident(workspace, &recorder, &resident) {
            Ok(resident) => {
                let start_thread = || {
                    let queue = Arc::clone(&calls);
                    let serve = move || {
                        let ended = resident.serve(&*queue).map_err(|error| Error::from(error).to_string());
                        queue.leave(ended.err());
                    };
                    let started = thread::Builder::new().name("kavi-calls".into()).spawn_scoped(scope, serve);
                    started.err().inspect(|error| calls.leave(Some(error.to_string())));
                };
                (0..threads).for_each(|_| start_thread());
                let add_threads = || (0..calls.more_threads()).for_each(|_| start_thread());
                worker.run(add_threads, || server.is_finished());
            }
            Err(error) => {
                // The queue closes with the reason, so that calls are refused by it. Everything
                // else still works.
                (0..threads).for_each(|_| calls.leave(Some(error.to_string())));
                worker.run(|| (), || server.is_finished());
            }
        }
        // The call threads wait for calls. Without this the scope would wait for them for ever.
        calls.close();
        server
            .join()
            .map_err(|_| Error::Refused("the server for agents stopped because of an internal error".to_owned()))
    })
}

/// The cells outlive the scope, so that its threads can borrow what is made inside.
fn make_resident<'a>(
    workspace: &'a OpenWorkspace,
    recorder: &'a OnceLock<Recorder>,
    resident: &'a OnceLock<Resident<'a>>,
) -> Result<&'a Resident<'a>, Error> {
    let made = workspace.recorder()?;
    let made = workspace.resident(recorder.get_or_init(|| made), u32::try_from(MOST_THREADS).unwrap_or(1))?;
    Ok(resident.get_or_init(|| made))
}

/// The thread that has the workspace open.
struct Worker<'a> {
    workspace: &'a OpenWorkspace,
    tasks: Receiver<Task>,
    listener: ListenerSlot,
}

impl Worker<'_> {
    /// Does tasks until the server has ended. Adds call threads in between, and watches the trusted skills.
    fn run(&self, add_threads: impl Fn(), is_over: impl Fn() -> bool) {
        let ledger = &self.workspace.ledger;
        // Before the first reading: a change in between is then found by the next look.
        let mut change_detector = ledger.change_detector();
        let mut known: Option<Vec<ProposalId>> = ledger.trusted_ids().ok();
        let mut notices = NoticeTimer { last_ms: self.workspace.clock.moment().boot_ms, changed: true };
        loop {
            match self.tasks.recv_timeout(CHANGE_CHECK_INTERVAL) {
                // The server that sent it has ended.
                Ok(_) if is_over() => return,
                Ok(task) => task(Ok(self.workspace)),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            // After each task, and at every turn: the handle has no scope in which it could start a
            // thread itself.
            add_threads();
            // The detector costs no query. Without one, the query itself is the check.
            let changed = !change_detector.as_mut().is_some_and(|change_detector| change_detector.unchanged());
            notices.look(self.workspace, changed);
            if !changed {
                continue;
            }
            // The ids are compared, because most commits are records and change no trust.
            let now = ledger.trusted_ids().ok();
            if now != known {
                known = now;
                if let Some(changed) = &*lock(&self.listener) {
                    changed();
                }
            }
        }
    }
}

/// When a person is told what waits.
struct NoticeTimer {
    /// By the clock that nobody can set.
    last_ms: i64,
    /// Whether the ledger changed since then.
    changed: bool,
}

impl NoticeTimer {
    /// A ledger that changes with every call is looked at once a second. Without a change, only time can bring something new.
    fn look(&mut self, workspace: &OpenWorkspace, changed: bool) {
        self.changed |= changed;
        let wait = if self.changed { BETWEEN_NOTICES_MS } else { EXPIRY_CHECK_INTERVAL_MS };
        let now_ms = workspace.clock.moment().boot_ms;
        if now_ms.saturating_sub(self.last_ms) >= wait {
            NotifyService { workspace }.tell();
            (self.last_ms, self.changed) = (now_ms, false);
        }
    }
}

/// What agents may see, and what they are told about themselves.
#[derive(Clone, Copy)]
struct Listed<'a> {
    context: &'a ContextReader,
    channels: &'a ChannelPolicy,
}

/// Reads the trusted skills, or an identity block, for each request. Over a connection of its own, so that it waits for no task.
fn list(ledger: &Path, listed: Listed<'_>, anchor: Option<Arc<dyn HistoryAnchor>>, requests: &Receiver<Listing>) {
    // Opened with the first request. A ledger that cannot be opened then fails that request and not
    // the server.
    let mut open = None;
    while let Ok(request) = requests.recv() {
        let ledger = opened(&mut open, ledger, anchor.as_ref());
        match request {
            Listing::Skills(reply) => reply(ledger.and_then(|ledger| skills(ledger, listed))),
            Listing::Identity(by, reply) => reply(ledger.and_then(|ledger| identity(ledger, listed, by))),
        }
    }
}

fn opened<'l>(
    open: &'l mut Option<Ledger>,
    path: &Path,
    anchor: Option<&Arc<dyn HistoryAnchor>>,
) -> Result<&'l Ledger, Error> {
    match open {
        Some(ledger) => Ok(ledger),
        None => {
            let ledger = Ledger::open(path, Create::Never)?;
            Ok(open.insert(match anchor {
                Some(anchor) => ledger.with_anchor(Arc::clone(anchor)),
                None => ledger,
            }))
        }
    }
}

fn skills(ledger: &Ledger, listed: Listed<'_>) -> Result<Vec<AgentSkill>, Error> {
    let view = listed.context.read(ledger, SystemClock.moment());
    view.allow_actor(listed.channels, &Actor::Agent(None), Channel::Mcp, ActorCapability::ListSkills)?;
    let cap = view.output_cap();
    Ok(ledger.all_trusted()?.into_iter().filter_map(|proposal| promoted(ledger, proposal, cap)).collect())
}

fn identity(ledger: &Ledger, listed: Listed<'_>, by: String) -> Result<Option<AgentIdentity>, Error> {
    let view = listed.context.read(ledger, SystemClock.moment());
    view.allow_actor(listed.channels, &Actor::Agent(Some(by.clone())), Channel::Mcp, ActorCapability::ReadContext)?;
    let block = context::identity_block(&view, &Actor::Agent(Some(by)), None, false)?;
    let unset = GovernanceRows::default().context_set().sha256;
    let told = AgentIdentity { block: block.text, context_sha256: block.context_sha256 };
    Ok((told.context_sha256 != unset || view.requires_charter).then_some(told))
}

fn promoted(ledger: &Ledger, proposal: Proposal, output_cap: Option<u64>) -> Option<AgentSkill> {
    let trust = proposal.trust?;
    // The specification was promoted. Where the guidance beside it cannot be believed, or is not published yet, agents get
    // what the specification says.
    let published = ledger.published_guidance(&proposal.spec.name).unwrap_or_else(|error| {
        tracing::warn!("the guidance of `{}` is not served: {error}", proposal.spec.name);
        None
    });
    let guidance = published.map_or_else(|| GuidanceText::template(&proposal.spec), |published| published.body);
    Some(AgentSkill {
        spec: proposal.spec,
        spec_sha256: proposal.spec_sha256,
        revision: trust.revision,
        component_sha256: trust.component_sha256,
        guidance,
        output_cap,
    })
}
