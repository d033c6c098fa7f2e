//! Measures contenders side by side: one after the other in every round, in turn who begins and in turn which way round,
//! after rounds that do not count. Before each turn the disk is let come to rest. Whatever else the machine does meets all of
//! them alike, and a ratio is taken round by round.
//!
//! It prints and never judges by an exit code: a bar that was missed is a line that says so.

#![allow(dead_code, reason = "each benchmark uses a part of it")]

pub mod workspace;

use std::fs;
use std::time::{Duration, Instant};

/// What is measured: one call is one round.
pub struct Contender<'a> {
    name: String,
    run: Box<dyn FnMut(usize) -> Duration + 'a>,
}

impl<'a> Contender<'a> {
    /// A contender whose whole call is its time. It gets the number of the round, warm-up included.
    pub fn new(name: &str, mut run: impl FnMut(usize) + 'a) -> Self {
        Self::timed(name, move |round| time(|| run(round)))
    }

    /// A contender that says itself how long what counts took.
    pub fn timed(name: &str, run: impl FnMut(usize) -> Duration + 'a) -> Self {
        Self { name: name.to_owned(), run: Box::new(run) }
    }
}

/// Memory in MiB, and open descriptors, of a process: its id, or `self`.
pub fn taken(process: &str) -> (f64, usize) {
    let process = format!("/proc/{process}");
    let status = fs::read_to_string(format!("{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().unwrap();
    (kib / 1024.0, fs::read_dir(format!("{process}/fd")).unwrap().count())
}

/// The processor time that a process used, in the kernel and outside of it, with all threads that it has had.
pub fn processor(process: u32) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // The name is in brackets and may have spaces: the 14th and 15th field are the 12th and 13th after it.
    let (_, fields) = stat.rsplit_once(')').unwrap();
    let ticks: u64 = fields.split_whitespace().skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
    // USER_HZ: the kernel shows all times in hundredths of a second, whatever it counts in.
    Duration::from_millis(10 * ticks)
}

/// How long `work` takes.
pub fn time(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// The times of one contender, in the order of the rounds.
#[derive(Debug, Clone)]
pub struct Series {
    pub name: String,
    times: Vec<Duration>,
}

/// How many numbers lie about.
#[derive(Debug, Clone, Copy)]
pub struct Spread {
    pub min: f64,
    pub p10: f64,
    pub median: f64,
    pub p90: f64,
}

impl Spread {
    fn of(mut numbers: Vec<f64>) -> Self {
        numbers.sort_by(f64::total_cmp);
        let last = numbers.len() - 1;
        let at = |share: f64| numbers[(share * last as f64).round() as usize];
        Self { min: numbers[0], p10: at(0.1), median: at(0.5), p90: at(0.9) }
    }
}

impl Spread {
    pub fn divided_by(self, by: f64) -> Self {
        Self { min: self.min / by, p10: self.p10 / by, median: self.median / by, p90: self.p90 / by }
    }
}

impl Series {
    pub fn new(name: &str, times: Vec<Duration>) -> Self {
        Self { name: name.to_owned(), times }
    }

    pub fn spread(&self) -> Spread {
        Spread::of(self.times.iter().map(Duration::as_secs_f64).collect())
    }

    /// How many seconds longer than `other` it took, round by round.
    pub fn longer_than(&self, other: &Self) -> Spread {
        let pairs = self.times.iter().zip(&other.times);
        Spread::of(pairs.map(|(mine, theirs)| mine.as_secs_f64() - theirs.as_secs_f64()).collect())
    }

    /// How many times as long as `other` it took, round by round.
    pub fn times_of(&self, other: &Self) -> Spread {
        let pairs = self.times.iter().zip(&other.times);
        Spread::of(pairs.map(|(mine, theirs)| mine.as_secs_f64() / theirs.as_secs_f64()).collect())
    }
}

/// What a ratio, or another figure, is wanted to be.
#[derive(Debug, Clone, Copy)]
pub enum Bar {
    AtMost(f64),
    AtLeast(f64),
    /// It is printed for whoever wants to know.
    None,
}

impl Bar {
    fn verdict(self, figure: f64) -> String {
        let (wanted, reached) = match self {
            Self::AtMost(bar) => (format!("at most {bar}"), figure <= bar),
            Self::AtLeast(bar) => (format!("at least {bar}"), figure >= bar),
            Self::None => return String::new(),
        };
        format!("  wanted: {wanted}: {}", if reached { "reached" } else { "NOT REACHED" })
    }
}

/// Rounds that count: the benchmark's own number, or KAVI_BENCH_ROUNDS.
pub fn rounds(own: usize) -> usize {
    std::env::var("KAVI_BENCH_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(own).max(1)
}

/// Measures all of them, `warm_up` rounds that do not count and `rounds` that do.
pub fn measure(warm_up: usize, rounds: usize, mut contenders: Vec<Contender<'_>>) -> Vec<Series> {
    let mut series: Vec<Series> = contenders.iter().map(|one| Series::new(&one.name, Vec::new())).collect();
    for round in 0..warm_up + rounds {
        let count = contenders.len();
        for turn in 0..count {
            let turn = if round % 2 == 0 { turn } else { count - 1 - turn };
            let at = (round / 2 + turn) % count;
            // What the one before left to be written must not be what the next one waits for.
            rustix::fs::sync();
            let took = (contenders[at].run)(round);
            if round >= warm_up {
                series[at].times.push(took);
            }
        }
    }
    series
}

/// Where this was measured, as far as it matters to what is compared.
pub fn print_machine() {
    let line = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    println!("machine: {cpus} CPUs, Linux {}, load {}", line("/proc/sys/kernel/osrelease"), line("/proc/loadavg"));
}

/// A table of times. `per` divides them: the number of calls that one round makes.
pub fn print_times(title: &str, per: f64, series: &[Series]) {
    println!("\n{title}");
    println!("  {:<44} {:>12} {:>12} {:>12} {:>12}", "", "median", "min", "p10", "p90");
    for one in series {
        let spread = one.spread();
        let cells = [spread.median, spread.min, spread.p10, spread.p90].map(|seconds| duration(seconds / per));
        println!("  {:<44} {:>12} {:>12} {:>12} {:>12}", one.name, cells[0], cells[1], cells[2], cells[3]);
    }
}

/// One ratio, round by round, and whether its bar is reached by the median.
pub fn print_ratio(what: &str, ratio: Spread, bar: Bar) {
    let Spread { p10, median, p90, .. } = ratio;
    println!("  {what:<60} {median:>6.2} ({p10:.2} to {p90:.2}){}", bar.verdict(median));
}

/// A figure that is no ratio, and whether its bar is reached.
pub fn print_figure(what: &str, figure: f64, unit: &str, bar: Bar) {
    println!("  {what:<60} {figure:>6.2} {unit}{}", bar.verdict(figure));
}

/// A time with a unit that fits it.
pub fn duration(seconds: f64) -> String {
    match seconds {
        s if s >= 1.0 => format!("{s:.2} s"),
        s if s >= 1e-3 => format!("{:.2} ms", s * 1e3),
        s => format!("{:.1} µs", s * 1e6),
    }
}
