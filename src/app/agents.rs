//! What an agent may do, and nothing else: the front for agents is given an [`AgentApi`] and never the [`App`].
//!
//! An agent can see what is trusted, run it under the policy of its door, propose, and look up what became of a proposal
//! or a run. Runs go through one [`Resident`], with their records in one group commit, on threads of which there are more when calls
//! wait; what is trusted is read by a thread that waits for no writer; everything else is done by one clerk, the thread that has the
//! workspace open.
//!
//! Guarantees: a run is asked for at the door `mcp`, by the name that the client gives itself; what policy holds is let into
//! the vault only by [`AgentApi::settle`], only for a run that this very door made, with the answer that a person gave to
//! the client's question; no more calls wait than there is room for; a promotion by another process holds from the next call
//! on, and is told.
//!
//! Deliberately never: hands out a way to promote, revoke, roll back, resume, undo, change policy, or decide about what
//! another door held.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::App;
use crate::error::Error;
use crate::invoke::diff::FileDiff;
use crate::invoke::resident::Resident;
use crate::invoke::{InvokeError, RunFiles, RunRequest, RunResult};
use crate::ledger::{Create, Ledger, Proposal, Recorder};
use crate::mcp::{self, Offer};
use crate::model::{
    channel::{Caller, Channel},
    digest::Digest,
    id::{CommitId, ExecutionId, ProposalId},
    lock::lock,
    name::SkillName,
    share::{Places, make_room},
    spec::SkillSpec,
    switch::Cancel,
    vault_path::VaultPath,
};
use crate::registry::TrustError;
use crate::runtime::RunError;

mod listen;
mod look;
mod queue;
mod sent;

pub use listen::{Listen, Served};
use queue::{Crowd, MOST_AT_WORK, Queue};

/// How often the clerk looks whether something else is trusted now.
const LOOK: Duration = Duration::from_millis(200);
/// Most errands that wait.
const MOST_TASKS: usize = 256;
/// Most held effects whose answer is awaited, and most of one client. Those that were held before them are released at the command
/// line.
const PLACES: Places = Places { all: 4_096, of_one: 64 };

/// Takes the answer to one question, on any thread.
pub type Reply<T> = Box<dyn FnOnce(Result<T, Error>) + Send>;
/// Something for the clerk to do, or to be told that it will not be.
type Task = Box<dyn FnOnce(Result<&App, Error>) + Send>;
/// Told when something else is trusted than before.
type Listener = Box<dyn Fn() + Send>;

/// A trusted skill, as it was promoted.
#[derive(Debug, Clone)]
pub struct AgentSkill {
    /// The spec that a person promoted.
    pub spec: SkillSpec,
    /// Its digest.
    pub spec_sha256: Digest,
    /// The revision of the name.
    pub revision: u32,
    /// The component that was promoted.
    pub component_sha256: Digest,
}

/// One call of a skill.
#[derive(Debug)]
pub struct AgentCall {
    /// The skill.
    pub name: SkillName,
    /// Its input, as JSON text.
    pub input: Vec<u8>,
    /// What the client calls itself.
    pub by: String,
    /// Where the client can take it back.
    pub cancel: Cancel,
}

/// What came of a call.
#[derive(Debug)]
pub struct AgentRan {
    /// Its record.
    pub id: ExecutionId,
    /// The revision that ran, and its component.
    pub ran: Option<(u32, Digest)>,
    /// What the skill gave.
    pub output: Value,
    /// What became of its files.
    pub files: AgentFiles,
}

/// Why a call gave nothing.
#[derive(Debug)]
pub enum AgentFailure {
    /// There is no trusted skill of that name.
    NoSuchSkill(String),
    /// The client took it back.
    Cancelled,
    /// Everything else.
    Told {
        /// One word for it.
        kind: &'static str,
        /// What went wrong.
        message: String,
        /// What a person may do about it.
        hint: Option<String>,
    },
}

