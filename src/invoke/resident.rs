//! Runs of trusted skills, many of them, in one process that keeps what it has loaded.
//!
//! A call does everything that a run by itself does, in the same code (`run`): the ledger's word on the switch and on trust,
//! the input's schema, a fresh store behind both walls with every limit, the output's schema, a durable record before the
//! answer, files through the journal. What is kept from one call to the next is what a trusted revision's bytes became:
//! they were read once and hashed when they came (one open, one buffer), and the machine code is of that buffer. Whether
//! that revision is still the trusted one is asked before every call: a [`ChangeDetector`], or else [`Ledger::data_version`], says whether
//! anything has happened to the ledger since, and then the switch and the revision are looked up again in it.
//!
//! Calls of skills that write no files run on a [`Lane`], a thread that the kernel keeps to what they reach; the whole call
//! does, so that nothing is handed from thread to thread. It is left whenever a call needs more than that: a
//! skill that is not loaded yet, one that reaches something else, the end of a run that crashed.
//!
//! Deliberately never: trusts what it keeps without asking, runs two calls in one store, or answers before the record is
//! on disk.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use super::effects;
use super::error::InvokeError;
use super::invocation::{Books, Invocation, Place};
use super::loaded_skill::LoadedSkill;
use super::request::{Desk, RunRequest, RunResult};
use crate::ledger::{
    ChangeDetector, Create, DataVersion, Journal, Ledger, LedgerError, OwnCommits, RunAuthorization, TrustedRevision,
};
use crate::model::{
    channel::Caller,
    layout::Layout,
    limits::Limits,
    lock::lock,
    name::SkillName,
    switch::{Cancel, Watch},
};
use crate::registry::{self, TrustedSkill};
use crate::runtime::{Lane, Loader, Origin, Reaches, Runtime, RuntimeError};

/// Skills that are kept loaded. Whoever comes when there are more makes the oldest one go.
const MOST_KEPT: usize = 128;

/// What a resident works with.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a> {
    /// What calls are named, timed and judged with.
    pub desk: Desk<'a>,
    /// Where records go, from many threads.
    pub journal: &'a (dyn Journal + Sync),
    /// What gives their machine code.
    pub loader: Loader<'a>,
    /// What a run may use, where its promotion did not narrow it.
    pub limits: &'a Limits,
}

/// One thing to run.
#[derive(Debug)]
pub struct Call {
    /// Whatever whoever asked knows it by.
    pub number: u64,
    /// The skill.
    pub name: SkillName,
    /// Its input.
    pub input: Vec<u8>,
    /// Who asks.
    pub caller: Arc<Caller>,
    /// Where they can take it back.
    pub cancel: Option<Cancel>,
}

impl Call {
    fn request(&self) -> RunRequest<'_> {
        RunRequest { cancel: self.cancel.as_ref(), ..RunRequest::run(&self.name, &self.input, &self.caller) }
    }
}

/// Where calls come from and answers go, for many threads. Both are used on threads that can open nothing.
pub trait Work: Sync {
    /// The next call; `None` when there will be no other.
    fn next(&self) -> Option<Call>;
    /// What became of one.
    fn done(&self, number: u64, ran: Result<RunResult, InvokeError>);
}

/// Why calls cannot be served at all.
#[derive(Debug, thiserror::Error)]
pub enum ResidentError {
    /// As many threads as there is room for are at it.
    #[error("{0} threads serve calls already, which is what there is room for")]
    Full(u32),
    /// The engine.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// Serves calls, from as many threads as it was made for.
#[derive(Debug)]
pub struct Resident<'a> {
    parts: Parts<'a>,
    runtime: Arc<Runtime>,
    kept: Mutex<Kept>,
    // One loads at a time: the others then find what it has loaded.
    loading: Mutex<()>,
    seats: u32,
    taken: AtomicU32,
}

/// Loaded skills by name.
#[derive(Debug, Default)]
struct Kept {
    skills: BTreeMap<SkillName, (u64, Arc<Warm>)>,
    loaded: u64,
}

/// A loaded skill and what the ledger said of it.
#[derive(Debug)]
struct Warm {
    trusted_revision: TrustedRevision,
    loaded: LoadedSkill,
}

