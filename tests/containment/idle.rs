//! A process that stays gives the memory of used instances back when nobody calls it for long.

use std::fs;
use std::path::Path;
use std::sync::{Arc, Barrier, Condvar, Mutex};
use std::thread;

use kavi::artifacts::Store;
use kavi::cage::{Cage, Confinement};
use kavi::context::reader::ContextReader;
use kavi::invoke::resident::{QueueTurn, QueuedRequest, RequestQueue, Resident};
use kavi::invoke::{InvokeError, NoObserver, RunRequest, RunResult, SharedContext};
use kavi::ledger::{Create, Ledger, Recorder};
use kavi::model::channel::{Caller, Channel};
use kavi::model::id::RandomIds;
use kavi::model::name::SkillName;
use kavi::model::time::SystemClock;
use kavi::runtime::{CodeCache, CodeOrigin, Loader, RunError, import_table_version};
use kavi::workspace::{Config, Environment};

use crate::support::{self, Workspace};
use crate::{alone, door};

/// Threads that serve calls, as in `kavi mcp`.
const THREADS: usize = 16;
/// What an idle process may keep of what its runs took: allocations of the host, and pages of its own code.
const KEPT: u64 = 24 << 20;

/// Gives each thread the same number of turns, all threads at a time.
struct Rounds {
    together: Barrier,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// What every thread gets next; none while the test measures.
    turn: Option<Turn>,
    round: u64,
    /// Threads that wait, and have done everything before.
    waiting: usize,
    /// Runs that took much memory, and were ended by the limit of their output.
    limited: usize,
    warm: usize,
    loaded: usize,
    failed: Vec<String>,
}

#[derive(Clone, Copy)]
enum Turn {
    /// A run that takes much memory.
    Work,
    /// One that gives an answer.
    Answer,
    Idle,
    End,
}

impl Rounds {
    fn new() -> Self {
        Self { together: Barrier::new(THREADS), state: Mutex::default(), changed: Condvar::new() }
    }

    /// Gives every thread one turn, and waits until all of them wait again.
    fn give(&self, turn: Turn) {
        let mut state = self.state.lock().unwrap();
        while state.waiting < THREADS {
            state = self.changed.wait(state).unwrap();
        }
        (state.turn, state.round, state.waiting) = (Some(turn), state.round + 1, 0);
        self.changed.notify_all();
        while state.waiting < THREADS && !matches!(turn, Turn::End) {
            state = self.changed.wait(state).unwrap();
        }
    }
}

impl RequestQueue for Rounds {
    fn next(&self) -> Option<QueueTurn> {
        let mut state = self.state.lock().unwrap();
        state.waiting += 1;
        self.changed.notify_all();
        let seen = state.round;
        while state.round == seen {
            state = self.changed.wait(state).unwrap();
        }
        let turn = state.turn;
        drop(state);
        match turn {
            Some(turn @ (Turn::Work | Turn::Answer)) => {
                // So that each thread has an instance of its own.
                self.together.wait();
                let caller = Arc::new(Caller { channel: Channel::Cli, name: "a test".to_owned() });
                let input = if matches!(turn, Turn::Work) { r#"{"path":"long.md"}"# } else { r#"{"path":"short.md"}"# };
                let request = RunRequest::new(SkillName::parse("peek").unwrap(), input.into(), caller);
                Some(QueueTurn::Request(QueuedRequest { number: 1, request }))
            }
            Some(Turn::Idle) => Some(QueueTurn::Idle),
            Some(Turn::End) | None => None,
        }
    }

    fn done(&self, _: u64, ran: Result<RunResult, InvokeError>) {
        let mut state = self.state.lock().unwrap();
        match ran {
            Ok(ran) if ran.code == CodeOrigin::Warm => state.warm += 1,
            Ok(_) => state.loaded += 1,
            Err(InvokeError::Run(RunError::LimitExceeded { .. })) => state.limited += 1,
            // A panic would leave the others waiting for this thread. The test looks at it when all are gone.
            Err(error) => state.failed.push(error.to_string()),
        }
    }
}

#[test]
fn an_idle_process_gives_the_memory_of_its_runs_back() {
    let _alone = alone();
    let workspace = Workspace::trusted();
    // Enough for each instance to take megabytes, and more than an output may have.
    fs::write(workspace.vault("long.md"), "A line of a long note.\n".repeat(100_000)).unwrap();
    fs::write(workspace.vault("short.md"), "A short note.\n").unwrap();
    let config = Config::load(workspace.path(), &Environment::default()).unwrap();
    let layout = &config.layout;
    let store = Store::open(layout).unwrap();
    let cage = Cage::new(Path::new(env!("CARGO_BIN_EXE_kavi")).to_owned(), Confinement::Required);
    let cache = CodeCache::new(layout.code_cache(), Some(support::cache().join("code.key")), import_table_version());
    let recorder = Recorder::start(Ledger::open(&layout.ledger(), Create::Never).unwrap()).unwrap();
    let shared = SharedContext {
        anchor: None,
        layout,
        linked: &[],
        store: &store,
        channels: &config.channels,
        governance: &ContextReader::default(),
        hold: config.effects.held(),
        observer: &NoObserver,
        clock: &SystemClock,
        ids: &RandomIds,
        loader: Loader { cage: &cage, cache: &cache },
        roots_file: None,
        secrets: const { &std::collections::BTreeMap::new() },
        limits: &config.limits,
    };
    let resident = Resident::new(shared, &recorder, u32::try_from(THREADS).unwrap()).unwrap();
    let rounds = Rounds::new();
    let resident_bytes = || door::status("VmRSS:");
    // Nothing is asserted before the threads are gone: a panic would wait for them.
    let [before, busy, idle] = thread::scope(|scope| {
        (0..THREADS).for_each(|_| drop(scope.spawn(|| resident.serve(&rounds).unwrap())));
        // Threads, connections and the code of the engine are there after one round.
        rounds.give(Turn::Work);
        rounds.give(Turn::Idle);
        let before = resident_bytes();
        (0..3).for_each(|_| rounds.give(Turn::Work));
        let busy = resident_bytes();
        rounds.give(Turn::Idle);
        let idle = resident_bytes();
        rounds.give(Turn::Answer);
        rounds.give(Turn::End);
        [before, busy, idle]
    });
    println!(
        "resident KiB: idle {}, after {} runs {}, idle again {}",
        before >> 10,
        3 * THREADS,
        busy >> 10,
        idle >> 10
    );
    let state = rounds.state.into_inner().unwrap();
    assert!(state.failed.is_empty() && state.limited == 4 * THREADS, "{} {:?}", state.limited, state.failed);
    assert!(busy > before + KEPT, "the runs took too little to tell: {before} {busy}");
    assert!(idle < before + KEPT, "{before} {busy} {idle}");
    // Whoever calls then gets an answer, over a skill that was loaded again.
    assert!(state.loaded > 0 && state.loaded + state.warm == THREADS, "{} {}", state.loaded, state.warm);
}
