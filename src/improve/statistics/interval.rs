//! Counts of uses, and the interval in which the true rate lies.

use serde::Serialize;

/// The normal quantile of an interval that covers 95 %.
pub const Z_95: f64 = 1.959_963_984_540_054;
/// The normal quantile of an interval that covers 90 %.
pub const Z_90: f64 = 1.644_853_626_951_472;

/// How often something was used with success, and how often without.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct UseCounts {
    /// Uses that succeeded.
    pub ok: u32,
    /// Uses that failed.
    pub failed: u32,
}

/// The Wilson score interval of a rate.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct WilsonInterval {
    /// The lower bound.
    pub low: f64,
    /// The upper bound.
    pub high: f64,
}

impl UseCounts {
    /// All uses.
    pub fn total(self) -> u64 {
        u64::from(self.ok) + u64::from(self.failed)
    }

    /// The share of uses that succeeded. None before the first use.
    pub fn rate(self) -> Option<f64> {
        (self.total() > 0).then(|| f64::from(self.ok) / self.total() as f64)
    }

    /// The interval of the rate. Everything from 0 to 1 before the first use.
    pub fn wilson(self, z: f64) -> WilsonInterval {
        let Some(rate) = self.rate() else { return WilsonInterval { low: 0.0, high: 1.0 } };
        let n = self.total() as f64;
        let denominator = 1.0 + z * z / n;
        let middle = rate + z * z / (2.0 * n);
        let half = z * (rate * (1.0 - rate) / n + z * z / (4.0 * n * n)).sqrt();
        // Rounding can lead a bound just out of the interval that a rate can have.
        let bound = |value: f64| (value / denominator).clamp(0.0, 1.0);
        WilsonInterval { low: bound(middle - half), high: bound(middle + half) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_interval_is_the_published_one() {
        // Wilson 1927, as in the usual textbooks: 8 of 10, and 0 of 10.
        let of = |ok, failed| UseCounts { ok, failed }.wilson(Z_95);
        let near = |found: f64, expected: f64| assert!((found - expected).abs() < 5e-5, "{found} is not {expected}");
        near(of(8, 2).low, 0.490_16);
        near(of(8, 2).high, 0.943_32);
        near(of(0, 10).low, 0.0);
        near(of(0, 10).high, 0.277_54);
        assert_eq!(of(0, 0), WilsonInterval { low: 0.0, high: 1.0 });
        assert_eq!(UseCounts::default().rate(), None);
    }

    proptest! {
        #[test]
        fn the_interval_contains_the_rate_and_is_symmetric(ok in 0_u32..5_000, failed in 0_u32..5_000) {
            let counts = UseCounts { ok, failed };
            let found = counts.wilson(Z_95);
            prop_assert!(0.0 <= found.low && found.low <= found.high && found.high <= 1.0);
            if let Some(rate) = counts.rate() {
                prop_assert!(found.low <= rate + 1e-12 && rate <= found.high + 1e-12);
            }
            let mirrored = UseCounts { ok: failed, failed: ok }.wilson(Z_95);
            prop_assert!((found.low - (1.0 - mirrored.high)).abs() < 1e-9);
            let narrower = counts.wilson(Z_90);
            prop_assert!(found.low <= narrower.low && narrower.high <= found.high);
        }

        #[test]
        fn more_of_the_same_makes_the_interval_narrower(ok in 0_u32..500, failed in 0_u32..500) {
            prop_assume!(ok + failed > 0);
            let width = |counts: UseCounts| { let found = counts.wilson(Z_95); found.high - found.low };
            let (few, more) = (UseCounts { ok, failed }, UseCounts { ok: ok * 4, failed: failed * 4 });
            prop_assert!(width(more) < width(few));
        }
    }
}
