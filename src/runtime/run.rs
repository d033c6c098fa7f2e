//! One run: a fresh store, the wall, the deadline, and a typed end whatever the guest does.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use wasmtime::{
    Store, Trap, UpdateDeadline, WasmBacktrace,
    component::{Instance, InstancePre, TypedFunc},
};

use crate::model::{limits::count, switch::Watch};
use crate::sync::lock;

use super::{
    engine::{CompiledComponent, Linked, chain},
    epoch::Running,
    error::{RunError, Stop},
    inspect::{self, RUN, TEST_RUN},
    interfaces::ImportAllowlist,
    lane::Lane,
    outcome::{GuestError, GuestTelemetry, RunFailure, SkillOutcome, TestExit, TestOutcome},
    request::{ComponentKind, GuestCommand, GuestRequest},
    second_wall::{self, LandlockScope},
    skill_error::SkillError,
    thread,
    wall::state::GuestState,
};

impl CompiledComponent {
    /// Runs the component once as a skill.
    ///
    /// # Errors
    /// [`RunFailure`] whenever the skill returned no result of its own: it was refused, not started, or ended by a limit, a
    /// deadline or a trap. It holds the telemetry until then.
    pub fn run(&self, request: &GuestRequest<'_>) -> Result<SkillOutcome, RunFailure> {
        let linked = self.prepare(request)?;
        let command_line = GuestCommand::default();
        let guest = Guest { request, kind: ComponentKind::Skill, command_line, pre: &linked.pre };
        skill_outcome(on_its_thread(guest, find(&linked), calling(request.input))?, request)
    }

    /// The same for an instrumented component: one that the forge changed for a check and never keeps. It alone sees an
    /// environment, because its inserted code reads the switch there.
    ///
    /// # Errors
    /// As for [`CompiledComponent::run`].
    pub fn run_instrumented(
        &self,
        environment: &[(String, String)],
        request: &GuestRequest<'_>,
    ) -> Result<SkillOutcome, RunFailure> {
        let linked = self.prepare(request)?;
        let command_line = GuestCommand { environment: environment.to_vec(), ..GuestCommand::default() };
        let guest = Guest { request, kind: ComponentKind::Skill, command_line, pre: &linked.pre };
        skill_outcome(on_its_thread(guest, find(&linked), calling(request.input))?, request)
    }

    /// The same on a thread that is kept for runs that reach what this one does. `watch` says the same as the request's,
    /// and is asked by the thread that keeps this one.
    ///
    /// # Errors
    /// As for [`CompiledComponent::run`]; nothing runs on a thread that is kept for something else.
    pub fn run_on(
        &self,
        lane: &Lane,
        request: &GuestRequest<'_>,
        watch: &Arc<dyn Watch + Send>,
    ) -> Result<SkillOutcome, RunFailure> {
        let linked = self.prepare(request)?;
        // From here until the guard goes, the keeper of the lane asks `watch` and may interrupt this run.
        let guard = lane.begin(LandlockScope::of(request, ComponentKind::Skill), watch)?;
        // Folders are opened on this thread, so the kernel checks them against the lane's
        // restriction too.
        let state = GuestState::new(request, GuestCommand::default(), guard.interrupt())?;
        let mut end = execute(state, &linked.pre, find(&linked), calling(request.input));
        drop(guard);
        end.observed.second_wall = Some(lane.second_wall());
        skill_outcome(end, request)
    }

    fn prepare(&self, request: &GuestRequest<'_>) -> Result<Arc<Linked>, RunError> {
        let limit = request.limits.input_bytes;
        // Before anything is linked or started: the guest could not even receive it within its
        // limits.
        if request.input.len() as u64 > limit {
            return Err(RunError::LimitExceeded { limit: "input_bytes", value: limit });
        }
        self.link(request, ComponentKind::Skill)
    }

    /// Runs the component once as a test harness (`rustc --test`), with these arguments after the program's
    /// name. The input of the request is not used.
    ///
    /// # Errors
    /// [`RunError`] when it is refused or cannot be started. However it ends after that is a [`TestExit`].
    pub fn run_test(&self, arguments: &[&str], request: &GuestRequest<'_>) -> Result<TestOutcome, RunError> {
        self.run_test_in(&GuestCommand::new(arguments, &[]), request)
    }

