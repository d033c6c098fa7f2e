//! The three reads for one request, and the kill switch as it is now.
//!
//! Guarantees: every request has the change counter and the kill switch as they are now; only the three reads may come from the
//! cache. A store that cannot be asked denies agents at once, because the kill switch is unread then. Whoever else asks is
//! answered from the cache until its minute is over.
//!
//! Deliberately never: opens a store before the first request, or decides.

use std::sync::Arc;

use super::cache::ContextCache;
use super::store::{GovernanceReadError, GovernanceStore, GovernanceStoreError};
use crate::ledger::{LedgerError, TrustStore};
use crate::model::channel::{Caller, Channel};
use crate::model::governance::{GovernanceMark, GovernanceRows};
use crate::model::time::ClockMoment;
use crate::policy::access::{AccessContext, AccessDenied, AccessQuestion, FilePolicy, Governance, check};
use crate::policy::actor_capability::ActorCapability;
use crate::policy::channels::{ChannelPolicy, ChannelRule};
use crate::policy::matrix::Actor;

/// How often a store is written anew because another decision came meanwhile.
const MOST_ATTEMPTS: u32 = 10;

/// Reads what a process needs to decide about agents.
#[derive(Debug, Default)]
pub struct ContextReader {
    cache: ContextCache,
    store: Option<Box<dyn GovernanceStore>>,
    requires_charter: bool,
}

/// Why the three reads could not be read: the error, and its text for the answer of a layer.
#[derive(Debug, thiserror::Error)]
#[error("{why}")]
pub struct UnreadGovernance {
    why: String,
    /// The error.
    pub error: GovernanceReadError,
}

impl From<GovernanceReadError> for UnreadGovernance {
    fn from(error: GovernanceReadError) -> Self {
        Self { why: error.to_string(), error }
    }
}

impl From<LedgerError> for UnreadGovernance {
    fn from(error: LedgerError) -> Self {
        GovernanceReadError::from(error).into()
    }
}

impl From<GovernanceStoreError> for UnreadGovernance {
    fn from(error: GovernanceStoreError) -> Self {
        GovernanceReadError::from(error).into()
    }
}

/// What was read for one request.
#[derive(Debug, Clone)]
pub struct ContextView {
    /// The three reads, or why they could not be read.
    pub governance: Result<Arc<Governance>, Arc<UnreadGovernance>>,
    /// The kill switch; none when it could not be read.
    pub disabled: Option<bool>,
    /// Whether kavi.toml requires a charter.
    pub requires_charter: bool,
}

impl ContextView {
    /// Answers a question.
    ///
    /// # Errors
    /// [`AccessDenied`].
    pub fn check(&self, channels: &ChannelPolicy, question: &AccessQuestion<'_>) -> Result<ChannelRule, AccessDenied> {
        check(question, &self.context(channels))
    }

    /// What answers depend on.
    pub fn context<'a>(&'a self, channels: &'a ChannelPolicy) -> AccessContext<'a> {
        AccessContext {
            governance: self.governance.as_deref().map_err(|unread| unread.why.as_str()),
            disabled: self.disabled,
            file: FilePolicy { channels, requires_charter: self.requires_charter },
        }
    }

    /// Most bytes of an output that an agent is sent.
    pub fn output_cap(&self) -> Option<u64> {
        self.governance.as_ref().ok()?.policy.as_ref().ok()?.output_cap()
    }

    /// Whether a caller has a capability that is about no skill.
    ///
    /// # Errors
    /// [`AccessDenied`].
    pub fn allow(
        &self,
        channels: &ChannelPolicy,
        caller: &Caller,
        capability: ActorCapability,
    ) -> Result<(), AccessDenied> {
        self.allow_actor(channels, &Actor::of(caller), caller.channel, capability)
    }

    /// The same for an actor.
    ///
    /// # Errors
    /// [`AccessDenied`].
    pub fn allow_actor(
        &self,
        channels: &ChannelPolicy,
        actor: &Actor,
        channel: Channel,
        capability: ActorCapability,
    ) -> Result<(), AccessDenied> {
        self.check(channels, &AccessQuestion { actor, capability, channel, skill: None }).map(drop)
    }
}

impl ContextReader {
    /// A reader of the ledger, or of another store in its place.
    pub fn new(requires_charter: bool, store: Option<Box<dyn GovernanceStore>>) -> Self {
        Self { cache: ContextCache::default(), store, requires_charter }
    }

    /// Reads for one request at a moment.
    pub fn read(&self, ledger: &dyn TrustStore, at: ClockMoment) -> ContextView {
        self.read_at_mark(ledger, ledger.governance_mark(), at)
    }

