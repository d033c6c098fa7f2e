//! The three reads of a workspace, kept for a minute.
//!
//! Guarantees: one fetch at a time; whoever comes meanwhile waits for it and uses it. An entry is used only with the change
//! counter that it was read under, and for less than [`TIME_TO_LIVE`]. After that it is removed, also when the next fetch
//! fails: nothing is ever "the last known good".
//!
//! Deliberately never: reads a clock. The caller says what time it is, by a clock that nobody can set.

use std::sync::{Arc, Mutex};

use crate::policy::access::Governance;
use crate::sync::lock;

/// How long an entry is used, in milliseconds.
pub const TIME_TO_LIVE: i64 = 60_000;

#[derive(Debug)]
struct Kept {
    governance: Arc<Governance>,
    counter: u64,
    fetched_ms: i64,
}

/// The cache of one workspace.
#[derive(Debug, Default)]
pub struct ContextCache(Mutex<Option<Kept>>);

/// Where an answer came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheUse {
    /// It was kept.
    Hit,
    /// It was fetched now.
    Miss,
}

impl ContextCache {
    /// The three reads, kept or fetched.
    ///
    /// # Errors
    /// What `fetch` fails with. Nothing is kept then.
    pub fn get<E>(
        &self,
        now_ms: i64,
        counter: u64,
        fetch: impl FnOnce() -> Result<Governance, E>,
    ) -> Result<(Arc<Governance>, CacheUse), E> {
        // Held while it is fetched: a hundred callers at once make one fetch.
        let mut kept = lock(&self.0);
        let is_fresh = |kept: &Kept| kept.counter == counter && is_alive(kept, now_ms);
        if let Some(entry) = kept.as_ref().filter(|entry| is_fresh(entry)) {
            return Ok((Arc::clone(&entry.governance), CacheUse::Hit));
        }
        *kept = None;
        // The entry is gone by now. Where this fails, an old answer is not used in the place of an
        // error.
        let governance = Arc::new(fetch()?);
        *kept = Some(Kept { governance: Arc::clone(&governance), counter, fetched_ms: now_ms });
        Ok((governance, CacheUse::Miss))
    }

    /// The entry, whatever the counter is: for a store that cannot be reached now.
    pub fn alive(&self, now_ms: i64) -> Option<Arc<Governance>> {
        let mut kept = lock(&self.0);
        if kept.as_ref().is_some_and(|entry| !is_alive(entry, now_ms)) {
            *kept = None;
        }
        kept.as_ref().map(|entry| Arc::clone(&entry.governance))
    }

    /// Removes the entry.
    pub fn invalidate(&self) {
        *lock(&self.0) = None;
    }
}

/// A clock that went back makes an entry old, not young.
fn is_alive(kept: &Kept, now_ms: i64) -> bool {
    (0..TIME_TO_LIVE).contains(&now_ms.saturating_sub(kept.fetched_ms))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;
    use crate::model::governance::GovernanceRows;

    fn fetched() -> Result<Governance, String> {
        Ok(Governance::of(&GovernanceRows::default()))
    }

    fn used(cache: &ContextCache, now_ms: i64, counter: u64) -> Result<CacheUse, String> {
        cache.get(now_ms, counter, fetched).map(|(_, used)| used)
    }

    #[test]
    fn an_entry_is_hit_at_59_seconds_and_evicted_at_60() -> Result<(), String> {
        let cache = ContextCache::default();
        assert_eq!(used(&cache, 0, 1)?, CacheUse::Miss);
        assert_eq!(used(&cache, 59_000, 1)?, CacheUse::Hit);
        assert!(cache.alive(59_999).is_some());
        assert!(cache.alive(60_000).is_none(), "it was evicted");
        assert_eq!(used(&cache, 60_000, 1)?, CacheUse::Miss);
        assert_eq!(used(&cache, 60_001, 1)?, CacheUse::Hit);
        Ok(())
    }

    #[test]
    fn another_counter_an_invalidation_and_a_clock_that_went_back_are_misses() -> Result<(), String> {
        let cache = ContextCache::default();
        assert_eq!(used(&cache, 5_000, 1)?, CacheUse::Miss);
        assert_eq!(used(&cache, 5_000, 2)?, CacheUse::Miss, "something changed");
        cache.invalidate();
        assert_eq!(used(&cache, 5_000, 2)?, CacheUse::Miss, "it was invalidated");
        assert_eq!(used(&cache, 4_999, 2)?, CacheUse::Miss, "the clock went back");
        Ok(())
    }

    #[test]
    fn a_failed_fetch_leaves_nothing_behind() -> Result<(), String> {
        let cache = ContextCache::default();
        used(&cache, 0, 1)?;
        let failed = cache.get(1, 2, || Err::<Governance, _>("down".to_owned()));
        assert_eq!(failed.map(|_| ()), Err("down".to_owned()));
        assert!(cache.alive(1).is_none(), "the last known good is not good");
        Ok(())
    }

    #[test]
    fn a_hundred_callers_make_one_fetch() {
        let (cache, fetches) = (ContextCache::default(), AtomicU32::new(0));
        let start = std::sync::Barrier::new(100);
        std::thread::scope(|scope| {
            for _ in 0..100 {
                scope.spawn(|| {
                    start.wait();
                    let fetch = || {
                        fetches.fetch_add(1, Ordering::SeqCst);
                        fetched()
                    };
                    assert!(cache.get(0, 1, fetch).is_ok());
                });
            }
        });
        assert_eq!(fetches.load(Ordering::SeqCst), 1);
    }
}
