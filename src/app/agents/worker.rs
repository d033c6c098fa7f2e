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

use super::super::open_workspace::OpenWorkspace;
use super::api::{AgentSkill, ReplyFn};
use super::call_queue::{CallQueue, MOST_THREADS};
use super::handle::{AgentHandle, ListenerSlot, Task};
use crate::error::Error;
use crate::invoke::resident::Resident;
use crate::ledger::{Create, Ledger, Proposal, Recorder};
use crate::model::{guidance::GuidanceText, id::ProposalId};
use crate::sync::lock;

/// How often the worker looks whether the trusted skills changed.
const CHANGE_CHECK_INTERVAL: Duration = Duration::from_millis(200);

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
    let calls = Arc::new(CallQueue::new(threads));
    let (handle, requests) = AgentHandle::new(Arc::clone(&calls));
    let (recorder, resident) = (OnceLock::new(), OnceLock::new());
    thread::scope(|scope| {
        let ledger = workspace.config.layout.ledger();
        let lister = thread::Builder::new().name("kavi-list".into());
        // Listing must not wait behind a task of the worker, such as a proposal that is being
        // written.
        lister.spawn_scoped(scope, move || list_skills(&ledger, &requests.lists)).map_err(no_thread)?;
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
            if change_detector.as_mut().is_some_and(|change_detector| change_detector.unchanged()) {
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

/// Reads the trusted skills for each request. Over a connection of its own, so that it waits for no task.
fn list_skills(ledger: &Path, requests: &Receiver<ReplyFn<Vec<AgentSkill>>>) {
    // Opened with the first request. A ledger that cannot be opened then fails that request and not
    // the server.
    let mut open = None;
    while let Ok(reply) = requests.recv() {
        let mut read = || -> Result<Vec<AgentSkill>, Error> {
            let ledger = match &open {
                Some(ledger) => ledger,
                None => &*open.insert(Ledger::open(ledger, Create::Never)?),
            };
            Ok(ledger.all_trusted()?.into_iter().filter_map(|proposal| promoted(ledger, proposal)).collect())
        };
        reply(read());
    }
}

fn promoted(ledger: &Ledger, proposal: Proposal) -> Option<AgentSkill> {
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
    })
}
