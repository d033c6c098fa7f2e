//! The three reads for one request, and the kill switch as it is now.
//!
//! Guarantees: every request asks the store for its change counter and the kill switch; only the three reads may come from the
//! cache. A store that cannot be asked denies agents at once, because the kill switch is unread then. Whoever else asks is
//! answered from the cache until its minute is over.
//!
//! Deliberately never: opens a store before the first request, or decides.

use std::fmt;
use std::sync::Arc;

use super::cache::ContextCache;
use crate::ledger::TrustStore;
use crate::model::channel::{Caller, Channel};
use crate::model::governance::{GovernanceMark, GovernanceRows};
use crate::model::time::ClockMoment;
use crate::policy::access::{AccessContext, AccessDenied, AccessQuestion, FilePolicy, Governance, check};
use crate::policy::actor_capability::ActorCapability;
use crate::policy::channels::{ChannelPolicy, ChannelRule};
use crate::policy::matrix::Actor;

/// Why a store has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct GovernanceStoreError(pub String);

/// A store of the three reads that is not the ledger.
pub trait GovernanceStore: fmt::Debug + Send + Sync {
    /// The change counter and the kill switch, in one round trip.
    ///
    /// # Errors
    /// [`GovernanceStoreError`].
    fn mark(&self) -> Result<GovernanceMark, GovernanceStoreError>;

    /// The three reads, of one snapshot. What the history says about the charter is not in it.
    ///
    /// # Errors
    /// [`GovernanceStoreError`].
    fn rows(&self) -> Result<GovernanceRows, GovernanceStoreError>;
}

/// Reads what a process needs to decide about agents.
#[derive(Debug, Default)]
pub struct ContextReader {
    cache: ContextCache,
    store: Option<Box<dyn GovernanceStore>>,
    requires_charter: bool,
}

/// What was read for one request.
#[derive(Debug, Clone)]
pub struct ContextView {
    /// The three reads, or why they could not be read.
    pub governance: Result<Arc<Governance>, String>,
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
            governance: self.governance.as_deref().map_err(String::as_str),
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
        let requires_charter = self.requires_charter;
        match self.mark(ledger) {
            Ok(mark) => {
                let fetch = || self.rows(ledger).map(|rows| Governance::of(&rows));
                let read = self.cache.get(at.boot_ms, mark.counter, fetch);
                let governance = read.map(|(governance, _)| governance);
                ContextView { governance, disabled: Some(mark.disabled), requires_charter }
            }
            Err(error) => {
                let governance = self.cache.alive(at.boot_ms).ok_or(error);
                ContextView { governance, disabled: None, requires_charter }
            }
        }
    }

    /// Removes what is kept: the caller has just changed it.
    pub fn invalidate(&self) {
        self.cache.invalidate();
    }

    fn mark(&self, ledger: &dyn TrustStore) -> Result<GovernanceMark, String> {
        let local = ledger.governance_mark().map_err(|error| error.to_string())?;
        let Some(store) = &self.store else { return Ok(local) };
        let theirs = store.mark().map_err(|error| error.to_string())?;
        // The history of the ledger pins the charter, so a change of either makes the reads old. Either switch stops.
        let counter = theirs.counter.wrapping_mul(1 << 32).wrapping_add(local.counter);
        Ok(GovernanceMark { counter, disabled: theirs.disabled || local.disabled })
    }

    fn rows(&self, ledger: &dyn TrustStore) -> Result<GovernanceRows, String> {
        let local = ledger.governance().map_err(|error| error.to_string())?;
        let Some(store) = &self.store else { return Ok(local) };
        let theirs = store.rows().map_err(|error| error.to_string())?;
        // Whoever can edit the row can edit its digest as well. The history is somewhere else.
        Ok(GovernanceRows { pinned: local.pinned, ..theirs })
    }
}
