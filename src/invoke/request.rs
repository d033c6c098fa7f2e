//! What is asked of a run.
//!
//! One type for every way to ask: the command line, a line of a batch, a step of a chain, a replay, a call of an agent. It owns
//! what it holds, so that it can wait in a queue and run on another thread.
//!
//! Deliberately never: says whether the run is allowed, or runs anything.

use std::sync::Arc;

use super::sequence::Sequence;
use crate::egress::RecordedExchanges;
use crate::model::{
    channel::Caller, execution::Determinism, id::ExecutionId, lifecycle::Purpose, name::SkillName, switch::Cancel,
};

/// What happens to the files of a run that succeeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// They are committed, if policy lets the channel do that; else they are held.
    Commit,
    /// They are held until a person decides.
    Hold,
    /// They are dropped: only what they would change is of interest.
    Show,
    /// They stay in the staging folder: the caller commits them together with others.
    Leave,
}

/// Whether a person has said yes to this run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Consent {
    /// Nobody did.
    None,
    /// A person did.
    Given,
}

/// One run that is asked for.
#[derive(Debug, Clone)]
pub struct RunRequest {
    /// The name of the skill.
    pub skill: SkillName,
    /// Its input, as JSON text.
    pub input: Vec<u8>,
    /// Who asks, and through which channel.
    pub caller: Arc<Caller>,
    /// Whether a person said yes.
    pub consent: Consent,
    /// The id of its record, if the caller has chosen one.
    pub id: Option<ExecutionId>,
    /// What the run is for.
    pub purpose: Purpose,
    /// The run that this one follows from.
    pub parent: Option<ExecutionId>,
    /// The clock and seed of an earlier run, together with its input as it was stored; none for a new clock and seed.
    pub determinism: Option<Determinism>,
    /// The exchanges of an earlier run, which answer its requests; none to ask the network.
    pub exchanges: Option<Arc<RecordedExchanges>>,
    /// The runs whose data can be in its input; none for a run by itself.
    pub sequence: Option<Sequence>,
    /// What happens to its files.
    pub disposition: Disposition,
    /// Lets the caller cancel the run.
    pub cancel: Option<Cancel>,
}

impl RunRequest {
    /// A plain run, whose files are committed.
    pub fn new(skill: SkillName, input: Vec<u8>, caller: Arc<Caller>) -> Self {
        Self {
            skill,
            input,
            caller,
            consent: Consent::None,
            id: None,
            purpose: Purpose::Run,
            parent: None,
            determinism: None,
            exchanges: None,
            sequence: None,
            disposition: Disposition::Commit,
            cancel: None,
        }
    }
}
