//! E-values: the capital of somebody who bets against a hypothesis, with fair odds.
//!
//! Against "this revision succeeds at least with rate p", each bet λ multiplies its capital by 1 + λ(p − x) at each use, where x
//! is 1 for a success. The e-value is the mean over the bets. While the hypothesis is true, capital does not grow on average, so
//! it reaches 20 with a probability of at most 1/20, at whatever moment somebody looks (Ville's inequality). There is no
//! minimum of uses and no window.

use super::UseCounts;

/// The e-value that counts as evidence: an error probability of 1/20, at every look.
pub const EVIDENCE: f64 = 20.0;
/// The most pairs that a candidate is compared over.
pub const MAX_PAIRS: u32 = 60;

/// The bets against a rate.
const RATE_BETS: [f64; 4] = [0.25, 0.5, 1.0, 1.5];
/// The bets on pairs that differ.
const PAIR_BETS: [f64; 3] = [0.3, 0.6, 0.9];
/// The largest part of its capital that a bet can lose at one use. A larger bet could leave a debt, and be no e-value.
const MOST_LOST: f64 = 0.95;

impl UseCounts {
    /// The e-value against "its rate is at least `rate`". It is 1 before the first use.
    pub fn e_value(self, rate: f64) -> f64 {
        let rate = rate.clamp(0.0, 1.0);
        let capital = RATE_BETS.map(|bet| {
            let bet = bet.min(MOST_LOST / (1.0 - rate));
            // Products of many factors leave the range of a float on the way, though their result is in it.
            let won = f64::from(self.failed) * (bet * rate).ln_1p();
            let lost = f64::from(self.ok) * (-bet * (1.0 - rate)).ln_1p();
            (won + lost).exp()
        });
        mean(&capital)
    }
}

/// What pairs of runs say: the trusted revision and a candidate, each on the same input.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct PairCounts {
    /// The candidate succeeded where the trusted revision failed.
    pub gains: u32,
    /// The candidate failed where the trusted revision succeeded.
    pub losses: u32,
    /// Both did the same. These say nothing about which is better.
    pub same: u32,
}

/// What the pairs so far mean for a candidate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PairVerdict {
    /// It is better.
    Better,
    /// More pairs may show it.
    Undecided,
    /// The pairs are used up.
    Exhausted,
}

impl PairCounts {
    /// All pairs.
    pub fn total(self) -> u64 {
        u64::from(self.gains) + u64::from(self.losses) + u64::from(self.same)
    }

    /// The e-value against "the candidate is no better".
    pub fn e_value(self) -> f64 {
        let capital =
            PAIR_BETS.map(|bet| (f64::from(self.gains) * bet.ln_1p() + f64::from(self.losses) * (-bet).ln_1p()).exp());
        mean(&capital)
    }

    /// What the pairs mean for the attempt with this number, counted from 1.
    pub fn verdict(self, attempt: u32) -> PairVerdict {
        match self.e_value() >= attempt_threshold(attempt) {
            true => PairVerdict::Better,
            false if self.total() >= u64::from(MAX_PAIRS) => PairVerdict::Exhausted,
            false => PairVerdict::Undecided,
        }
    }
}