    /// The same with the ledger's mark as it is now. Whoever knows that the ledger did not change need not read it again. A store
    /// beside the ledger is asked each time.
    pub fn read_at_mark(
        &self,
        ledger: &dyn TrustStore,
        mark: Result<GovernanceMark, LedgerError>,
        at: ClockMoment,
    ) -> ContextView {
        let requires_charter = self.requires_charter;
        match mark.map_err(UnreadGovernance::from).and_then(|local| self.with_store(local)) {
            Ok(mark) => {
                let fetch = || self.rows(ledger).map(|rows| Governance::of(&rows));
                let read = self.cache.get(at.boot_ms, mark.counter, fetch);
                let governance = read.map(|(governance, _)| governance).map_err(Arc::new);
                ContextView { governance, disabled: Some(mark.disabled), requires_charter }
            }
            Err(unread) => {
                // A store that is away for a moment does not stop everything. The kill switch is
                // unread then, and an agent is denied.
                let governance = self.cache.alive(at.boot_ms).ok_or_else(|| Arc::new(unread));
                ContextView { governance, disabled: None, requires_charter }
            }
        }
    }

    /// What the decisions of the history say, whatever the store beside the ledger has. A person decides by this, because
    /// a store that cannot be used or that differs could not be mended otherwise.
    pub fn read_decided(&self, ledger: &dyn TrustStore) -> ContextView {
        let read = || -> Result<_, UnreadGovernance> { Ok((ledger.governance_mark()?, ledger.governance()?)) };
        let requires_charter = self.requires_charter;
        match read() {
            Ok((mark, rows)) => ContextView {
                governance: Ok(Arc::new(Governance::of(&rows))),
                disabled: Some(mark.disabled),
                requires_charter,
            },
            Err(unread) => ContextView { governance: Err(Arc::new(unread)), disabled: None, requires_charter },
        }
    }

    /// Whether there is a store beside the ledger.
    pub fn has_store(&self) -> bool {
        self.store.is_some()
    }

    /// The change counter of the store beside the ledger, asked for now; none where there is no such store.
    ///
    /// # Errors
    /// [`GovernanceStoreError`].
    pub fn store_counter(&self) -> Result<Option<u64>, GovernanceStoreError> {
        self.store.as_ref().map(|store| store.mark().map(|mark| mark.counter)).transpose()
    }

    /// Makes the store beside the ledger have what the history decided, and removes what is kept.
    ///
    /// # Errors
    /// [`GovernanceReadError`]; agents are denied until it is published then, because the two differ.
    pub fn publish(&self, ledger: &dyn TrustStore) -> Result<(), GovernanceReadError> {
        self.invalidate();
        let Some(store) = &self.store else { return Ok(()) };
        for _ in 0..MOST_ATTEMPTS {
            let before = ledger.governance_mark()?.counter;
            store.publish(&ledger.governance()?)?;
            // A decision that came meanwhile may have been published by its own process, before this older state.
            if ledger.governance_mark()?.counter == before {
                return Ok(());
            }
        }
        Err(GovernanceStoreError::Overtaken.into())
    }

    /// Removes what is kept.
    pub fn invalidate(&self) {
        self.cache.invalidate();
    }

    /// The ledger's mark together with that of the store beside it.
    fn with_store(&self, local: GovernanceMark) -> Result<GovernanceMark, UnreadGovernance> {
        let Some(store) = &self.store else { return Ok(local) };
        // Asked for each request and never kept, so the kill switch of either store counts at once.
        let theirs = store.mark()?;
        // Either change makes the reads old, and either switch stops.
        let counter = theirs.counter.wrapping_mul(1 << 32).wrapping_add(local.counter);
        Ok(GovernanceMark { counter, disabled: theirs.disabled || local.disabled })
    }

    fn rows(&self, ledger: &dyn TrustStore) -> Result<GovernanceRows, UnreadGovernance> {
        let local = ledger.governance()?;
        match &self.store {
            None => Ok(local),
            Some(store) => Ok(compared(store.rows()?, local)?),
        }
    }
}

/// The rows of a store, where they are those that the history decided. Whoever can edit a row there can edit its digest as well.
fn compared(theirs: GovernanceRows, local: GovernanceRows) -> Result<GovernanceRows, GovernanceStoreError> {
    let differ = |what: &str| Err(GovernanceStoreError::Differs(format!("its {what} are not those of the history")));
    // Whoever can write the database must not be able to give an agent more rights. Only what the
    // history decided is believed.
    if theirs.policy != local.policy {
        return differ("policy values");
    }
    if theirs.grants != local.grants {
        return differ("capability grants");
    }
    // A charter is compared part by part, and an error of it stops agents alone.
    let same = theirs.charters == local.charters;
    let problem = local
        .charter_problem
        .or_else(|| (!same).then(|| "its row in the store is not the one of the ledger".to_owned()));
    Ok(GovernanceRows { pinned: local.pinned, charter_problem: problem, ..theirs })
}

#[cfg(test)]
#[path = "reader_tests.rs"]
mod tests;
