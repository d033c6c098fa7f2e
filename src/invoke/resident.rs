//! Many runs of trusted skills in one process that keeps loaded skills.
//!
//! A run here does everything that a run by itself does, in the same code (`invocation`). It checks the switch, the trust
//! and the schemas. It has a fresh store behind both walls, with every limit. Its record is durable before the answer, and
//! its files go through the journal. What is kept between runs is the machine code of trusted bytes, which were hashed when
//! they were read (`skill_cache`). Before every run the ledger says whether that revision is still the trusted one
//! (`ledger_view`).
//!
//! Runs of skills that write no files go to a [`Lane`]: a thread that the kernel limits to what they reach. The whole run is
//! done there, so nothing is handed between threads. A thread leaves its lane for a run that needs more. Such a run has a
//! skill that is not loaded yet, or one that reaches something else, or a commit that a crash left PENDING.
//!
//! The memory of used instances stays with their skills, so that the next run is faster. When nobody has asked for anything for
//! long, loaded skills and the engine are let go, and all of that memory with them. The next request loads again.
//!
//! Deliberately never: trusts what it keeps without asking, runs two guests in one store, or answers before the record is on
//! disk.

mod ledger_view;
mod skill_cache;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use super::context::{RunContext, SharedContext};
use super::effects;
use super::error::InvokeError;
use super::invocation::{Invocation, RunThread};
use super::record::RecordedSkill;
use super::request::RunRequest;
use super::result::RunResult;
use crate::context::reader::ContextView;
use crate::ledger::{Journal, LedgerError};
use crate::model::id::IdSource;
use crate::policy::matrix::Actor;
use crate::runtime::{CodeOrigin, Lane, LaneKey, RuntimeError};
use crate::sync::lock;
use ledger_view::{CurrentSkill, LedgerView};
use skill_cache::{NotLoaded, SkillCache};

/// A request in a queue.
#[derive(Debug)]
pub struct QueuedRequest {
    /// The queue's own number for it.
    pub number: u64,
    /// The request.
    pub request: RunRequest,
}

/// What a queue has for a thread.
#[derive(Debug)]
pub enum QueueTurn {
    /// A request.
    Request(QueuedRequest),
    /// Nothing runs, and nobody has asked for anything for long.
    Idle,
}

/// Gives requests to many threads and takes their results. Both methods are called on threads that can open no file.
pub trait RequestQueue: Sync {
    /// Waits for the next turn; `None` when there will be no other request.
    fn next(&self) -> Option<QueueTurn>;
    /// Takes what became of a request.
    fn done(&self, number: u64, ran: Result<RunResult, InvokeError>);
}

/// Why no request can be served.
#[derive(Debug, thiserror::Error)]
pub enum ResidentError {
    /// All threads that there is memory for are in use.
    #[error("{0} threads serve calls already, which is what there is room for")]
    Full(u32),
    /// The engine.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Serves requests, from as many threads as it was made for.
#[derive(Debug)]
pub struct Resident<'a> {
    shared: SharedContext<'a>,
    journal: &'a (dyn Journal + Sync),
    skills: SkillCache,
    threads: u32,
    serving: AtomicU32,
}

impl<'a> Resident<'a> {
    /// A service with no skill loaded, for `threads` threads. Records go to `journal`. Where no memory can be reserved for their
    /// runs, each run allocates its own, and a warning says so.
    ///
    /// # Errors
    /// [`RuntimeError`] when there can be no engine.
    pub fn new(
        shared: SharedContext<'a>,
        journal: &'a (dyn Journal + Sync),
        threads: u32,
    ) -> Result<Self, RuntimeError> {
        let skills = SkillCache::new(&shared, threads)?;
        Ok(Self { shared, journal, skills, threads, serving: AtomicU32::new(0) })
    }

    /// The ids of new records.
    pub(super) fn ids(&self) -> &dyn IdSource {
        self.shared.ids
    }

    /// Serves requests on the calling thread, and on lanes that it makes, until the queue ends.
    ///
    /// # Errors
    /// [`ResidentError`] when it cannot begin; no request has been taken then.
    pub fn serve(&self, queue: &dyn RequestQueue) -> Result<(), ResidentError> {
        // The engine reserved memory for this number of threads, and more would fail in the middle of a run.
        let _permit = ThreadPermit::take(&self.serving, self.threads)?;
        let mut view = LedgerView::open(&self.shared, self.journal, &self.skills)?;
        let mut waiting = self.next(&mut view, queue);
        while let Some(queued) = waiting.take() {
            // An error here is no answer: on a new thread the request meets it again, and is recorded with it.
            let reaches = view.current(&queued.request.skill).ok().flatten().and_then(|skill| skill.reaches.clone());
            // Read here too, so that it is kept: the thread of a lane can open no file, and so cannot check the history.
            let governed = self.governance(&view).governance.is_ok();
            waiting = match reaches.filter(|reaches| governed && !view.must_recover(reaches)) {
                Some(reaches) => self.serve_on_lane(&mut view, &reaches, queued, queue),
                None => {
                    queue.done(queued.number, self.run_on_new_thread(&mut view, &queued.request));
                    self.next(&mut view, queue)
                }
            };
        }
        Ok(())
    }

