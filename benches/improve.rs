//! How often rules about skills are wrong: `cargo bench --bench improve`.
//!
//! Draws uses of revisions whose true rate is known, and looks after every use. The rules of Kavi are those of the library, the
//! others are in `improve/rules.rs`. `benches/python/improve_table.py` has the same figures without a draw and without this code.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

#[path = "improve/rules.rs"]
mod rules;

use kavi::improve::statistics::{EVIDENCE, MAX_PAIRS, PairCounts, UseCounts, Z_90, attempt_threshold};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};

const DRAWS: u32 = 200_000;
const SEED: u64 = 18;
/// Outcomes of the revision before, when one is rolled back.
const PREVIOUS: u32 = 30;
/// The furthest that a figure may be from the exact one, in points.
const NEAR: f64 = 1.0;

/// Draws of one cell of the table. Each cell has draws of its own, so that cells can be added.
struct Draws(ChaCha8Rng);

impl Draws {
    fn of(cell: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(SEED.wrapping_mul(1_000).wrapping_add(cell)))
    }

    fn happens(&mut self, probability: f64) -> bool {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64 <= probability
    }
}

/// What one cell gives: how many draws stopped, in percent, and after how many uses half of them had.
#[derive(Clone, Copy)]
struct Found {
    percent: f64,
    median: usize,
}

fn found(mut stopped: Vec<usize>) -> Found {
    stopped.sort_unstable();
    let percent = 100.0 * stopped.len() as f64 / f64::from(DRAWS);
    Found { percent, median: stopped.get(stopped.len().saturating_sub(1) / 2).copied().unwrap_or(0) }
}

/// The answers of a rule for all counts. A rule is asked once for each, and not at each look.
fn answers(uses: usize, rule: &dyn Fn(UseCounts) -> bool) -> Vec<Vec<bool>> {
    let row = |ok: usize| {
        (0..=uses - ok).map(|failed| rule(UseCounts { ok: ok as u32, failed: failed as u32 })).collect::<Vec<_>>()
    };
    (0..=uses).map(row).collect()
}

/// After how many uses a rule stops a revision of this rate.
fn first_stop(draws: &mut Draws, rate: f64, uses: usize, stops: &[Vec<bool>]) -> Option<usize> {
    let (mut ok, mut failed) = (0, 0);
    (1..=uses).find(|_| {
        match draws.happens(rate) {
            true => ok += 1,
            false => failed += 1,
        }
        stops[ok][failed]
    })
}

fn one_revision(cell: u64, rate: f64, uses: usize, rule: &dyn Fn(UseCounts) -> bool) -> Found {
    let (stops, mut draws) = (answers(uses, rule), Draws::of(cell));
    found((0..DRAWS).filter_map(|_| first_stop(&mut draws, rate, uses, &stops)).collect())
}

fn after_another(cell: u64, was: f64, rate: f64, rule: &dyn Fn(UseCounts, UseCounts) -> bool) -> Found {
    let previous = |ok| UseCounts { ok, failed: PREVIOUS - ok };
    let stops: Vec<_> = (0..=PREVIOUS).map(|ok| answers(100, &|uses| rule(previous(ok), uses))).collect();
    let mut draws = Draws::of(cell);
    let one = |_| {
        let ok = (0..PREVIOUS).filter(|_| draws.happens(was)).count();
        first_stop(&mut draws, rate, 100, &stops[ok])
    };
    found((0..DRAWS).filter_map(one).collect())
}

/// Pairs of two revisions, until a rule accepts one.
fn pairs(cell: u64, was: f64, rate: f64, accepts: &dyn Fn(PairCounts) -> bool) -> Found {
    let mut draws = Draws::of(cell);
    let mut one = || {
        let mut counts = PairCounts::default();
        (1..=MAX_PAIRS as usize).find(|_| {
            match (draws.happens(was), draws.happens(rate)) {
                (false, true) => counts.gains += 1,
                (true, false) => counts.losses += 1,
                _ => counts.same += 1,
            }
            accepts(counts)
        })
    };
    found((0..DRAWS).filter_map(|_| one()).collect())
}

/// MicroClaw's gate: three pairs, none worse, one better. So many attempts.
fn gate(cell: u64, was: f64, rate: f64, attempts: u32) -> Found {
    let mut draws = Draws::of(cell);
    let mut passes = || {
        let pairs = [(); 3].map(|()| (draws.happens(was), draws.happens(rate)));
        !pairs.contains(&(true, false)) && pairs.contains(&(false, true))
    };
    found((0..DRAWS).filter_map(|_| (1..=attempts as usize).find(|_| passes())).collect())
}

/// Prints cells, and counts those that are further from the exact value than a point.
#[derive(Default)]
struct Table {
    cells: u64,
    off: u32,
}

