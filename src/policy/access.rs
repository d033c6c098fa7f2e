//! Whether an actor may do something: one pure function over everything that has a say.
//!
//! Each layer answers allow, ask or deny. The layers are the store itself, the charter, the capability matrix and the kill
//! switch. Then come the rules of kavi.toml and of the registry for the channel, and the class of the skill. The strictest
//! answer holds.
//!
//! Guarantees: an error, a store that cannot be read and a missing entry deny. Adding or tightening a layer never allows more.
//! The same question has the same answer. Deliberately never: reads anything, counts, or asks a person.

use super::actor_capability::ActorCapability;
use super::capabilities;
use super::channels::{ChannelPolicy, ChannelRule};
use super::charter::{self, CharterError, RoleCharter};
use super::matrix::{Actor, CapabilityMatrix};
use super::registry::{DISABLED, PolicyError, PolicyValues, door_key};
use crate::model::{
    capabilities::SkillCapabilities,
    channel::Channel,
    effect::EffectClass,
    governance::{ContextSet, GovernanceRows},
};

/// The three reads, checked.
#[derive(Debug, Clone)]
pub struct Governance {
    /// The active charter and its number.
    pub charter: Result<Option<(u64, RoleCharter)>, CharterError>,
    /// The policy values.
    pub policy: Result<PolicyValues, PolicyError>,
    /// Who may do what.
    pub matrix: CapabilityMatrix,
    /// What runs and proposals keep of it.
    pub context: ContextSet,
}

impl Governance {
    /// Checks what a store says.
    pub fn of(rows: &GovernanceRows) -> Self {
        Self {
            charter: charter::active(rows),
            policy: PolicyValues::of(&rows.policy),
            matrix: CapabilityMatrix::of(&rows.grants),
            context: rows.context_set(),
        }
    }
}

/// What kavi.toml says about agents.
#[derive(Debug, Clone, Copy)]
pub struct FilePolicy<'a> {
    /// The `[policy]` tables.
    pub channels: &'a ChannelPolicy,
    /// Whether `[context]` requires a charter.
    pub requires_charter: bool,
}

/// A skill that is to run.
#[derive(Debug, Clone, Copy)]
pub struct SkillQuestion<'a> {
    /// Its class.
    pub class: EffectClass,
    /// What it may touch; none where the question is about a class alone.
    pub capabilities: Option<&'a SkillCapabilities>,
    /// What an earlier run read in the vault can be in its input.
    pub gets_private_data: bool,
}

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct AccessQuestion<'a> {
    /// Who acts.
    pub actor: &'a Actor,
    /// What they want to do.
    pub capability: ActorCapability,
    /// The channel that they come through.
    pub channel: Channel,
    /// The skill, where one is to run.
    pub skill: Option<SkillQuestion<'a>>,
}

/// What the answer depends on.
#[derive(Debug, Clone, Copy)]
pub struct AccessContext<'a> {
    /// The three reads, or why they could not be read.
    pub governance: Result<&'a Governance, &'a str>,
    /// The kill switch as it is now; none when it could not be read.
    pub disabled: Option<bool>,
    /// kavi.toml.
    pub file: FilePolicy<'a>,
}

/// What has a say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AccessLayer {
    /// The store that the three reads come from.
    Store,
    /// The kill switch of the workspace.
    KillSwitch,
    /// The role charter.
    Charter,
    /// The capability matrix.
    Matrix,
    /// The class of the skill.
    Class,
    /// What earlier runs of the same sequence read.
    Sequence,
    /// The rules of kavi.toml.
    FileRule,
    /// The rules of the policy registry.
    StoredRule,
}

impl AccessLayer {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::KillSwitch => "kill switch",
            Self::Charter => "charter",
            Self::Matrix => "capabilities",
            Self::Class => "class",
            Self::Sequence => "sequence",
            Self::FileRule => "kavi.toml",
            Self::StoredRule => "policy",
        }
    }
}

