//! Role charter, policy values and capability grants: a person sets them, and anybody may see what holds.
//!
//! Guarantees: what is set was checked first, and is a decision of the history. What is shown as active was checked against
//! that. Deliberately never: sets anything for an agent.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::open_workspace::{OpenWorkspace, UnreadLedger};
use crate::context::identity_block::{self, BlockOptions};
use crate::context::postgres;
use crate::context::reader::{ContextView, UnreadGovernance};
use crate::context::store::GovernanceReadError;
use crate::error::{Error, GovernanceError};
use crate::ledger::{Decided, NewCharter, NewGrant};
use crate::model::{
    approver::Approver,
    channel::Channel,
    digest::Digest,
    effect::EffectClass,
    governance::{CharterRow, GovernanceRows},
    id::IdPrefix,
};
use crate::policy::{
    access::{self, AccessDenied, AccessQuestion, Governance, LayerAnswer, SkillQuestion},
    actor_capability::ActorCapability,
    charter::{CharterError, RoleCharter},
    matrix::{Actor, Grant},
    registry::{self, PolicyDrift, PolicyError, PolicyValues},
};

/// The active charter, and whether one is required.
#[derive(Debug)]
pub struct CharterState {
    /// Its number and the charter; none where there is none.
    pub active: Option<(u64, RoleCharter)>,
    /// Whether agents may act without one.
    pub required: bool,
}

/// One policy key, and its value.
#[derive(Debug)]
pub struct PolicyEntry {
    /// The key.
    pub name: String,
    /// The stored value; none where it is not seeded.
    pub stored: Option<Value>,
    /// The value where none is stored.
    pub default: Option<Value>,
    /// What values it has.
    pub range: String,
    /// What it does.
    pub doc: &'static str,
}

/// The policy registry.
#[derive(Debug)]
pub struct PolicyTable {
    /// Each expected key and each stored one, by name.
    pub entries: Vec<PolicyEntry>,
    /// How it differs from what is expected.
    pub drift: PolicyDrift,
}

/// One capability, and whether an actor has it.
#[derive(Debug)]
pub struct CapabilityEntry {
    /// The capability.
    pub name: &'static str,
    /// Its group.
    pub group: &'static str,
    /// What it allows.
    pub doc: &'static str,
    /// Whether the actor has it, and where that comes from.
    pub grant: Grant,
}

/// A policy value that is another one today.
#[derive(Debug)]
pub struct PolicyDifference {
    /// The key.
    pub name: String,
    /// The value that the run was decided under; none where none was stored.
    pub then: Option<Value>,
    /// The value today.
    pub now: Option<Value>,
}

/// An identity block, and what it was made from.
#[derive(Debug)]
pub struct IdentityBlock {
    /// The text.
    pub text: String,
    /// The digest of the text.
    pub sha256: Digest,
    /// The digest of charter, policy and capabilities together.
    pub context_sha256: Digest,
    /// The digest of the charter's text.
    pub charter_sha256: Option<Digest>,
    /// A warning, where the policy registry has drifted.
    pub drift: Option<String>,
}

/// Charter, policy and capabilities of one workspace.
#[derive(Debug, Clone, Copy)]
pub struct ContextService<'a> {
    pub(super) workspace: &'a OpenWorkspace,
}

/// The actor of a word.
fn actor(word: &str) -> Result<Actor, Error> {
    word.parse().map_err(|error: crate::policy::matrix::UnknownActor| Error::Usage(error.to_string()))
}

fn capability(word: &str) -> Result<ActorCapability, Error> {
    word.parse().map_err(|error: crate::policy::actor_capability::UnknownCapability| Error::Usage(error.to_string()))
}

/// Why charter, policy and capabilities cannot be shown. That of a store says what mends it.
fn unread(unread: Arc<UnreadGovernance>) -> Error {
    match unread.error {
        GovernanceReadError::Ledger(_) => Error::Refused(unread.to_string()),
        GovernanceReadError::Store(_) => unread.into(),
    }
}

/// The channel that an actor comes through.
fn channel(actor: &Actor) -> Channel {
    match actor {
        Actor::Person => Channel::Cli,
        Actor::Chain => Channel::Chain,
        Actor::Agent(_) => Channel::Mcp,
        Actor::Background => Channel::Background,
    }
}

