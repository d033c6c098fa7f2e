//! Seeded choices.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{Rng as _, SeedableRng as _},
};

/// A stream of choices that depends on nothing but its seed and number.
#[derive(Debug)]
pub(super) struct SeededRng(ChaCha8Rng);

impl SeededRng {
    /// Stream `number` of `seed`.
    pub(super) fn new(seed: u64, number: u64) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        rng.set_stream(number);
        Self(rng)
    }

    /// A number below `bound`, 0 when there is none. The slight bias of the remainder does not matter here.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.0.next_u64().checked_rem(bound).unwrap_or(0)
    }

    /// A number from `low` to `high`, both included; `low` when there is none.
    pub(super) fn between(&mut self, low: i128, high: i128) -> i128 {
        let Ok(span) = u128::try_from(high.saturating_sub(low)) else { return low };
        let random = (u128::from(self.0.next_u64()) << 64) | u128::from(self.0.next_u64());
        low.saturating_add(i128::try_from(random % span.saturating_add(1)).unwrap_or(0))
    }

    /// A number from 0 to 1, 1 excluded.
    pub(super) fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// One of `items`.
    pub(super) fn pick<'a, T>(&mut self, items: &'a [T]) -> Option<&'a T> {
        items.get(usize::try_from(self.below(items.len() as u64)).unwrap_or(0))
    }
}