    /// The same with an environment.
    ///
    /// # Errors
    /// As for [`CompiledComponent::run_test`].
    pub fn run_test_in(
        &self,
        command_line: &GuestCommand,
        request: &GuestRequest<'_>,
    ) -> Result<TestOutcome, RunError> {
        let linked = self.link(request, ComponentKind::Tests)?;
        type Run = TypedFunc<(), (Result<(), ()>,)>;
        let exports = self.interface.exports.iter();
        // The toolchain decides the patch version of this interface, so it is found without its
        // version.
        let name = exports.map(|export| &export.name).find(|name| inspect::split_version(name).0 == TEST_RUN);
        let find = |store: &mut Store<GuestState>, instance: Instance| -> wasmtime::Result<Run> {
            let run = name
                .and_then(|name| instance.get_export_index(&mut *store, None, name))
                .and_then(|interface| instance.get_export_index(&mut *store, Some(&interface), RUN))
                .ok_or_else(|| wasmtime::Error::msg("no run function"))?;
            instance.get_typed_func(store, run)
        };
        let call = |store: &mut Store<GuestState>, run: Run| Ok(run.call(store, ())?.0);
        let command_line = command_line.clone();
        let guest = Guest { request, kind: ComponentKind::Tests, command_line, pre: &linked.pre };
        let RunEnd { result, observed } = on_its_thread(guest, find, call)?;
        let exit = match result {
            Ok(Ok(())) => TestExit::Returned,
            Ok(Err(())) => TestExit::ReturnedErr,
            Err(RunError::GuestExit { code }) => TestExit::GuestExit(code),
            // These say that no test ran. A gate must not count them as a test that failed.
            Err(error @ (RunError::Instantiate { .. } | RunError::Host(_))) => return Err(error),
            Err(error) => TestExit::Trap(error),
        };
        Ok(TestOutcome { exit, observed })
    }

    /// The component with its imports. Most runs find it linked already.
    fn link(&self, request: &GuestRequest<'_>, kind: ComponentKind) -> Result<Arc<Linked>, RunError> {
        let allowlist = ImportAllowlist::new(
            kind,
            request.capabilities,
            inspect::contract_version(&self.interface),
            self.functions,
        );
        // Held while linking, so that threads that start together link once and not each for
        // itself.
        let mut linked = lock(&self.linked);
        if let Some(linked) = linked.as_ref().filter(|linked| linked.allowlist == allowlist) {
            return Ok(Arc::clone(linked));
        }
        // The comparison holds the component to its capabilities. The linker alone would not: the engine links an import
        // of an unknown empty instance without an error.
        let mismatches = inspect::compare(&self.interface, allowlist);
        if !mismatches.is_empty() {
            return Err(RunError::Refused(mismatches));
        }
        let linker = allowlist.linker(self.component.engine())?;
        let refused = |error| RunError::Instantiate { reason: chain(&error) };
        let pre = linker.instantiate_pre(&self.component).map_err(refused)?;
        let run = self.component.get_export_index(None, RUN);
        let made = Arc::new(Linked { allowlist, pre, run });
        *linked = Some(Arc::clone(&made));
        Ok(made)
    }
}

/// `run` of a skill.
type Run<'a> = TypedFunc<(&'a str,), (Result<String, SkillError>,)>;

fn find<'a>(linked: &Linked) -> impl FnOnce(&mut Store<GuestState>, Instance) -> wasmtime::Result<Run<'a>> + Send {
    let index = linked.run;
    move |store, instance| {
        let index = index.ok_or_else(|| wasmtime::Error::msg("no run function"))?;
        instance.get_typed_func(store, index)
    }
}

fn calling<'a>(
    input: &'a str,
) -> impl FnOnce(&mut Store<GuestState>, Run<'a>) -> wasmtime::Result<Result<String, SkillError>> + Send {
    move |store, run| Ok(run.call(store, (input,))?.0)
}

/// What a skill returned, if it is not too long.
fn skill_outcome(
    end: RunEnd<Result<String, SkillError>>,
    request: &GuestRequest<'_>,
) -> Result<SkillOutcome, RunFailure> {
    let limits = request.limits;
    let RunEnd { result, observed } = end;
    let result = match result {
        Ok(result) => result.map_err(GuestError::from),
        Err(error) => return Err(RunFailure { error, observed: observed.into() }),
    };
    // Also an error has a limit: its text goes into the record and to whoever asked.
    let (limit, value, bytes) = match &result {
        Ok(output) => ("output_bytes", limits.output_bytes, output.len()),
        Err(error) => ("error_bytes", limits.error_bytes, error.message.len()),
    };
    if bytes as u64 > value {
        return Err(RunFailure { error: RunError::LimitExceeded { limit, value }, observed: observed.into() });
    }
    Ok(SkillOutcome { result, observed })
}

/// How a run ended, and what was observed until then.
pub(super) struct RunEnd<R> {
    pub(super) result: Result<R, RunError>,
    pub(super) observed: GuestTelemetry,
}