impl ContextService<'_> {
    fn decided<'b>(&self, by: &'b Approver) -> Decided<'b> {
        Decided { by: by.as_str(), at: self.workspace.clock.now() }
    }

    fn allow(&self, capability: ActorCapability) -> Result<(), Error> {
        self.workspace.allow_person_as_decided(capability, UnreadLedger::Refuses)
    }

    fn governance(&self) -> Result<Arc<Governance>, Error> {
        self.workspace.governance().governance.map_err(unread)
    }

    /// The event and its row are in the ledger by now. The store in force gets the row next, and nothing is kept of before.
    fn publish_decision(&self) -> Result<(), Error> {
        self.workspace.context.publish(&self.workspace.ledger).map_err(|error| match error {
            GovernanceReadError::Ledger(error) => error.into(),
            GovernanceReadError::Store(error) => GovernanceError::Unpublished(error).into(),
        })
    }

    /// Makes the store in force have what the history decided. A ledger that is the store has it already.
    ///
    /// # Errors
    /// When there is no other store, or it cannot be written.
    pub fn publish(&self) -> Result<(), Error> {
        self.allow(ActorCapability::RebuildDerived)?;
        if !self.workspace.context.has_store() {
            let why = "`[context] store` in kavi.toml is \"sqlite\": the ledger is the store, and there is nothing to publish";
            return Err(Error::Usage(why.to_owned()));
        }
        self.workspace.context.publish(&self.workspace.ledger).map_err(Into::into)
    }

    /// Makes a text the active charter. Gives its number and the charter.
    ///
    /// # Errors
    /// When it is malformed or the ledger cannot be written; the charter before stays active then.
    pub fn set_charter(&self, bytes: &[u8], by: &Approver) -> Result<(u64, RoleCharter), Error> {
        self.allow(ActorCapability::SetCharter)?;
        let charter = RoleCharter::parse(bytes)?;
        let sections = charter.sections_json();
        let new = NewCharter {
            content_md: &charter.content_md,
            content_sha256: charter.content_sha256,
            sections_json: &sections,
        };
        // The history first. A crash in between leaves a store that lags, which is noticed and
        // published again. The other order would leave a charter that nobody decided.
        let version = self.workspace.ledger.set_charter(&new, self.decided(by))?;
        self.publish_decision()?;
        Ok((version, charter))
    }

    /// The active charter, compared with its row, its digest and the history.
    ///
    /// # Errors
    /// [`AccessDenied::Charter`] when it cannot be believed, or when one is required and there is none.
    pub fn charter(&self) -> Result<CharterState, Error> {
        let governance = self.governance()?;
        let active = governance.charter.clone().map_err(AccessDenied::from)?;
        // A policy that cannot be read may have required one.
        let by_policy = governance.policy.as_ref().map_or(true, PolicyValues::requires_charter);
        let required = by_policy || self.workspace.governance().requires_charter;
        match active.is_none() && required {
            true => Err(AccessDenied::from(CharterError::NoActiveRoleCharter).into()),
            false => Ok(CharterState { active, required }),
        }
    }

    /// Every charter that was ever set, oldest first.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn charters(&self) -> Result<Vec<CharterRow>, Error> {
        Ok(self.workspace.ledger.charters()?)
    }

    /// The policy registry.
    ///
    /// # Errors
    /// When a stored value cannot be.
    pub fn policy(&self) -> Result<PolicyTable, Error> {
        let governance = self.governance()?;
        let values = governance.policy.as_ref().map_err(Clone::clone)?;
        let mut names = registry::expected_keys();
        names.extend(values.all().map(|(name, _)| name.to_owned()));
        names.sort();
        names.dedup();
        let entries = names.iter().map(|name| self.policy_entry(values, name)).collect::<Result<_, _>>()?;
        Ok(PolicyTable { entries, drift: values.drift() })
    }

    fn policy_entry(&self, values: &PolicyValues, name: &str) -> Result<PolicyEntry, PolicyError> {
        let key = registry::key(name).ok_or_else(|| PolicyError::UnknownKey(name.to_owned()))?;
        let stored = values.stored(name).cloned();
        Ok(PolicyEntry { name: key.name, stored, default: key.default, range: key.value_type.range(), doc: key.doc })
    }

    /// One key.
    ///
    /// # Errors
    /// When there is no such key.
    pub fn policy_key(&self, name: &str) -> Result<PolicyEntry, Error> {
        let governance = self.governance()?;
        Ok(self.policy_entry(governance.policy.as_ref().map_err(Clone::clone)?, name)?)
    }

    /// Stores a value for a key; none gives it its default again.
    ///
    /// # Errors
    /// When there is no such key, or it cannot have the value.
    pub fn set_policy(&self, name: &str, value: Option<&Value>, by: &Approver) -> Result<(), Error> {
        self.allow(ActorCapability::SetPolicy)?;
        match value {
            // Before it is in the history: an event cannot be taken back, and an impossible value
            // would deny everything.
            Some(value) => registry::check(name, value)?,
            // A key that a later version stored can be removed.
            None => drop(registry::key(name).ok_or_else(|| PolicyError::UnknownKey(name.to_owned()))?),
        }
        let change = (name.to_owned(), value.map(Value::to_string));
        self.workspace.ledger.set_policy(&[change], self.decided(by))?;
        self.publish_decision()
    }

    /// Stores the default of every expected key that is not seeded and has one. A rule of a channel gets that of kavi.toml.
    ///
    /// # Errors
    /// When the ledger cannot be written.
    pub fn seed_policy(&self, by: &Approver) -> Result<Vec<String>, Error> {
        self.allow(ActorCapability::SetPolicy)?;
        // What is missing in a store that lags may be decided already. A default must not be
        // written over it.
        let decided = self.workspace.context.read_decided(&self.workspace.ledger).governance;
        let governance = decided.map_err(unread)?;
        let values = governance.policy.as_ref().map_err(Clone::clone)?;
        let channels = &self.workspace.config.channels;
        let mut seeds = BTreeMap::new();
        for name in values.drift().missing {
            seeds.extend(registry::key(&name).and_then(|key| key.default).map(|value| (name, value.to_string())));
        }
        // The rules of kavi.toml become values of the registry, so that a later edit of the file
        // alone cannot loosen them.
        for (channel, class) in Channel::ALL.into_iter().flat_map(|it| EffectClass::ALL.map(|class| (it, class))) {
            let name = registry::door_key(channel, class);
            if values.stored(&name).is_none() {
                let rule = channels.answer(channel, class).as_str();
                seeds.insert(name, Value::from(rule).to_string());
            }
        }
        let changes: Vec<_> = seeds.into_iter().map(|(name, value)| (name, Some(value))).collect();
        if !changes.is_empty() {
            self.workspace.ledger.set_policy(&changes, self.decided(by))?;
            self.publish_decision()?;
        }
        Ok(changes.into_iter().map(|(name, _)| name).collect())
    }

    /// What every layer answers when an actor runs a skill of a class.
    ///
    /// # Errors
    /// When there is no such actor.
    pub fn explain(&self, who: &str, class: EffectClass) -> Result<(Vec<LayerAnswer>, LayerAnswer), Error> {
        let (actor, view) = (actor(who)?, self.workspace.governance());
        let skill = Some(SkillQuestion { class, capabilities: None, gets_private_data: false });
        let channel = channel(&actor);
        let question = AccessQuestion { actor: &actor, capability: ActorCapability::RunSkill, channel, skill };
        let context = view.context(&self.workspace.config.channels);
        Ok((access::layers(&question, &context), access::decide(&question, &context)))
    }

    /// The policy values that a run was decided under and that are others today.
    ///
    /// # Errors
    /// When there is no such run, or its record is from before they were kept.
    pub fn policy_diff(&self, run: &IdPrefix) -> Result<Vec<PolicyDifference>, Error> {
        let record = self.workspace.ledger.execution_by_prefix(run)?.record;
        let sha256 = record.context_sha256.ok_or_else(|| {
            Error::Refused(format!("run {} does not say what it was decided under", record.execution_id.short()))
        })?;
        let text = self.workspace.ledger.context_text(sha256)?;
        let malformed =
            |error| Error::Refused(format!("what run {} was decided under: {error}", record.execution_id.short()));
        // By the text that was kept with the run, and not by replaying the history: it is exactly
        // what the run was decided under.
        let then = GovernanceRows::from_context_text(&text).map_err(malformed)?;
        let then = PolicyValues::of(&then.policy)?;
        let governance = self.governance()?;
        let now = governance.policy.as_ref().map_err(Clone::clone)?;
        let mut names: Vec<&str> = then.all().chain(now.all()).map(|(name, _)| name).collect();
        names.sort_unstable();
        names.dedup();
        let difference = |name: &str| {
            let (then, now) = (then.stored(name).cloned(), now.stored(name).cloned());
            (then != now).then(|| PolicyDifference { name: name.to_owned(), then, now })
        };
        Ok(names.into_iter().filter_map(difference).collect())
    }

    /// Every capability, and whether an actor has it.
    ///
    /// # Errors
    /// When there is no such actor.
    pub fn capabilities(&self, who: &str) -> Result<Vec<CapabilityEntry>, Error> {
        let (actor, governance) = (actor(who)?, self.governance()?);
        let entry = |capability: ActorCapability| CapabilityEntry {
            name: capability.as_str(),
            group: capability.group().as_str(),
            doc: capability.doc(),
            grant: governance.matrix.look_up(&actor, capability),
        };
        Ok(ActorCapability::ALL.into_iter().map(entry).collect())
    }

    /// Whether an actor has a capability. What is unknown is a denial, and no error.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn check_capability(&self, who: &str, what: &str) -> Result<Grant, Error> {
        Ok(self.governance()?.matrix.look_up_words(who, what))
    }

    /// Stores a grant or a denial.
    ///
    /// # Errors
    /// When actor or capability are unknown, or nobody could take it back.
    pub fn set_capability(&self, who: &str, what: &str, granted: bool, by: &Approver) -> Result<(), Error> {
        self.allow(ActorCapability::SetCapability)?;
        let (actor, capability) = (actor(who)?, capability(what)?);
        if actor == Actor::Person && !granted {
            let why = match capability {
                ActorCapability::SetCapability => "nobody could grant anything again",
                // It denies and never allows. To ask first would delay it.
                ActorCapability::StopWorkspace => "a person can always stop everything",
                _ => "",
            };
            if !why.is_empty() {
                return Err(Error::Usage(format!("`{capability}` cannot be revoked from person: {why}")));
            }
        }
        let (actor, capability) = (actor.to_string(), capability.as_str());
        let grant = NewGrant { actor: &actor, capability, granted };
        self.workspace.ledger.set_grant(&grant, self.decided(by))?;
        self.publish_decision()
    }

    /// The identity block of an agent.
    ///
    /// # Errors
    /// When charter or policy cannot be believed, or the block is over a token ceiling.
    pub fn identity_block(&self, who: &str, model: Option<&str>, full: bool) -> Result<IdentityBlock, Error> {
        identity_block(&self.workspace.governance(), &actor(who)?, model, full)
    }
}

