//! Runs of trusted skills, many of them, in one process that keeps what it has loaded.
//!
//! A call does everything that a run by itself does, in the same code (`run`): the ledger's word on the switch and on trust,
//! the input's schema, a fresh store behind both walls with every limit, the output's schema, a durable record before the
//! answer, files through the journal. What is kept from one call to the next is what a trusted revision's bytes became:
//! they were read once and hashed when they came (one open, one buffer), and the machine code is of that buffer. Whether
//! that revision is still the trusted one is asked before every call: a [`Lookout`], or else [`Ledger::generation`], says whether
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

use super::draft::{Books, Draft, Place};
use super::effects;
use super::error::InvokeError;
use super::ready::Ready;
use super::wish::{Desk, Ran, Wish};
use crate::ledger::{Create, Footing, Generation, Journal, Ledger, LedgerError, Lookout, Permit, Standing, Trail};
use crate::model::{
    door::Asked,
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
    pub asked: Arc<Asked>,
    /// Where they can take it back.
    pub cancel: Option<Cancel>,
}

impl Call {
    fn wish(&self) -> Wish<'_> {
        Wish { cancel: self.cancel.as_ref(), ..Wish::run(&self.name, &self.input, &self.asked) }
    }
}

/// Where calls come from and answers go, for many threads. Both are used on threads that can open nothing.
pub trait Work: Sync {
    /// The next call; `None` when there will be no other.
    fn next(&self) -> Option<Call>;
    /// What became of one.
    fn done(&self, number: u64, ran: Result<Ran, InvokeError>);
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
    standing: Standing,
    ready: Ready,
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

    fn on_lane(&self, lane: &Lane<'_>, (view, now): (&View, &Now), call: &Call) -> Result<Ran, InvokeError> {
        let mut draft = Draft::new(self.books(), call.wish());
        let ready = &now.warm.ready;
        let watch = Arc::clone(&now.watch);
        let attempt = draft.input().and_then(|()| draft.attempt(ready, Origin::Warm, Place::Here(lane, &watch)));
        draft.finish(ready.subject(), (&view.ledger, now.footing), attempt)
    }

    /// One call on a thread of its own, with everything that a run by itself does; the skill is loaded first if need be.
    fn call(&self, view: &mut View, call: &Call) -> Result<Ran, InvokeError> {
        // What is done here others do not see as somebody else's commit: look again afterwards.
        view.forget();
        let permit = view.ledger.permit()?;
        view.check_file()?;
        effects::recover(self.parts.desk.ground(), &view.ledger)?;
        let mut draft = Draft::new(self.books(), call.wish());
        let (warm, code) = match self.load(view, &call.name) {
            Ok(found) => found,
            Err(NotLoaded::Refused(error)) => return Err(draft.refused(error)),
            Err(NotLoaded::Failed(skill, error)) => {
                let footing = Footing { permit, revision: Some(skill.proposal_id()) };
                return draft.finish(&(&*skill).into(), (&view.ledger, footing), Err(error));
            }
        };
        let footing = Footing { permit, revision: Some(warm.standing.id) };
        let attempt =
            draft.input().and_then(|()| draft.attempt(&warm.ready, code, Place::ThreadOfItsOwn(&view.ledger, footing)));
        draft.finish(warm.ready.subject(), (&view.ledger, footing), attempt)
    }

    fn find(&self, name: &SkillName, standing: &Standing) -> Option<Arc<Warm>> {
        let kept = lock(&self.kept);
        kept.skills.get(name).map(|(_, warm)| warm).filter(|warm| warm.standing == *standing).cloned()
    }

    /// What is trusted under a name, loaded.
    fn load(&self, view: &View, name: &SkillName) -> Result<(Arc<Warm>, Origin), NotLoaded> {
        let trusted = |error: LedgerError| NotLoaded::Refused(error.into());
        let known = |standing: &Option<Standing>| standing.as_ref().and_then(|standing| self.find(name, standing));
        if let Some(warm) = known(&view.ledger.standing(name).map_err(trusted)?) {
            return Ok((warm, Origin::Warm));
        }
        let _one_at_a_time = lock(&self.loading);
        if let Some(warm) = known(&view.ledger.standing(name).map_err(trusted)?) {
            return Ok((warm, Origin::Warm));
        }
        let skill = registry::load(&view.ledger, self.parts.desk.store, name).map_err(NotLoaded::Refused)?;
        let made = Ready::make(&skill, self.parts.loader, self.parts.limits, |limits| self.engine(limits));
        let (ready, code) = match made {
            Ok(made) => made,
            Err(error) => return Err(NotLoaded::Failed(Box::new(skill), error)),
        };
        let warm = Arc::new(Warm { standing: skill.standing().clone(), ready });
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
    opened: Generation,
    /// What says that there is no need to look, where there is such a thing.
    lookout: Option<Lookout>,
    /// When what follows was true.
    at: Option<Generation>,
    permit: Option<Permit>,
    pending: bool,
    skills: BTreeMap<SkillName, Now>,
}

/// A loaded skill that is the trusted one.
#[derive(Debug, Clone)]
struct Now {
    warm: Arc<Warm>,
    footing: Footing,
    watch: Arc<dyn Watch + Send>,
    reaches: Option<Reaches>,
}

impl View {
    fn open(layout: &Layout) -> Result<Self, LedgerError> {
        let ledger = Ledger::open(&layout.ledger(), Create::Never)?;
        let opened = ledger.generation()?;
        let lookout = ledger.lookout();
        Ok(Self { ledger, opened, lookout, at: None, permit: None, pending: true, skills: BTreeMap::new() })
    }

    /// Another file in the ledger's place is nobody's word on trust.
    fn check_file(&self) -> Result<Generation, LedgerError> {
        let now = self.ledger.generation()?;
        match now.is_of_the_file_of(&self.opened) {
            true => Ok(now),
            false => Err(LedgerError::Damaged("another file was put in its place".to_owned())),
        }
    }

    fn forget(&mut self) {
        self.at = None;
    }

    /// Looks whether anything has happened since the last time, and if so for everything again.
    fn refresh(&mut self, trail: Option<&Trail>) -> Result<Permit, InvokeError> {
        // Lookout and generation first: what changes after them is looked for again the next time.
        let known = self.permit.filter(|_| self.at.is_some());
        let quiet = self.lookout.as_mut().map(|lookout| lookout.quiet_but_for(trail));
        if let (Some(true), Some(permit)) = (quiet, known) {
            return Ok(permit);
        }
        let now = self.check_file()?;
        // A lookout also sees what is no commit.
        if let (None, Some(permit)) = (quiet, known.filter(|_| self.at == Some(now))) {
            return Ok(permit);
        }
        self.forget();
        self.skills.clear();
        let permit = self.ledger.permit()?;
        self.pending = self.ledger.any_pending_commits()?;
        (self.permit, self.at) = (Some(permit), Some(now));
        Ok(permit)
    }

    /// The trusted revision of a name, if it is loaded.
    fn warm(&mut self, resident: &Resident<'_>, name: &SkillName) -> Result<Option<&Now>, InvokeError> {
        let permit = self.refresh(resident.parts.journal.trail())?;
        if !self.skills.contains_key(name) {
            let standing = self.ledger.standing(name)?;
            let Some(warm) = standing.and_then(|standing| resident.find(name, &standing)) else { return Ok(None) };
            let footing = Footing { permit, revision: Some(warm.standing.id) };
            let watch = Arc::new(self.ledger.watch(footing));
            let reaches = warm.ready.reaches(resident.parts.desk.layout);
            self.skills.insert(name.clone(), Now { warm, footing, watch, reaches });
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
