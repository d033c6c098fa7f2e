//! What is there without a file: environment, arguments, standard streams, clocks, random numbers.

use crate::{
    bindings::wasi::{
        cli::{environment, exit, stderr, stdin, stdout, terminal_stderr, terminal_stdin, terminal_stdout},
        clocks::{monotonic_clock, wall_clock},
        io::poll,
        random::{insecure_seed, random},
    },
    report::{line, streamed},
};

pub fn report() {
    line("environment", format_args!("{:?}", environment::get_environment()));
    line("argument count", environment::get_arguments().len());
    line("initial folder", format_args!("{:?}", environment::initial_cwd()));
    line("terminal of stdin", terminal_stdin::get_terminal_stdin().is_some());
    line("terminal of stdout", terminal_stdout::get_terminal_stdout().is_some());
    line("terminal of stderr", terminal_stderr::get_terminal_stderr().is_some());
    let input = stdin::get_stdin();
    line("stdin read", streamed(input.read(10).map(|bytes| bytes.len())));
    line("stdin blocking-read", streamed(input.blocking_read(10).map(|bytes| bytes.len())));
    line("stdin read nothing", streamed(input.read(0).map(|bytes| bytes.len())));
    line("stdin skip", streamed(input.skip(10)));
    line("stdin blocking-skip", streamed(input.blocking_skip(10)));
    line("stdin is ready", input.subscribe().ready());
    let output = stdout::get_stdout();
    line("stdout may be written", output.check_write().is_ok_and(|bytes| bytes > 0));
    line("stdout is ready", output.subscribe().ready());
    let errors = stderr::get_stderr();
    line("stderr may be written", errors.check_write().is_ok_and(|bytes| bytes > 0));
    line("stderr write", streamed(errors.blocking_write_and_flush(b"to standard error\n").map(|()| "ok")));
    line("stderr flush", streamed(errors.blocking_flush().map(|()| "ok")));
    clocks();
    chance();
}

fn clocks() {
    let start = wall_clock::now();
    line("wall clock seconds", start.seconds);
    line("wall clock nanoseconds are below a second", start.nanoseconds < 1_000_000_000);
    let again = wall_clock::now();
    line("wall clock goes on", (again.seconds, again.nanoseconds) >= (start.seconds, start.nanoseconds));
    line("wall clock resolution is positive", wall_clock::resolution().nanoseconds > 0);
    let first = monotonic_clock::now();
    let second = monotonic_clock::now();
    line("monotonic clock goes on", second >= first);
    line("monotonic clock per look", second - first);
    line("monotonic clock start", first);
    line("monotonic resolution is positive", monotonic_clock::resolution() > 0);
    let past = monotonic_clock::subscribe_instant(0);
    line("a past instant is ready", past.ready());
    let soon = monotonic_clock::subscribe_duration(2_000_000);
    line("a later instant is ready", soon.ready());
    soon.block();
    line("a later instant is ready after waiting", soon.ready());
    line("waiting takes the time it says", monotonic_clock::now() - second >= 2_000_000);
    let far = monotonic_clock::subscribe_duration(3_600_000_000_000);
    line("poll gives what is ready", format_args!("{:?}", poll::poll(&[&far, &past])));
    line("poll gives one that is named twice", format_args!("{:?}", poll::poll(&[&past, &far, &past])));
    let near = monotonic_clock::subscribe_duration(1_000_000);
    line("poll waits for the next", format_args!("{:?}", poll::poll(&[&far, &near])));
    line("a far instant is ready", far.ready());
}

fn chance() {
    for length in [0, 1, 32, 4096] {
        line(format_args!("random bytes {length}"), random::get_random_bytes(length).len());
    }
    line("random number", random::get_random_u64());
    line("random numbers differ", random::get_random_u64() != random::get_random_u64());
    line("insecure seed", format_args!("{:?}", insecure_seed::insecure_seed()));
    line("insecure seed is the same again", insecure_seed::insecure_seed() == insecure_seed::insecure_seed());
}

/// Ends the run in one of many ways.
pub fn end(how: &str) {
    println!("before");
    match how {
        "exit-ok" => exit::exit(Ok(())),
        "exit-error" => exit::exit(Err(())),
        "panic" => panic!("on purpose"),
        "poll-nothing" => drop(poll::poll(&[])),
        "write-too-much" => drop(stderr::get_stderr().blocking_write_and_flush(&[0; 70_000])),
        "write-zeroes-too-much" => drop(stderr::get_stderr().blocking_write_zeroes_and_flush(70_000)),
        "handle-twice" => {
            let input = stdin::get_stdin();
            drop(unsafe { stdin::InputStream::from_handle(input.handle()) });
        }
        _ => println!("unknown end {how}"),
    }
    println!("after");
}