/// The SQL that makes a store in PostgreSQL, for this login role.
///
/// # Errors
/// When the name of the role is not a plain one.
pub fn store_schema(role: &str) -> Result<String, Error> {
    Ok(postgres::schema(role)?)
}

/// The identity block of an actor.
pub(super) fn identity_block(
    view: &ContextView,
    actor: &Actor,
    model: Option<&str>,
    full: bool,
) -> Result<IdentityBlock, Error> {
    let governance = view.governance.clone().map_err(unread)?;
    // Without a required charter there is nothing that an agent could be told about itself.
    let required = view.requires_charter || governance.policy.as_ref().map_or(true, PolicyValues::requires_charter);
    match &governance.charter {
        Err(error) => return Err(AccessDenied::from(error.clone()).into()),
        Ok(None) if required => return Err(AccessDenied::from(CharterError::NoActiveRoleCharter).into()),
        Ok(_) => {}
    }
    let text = identity_block::assemble(&governance, BlockOptions { actor, model, full })?;
    let charter_sha256 =
        governance.charter.as_ref().ok().and_then(Option::as_ref).map(|(_, charter)| charter.content_sha256);
    Ok(IdentityBlock {
        sha256: Digest::of(text.as_bytes()),
        context_sha256: governance.context.sha256,
        charter_sha256,
        drift: governance.policy.as_ref().ok().and_then(|policy| policy.drift().warning()),
        text,
    })
}