impl From<Error> for AgentFailure {
    fn from(error: Error) -> Self {
        let (message, hint) = (error.to_string(), error.hint());
        match error {
            Error::Invoke(InvokeError::Trust(TrustError::Unknown(_) | TrustError::NotTrusted { .. })) => {
                Self::NoSuchSkill(message)
            }
            Error::Invoke(InvokeError::Run(RunError::Cancelled(_))) => Self::Cancelled,
            Error::Invoke(error) => Self::Told { kind: error.kind(), message, hint },
            error => Self::Told { kind: error.kind().as_str(), message, hint },
        }
    }
}

/// What became of the files of a call.
#[derive(Debug)]
pub enum AgentFiles {
    /// They are in the vault, if there were any.
    Written(Vec<VaultPath>),
    /// They wait for a person.
    Held(CommitId, Vec<FileDiff>),
}

/// What a person said when the client asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Word {
    /// Into the vault with it.
    Yes,
    /// Throw it away.
    No,
}

/// A proposal of an agent's.
#[derive(Debug)]
pub struct Sent {
    /// The specification, as JSON text.
    pub spec: Vec<u8>,
    /// What the agent says it is for.
    pub why: String,
    /// What the client calls itself.
    pub by: String,
}

/// What the front for agents is given. Copies are one.
#[derive(Clone)]
pub struct AgentApi {
    calls: Arc<Queue>,
    tasks: mpsc::SyncSender<Task>,
    lists: mpsc::Sender<Reply<Vec<AgentSkill>>>,
    listener: Arc<Mutex<Option<Listener>>>,
    open: Arc<Mutex<Open>>,
}

/// Held effects that may be settled here, with who made them, oldest first.
type Open = VecDeque<(CommitId, String)>;

impl std::fmt::Debug for AgentApi {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AgentDoor")
    }
}

impl AgentApi {
    fn ask<T: 'static>(&self, work: impl FnOnce(&App) -> Result<T, Error> + Send + 'static, reply: Reply<T>) {
        let task: Task = Box::new(move |app| reply(app.and_then(work)));
        // When the clerk is gone the errand is dropped, and the reply with it: whoever waits for it notices.
        if let Err(mpsc::TrySendError::Full(task)) = self.tasks.try_send(task) {
            task(Err(Error::Refused(format!("{MOST_TASKS} requests wait already: ask again later"))));
        }
    }

    /// Runs a skill, when it is its turn.
    pub fn call(&self, call: AgentCall, reply: impl FnOnce(Result<AgentRan, AgentFailure>) + Send + 'static) {
        let open = Arc::clone(&self.open);
        let asked = Arc::new(Caller { channel: Channel::Mcp, name: call.by });
        let who = Arc::clone(&asked);
        let answer = move |ran: Result<RunResult, Error>| {
            reply(ran.map(|ran| told(ran, &open, &who.name)).map_err(AgentFailure::from));
        };
        let reply = Box::new(answer);
        let request = RunRequest { cancel: Some(call.cancel), ..RunRequest::new(call.name, call.input, asked) };
        if self.calls.put(request, reply) == Crowd::Some {
            // The clerk looks for more threads whenever it has done something.
            let _ = self.tasks.try_send(Box::new(|_| ()));
        }
    }

    /// Every trusted skill, by name.
    pub fn skills(&self, reply: Reply<Vec<AgentSkill>>) {
        // When nobody reads them any more the reply is dropped: whoever waits for it notices.
        let _ = self.lists.send(reply);
    }

    /// Has this told from now on whenever something else is trusted than before.
    pub fn on_change(&self, listener: Listener) {
        *lock(&self.listener) = Some(listener);
    }

    /// Does with the files of a call of this door's what a person answered, by the name that the client gives.
    pub fn settle(&self, id: CommitId, (word, by): (Word, String), reply: Reply<()>) {
        let ours = {
            let mut open = lock(&self.open);
            let at = open.iter().position(|(open, _)| *open == id);
            at.and_then(|at| open.remove(at))
        };
        let open = Arc::clone(&self.open);
        let settle = move |app: &App| {
            let Some(ours) = ours else {
                return Err(Error::Refused(format!("effect {} was not made here, or was decided", id.short())));
            };
            // What could not be done can be tried again.
            app.settle_asked(id, word, &by).inspect_err(|_| lock(&open).push_back(ours))
        };
        self.ask(settle, reply);
    }

    /// Writes a proposal.
    pub fn send(&self, sent: Sent, reply: Reply<Proposal>) {
        self.ask(move |app| app.take_in(&sent), reply);
    }

    /// The newest proposals.
    pub fn proposals(&self, most: u32, reply: Reply<Vec<Proposal>>) {
        self.ask(move |app| Ok(app.ledger.newest_proposals(most)?), reply);
    }

    /// How a proposal or skill stands, and what comes next.
    pub fn standing(&self, key: String, reply: Reply<Value>) {
        self.ask(move |app| app.standing_of(&key), reply);
    }

    /// Why the newest attempt at a proposal, or a run, failed.
    pub fn failure(&self, key: String, reply: Reply<String>) {
        self.ask(move |app| app.failure_of(&key), reply);
    }

    /// The record of a run, without what it was given and gave.
    pub fn record(&self, id: ExecutionId, reply: Reply<Value>) {
        self.ask(move |app| app.redacted(id), reply);
    }

    /// The newest records, newest first, without what the runs were given and gave.
    pub fn newest_records(&self, reply: Reply<Value>) {
        self.ask(App::newest_redacted, reply);
    }

    /// An artifact by its digest.
    pub fn artifact(&self, digest: Digest, reply: Reply<String>) {
        self.ask(move |app| app.artifact_text(digest), reply);
    }
}