/// The e-value that the attempt with this number needs, counted from 1: 20 · k² · π²/6.
///
/// The inverse squares of all numbers add up to π²/6. All attempts together are therefore wrong with a probability of at most
/// 1/20, so to try again is not free.
pub fn attempt_threshold(attempt: u32) -> f64 {
    let k = f64::from(attempt.max(1));
    EVIDENCE * k * k * std::f64::consts::PI.powi(2) / 6.0
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counts(ok: u32, failed: u32) -> UseCounts {
        UseCounts { ok, failed }
    }

    /// The exact probability that uses of this rate stop a rule within `uses` looks: a walk over all counts.
    fn stops(rate: f64, uses: usize, stop: impl Fn(UseCounts) -> bool) -> f64 {
        let mut alive = vec![1.0];
        let mut stopped = 0.0;
        for total in 1..=uses {
            let mut next = vec![0.0; total + 1];
            for (ok, weight) in alive.iter().enumerate() {
                for (ok, part) in [(ok + 1, weight * rate), (ok, weight * (1.0 - rate))] {
                    match stop(counts(ok as u32, (total - ok) as u32)) {
                        true => stopped += part,
                        false => next[ok] += part,
                    }
                }
            }
            alive = next;
        }
        stopped
    }

    #[test]
    fn the_rates_of_error_are_those_of_the_independent_script() {
        // benches/python/improve_table.py has them from products of its own.
        let wrong = |rate| stops(rate, 200, |uses| uses.e_value(0.4) >= EVIDENCE);
        for (rate, expected) in [(0.6, 0.000_306_151), (0.5, 0.002_882_789), (0.4, 0.034_540_832), (0.2, 0.999_884_383)]
        {
            assert!((wrong(rate) - expected).abs() < 1e-8, "{rate}: {}", wrong(rate));
        }
    }

    #[test]
    fn a_look_after_each_use_costs_no_validity() {
        for rate in [0.05, 0.2, 1.0 / 3.0, 0.4, 0.7, 0.95] {
            let wrong = stops(rate, 400, |uses| uses.e_value(rate) >= EVIDENCE);
            assert!(wrong <= 0.05, "{rate}: {wrong}");
        }
    }

    #[test]
    fn all_attempts_together_cost_one_twentieth() {
        assert!((attempt_threshold(1) - 32.898_681_336_964_52).abs() < 1e-9);
        assert!((attempt_threshold(2) - 131.594_725_347_858_1).abs() < 1e-9);
        assert!((attempt_threshold(3) - 296.088_132_032_680_73).abs() < 1e-9);
        let spent: f64 = (1..100_000).map(|attempt| 1.0 / attempt_threshold(attempt)).sum();
        assert!(spent <= 0.05 && spent > 0.049_99, "{spent}");
        assert_eq!(attempt_threshold(0).to_bits(), attempt_threshold(1).to_bits());
    }

    #[test]
    fn a_verdict_needs_the_threshold_of_its_attempt() {
        let better = PairCounts { gains: 7, losses: 0, same: 3 };
        assert_eq!(better.verdict(1), PairVerdict::Better);
        assert_eq!(better.verdict(2), PairVerdict::Undecided);
        assert_eq!(PairCounts { same: 53, ..better }.verdict(2), PairVerdict::Exhausted);
        assert_eq!(PairCounts { gains: 30, losses: 30, same: 0 }.verdict(1), PairVerdict::Exhausted);
        assert_eq!(PairCounts::default().verdict(1), PairVerdict::Undecided);
    }

    proptest! {
        #[test]
        fn capital_does_not_grow_on_average_while_the_rate_is_the_promised_one(
            ok in 0_u32..300, failed in 0_u32..300, rate in 0.0_f64..=1.0, above in 0.0_f64..=1.0
        ) {
            let now = counts(ok, failed).e_value(rate);
            let next = |true_rate: f64| {
                true_rate * counts(ok + 1, failed).e_value(rate) + (1.0 - true_rate) * counts(ok, failed + 1).e_value(rate)
            };
            prop_assert!((next(rate) - now).abs() <= now * 1e-9 + f64::MIN_POSITIVE);
            let better = rate + (1.0 - rate) * above;
            prop_assert!(next(better) <= now * (1.0 + 1e-9) + f64::MIN_POSITIVE);
        }

        #[test]
        fn a_fair_coin_wins_nothing_on_pairs(gains in 0_u32..200, losses in 0_u32..200, same in 0_u32..200) {
            let of = |gains, losses| PairCounts { gains, losses, same }.e_value();
            let (now, next) = (of(gains, losses), (of(gains + 1, losses) + of(gains, losses + 1)) / 2.0);
            prop_assert!((next - now).abs() <= now * 1e-9 + f64::MIN_POSITIVE);
            prop_assert_eq!(now.to_bits(), PairCounts { gains, losses, same: 0 }.e_value().to_bits());
        }

        #[test]
        fn an_e_value_is_a_number_whatever_the_counts(ok in any::<u32>(), failed in any::<u32>(), rate in -1.0_f64..2.0) {
            let found = counts(ok, failed).e_value(rate);
            prop_assert!(found >= 0.0, "{found}");
            let pairs = PairCounts { gains: ok, losses: failed, same: 0 };
            prop_assert!(pairs.e_value() >= 0.0);
        }

        #[test]
        fn a_failure_is_evidence_and_a_success_is_none(ok in 0_u32..300, failed in 0_u32..300, rate in 0.01_f64..0.99) {
            let now = counts(ok, failed).e_value(rate);
            prop_assert!(counts(ok, failed + 1).e_value(rate) >= now);
            prop_assert!(counts(ok + 1, failed).e_value(rate) <= now);
        }
    }

    #[test]
    fn nothing_used_is_no_evidence() {
        assert!((UseCounts::default().e_value(0.4) - 1.0).abs() < 1e-12);
        assert!((PairCounts::default().e_value() - 1.0).abs() < 1e-12);
    }
}
