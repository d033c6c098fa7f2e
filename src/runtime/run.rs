//! One run: a fresh store, the wall, the deadline, and a typed end whatever the guest does.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use wasmtime::{
    Store, Trap, UpdateDeadline, WasmBacktrace,
    component::{ComponentType, Instance, InstancePre, Lift, TypedFunc},
};

use crate::model::{example::ErrorKind, switch::Watch};
use crate::sync::lock;

use super::{
    engine::{Compiled, Linked, chain},
    error::{RunError, RunFailure, Stop},
    inspect::{self, Mismatch, RUN, SKILL_VERSION, TEST_IMPORTS, TEST_RUN},
    lane::Lane,
    linker::linker,
    outcome::{GuestError, Observed, Outcome, Request, TestExit, TestOutcome},
    second_wall::{self, Reach},
    state::{State, count},
    thread,
    ticker::Running,
};

/// `kavi:skill/types.error`, as a guest returns it.
#[derive(ComponentType, Lift)]
#[component(variant)]
enum SkillError {
    #[component(name = "invalid-input")]
    InvalidInput(String),
    #[component(name = "not-found")]
    NotFound(String),
    #[component(name = "denied")]
    Denied(String),
    #[component(name = "failed")]
    Failed(String),
}

impl From<SkillError> for GuestError {
    fn from(error: SkillError) -> Self {
        let (kind, message) = match error {
            SkillError::InvalidInput(message) => (ErrorKind::InvalidInput, message),
            SkillError::NotFound(message) => (ErrorKind::NotFound, message),
            SkillError::Denied(message) => (ErrorKind::Denied, message),
            SkillError::Failed(message) => (ErrorKind::Failed, message),
        };
        Self { kind, message }
    }
}

/// Which of the two contracts a component is run by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum World {
    Skill,
    Tests,
}

impl Compiled {
    /// Runs the component once as a skill.
    ///
    /// # Errors
    /// [`RunFailure`] whenever there is no result of the skill's own: refused, not started, ended by a limit, a
    /// deadline or a trap. It holds what the skill said until then.
    pub fn run(&self, request: &Request<'_>) -> Result<Outcome, RunFailure> {
        let linked = self.prepare(request)?;
        let ended =
            on_its_thread((request, World::Skill), Vec::new(), &linked.pre, find(&linked), calling(request.input))?;
        judge(ended, request)
    }

    /// The same on a thread that is kept for runs that reach what this one does. `watch` says the same as the request's,
    /// and is looked through by the thread that keeps this one.
    ///
    /// # Errors
    /// As for [`Compiled::run`]; nothing runs on a thread that is kept for something else.
    pub fn run_on(
        &self,
        lane: &Lane,
        request: &Request<'_>,
        watch: &Arc<dyn Watch + Send>,
    ) -> Result<Outcome, RunFailure> {
        let linked = self.prepare(request)?;
        let at_work = lane.occupy(Reach::of(request, World::Skill), watch)?;
        let state = State::new(request, Vec::new(), at_work.interrupt())?;
        let (ended, mut observed) = execute(state, &linked.pre, find(&linked), calling(request.input));
        drop(at_work);
        observed.second_wall = Some(lane.second_wall());
        judge((ended, observed), request)
    }

    fn prepare(&self, request: &Request<'_>) -> Result<Arc<Linked>, RunError> {
        let limit = request.limits.input_bytes;
        if request.input.len() as u64 > limit {
            return Err(RunError::LimitExceeded { limit: "input_bytes", value: limit });
        }
        self.link(request, World::Skill)
    }