impl<'a> Resident<'a> {
    /// A service with nothing loaded, for so many threads. Where no memory can be set aside for their runs it takes it as it
    /// goes, and says so in the loader's warnings.
    ///
    /// # Errors
    /// [`RuntimeError`] when there can be no engine.
    pub fn new(parts: Parts<'a>, seats: u32) -> Result<Self, RuntimeError> {
        let runtime = match Runtime::pooled(parts.limits, seats) {
            Err(error @ RuntimeError::Pool(_)) => {
                parts.loader.warnings.add(format!("runs are slower than they could be: {error}"));
                Runtime::new(parts.limits)?
            }
            made => made?,
        };
        let runtime = Arc::new(runtime);
        Ok(Self { parts, runtime, kept: Mutex::default(), loading: Mutex::default(), seats, taken: AtomicU32::new(0) })
    }

    /// Serves calls on the calling thread, and on threads that it makes, until there is no more work.
    ///
    /// # Errors
    /// [`ResidentError`] when it cannot begin; no call has been taken then.
    pub fn serve(&self, work: &dyn Work) -> Result<(), ResidentError> {
        let _seat = Seat::take(self)?;
        let mut view = View::open(self.parts.desk.layout)?;
        let mut waiting = work.next();
        while let Some(call) = waiting.take() {
            let reaches = view.warm(self, &call.name).ok().flatten().and_then(|now| now.reaches.clone());
            waiting = match reaches.filter(|reaches| !view.must_recover(reaches)) {
                Some(reaches) => self.stint(&mut view, &reaches, call, work),
                None => {
                    work.done(call.number, self.call(&mut view, &call));
                    work.next()
                }
            };
        }
        Ok(())
    }