/// A guest that is about to run on a thread of its own.
pub(super) struct Guest<'a> {
    pub(super) request: &'a GuestRequest<'a>,
    pub(super) kind: ComponentKind,
    /// What the guest sees as its command line.
    pub(super) command_line: GuestCommand,
    pub(super) pre: &'a InstancePre<GuestState>,
}

/// A run on a thread of its own, watched, and behind both walls.
pub(super) fn on_its_thread<F, R: Send>(
    guest: Guest<'_>,
    find: impl FnOnce(&mut Store<GuestState>, Instance) -> wasmtime::Result<F> + Send,
    call: impl FnOnce(&mut Store<GuestState>, F) -> wasmtime::Result<R> + Send,
) -> Result<RunEnd<R>, RunError> {
    let Guest { request, kind, command_line, pre } = guest;
    thread::run(request.watch, |interrupt| {
        // First of all: nothing of the guest has been looked at on this thread.
        let second_wall = second_wall::put_up(LandlockScope::of(request, kind))?;
        // After the wall, so that a folder outside of the scope fails here and not in the guest.
        let state = GuestState::new(request, command_line, interrupt)?;
        let mut end = execute(state, pre, find, call);
        end.observed.second_wall = Some(second_wall);
        Ok(end)
    })
}

/// Instantiates, finds the function, calls it, within all limits, and takes the store apart again.
pub(super) fn execute<F, R>(
    state: GuestState,
    pre: &InstancePre<GuestState>,
    find: impl FnOnce(&mut Store<GuestState>, Instance) -> wasmtime::Result<F>,
    call: impl FnOnce(&mut Store<GuestState>, F) -> wasmtime::Result<R>,
) -> RunEnd<R> {
    // A panic in the host's own code must not end the other runs of the process. Its store is dropped, so nothing looks at
    // half-changed data again.
    let run = || {
        let mut store = prepare(state, pre);
        // Before instantiation, which runs the guest's start functions: a loop there must end as
        // well.
        let _running = Running::start();
        let found = pre.instantiate(&mut store).and_then(|instance| find(&mut store, instance));
        let found = found.map_err(|error| explain(&error, &store, Phase::Starting));
        let result = found
            .and_then(|function| call(&mut store, function).map_err(|error| explain(&error, &store, Phase::Running)));
        // The guest's clean-up counts as well, and the end may have come without a heartbeat.
        // Asked once and used twice, so that the record and the verdict cannot disagree.
        let cpu = store.data().deadline.cpu();
        let result = result.and_then(|result| match store.data().deadline.check_at(cpu) {
            Ok(()) => Ok(result),
            Err(stop) => Err(stop.into()),
        });
        RunEnd { result, observed: store.into_data().observed(cpu) }
    };
    let panicked = |panic: Box<dyn Any + Send>| {
        let observed = GuestTelemetry::default();
        RunEnd { result: Err(RunError::Host(text_of(&*panic))), observed }
    };
    catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(panicked)
}

fn prepare(state: GuestState, pre: &InstancePre<GuestState>) -> Store<GuestState> {
    // The engine counts bytes that cross in one call; a result of `output_bytes` must be able to cross.
    let fuel = count(state.limits.hostcall_bytes.max(state.limits.output_bytes));
    let handles = count(state.limits.resource_handles);
    let mut store = Store::new(pre.engine(), state);
    store.limiter(|state| &mut state.memory);
    store.set_hostcall_fuel(fuel);
    store.set_max_component_handles(handles);
    // At every beat the code calls back here, on the guest's own thread.
    // One beat from now. Without a deadline the store would trap at its first check.
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

/// When an error of the engine occurred.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Starting,
    Running,
}

/// Translates an error of the engine.
fn explain(error: &wasmtime::Error, store: &Store<GuestState>, phase: Phase) -> RunError {
    // First, because the engine wraps the wall's own reasons in its errors.
    if let Some(stop) = error.downcast_ref::<Stop>() {
        return stop.clone().into();
    }
    let limits = &store.data().limits;
    let limit = |limit, value| RunError::LimitExceeded { limit, value };
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return match trap {
            // The engine has a trap for this limit and no other way to report it.
            Trap::StackOverflow => limit("stack_bytes", limits.stack_bytes),
            trap => RunError::Trap { reason: trap.to_string() },
        };
    }
    let reason = chain(error);
    // The engine has no error types for its own limits. A test for each limit pins these texts.
    let in_guest = error.downcast_ref::<WasmBacktrace>().is_some();
    match &*reason {
        // With a backtrace the guest was calling the host. Without one, its result was on the way
        // out.
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