impl Table {
    fn cell(&mut self, what: &str, exact: f64, draw: impl FnOnce(u64) -> Found) {
        self.cells += 1;
        let Found { percent, median } = draw(self.cells);
        let off = (percent - exact).abs() > NEAR;
        self.off += u32::from(off);
        let flag = if off { "  OFF" } else { "" };
        println!("  {what:<58} {percent:>7.2} %  exact {exact:>6.2} %  median {median:>3}{flag}");
    }
}

fn rewrite(table: &mut Table) {
    println!("rewrite a revision, 200 uses, a look after each: how often");
    let e = |uses: UseCounts| uses.e_value(0.40) >= EVIDENCE;
    for (name, rule, exact) in [
        ("rate < 0.40 from 10 on", &rules::raw_rate as &dyn Fn(UseCounts) -> bool, [14.70, 45.27, 90.82, 100.0, 100.0]),
        ("Wilson 95 upper < 0.40", &rules::wilson_upper, [0.12, 1.33, 16.52, 100.0, 100.0]),
        ("e-process at 20 (Kavi)", &e, [0.03, 0.29, 3.45, 99.99, 100.0]),
    ] {
        for (rate, exact) in [0.6, 0.5, 0.4, 0.2, 0.1].into_iter().zip(exact) {
            table.cell(&format!("{name}, p {rate}"), exact, |cell| one_revision(cell, rate, 200, rule));
        }
    }
}

fn roll_back(table: &mut Table) {
    println!("roll back after {PREVIOUS} outcomes of the revision before, 100 uses: how often");
    let e = |previous: UseCounts, uses: UseCounts| uses.e_value(previous.wilson(Z_90).low) >= EVIDENCE;
    type Rule<'r> = &'r dyn Fn(UseCounts, UseCounts) -> bool;
    for (name, rule, exact) in [
        ("raw drop >= 0.15", &rules::raw_drop as Rule<'_>, [27.97, 36.09, 99.99, 98.79]),
        ("Newcombe 95", &rules::newcombe, [8.88, 10.04, 99.98, 93.30]),
        ("e-process at the lower 90 % bound (Kavi)", &e, [0.65, 0.83, 99.30, 66.70]),
    ] {
        for ((was, rate), exact) in [(0.8, 0.8), (0.5, 0.5), (0.8, 0.3), (0.8, 0.5)].into_iter().zip(exact) {
            table.cell(&format!("{name}, {was} -> {rate}"), exact, |cell| after_another(cell, was, rate, rule));
        }
    }
}

fn trust(table: &mut Table) {
    println!("trust a revision within 20 uses: how often");
    for (rate, exact) in [(0.5, 18.61), (0.4, 8.55)] {
        let name = format!("MicroClaw's trial, p {rate}");
        table.cell(&name, exact, |cell| one_revision(cell, rate, 20, &rules::trial));
    }
}

fn accept(table: &mut Table) {
    println!("accept a candidate: how often");
    for (was, rate, attempts, exact) in
        [(0.5, 0.5, 1, 29.69), (0.5, 0.5, 3, 65.24), (0.7, 0.5, 1, 14.96), (0.7, 0.5, 3, 38.51)]
    {
        let name = format!("MicroClaw's gate, {attempts} attempts, {was} -> {rate}");
        table.cell(&name, exact, |cell| gate(cell, was, rate, attempts));
    }
    let exact = [
        [3.05, 2.91, 0.08, 99.41, 84.69],
        [1.70, 1.60, 0.03, 99.01, 79.76],
        [0.35, 0.32, 0.00, 95.51, 59.65],
        [0.13, 0.12, 0.00, 93.03, 50.88],
    ];
    let rows = [("at 20", EVIDENCE), ("attempt 1", attempt_threshold(1)), ("attempt 2", attempt_threshold(2))];
    for ((name, threshold), exact) in rows.into_iter().chain([("attempt 3", attempt_threshold(3))]).zip(exact) {
        for ((was, rate), exact) in [(0.5, 0.5), (0.7, 0.7), (0.7, 0.5), (0.5, 0.9), (0.5, 0.8)].into_iter().zip(exact)
        {
            let name = format!("paired e-process {name} ({threshold:.1}, Kavi), {was} -> {rate}");
            let accepts = |counts: PairCounts| counts.e_value() >= threshold;
            table.cell(&name, exact, |cell| pairs(cell, was, rate, &accepts));
        }
    }
}

fn main() {
    println!("{DRAWS} draws of each cell, seed {SEED}; `exact` is from benches/python/improve_table.py");
    let mut table = Table::default();
    rewrite(&mut table);
    roll_back(&mut table);
    trust(&mut table);
    accept(&mut table);
    println!("{} of {} cells are further than {NEAR} point from the exact value", table.off, table.cells);
}