/// The answer of one layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerAnswer {
    /// The layer.
    pub layer: AccessLayer,
    /// Its answer.
    pub rule: ChannelRule,
    /// Why, where it does not allow.
    pub why: String,
}

/// Why an actor may not do something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AccessDenied {
    /// The charter.
    #[error(transparent)]
    Charter(#[from] CharterError),
    /// Another layer.
    #[error("{actor} may not {capability}: {why}")]
    Layer {
        /// Who.
        actor: Actor,
        /// What.
        capability: ActorCapability,
        /// The layer that denies.
        layer: AccessLayer,
        /// Why.
        why: String,
    },
}

fn answer(layer: AccessLayer, rule: ChannelRule, why: impl Into<String>) -> LayerAnswer {
    LayerAnswer { layer, rule, why: why.into() }
}

fn allow(layer: AccessLayer) -> LayerAnswer {
    answer(layer, ChannelRule::Allow, "")
}

fn deny(layer: AccessLayer, why: impl Into<String>) -> LayerAnswer {
    answer(layer, ChannelRule::Deny, why)
}

/// The answer of each layer.
pub fn layers(question: &AccessQuestion<'_>, context: &AccessContext<'_>) -> Vec<LayerAnswer> {
    // All layers answer, also after one that denies: `explain` shows each of them, and a layer that
    // is skipped could not be seen to agree.
    let mut answers = vec![kill_switch(question, context)];
    match context.governance {
        Ok(governance) => {
            answers.push(allow(AccessLayer::Store));
            answers.push(charter(question, context, governance));
            answers.push(matrix(question, governance));
            answers.push(stored_rule(question, governance));
        }
        Err(why) => {
            answers.push(deny(AccessLayer::Store, format!("charter, policy and capabilities cannot be read: {why}")))
        }
    }
    if let Some(skill) = question.skill {
        answers.push(class(skill));
        if skill.gets_private_data {
            answers.push(sequence(question, skill));
        }
        answers.push(file_rule(question, context, skill));
    }
    // The order of the enum. Of several equal answers the person is told the one that stops most.
    answers.sort_by_key(|answer| answer.layer);
    answers
}

/// The strictest answer, of the first layer that gives it.
pub fn decide(question: &AccessQuestion<'_>, context: &AccessContext<'_>) -> LayerAnswer {
    // The first of equal ones stays, so the reason does not depend on how many layers there are.
    let strictest = layers(question, context).into_iter().reduce(|one, other| match other.rule > one.rule {
        true => other,
        false => one,
    });
    // There is always a layer. If there were none, nothing would run.
    strictest.unwrap_or_else(|| deny(AccessLayer::Store, "no layer answered"))
}

/// The same, as an error where it denies. What is asked of a person is for the caller.
///
/// # Errors
/// [`AccessDenied`].
pub fn check(question: &AccessQuestion<'_>, context: &AccessContext<'_>) -> Result<ChannelRule, AccessDenied> {
    let LayerAnswer { layer, rule, why } = decide(question, context);
    if rule != ChannelRule::Deny {
        return Ok(rule);
    }
    // An error of its own, because what mends it is another thing than a rule or a grant.
    if layer == AccessLayer::Charter {
        return Err(charter_error(context));
    }
    Err(AccessDenied::Layer { actor: question.actor.clone(), capability: question.capability, layer, why })
}

fn charter_error(context: &AccessContext<'_>) -> AccessDenied {
    match context.governance.map(|governance| &governance.charter) {
        Ok(Err(error)) => AccessDenied::Charter(error.clone()),
        _ => AccessDenied::Charter(CharterError::NoActiveRoleCharter),
    }
}

/// Agents stop while it is on, and when it cannot be read.
fn kill_switch(question: &AccessQuestion<'_>, context: &AccessContext<'_>) -> LayerAnswer {
    let layer = AccessLayer::KillSwitch;
    match context.disabled {
        _ if !question.actor.is_unattended() => allow(layer),
        Some(false) => allow(layer),
        Some(true) => deny(layer, format!("a person stopped the agents of this workspace (`{DISABLED}` is true)")),
        None => deny(layer, format!("`{DISABLED}` cannot be read, which counts as true")),
    }
}

