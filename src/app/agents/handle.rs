//! The [`AgentApi`] of an open workspace: passes each request to the thread that can answer it.
//!
//! Calls go to the queue of the call threads. The list of skills is read by a thread of its own, so that it never waits
//! for a writer. Everything else is a task for the worker, the one thread that has the workspace open.
//!
//! Guarantees: a run is recorded for the channel `mcp` under the name that the client gives itself. Held files can be
//! settled only for a call that this handle made. Deliberately never: blocks its caller.

use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use serde_json::Value;

use super::super::open_workspace::OpenWorkspace;
use super::api::{
    AgentApi, AgentCall, AgentFiles, AgentIdentity, AgentOpinion, AgentRun, AgentSkill, CallFailure, CallReply,
    ReplyFn, Settlement, SkillsChanged, Submission, Submitted,
};
use super::call_queue::{CallQueue, ThreadDemand};
use super::fair_queue::{FairQueue, OwnedEntry, QueueFull, QueueLimits};
use super::{queries, submissions};
use crate::error::Error;
use crate::invoke::{RunFiles, RunRequest, RunResult, Sequence};
use crate::ledger::Proposal;
use crate::model::{
    channel::{Caller, Channel},
    digest::Digest,
    id::{CommitId, ExecutionId},
    time::{Clock as _, SystemClock},
};
use crate::policy::actor_capability::ActorCapability;
use crate::sync::lock;

/// Most tasks that wait for the worker.
pub(super) const MOST_TASKS: usize = 256;
/// Most held files that wait for an answer through this API. Others are released at the command line.
// Longer than a client waits for its person, and not for ever: clients that cannot ask leave their files here too.
const MOST_HELD: QueueLimits = QueueLimits { total: 4_096, per_owner: 64, kept: Duration::from_secs(30 * 60) };

/// Work for the thread that has the workspace open, or the reason why it will not be done.
pub(super) type Task = Box<dyn FnOnce(Result<&OpenWorkspace, Error>) + Send>;

/// The listener for changes of the trusted skills.
pub(super) type ListenerSlot = Arc<Mutex<Option<SkillsChanged>>>;

/// A request for the thread that lists: it waits for no task.
pub(super) enum Listing {
    /// The trusted skills.
    Skills(ReplyFn<Vec<AgentSkill>>),
    /// What an agent of this name is told about itself.
    Identity(String, ReplyFn<Option<AgentIdentity>>),
}

/// Where the requests of agents go.
pub(super) struct AgentHandle {
    calls: Arc<CallQueue>,
    tasks: mpsc::SyncSender<Task>,
    lists: mpsc::Sender<Listing>,
    listener: ListenerSlot,
    /// Files that calls through this handle left held, by client.
    held: Arc<Mutex<FairQueue<CommitId>>>,
    /// All calls through this handle. An agent can open another session, so a session is no border for what it has read.
    sequence: Sequence,
}

/// The other ends of a handle.
pub(super) struct Requests {
    pub(super) tasks: mpsc::Receiver<Task>,
    pub(super) lists: mpsc::Receiver<Listing>,
    pub(super) listener: ListenerSlot,
}

impl AgentHandle {
    /// A handle that puts calls into this queue, and what receives its other requests.
    pub(super) fn new(calls: Arc<CallQueue>) -> (Self, Requests) {
        // Bounded, because tasks wait for one thread and an agent can send them faster than it
        // works.
        let (tasks, received_tasks) = mpsc::sync_channel(MOST_TASKS);
        // Listing never waits for a writer, so this queue stays short by itself.
        let (lists, received_lists) = mpsc::channel();
        let listener = ListenerSlot::default();
        let held = Arc::new(Mutex::new(FairQueue::new(MOST_HELD)));
        let requests = Requests { tasks: received_tasks, lists: received_lists, listener: Arc::clone(&listener) };
        (Self { calls, tasks, lists, listener, held, sequence: Sequence::default() }, requests)
    }

    /// Answers a question of some agent, if agents may ask it. Whose question it is, a server does not say, so what is stored
    /// for every agent counts.
    fn query<T: 'static>(
        &self,
        capability: ActorCapability,
        work: impl FnOnce(&OpenWorkspace) -> Result<T, Error> + Send + 'static,
        reply: ReplyFn<T>,
    ) {
        let checked = move |workspace: &OpenWorkspace| {
            workspace.allow_every_agent(capability)?;
            work(workspace)
        };
        self.run_task(checked, reply);
    }

    fn run_task<T: 'static>(
        &self,
        work: impl FnOnce(&OpenWorkspace) -> Result<T, Error> + Send + 'static,
        reply: ReplyFn<T>,
    ) {
        let task: Task = Box::new(move |workspace| reply(workspace.and_then(work)));
        // When the worker has ended, the task is dropped together with its reply, which the waiting server notices.
        // `try_send`: a server's thread must not wait here, since it serves other clients as well.
        if let Err(mpsc::TrySendError::Full(task)) = self.tasks.try_send(task) {
            task(Err(Error::Refused(format!("{MOST_TASKS} requests are waiting: try again later"))));
        }
    }
}