/// A run as its agent is told of it. What is held can be settled from now on.
fn told(ran: RunResult, open: &Mutex<Open>, by: &str) -> AgentRan {
    let revision = ran.record.revision.zip(ran.record.source_hash);
    let files = match ran.files {
        RunFiles::Held(commit, diffs) => {
            let mut open = lock(open);
            make_room(&mut open, PLACES, |(_, other)| other == by);
            open.push_back((commit.id, by.to_owned()));
            AgentFiles::Held(commit.id, diffs)
        }
        _ => AgentFiles::Written(ran.record.effects.iter().map(|effect| effect.path.clone()).collect()),
    };
    AgentRan { id: ran.record.execution_id, ran: revision, output: ran.output, files }
}

/// Reads what is trusted for whoever asks, until nobody can. Over a connection of its own, so that it waits for no errand.
fn list(ledger: &Path, asked: &mpsc::Receiver<Reply<Vec<AgentSkill>>>) {
    let mut open = None;
    while let Ok(reply) = asked.recv() {
        let mut read = || -> Result<Vec<AgentSkill>, Error> {
            let ledger = match &open {
                Some(ledger) => ledger,
                None => &*open.insert(Ledger::open(ledger, Create::Never)?),
            };
            Ok(ledger.all_trusted()?.into_iter().filter_map(promoted).collect())
        };
        reply(read());
    }
}

fn promoted(proposal: Proposal) -> Option<AgentSkill> {
    let trust = proposal.trust?;
    Some(AgentSkill {
        spec: proposal.spec,
        spec_sha256: proposal.spec_sha256,
        revision: trust.revision,
        component_sha256: trust.component_sha256,
    })
}

impl App {
    /// Serves the agent at standard input and output over the Model Context Protocol, until it goes.
    ///
    /// # Errors
    /// When it cannot be started, or the agent's program speaks something else.
    pub fn serve_mcp(&self, offer: Offer) -> Result<(), Error> {
        self.serve_agents(|door| mcp::serve_stdio(door, offer))?.map_err(|error| Error::Usage(error.to_string()))
    }