/// A charter that cannot be believed denies agents, also where none is required. Without one they act where none is required.
fn charter(question: &AccessQuestion<'_>, context: &AccessContext<'_>, governance: &Governance) -> LayerAnswer {
    let layer = AccessLayer::Charter;
    if !question.actor.is_unattended() {
        return allow(layer);
    }
    // A policy that cannot be read may have required one.
    let stored = governance.policy.as_ref().map_or(true, PolicyValues::requires_charter);
    match &governance.charter {
        Err(error) => deny(layer, error.to_string()),
        Ok(None) if stored || context.file.requires_charter => {
            deny(layer, CharterError::NoActiveRoleCharter.to_string())
        }
        Ok(_) => allow(layer),
    }
}

fn matrix(question: &AccessQuestion<'_>, governance: &Governance) -> LayerAnswer {
    let layer = AccessLayer::Matrix;
    // Which actor comes through which channel is fixed. Another pair is a mistake, and no right of either.
    let fits = match question.actor {
        Actor::Person => Channel::Cli,
        Actor::Chain => Channel::Chain,
        Actor::Agent(_) => Channel::Mcp,
        Actor::Background => Channel::Background,
    };
    if fits != question.channel {
        return deny(layer, format!("{} does not come through the channel {}", question.actor, question.channel));
    }
    match governance.matrix.look_up(question.actor, question.capability) {
        grant if grant.granted => allow(layer),
        grant => deny(layer, format!("the capability is denied to it ({})", grant.source.as_str())),
    }
}

fn stored_rule(question: &AccessQuestion<'_>, governance: &Governance) -> LayerAnswer {
    let layer = AccessLayer::StoredRule;
    match (&governance.policy, question.skill) {
        // A person may still mend it, and everything else that is no run.
        (Err(_), None) if !question.actor.is_unattended() => allow(layer),
        (Err(error), _) => deny(layer, error.to_string()),
        (Ok(_), None) => allow(layer),
        (Ok(policy), Some(skill)) => match policy.door(question.channel, skill.class) {
            None | Some(ChannelRule::Allow) => allow(layer),
            Some(rule) => {
                answer(layer, rule, format!("`{}` is \"{}\"", door_key(question.channel, skill.class), rule.as_str()))
            }
        },
    }
}

fn class(skill: SkillQuestion<'_>) -> LayerAnswer {
    match skill.capabilities.map(|capabilities| capabilities::check(skill.class, capabilities)) {
        Some(Err(error)) => deny(AccessLayer::Class, error.to_string()),
        // Without capabilities the question is about a class in general, and the class is what is
        // asked for.
        Some(Ok(())) | None => allow(AccessLayer::Class),
    }
}

/// Private data goes into a request only where a person agrees, whatever the tables say of the class.
fn sequence(question: &AccessQuestion<'_>, skill: SkillQuestion<'_>) -> LayerAnswer {
    let layer = AccessLayer::Sequence;
    if question.channel == Channel::Cli || !skill.capabilities.is_some_and(SkillCapabilities::reaches_hosts) {
        return allow(layer);
    }
    answer(layer, ChannelRule::Ask, "private data of an earlier run could go into a request")
}

fn file_rule(question: &AccessQuestion<'_>, context: &AccessContext<'_>, skill: SkillQuestion<'_>) -> LayerAnswer {
    let can_carry_out = skill.capabilities.is_some_and(SkillCapabilities::can_carry_out);
    match context.file.channels.answer_for(question.channel, skill.class, can_carry_out) {
        ChannelRule::Allow => allow(AccessLayer::FileRule),
        rule => {
            let why = format!("`{}` is \"{}\" in kavi.toml", door_key(question.channel, skill.class), rule.as_str());
            answer(AccessLayer::FileRule, rule, why)
        }
    }
}

#[cfg(test)]
#[path = "access_tests.rs"]
mod tests;