impl AgentApi for AgentHandle {
    fn call(&self, call: AgentCall, reply: CallReply) {
        let held = Arc::clone(&self.held);
        let caller = Arc::new(Caller { channel: Channel::Mcp, name: call.by });
        let client = Arc::clone(&caller);
        let reply = move |ran: Result<RunResult, Error>| {
            reply(ran.map(|ran| agent_run(ran, &held, &client.name)).map_err(CallFailure::from));
        };
        let request = RunRequest {
            cancel: Some(call.cancel),
            sequence: Some(self.sequence.clone()),
            ..RunRequest::new(call.name, call.input, caller)
        };
        if self.calls.put(request, Box::new(reply)) == ThreadDemand::More {
            // The worker starts more threads after each task, so an empty one makes it look.
            let _ = self.tasks.try_send(Box::new(|_| ()));
        }
    }

    fn skills(&self, reply: ReplyFn<Vec<AgentSkill>>) {
        // When the thread has ended, the reply is dropped, which the waiting server notices.
        let _ = self.lists.send(Listing::Skills(reply));
    }

    fn identity(&self, by: String, reply: ReplyFn<Option<AgentIdentity>>) {
        let _ = self.lists.send(Listing::Identity(by, reply));
    }

    fn on_skills_changed(&self, listener: SkillsChanged) {
        *lock(&self.listener) = Some(listener);
    }

    fn settle(&self, settlement: Settlement, reply: ReplyFn<()>) {
        // Taken at once, so that a second answer to the same question finds nothing.
        let ours = lock(&self.held).take(|entry| entry.value == settlement.commit);
        let held = Arc::clone(&self.held);
        let settle = move |workspace: &OpenWorkspace| {
            let Some(ours) = ours else {
                let id = settlement.commit.short();
                return Err(Error::Refused(format!("effect {id} was not made here, or is already decided")));
            };
            // After a failure it can be tried again.
            submissions::settle(workspace, &settlement).inspect_err(|_| lock(&held).put_back(ours, SystemClock.now()))
        };
        self.run_task(settle, reply);
    }

    fn submit(&self, submission: Submission, reply: ReplyFn<Submitted>) {
        self.run_task(move |workspace| submissions::submit(workspace, &submission), reply);
    }

    fn proposals(&self, most: u32, reply: ReplyFn<Vec<Proposal>>) {
        self.query(
            ActorCapability::ListProposals,
            move |workspace| Ok(workspace.ledger.newest_proposals(most)?),
            reply,
        );
    }

    fn skill_status(&self, key: String, reply: ReplyFn<Value>) {
        self.query(ActorCapability::ReadProposal, move |workspace| queries::skill_status(workspace, &key), reply);
    }

    fn failure(&self, key: String, reply: ReplyFn<String>) {
        let sequence = self.sequence.clone();
        let failure = move |workspace: &OpenWorkspace| queries::failure(workspace, &key, &sequence);
        self.query(ActorCapability::ExplainFailure, failure, reply);
    }

    fn report_outcome(&self, opinion: AgentOpinion, reply: ReplyFn<bool>) {
        self.run_task(move |workspace| submissions::report_outcome(workspace, &opinion), reply);
    }

    fn record(&self, id: ExecutionId, reply: ReplyFn<Value>) {
        self.query(ActorCapability::ReadRecord, move |workspace| queries::record(workspace, id), reply);
    }

    fn newest_records(&self, reply: ReplyFn<Value>) {
        self.query(ActorCapability::ListRecords, queries::newest_records, reply);
    }

    fn artifact(&self, digest: Digest, reply: ReplyFn<String>) {
        self.query(ActorCapability::ReadArtifact, move |workspace| queries::artifact(workspace, digest), reply);
    }
}

/// What an agent learns of a run. Held files can be settled from now on.
fn agent_run(ran: RunResult, held: &Mutex<FairQueue<CommitId>>, client: &str) -> AgentRun {
    let revision = ran.record.revision.zip(ran.record.source_hash);
    let files = match ran.files {
        RunFiles::Held(commit, diffs) => {
            let entry = OwnedEntry { owner: client.to_owned(), value: commit.id };
            match lock(held).push(entry, SystemClock.now()) {
                Ok(()) => AgentFiles::Held(commit.id, diffs),
                Err(QueueFull(_)) => AgentFiles::Unasked(commit.id),
            }
        }
        _ => AgentFiles::Written(ran.record.effects.iter().map(|effect| effect.path.clone()).collect()),
    };
    AgentRun { id: ran.record.execution_id, revision, output: ran.output, output_cap: ran.output_cap, files }
}