    /// Runs the component once as a test harness (`rustc --test`), with these arguments after the program's
    /// name. The input of the request is not used.
    ///
    /// # Errors
    /// [`RunError`] when it is refused or cannot be started. However it ends after that is a [`TestExit`].
    pub fn run_test(&self, arguments: &[&str], request: &Request<'_>) -> Result<TestOutcome, RunError> {
        let arguments = std::iter::once("tests").chain(arguments.iter().copied()).map(str::to_owned).collect();
        let linked = self.link(request, World::Tests)?;
        type Run = TypedFunc<(), (Result<(), ()>,)>;
        let exports = self.interface.exports.iter();
        let name = exports.map(|export| &export.name).find(|name| inspect::split_version(name).0 == TEST_RUN);
        let find = |store: &mut Store<State>, instance: Instance| -> wasmtime::Result<Run> {
            let run = name
                .and_then(|name| instance.get_export_index(&mut *store, None, name))
                .and_then(|interface| instance.get_export_index(&mut *store, Some(&interface), RUN))
                .ok_or_else(|| wasmtime::Error::msg("no run function"))?;
            instance.get_typed_func(store, run)
        };
        let call = |store: &mut Store<State>, run: Run| Ok(run.call(store, ())?.0);
        let (ended, observed) = on_its_thread((request, World::Tests), arguments, &linked.pre, find, call)?;
        let exit = match ended {
            Ok(Ok(())) => TestExit::Returned,
            Ok(Err(())) => TestExit::ReturnedErr,
            Err(RunError::GuestExit { code }) => TestExit::GuestExit(code),
            Err(error @ (RunError::Instantiate { .. } | RunError::Host(_))) => return Err(error),
            Err(error) => TestExit::Trap(error),
        };
        Ok(TestOutcome { exit, observed })
    }

    fn link(&self, request: &Request<'_>, world: World) -> Result<Arc<Linked>, RunError> {
        let mut linked = lock(&self.linked);
        let same = |linked: &&Arc<Linked>| linked.world == world && linked.grants == *request.grants;
        if let Some(linked) = linked.as_ref().filter(same) {
            return Ok(Arc::clone(linked));
        }
        let mismatches: Vec<Mismatch> = match world {
            World::Skill => inspect::check(&self.interface, request.grants, SKILL_VERSION),
            World::Tests => inspect::check_tests(&self.interface, request.grants, SKILL_VERSION),
        };
        if !mismatches.is_empty() {
            return Err(RunError::Refused(mismatches));
        }
        let more = match world {
            World::Skill => &[],
            World::Tests => TEST_IMPORTS,
        };
        let more = more.iter().filter(|name| !request.grants.imports.contains(name));
        let names = request.grants.imports.iter().chain(more).copied();
        let linker = linker(self.component.engine(), names)?;
        let refused = |error| RunError::Instantiate { reason: chain(&error) };
        let pre = linker.instantiate_pre(&self.component).map_err(refused)?;
        let run = self.component.get_export_index(None, RUN);
        let made = Arc::new(Linked { world, grants: *request.grants, pre, run });
        *linked = Some(Arc::clone(&made));
        Ok(made)
    }
}

/// `run` of a skill.
type Run<'a> = TypedFunc<(&'a str,), (Result<String, SkillError>,)>;

fn find<'a>(linked: &Linked) -> impl FnOnce(&mut Store<State>, Instance) -> wasmtime::Result<Run<'a>> + Send {
    let index = linked.run;
    move |store, instance| {
        let index = index.ok_or_else(|| wasmtime::Error::msg("no run function"))?;
        instance.get_typed_func(store, index)
    }
}

fn calling<'a>(
    input: &'a str,
) -> impl FnOnce(&mut Store<State>, Run<'a>) -> wasmtime::Result<Result<String, SkillError>> + Send {
    move |store, run| Ok(run.call(store, (input,))?.0)
}

/// What a skill returned, if it is not too long.
fn judge((ended, observed): Ended<Result<String, SkillError>>, request: &Request<'_>) -> Result<Outcome, RunFailure> {
    let limits = request.limits;
    let result = match ended {
        Ok(result) => result.map_err(GuestError::from),
        Err(error) => return Err(RunFailure { error, observed: observed.into() }),
    };
    let (limit, value, bytes) = match &result {
        Ok(output) => ("output_bytes", limits.output_bytes, output.len()),
        Err(error) => ("error_bytes", limits.error_bytes, error.message.len()),
    };
    if bytes as u64 > value {
        return Err(RunFailure { error: RunError::LimitExceeded { limit, value }, observed: observed.into() });
    }
    Ok(Outcome { result, observed })
}

/// How a run ended, and what was observed until then.
pub(super) type Ended<R> = (Result<R, RunError>, Observed);