    fn books(&self) -> Books<'a> {
        Books { desk: self.parts.desk, journal: self.parts.journal }
    }

    /// Serves calls on one lane, beginning with this one. Gives back the first that does not belong there.
    fn stint(&self, view: &mut View, reaches: &Reaches, first: Call, work: &dyn Work) -> Option<Call> {
        let mut waiting = Some(first);
        let under_way = Mutex::new(None);
        let ended = Lane::keep(reaches, |lane| {
            while let Some(call) = waiting.take() {
                let Some(now) = view.fitting(self, &call.name, reaches) else {
                    waiting = Some(call);
                    return;
                };
                *lock(&under_way) = Some(call.number);
                let ran = self.on_lane(lane, (view, &now), &call);
                *lock(&under_way) = None;
                work.done(call.number, ran);
                waiting = work.next();
            }
        });
        if let Err(error) = ended {
            // A lane that could not be made leaves its call to a thread of its own, which says why; one that broke
            // owes an answer.
            let under_way = *lock(&under_way);
            match (under_way, waiting.take()) {
                (Some(number), _) => work.done(number, Err(InvokeError::Run(error))),
                (None, Some(call)) => work.done(call.number, self.call(view, &call)),
                (None, None) => {}
            }
            return work.next();
        }
        waiting
    }

    fn on_lane(&self, lane: &Lane<'_>, (view, now): (&View, &Now), call: &Call) -> Result<RunResult, InvokeError> {
        let mut invocation = Invocation::new(self.books(), call.request());
        let loaded = &now.warm.loaded;
        let watch = Arc::clone(&now.watch);
        let attempt =
            invocation.input().and_then(|()| invocation.attempt(loaded, Origin::Warm, Place::Here(lane, &watch)));
        invocation.finish(loaded.subject(), (&view.ledger, now.authorization), attempt)
    }

    /// One call on a thread of its own, with everything that a run by itself does; the skill is loaded first if need be.
    fn call(&self, view: &mut View, call: &Call) -> Result<RunResult, InvokeError> {
        // What is done here others do not see as somebody else's commit: look again afterwards.
        view.forget();
        let authorized = view.ledger.authorize()?;
        view.check_file()?;
        effects::recover(self.parts.desk.ground(), &view.ledger)?;
        let mut invocation = Invocation::new(self.books(), call.request());
        let (warm, code) = match self.load(view, &call.name) {
            Ok(found) => found,
            Err(NotLoaded::Refused(error)) => return Err(invocation.refused(error)),
            Err(NotLoaded::Failed(skill, error)) => {
                let authorization = authorized.for_revision(skill.proposal_id());
                return invocation.finish(&(&*skill).into(), (&view.ledger, authorization), Err(error));
            }
        };
        let authorization = authorized.for_revision(warm.trusted_revision.id);
        let attempt = invocation
            .input()
            .and_then(|()| invocation.attempt(&warm.loaded, code, Place::ThreadOfItsOwn(&view.ledger, authorization)));
        invocation.finish(warm.loaded.subject(), (&view.ledger, authorization), attempt)
    }

    fn find(&self, name: &SkillName, trusted_revision: &TrustedRevision) -> Option<Arc<Warm>> {
        let kept = lock(&self.kept);
        kept.skills.get(name).map(|(_, warm)| warm).filter(|warm| warm.trusted_revision == *trusted_revision).cloned()
    }

    /// What is trusted under a name, loaded.
    fn load(&self, view: &View, name: &SkillName) -> Result<(Arc<Warm>, Origin), NotLoaded> {
        let trusted = |error: LedgerError| NotLoaded::Refused(error.into());
        let known = |trusted_revision: &Option<TrustedRevision>| {
            trusted_revision.as_ref().and_then(|trusted_revision| self.find(name, trusted_revision))
        };
        if let Some(warm) = known(&view.ledger.trusted_revision(name).map_err(trusted)?) {
            return Ok((warm, Origin::Warm));
        }
        let _one_at_a_time = lock(&self.loading);
        if let Some(warm) = known(&view.ledger.trusted_revision(name).map_err(trusted)?) {
            return Ok((warm, Origin::Warm));
        }
        let skill = registry::load(&view.ledger, self.parts.desk.store, name).map_err(NotLoaded::Refused)?;
        let made = LoadedSkill::make(&skill, self.parts.loader, self.parts.limits, |limits| self.engine(limits));
        let (loaded, code) = match made {
            Ok(made) => made,
            Err(error) => return Err(NotLoaded::Failed(Box::new(skill), error)),
        };
        let warm = Arc::new(Warm { trusted_revision: skill.trusted_revision().clone(), loaded });
        self.keep(name.clone(), Arc::clone(&warm));
        Ok((warm, code))
    }

    /// The engine for these limits: all skills share one, but for those whose promotion narrowed what an engine is made of.
    fn engine(&self, limits: &Limits) -> Result<Arc<Runtime>, RuntimeError> {
        let own = self.parts.limits;
        let same = limits.stack_bytes == own.stack_bytes
            && limits.component_bytes == own.component_bytes
            && limits.compile_effort == own.compile_effort;
        if same { Ok(Arc::clone(&self.runtime)) } else { Runtime::new(limits).map(Arc::new) }
    }

    fn keep(&self, name: SkillName, warm: Arc<Warm>) {
        let mut kept = lock(&self.kept);
        kept.loaded += 1;
        let number = kept.loaded;
        kept.skills.insert(name, (number, warm));
        if kept.skills.len() > MOST_KEPT {
            let oldest = kept.skills.iter().min_by_key(|(_, (number, _))| *number).map(|(name, _)| name.clone());
            oldest.and_then(|name| kept.skills.remove(&name));
        }
    }
}

/// Why there is nothing to run.
enum NotLoaded {
    /// It is not trusted, or not the promoted bytes.
    Refused(registry::TrustError),
    /// It is trusted, and cannot be loaded.
    Failed(Box<TrustedSkill>, InvokeError),
}

/// One of the threads that there is room for.
struct Seat<'r, 'a>(&'r Resident<'a>);

impl<'r, 'a> Seat<'r, 'a> {
    fn take(resident: &'r Resident<'a>) -> Result<Self, ResidentError> {
        let seats = resident.seats;
        let free = |taken: u32| (taken < seats).then_some(taken + 1);
        match resident.taken.fetch_update(Ordering::SeqCst, Ordering::SeqCst, free) {
            Ok(_) => Ok(Self(resident)),
            Err(_) => Err(ResidentError::Full(seats)),
        }
    }
}