    /// Waits for the next request, and gives memory back while there is none.
    fn next(&self, view: &mut LedgerView<'_>, queue: &dyn RequestQueue) -> Option<QueuedRequest> {
        loop {
            match queue.next()? {
                QueueTurn::Request(queued) => return Some(queued),
                // Each thread has skills of its own in its view. With those of the last one the engine goes, and gives
                // back the memory that it kept for them.
                QueueTurn::Idle => {
                    view.let_go();
                    self.skills.let_go();
                }
            }
        }
    }

    /// Serves requests on one lane, from this one on. Gives back the first that cannot run there.
    fn serve_on_lane(
        &self,
        view: &mut LedgerView<'_>,
        reaches: &LaneKey,
        first: QueuedRequest,
        queue: &dyn RequestQueue,
    ) -> Option<QueuedRequest> {
        let mut waiting = Some(first);
        let running = Mutex::new(None);
        let ended = Lane::keep(reaches, |lane| {
            while let Some(queued) = waiting.take() {
                let Some(skill) = view.current_on_lane(&queued.request.skill, reaches) else {
                    waiting = Some(queued);
                    return;
                };
                let governance = self.governance(view);
                if governance.governance.is_err() {
                    waiting = Some(queued);
                    return;
                }
                // Outside of the lane nobody else knows which request it has, should its thread die.
                *lock(&running) = Some(queued.number);
                let ran = self.run_on_lane(lane, view, LaneRun { skill: &skill, request: &queued.request, governance });
                *lock(&running) = None;
                queue.done(queued.number, ran);
                // Not held while this thread waits.
                drop(skill);
                waiting = self.next(view, queue);
            }
        });
        let Err(error) = ended else { return waiting };
        let running = *lock(&running);
        match (running, waiting.take()) {
            // The lane broke during a run: that one gets the error as its answer.
            (Some(number), _) => queue.done(number, Err(InvokeError::Run(error))),
            // The lane could not be made. On a new thread the request runs, or fails with the reason.
            (None, Some(queued)) => queue.done(queued.number, self.run_on_new_thread(view, &queued.request)),
            (None, None) => {}
        }
        self.next(view, queue)
    }

    fn run_on_lane(&self, lane: &Lane<'_>, view: &LedgerView<'_>, run: LaneRun<'_>) -> Result<RunResult, InvokeError> {
        let LaneRun { skill, request, governance } = run;
        let context = self.context(view);
        let mut invocation = Invocation::under(&context, request, governance);
        let span = invocation.span();
        let _entered = span.enter();
        let unattended = Actor::of(&request.caller).is_unattended();
        let watch = if unattended { &skill.agent_watch } else { &skill.watch };
        let thread = RunThread::Lane { lane, watch };
        let attempt =
            invocation.check_json().and_then(|()| invocation.attempt(skill.loaded(), CodeOrigin::Warm, thread));
        invocation.finish(skill.loaded().recorded(), skill.authorization, attempt)
    }

    /// Runs a request on a new thread, with everything that a run by itself does. The skill is loaded first if need be.
    fn run_on_new_thread(&self, view: &mut LedgerView<'_>, request: &RunRequest) -> Result<RunResult, InvokeError> {
        // The data version of a connection does not change by its own commits. A view that relied on it would miss what
        // recovery and the run do here.
        view.forget();
        let context = self.context(view);
        let authorized = context.ledger.authorize()?;
        // After the first read and before anything is written: the file must be the one that was opened.
        view.check_file()?;
        effects::recover(&context)?;
        let mut invocation = Invocation::new(&context, request);
        let span = invocation.span();
        let _entered = span.enter();
        let (skill, code) = match self.skills.load(&context, &request.skill) {
            Ok(loaded) => loaded,
            Err(NotLoaded::Refused(error)) => return Err(invocation.refused(error)),
            Err(NotLoaded::Failed(skill, error)) => {
                let authorization = authorized.for_revision(skill.proposal_id());
                return invocation.finish(&RecordedSkill::from(&*skill), authorization, Err(error));
            }
        };
        let authorization = authorized.for_revision(skill.revision.id);
        let thread = RunThread::New(authorization);
        let attempt = invocation.check_json().and_then(|()| invocation.attempt(&skill.loaded, code, thread));
        invocation.finish(skill.loaded.recorded(), authorization, attempt)
    }

    /// What holds about agents now. Right after the view was asked for a skill the ledger is known to be unchanged, so its mark is
    /// not read again.
    fn governance(&self, view: &LedgerView<'_>) -> ContextView {
        let SharedContext { governance, clock, .. } = self.shared;
        governance.read_at_mark(view.ledger(), view.governance_mark(), clock.moment())
    }

    fn context<'v>(&'v self, view: &'v LedgerView<'_>) -> RunContext<'v> {
        RunContext { shared: self.shared, ledger: view.ledger(), journal: self.journal }
    }
}

/// A run on a lane.
struct LaneRun<'r> {
    skill: &'r CurrentSkill,
    request: &'r RunRequest,
    governance: ContextView,
}

/// One of the threads that a resident was made for.
struct ThreadPermit<'r>(&'r AtomicU32);

impl<'r> ThreadPermit<'r> {
    fn take(serving: &'r AtomicU32, most: u32) -> Result<Self, ResidentError> {
        let one_more = |serving: u32| (serving < most).then_some(serving + 1);
        match serving.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_more) {
            Ok(_) => Ok(Self(serving)),
            Err(_) => Err(ResidentError::Full(most)),
        }
    }
}

impl Drop for ThreadPermit<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}
