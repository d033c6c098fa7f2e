//! The capability matrix: who may do what.
//!
//! Guarantees: the default table is complete. A stored grant or denial replaces the default of its actor; that of a named agent
//! comes before that of all agents. An unknown actor, an unknown capability and a stored entry that cannot be read are denials.
//!
//! Deliberately never: reads a store.

use std::collections::BTreeMap;
use std::{fmt, str::FromStr};

use super::actor_capability::{ActorCapability, CapabilityGroup};
use crate::model::channel::{Caller, Channel};
use crate::model::governance::GrantRow;

/// Longest name of an agent in a grant, in characters. A client's own name is cut to the same length.
const MOST_NAME: usize = 100;

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Actor {
    /// A person at the command line.
    Person,
    /// A chain of skills, which a person started.
    Chain,
    /// An agent, by the name that its client gives itself; none means every agent.
    Agent(Option<String>),
    /// A timer or a hook.
    Background,
}

/// The text names no actor.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an actor (one of person, chain, agent, agent:NAME, background)")]
pub struct UnknownActor(pub String);

impl Actor {
    /// Who makes a request.
    pub fn of(caller: &Caller) -> Self {
        match caller.channel {
            Channel::Cli => Self::Person,
            Channel::Chain => Self::Chain,
            Channel::Mcp => Self::Agent(Some(caller.name.clone())),
            Channel::Background => Self::Background,
        }
    }

    /// Whether no person stands behind each single request. The kill switch `disabled`, the rate and a required charter are
    /// about these.
    pub fn is_unattended(&self) -> bool {
        matches!(self, Self::Agent(_) | Self::Background)
    }

    /// The default of the table, where nothing is stored.
    pub fn grants_by_default(&self, capability: ActorCapability) -> bool {
        use ActorCapability as Can;
        let observes = capability.group() == CapabilityGroup::ObserveAndPropose
            && !matches!(capability, Can::ReadValues | Can::ExportRecords);
        match self {
            Self::Person => true,
            Self::Chain => capability == Can::RunSkill,
            Self::Agent(_) => observes,
            // Nobody is there whose answer could be passed on.
            Self::Background => observes && capability != Can::RelayAnswer,
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Person => f.write_str("person"),
            Self::Chain => f.write_str("chain"),
            Self::Agent(None) => f.write_str("agent"),
            Self::Agent(Some(name)) => write!(f, "agent:{name}"),
            Self::Background => f.write_str("background"),
        }
    }
}

impl FromStr for Actor {
    type Err = UnknownActor;

    fn from_str(text: &str) -> Result<Self, UnknownActor> {
        let named = |name: &str| {
            let fits = !name.trim().is_empty() && name.trim() == name && name.chars().count() <= MOST_NAME;
            fits.then(|| Self::Agent(Some(name.to_owned())))
        };
        let actor = match text {
            "person" => Some(Self::Person),
            "chain" => Some(Self::Chain),
            "agent" => Some(Self::Agent(None)),
            "background" => Some(Self::Background),
            _ => text.strip_prefix("agent:").and_then(named),
        };
        actor.ok_or_else(|| UnknownActor(text.to_owned()))
    }
}

/// Where an answer of the matrix comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GrantSource {
    /// A person stored it for this actor.
    Stored,
    /// A person stored it for every agent.
    StoredForAll,
    /// The default of the table.
    Default,
    /// The matrix has no such entry, which is a denial.
    Missing,
}

impl GrantSource {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "stored",
            Self::StoredForAll => "stored for every agent",
            Self::Default => "default",
            Self::Missing => "missing",
        }
    }
}

/// An answer of the matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// Whether it is granted.
    pub granted: bool,
    /// Where the answer comes from.
    pub source: GrantSource,
}

/// Stored grants over the default table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CapabilityMatrix {
    stored: BTreeMap<(Actor, ActorCapability), bool>,
    /// Stored entries of an actor or a capability that this version does not know.
    unknown: Vec<String>,
}

impl CapabilityMatrix {
    /// The matrix of these rows.
    pub fn of(rows: &[GrantRow]) -> Self {
        let mut matrix = Self::default();
        for row in rows {
            match (row.actor.parse(), row.capability.parse()) {
                (Ok(actor), Ok(capability)) => drop(matrix.stored.insert((actor, capability), row.granted)),
                // It can allow nothing, because nobody can ask for it.
                _ => matrix.unknown.push(format!("{} {}", row.actor, row.capability)),
            }
        }
        matrix
    }

    /// The answer for an actor.
    pub fn look_up(&self, actor: &Actor, capability: ActorCapability) -> Grant {
        let stored = |actor: Actor| self.stored.get(&(actor, capability)).copied();
        if let Some(granted) = stored(actor.clone()) {
            return Grant { granted, source: GrantSource::Stored };
        }
        if let (Actor::Agent(Some(_)), Some(granted)) = (actor, stored(Actor::Agent(None))) {
            return Grant { granted, source: GrantSource::StoredForAll };
        }
        Grant { granted: actor.grants_by_default(capability), source: GrantSource::Default }
    }

    /// The same for words that nobody checked.
    pub fn look_up_words(&self, actor: &str, capability: &str) -> Grant {
        match (actor.parse::<Actor>(), capability.parse::<ActorCapability>()) {
            (Ok(actor), Ok(capability)) => self.look_up(&actor, capability),
            _ => Grant { granted: false, source: GrantSource::Missing },
        }
    }

    /// The capabilities that an actor has, by name.
    pub fn granted(&self, actor: &Actor) -> Vec<ActorCapability> {
        let mut granted: Vec<ActorCapability> =
            ActorCapability::ALL.into_iter().filter(|capability| self.look_up(actor, *capability).granted).collect();
        granted.sort_by_key(|capability| capability.as_str());
        granted
    }

    /// The actors that are named in stored entries, besides those of the table.
    pub fn named_agents(&self) -> Vec<Actor> {
        let mut named: Vec<Actor> = self.stored.keys().map(|(actor, _)| actor.clone()).collect();
        named.retain(|actor| matches!(actor, Actor::Agent(Some(_))));
        named.dedup();
        named
    }

    /// Stored entries that this version cannot read, and that therefore deny.
    pub fn unknown(&self) -> &[String] {
        &self.unknown
    }
}

#[cfg(test)]
#[path = "matrix_tests.rs"]
mod tests;
