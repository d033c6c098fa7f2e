//! The linker of one run: it has what the grants list, and nothing else.

use wasmtime::{Engine, component::Linker};

use super::{
    bindings::{cli, clocks, filesystem, io, random},
    error::RuntimeError,
    inspect::SKILL_VERSION,
    kavi,
    state::State,
    wall::Wall,
};

type Link = fn(&mut Linker<State>) -> wasmtime::Result<()>;

/// Adds one generated interface, on the store's state.
macro_rules! interface {
    ($($module:ident)::+) => {
        |linker| $($module)::+::add_to_linker::<State, Wall>(linker, |state| state)
    };
}

/// Every interface that the runtime has.
const INTERFACES: &[(&str, Link)] = &[
    ("wasi:io/error", interface!(io::error)),
    ("wasi:io/poll", interface!(io::poll)),
    ("wasi:io/streams", interface!(io::streams)),
    ("wasi:clocks/wall-clock", interface!(clocks::wall_clock)),
    ("wasi:clocks/monotonic-clock", interface!(clocks::monotonic_clock)),
    ("wasi:random/random", interface!(random::random)),
    ("wasi:random/insecure", interface!(random::insecure)),
    ("wasi:random/insecure-seed", interface!(random::insecure_seed)),
    ("wasi:filesystem/types", interface!(filesystem::types)),
    ("wasi:filesystem/preopens", interface!(filesystem::preopens)),
    ("wasi:cli/environment", interface!(cli::environment)),
    ("wasi:cli/exit", interface!(cli::exit)),
    ("wasi:cli/stdin", interface!(cli::stdin)),
    ("wasi:cli/stdout", interface!(cli::stdout)),
    ("wasi:cli/stderr", interface!(cli::stderr)),
    ("wasi:cli/terminal-input", interface!(cli::terminal_input)),
    ("wasi:cli/terminal-output", interface!(cli::terminal_output)),
    ("wasi:cli/terminal-stdin", interface!(cli::terminal_stdin)),
    ("wasi:cli/terminal-stdout", interface!(cli::terminal_stdout)),
    ("wasi:cli/terminal-stderr", interface!(cli::terminal_stderr)),
    // Types only: there is nothing to link.
    ("kavi:skill/types", |_| Ok(())),
    ("kavi:skill/log", |linker| kavi::link_log(&mut linker.instance(&format!("kavi:skill/log@{SKILL_VERSION}"))?)),
    ("kavi:skill/testing", |linker| {
        kavi::link_testing(&mut linker.instance(&format!("kavi:skill/testing@{SKILL_VERSION}"))?)
    }),
];

/// A linker with the named interfaces.
pub(super) fn linker<'a>(engine: &Engine, names: impl Iterator<Item = &'a str>) -> Result<Linker<State>, RuntimeError> {
    let mut linker = Linker::new(engine);
    for name in names {
        let known = INTERFACES.iter().find(|(known, _)| *known == name);
        let (_, link) = known.ok_or_else(|| RuntimeError::UnknownInterface(name.to_owned()))?;
        link(&mut linker).map_err(|error| RuntimeError::Engine(error.to_string()))?;
    }
    Ok(linker)
}
