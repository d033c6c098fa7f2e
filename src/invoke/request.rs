//! What is asked of a run, what it works with, and what comes of it.
//!
//! Deliberately never: runs anything.

use std::time::Duration;

use serde_json::Value;

use super::diff::FileDiff;
use super::effects::{self, Began, Ground, Staging};
use super::error::InvokeError;
use crate::artifacts::{Kind, Store};
use crate::ledger::RunAuthorization;
use crate::model::{
    channel::{Caller, Channel},
    commit::Commit,
    effect::EffectClass,
    execution::{Determinism, ExecutionRecord, MAX_INLINE_BYTES, StoredValue},
    id::{ExecutionId, IdSource},
    json,
    layout::Layout,
    lifecycle::Purpose,
    name::SkillName,
    switch::Cancel,
    time::Clock,
};
use crate::policy::{
    channels::{Answer, ChannelPolicy},
    grants,
};
use crate::runtime::{Observed, Origin};

/// What runs are named, timed and judged with.
#[derive(Debug, Clone, Copy)]
pub struct Desk<'a> {
    /// Where things lie.
    pub layout: &'a Layout,
    /// Components, and whatever else is kept by its digest.
    pub store: &'a Store,
    /// Which door may do what.
    pub channels: &'a ChannelPolicy,
    /// How long a held effect waits for a person.
    pub hold: Duration,
    /// Who is told how far a commit is.
    pub steps: &'a dyn effects::Steps,
    /// The time.
    pub clock: &'a dyn Clock,
    /// New ids.
    pub ids: &'a dyn IdSource,
}

impl<'a> Desk<'a> {
    /// What commits work with.
    pub fn ground(&self) -> Ground<'a> {
        Ground { layout: self.layout, store: self.store, steps: self.steps }
    }

    /// What policy makes of a wish to run a skill of this class. Where it asks and nobody said yes, what would be in the vault is
    /// held; a class that leaves nothing to hold needs a person first.
    pub(super) fn decide(
        &self,
        channel: Channel,
        consent: Consent,
        class: EffectClass,
        disposition: Disposition,
    ) -> Result<Disposition, InvokeError> {
        match (self.channels.answer(channel, class), consent, disposition) {
            (Answer::Deny, ..) => Err(InvokeError::Denied { channel, class }),
            (Answer::Allow, ..) | (Answer::Ask, Consent::Given, _) => Ok(disposition),
            (Answer::Ask, Consent::None, _) if !grants::of(class).out => {
                Err(InvokeError::NeedsPerson { channel, class })
            }
            (Answer::Ask, Consent::None, Disposition::Commit | Disposition::Hold) => Ok(Disposition::Hold),
            (Answer::Ask, Consent::None, Disposition::Show | Disposition::Leave) => Ok(disposition),
        }
    }

    /// A value as a record has it: itself, or where it is kept. It was read from so many bytes.
    pub(super) fn inline(&self, value: &Value, read: usize) -> Result<(Value, Option<StoredValue>), InvokeError> {
        // Most are far too small to be worth the question.
        if read.saturating_mul(json::MOST_GROWTH) <= MAX_INLINE_BYTES {
            return Ok((value.clone(), None));
        }
        let canonical = json::canonical(value);
        if canonical.len() <= MAX_INLINE_BYTES {
            return Ok((value.clone(), None));
        }
        let sha256 = self.store.put(Kind::Value, canonical.as_bytes())?;
        Ok((Value::Null, Some(StoredValue { sha256, bytes: canonical.len() as u64 })))
    }
}

/// What is to become of the files of a run that succeeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// Into the vault, if policy lets the door do that; else they are held.
    Commit,
    /// Held until a person decides.
    Hold,
    /// Nothing: only what they would change is of interest.
    Show,
    /// Whoever asked commits them together with others.
    Leave,
}

/// Whether a person who is there has said yes to this very run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent {
    /// Nobody did.
    None,
    /// A person did.
    Given,
}

/// What is asked for.
#[derive(Debug, Clone, Copy)]
pub struct RunRequest<'a> {
    /// The skill.
    pub name: &'a SkillName,
    /// Its input, as JSON text.
    pub input: &'a [u8],
    /// Who asks, and through which door.
    pub caller: &'a Caller,
    /// Whether a person said yes.
    pub consent: Consent,
    /// The id of its record, if whoever asks has one already.
    pub id: Option<ExecutionId>,
    /// What for.
    pub purpose: Purpose,
    /// The run that this one follows from.
    pub parent: Option<ExecutionId>,
    /// The clock and seed of an earlier run, whose input this one has as it was kept; else those of this one.
    pub given: Option<Determinism>,
    /// What becomes of its files.
    pub disposition: Disposition,
    /// Where whoever asks can take it back.
    pub cancel: Option<&'a Cancel>,
}

impl<'a> RunRequest<'a> {
    /// A run for its own sake.
    pub fn run(name: &'a SkillName, input: &'a [u8], caller: &'a Caller) -> Self {
        Self {
            name,
            input,
            caller,
            consent: Consent::None,
            id: None,
            purpose: Purpose::Run,
            parent: None,
            given: None,
            disposition: Disposition::Commit,
            cancel: None,
        }
    }
}

/// A run that succeeded.
#[derive(Debug)]
pub struct RunResult {
    /// Its record, as the ledger has it.
    pub record: ExecutionRecord,
    /// Its output, also where the record only says where it is kept.
    pub output: Value,
    /// What the guest said on the way.
    pub observed: Observed,
    /// Where its machine code came from.
    pub code: Origin,
    /// What became of its files.
    pub files: Files,
}

/// What became of a run's files.
#[derive(Debug)]
pub enum Files {
    /// They are in the vault, if there were any.
    Committed,
    /// A person is to decide.
    Held(Box<Commit>, Vec<FileDiff>),
    /// This is what they would have changed.
    Shown(Vec<FileDiff>),
    /// They still lie in the run's staging folder.
    Deferred(Box<DeferredFiles>),
}

/// Files of a run that wait to be committed with others.
#[derive(Debug)]
pub struct DeferredFiles {
    pub(super) staging: Staging,
    pub(super) began: Began,
    pub(super) authorization: RunAuthorization,
}