impl Drop for Seat<'_, '_> {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What one thread knows of the ledger, over a connection of its own.
#[derive(Debug)]
struct View {
    ledger: Ledger,
    opened: DataVersion,
    /// What says that there is no need to look, where there is such a thing.
    change_detector: Option<ChangeDetector>,
    /// When what follows was true.
    at: Option<DataVersion>,
    authorized: Option<RunAuthorization>,
    pending: bool,
    skills: BTreeMap<SkillName, Now>,
}

/// A loaded skill that is the trusted one.
#[derive(Debug, Clone)]
struct Now {
    warm: Arc<Warm>,
    authorization: RunAuthorization,
    watch: Arc<dyn Watch + Send>,
    reaches: Option<Reaches>,
}

impl View {
    fn open(layout: &Layout) -> Result<Self, LedgerError> {
        let ledger = Ledger::open(&layout.ledger(), Create::Never)?;
        let opened = ledger.data_version()?;
        let change_detector = ledger.change_detector();
        Ok(Self { ledger, opened, change_detector, at: None, authorized: None, pending: true, skills: BTreeMap::new() })
    }

    /// Another file in the ledger's place is nobody's word on trust.
    fn check_file(&self) -> Result<DataVersion, LedgerError> {
        let now = self.ledger.data_version()?;
        match now.same_file(&self.opened) {
            true => Ok(now),
            false => Err(LedgerError::Damaged("another file was put in its place".to_owned())),
        }
    }

    fn forget(&mut self) {
        self.at = None;
    }

    /// Looks whether anything has happened since the last time, and if so for everything again.
    fn refresh(&mut self, own_commits: Option<&OwnCommits>) -> Result<RunAuthorization, InvokeError> {
        // Change detector and data version first: a later change is found the next time.
        let known = self.authorized.filter(|_| self.at.is_some());
        let unchanged =
            self.change_detector.as_mut().map(|change_detector| change_detector.unchanged_except(own_commits));
        if let (Some(true), Some(authorized)) = (unchanged, known) {
            return Ok(authorized);
        }
        let now = self.check_file()?;
        // The change detector also reports changes that are no commit.
        if let (None, Some(authorized)) = (unchanged, known.filter(|_| self.at == Some(now))) {
            return Ok(authorized);
        }
        self.forget();
        self.skills.clear();
        let authorized = self.ledger.authorize()?;
        self.pending = self.ledger.any_pending_commits()?;
        (self.authorized, self.at) = (Some(authorized), Some(now));
        Ok(authorized)
    }

    /// The trusted revision of a name, if it is loaded.
    fn warm(&mut self, resident: &Resident<'_>, name: &SkillName) -> Result<Option<&Now>, InvokeError> {
        let authorized = self.refresh(resident.parts.journal.own_commits())?;
        if !self.skills.contains_key(name) {
            let trusted_revision = self.ledger.trusted_revision(name)?;
            let Some(warm) = trusted_revision.and_then(|trusted_revision| resident.find(name, &trusted_revision))
            else {
                return Ok(None);
            };
            let authorization = authorized.for_revision(warm.trusted_revision.id);
            let watch = Arc::new(self.ledger.watch(authorization));
            let reaches = warm.loaded.reaches(resident.parts.desk.layout);
            self.skills.insert(name.clone(), Now { warm, authorization, watch, reaches });
        }
        Ok(self.skills.get(name))
    }

    /// The same, if it may run on a lane that reaches this.
    fn fitting(&mut self, resident: &Resident<'_>, name: &SkillName, reaches: &Reaches) -> Option<Now> {
        let now = self.warm(resident, name).ok().flatten()?.clone();
        (now.reaches.as_ref() == Some(reaches) && !self.must_recover(reaches)).then_some(now)
    }

    /// Whether a run that crashed may have to be finished before one that reaches this: nobody is to read half of it.
    fn must_recover(&self, reaches: &Reaches) -> bool {
        self.pending && *reaches != Reaches::Nothing
    }
}