/// A run on a thread of its own, watched, and behind both walls.
pub(super) fn on_its_thread<F, R: Send>(
    (request, world): (&Request<'_>, World),
    arguments: Vec<String>,
    pre: &InstancePre<State>,
    find: impl FnOnce(&mut Store<State>, Instance) -> wasmtime::Result<F> + Send,
    call: impl FnOnce(&mut Store<State>, F) -> wasmtime::Result<R> + Send,
) -> Result<Ended<R>, RunError> {
    thread::run(request.watch, |interrupt| {
        // First of all: nothing of the guest has been looked at on this thread.
        let second_wall = second_wall::put_up(Reach::of(request, world))?;
        let state = State::new(request, arguments, interrupt)?;
        let (ended, mut observed) = execute(state, pre, find, call);
        observed.second_wall = Some(second_wall);
        Ok((ended, observed))
    })
}

/// Instantiates, finds the function, calls it, within all limits, and takes the store apart again.
pub(super) fn execute<F, R>(
    state: State,
    pre: &InstancePre<State>,
    find: impl FnOnce(&mut Store<State>, Instance) -> wasmtime::Result<F>,
    call: impl FnOnce(&mut Store<State>, F) -> wasmtime::Result<R>,
) -> Ended<R> {
    // A panic in the host's own code must not take the other runs with it. The store that it happened in is
    // dropped, so nothing half-changed is ever looked at again.
    let run = || {
        let mut store = prepare(state, pre);
        let _running = Running::start();
        let ended = pre.instantiate(&mut store).and_then(|instance| find(&mut store, instance));
        let ended = ended.map_err(|error| explain(&error, &store, Phase::Starting));
        let ended = ended
            .and_then(|function| call(&mut store, function).map_err(|error| explain(&error, &store, Phase::Running)));
        // The guest's clean-up counts as well, and the end may have come without a heartbeat.
        let cpu = store.data().deadline.cpu();
        let ended = ended.and_then(|result| match store.data().deadline.check_at(cpu) {
            Ok(()) => Ok(result),
            Err(stop) => Err(stop.into()),
        });
        (ended, store.into_data().observed(cpu))
    };
    let panicked = |panic: Box<dyn Any + Send>| (Err(RunError::Host(text_of(&*panic))), Observed::default());
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(panicked)
}

fn prepare(state: State, pre: &InstancePre<State>) -> Store<State> {
    let fuel = count(state.limits.hostcall_bytes.max(state.limits.output_bytes));
    let handles = count(state.limits.resource_handles);
    let mut store = Store::new(pre.engine(), state);
    store.limiter(|state| &mut state.memory);
    store.set_hostcall_fuel(fuel);
    store.set_max_component_handles(handles);
    store.set_epoch_deadline(1);
    store.epoch_deadline_callback(|store| {
        store.data().deadline.check_all()?;
        Ok(UpdateDeadline::Continue(1))
    });
    store
}

fn text_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "panic without a message".into())
}

/// When an error of the engine came up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Starting,
    Running,
}

/// The engine's error, as one of ours.
fn explain(error: &wasmtime::Error, store: &Store<State>, phase: Phase) -> RunError {
    if let Some(stop) = error.downcast_ref::<Stop>() {
        return stop.clone().into();
    }
    let limits = &store.data().limits;
    let limit = |limit, value| RunError::LimitExceeded { limit, value };
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return match trap {
            Trap::StackOverflow => limit("stack_bytes", limits.stack_bytes),
            trap => RunError::Trap { reason: trap.to_string() },
        };
    }
    let reason = chain(error);
    // The engine has no types for its own limits; a test for each holds these texts.
    let in_guest = error.downcast_ref::<WasmBacktrace>().is_some();
    match &*reason {
        text if text.contains("fuel allocated for hostcalls has been exhausted") => match in_guest {
            true => limit("hostcall_bytes", limits.hostcall_bytes.max(limits.output_bytes)),
            false => limit("output_bytes", limits.output_bytes),
        },
        text if text.contains("store handle limit exceeded") => limit("resource_handles", limits.resource_handles),
        text if text.contains("instance count too high") => limit("instances", limits.instances),
        text if text.contains("table count too high") => limit("tables", limits.tables),
        text if text.contains("memory count too high") => limit("memories", limits.memories),
        _ if phase == Phase::Starting => RunError::Instantiate { reason },
        _ => RunError::Trap { reason },
    }
}