    /// Has a front serve agents, on a thread of its own, until it is done.
    ///
    /// # Errors
    /// When there can be no thread. What becomes of a call is told to whoever asked.
    pub fn serve_agents<T: Send>(&self, front: impl FnOnce(AgentApi) -> T + Send) -> Result<T, Error> {
        let no_thread = |source| Error::Io { what: "a thread for the agents' door".to_owned(), source };
        // To begin with; calls that wait are worth more of them.
        let threads = thread::available_parallelism().map_or(1, usize::from).min(MOST_AT_WORK);
        let (tasks, asked) = mpsc::sync_channel(MOST_TASKS);
        let calls = Arc::new(Queue::new(threads));
        let (lists, listing) = mpsc::channel();
        let (listener, open) = (Arc::default(), Arc::default());
        let door = AgentApi { calls: Arc::clone(&calls), tasks, lists, listener, open };
        let listener = Arc::clone(&door.listener);
        let (recorder, resident) = (OnceLock::new(), OnceLock::new());
        thread::scope(|scope| {
            let path = self.config.layout.ledger();
            let lister = thread::Builder::new().name("kavi-list".into());
            lister.spawn_scoped(scope, move || list(&path, &listing)).map_err(no_thread)?;
            // The front early: it can answer who it is while the engine is still being made.
            let front = thread::Builder::new().name("kavi-mcp".into()).spawn_scoped(scope, move || front(door));
            let front = front.map_err(no_thread)?;
            match self.make_resident(&recorder, &resident) {
                Ok(resident) => {
                    let hire = || {
                        let theirs = Arc::clone(&calls);
                        let serve = move || {
                            let ended = resident.serve(&*theirs).map_err(|error| Error::from(error).to_string());
                            theirs.leave(ended.err());
                        };
                        let hired = thread::Builder::new().name("kavi-calls".into()).spawn_scoped(scope, serve);
                        hired.err().inspect(|error| calls.leave(Some(error.to_string())));
                    };
                    (0..threads).for_each(|_| hire());
                    let staff = || (0..calls.more_threads()).for_each(|_| hire());
                    self.run_tasks((&asked, &listener), staff, || front.is_finished());
                }
                Err(error) => {
                    (0..threads).for_each(|_| calls.leave(Some(error.to_string())));
                    self.run_tasks((&asked, &listener), || (), || front.is_finished());
                }
            }
            calls.close();
            front.join().map_err(|_| Error::Refused("the front for agents ended early".to_owned()))
        })
    }

    fn make_resident<'a>(
        &'a self,
        recorder: &'a OnceLock<Recorder>,
        resident: &'a OnceLock<Resident<'a>>,
    ) -> Result<&'a Resident<'a>, Error> {
        let made = self.recorder()?;
        let made = self.resident(recorder.get_or_init(|| made), u32::try_from(MOST_AT_WORK).unwrap_or(1))?;
        Ok(resident.get_or_init(|| made))
    }

    /// Does errands until nobody can send any, and looks in between whether there are threads enough, and whether something else is
    /// trusted than before.
    fn run_tasks(
        &self,
        (asked, listener): (&mpsc::Receiver<Task>, &Mutex<Option<Listener>>),
        staff: impl Fn(),
        is_over: impl Fn() -> bool,
    ) {
        let mut change_detector = self.ledger.change_detector();
        let mut known: Option<Vec<ProposalId>> = self.ledger.trusted_ids().ok();
        loop {
            match asked.recv_timeout(LOOK) {
                // Whoever asked for it is gone.
                Ok(_) if is_over() => return,
                Ok(task) => task(Ok(self)),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            }
            staff();
            if change_detector.as_mut().is_some_and(|change_detector| change_detector.unchanged()) {
                continue;
            }
            let now = self.ledger.trusted_ids().ok();
            if now != known {
                known = now;
                if let Some(tell) = &*lock(listener) {
                    tell();
                }
            }
        }
    }
}
