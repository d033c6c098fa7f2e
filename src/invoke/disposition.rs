//! What policy makes of a request: its files are committed, held, or it does not run.
//!
//! Deliberately never: asks a person, or grants a capability (that is `policy::capabilities`).

use super::error::InvokeError;
use super::request::{Consent, Disposition};
use crate::context::reader::ContextView;
use crate::ledger::{Allowance, AllowanceKind};
use crate::model::{capabilities::SkillCapabilities, channel::Caller, spec::SkillSpec, time::ClockMoment};
use crate::policy::{
    access::{self, AccessLayer, AccessQuestion, SkillQuestion},
    actor_capability::ActorCapability,
    capabilities,
    channels::{ChannelPolicy, ChannelRule},
    matrix::Actor,
};

/// A run that is asked for, and what decides about it.
#[derive(Debug, Clone, Copy)]
pub(super) struct RunQuestion<'a> {
    /// Charter, policy and capabilities.
    pub(super) view: &'a ContextView,
    /// The rules of kavi.toml.
    pub(super) channels: &'a ChannelPolicy,
    /// Who asks, and through which channel.
    pub(super) caller: &'a Caller,
    /// Whether a person said yes.
    pub(super) consent: Consent,
    /// The skill.
    pub(super) spec: &'a SkillSpec,
    /// The earlier run whose private data can be in the input, in words.
    pub(super) private_from: Option<&'a str>,
}

/// Whether a run rests on a person's word where the channel's rule is to ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PersonsOverride {
    /// It does, and such runs are limited.
    Used,
    /// It does not.
    NotUsed,
}

/// What policy makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RunDecision {
    /// What happens to its files.
    pub(super) disposition: Disposition,
    /// Whether a person let through what policy asked about.
    pub(super) overrides: PersonsOverride,
}

/// What happens to the files of a run of this class. Where policy asks for a person and nobody said yes, they are held. A class
/// that leaves no files to hold needs a person first.
///
/// # Errors
/// [`InvokeError::Denied`] and [`InvokeError::NeedsPerson`] where kavi.toml says so; [`InvokeError::Access`] and
/// [`InvokeError::PolicyAsks`] where another layer is stricter; [`InvokeError::PrivateData`] where private data of an earlier run
/// could go into a request.
pub(super) fn decide(question: &RunQuestion<'_>, asked: Disposition) -> Result<RunDecision, InvokeError> {
    let RunQuestion { view, channels, caller, consent, spec, private_from } = *question;
    let (channel, class) = (caller.channel, spec.side_effect_class);
    let actor = Actor::of(caller);
    let capabilities = SkillCapabilities::of(spec);
    let gets_private_data = private_from.is_some();
    let skill = Some(SkillQuestion { class, capabilities: Some(&capabilities), gets_private_data });
    let access = AccessQuestion { actor: &actor, capability: ActorCapability::RunSkill, channel, skill };
    let answer = access::decide(&access, &view.context(channels));
    match (answer.rule, answer.layer) {
        (ChannelRule::Deny, AccessLayer::FileRule) => return Err(InvokeError::Denied { channel, class }),
        (ChannelRule::Deny, _) => view.check(channels, &access).map(drop)?,
        _ => {}
    }
    let disposition = match (answer.rule, consent, asked) {
        (ChannelRule::Allow, ..) | (ChannelRule::Ask, Consent::Given, _) => asked,
        // A person must be asked before the run here. Afterwards there are no files whose commit they could refuse.
        (_, Consent::None, _) if !capabilities::leaves_only_files(class) => {
            return Err(match answer.layer {
                AccessLayer::FileRule => InvokeError::NeedsPerson { channel, class },
                AccessLayer::Sequence => {
                    let skill = spec.name.clone();
                    InvokeError::PrivateData { channel, skill, from: private_from.unwrap_or_default().to_owned() }
                }
                _ => InvokeError::PolicyAsks { channel, class, why: answer.why },
            });
        }
        (_, _, Disposition::Commit | Disposition::Hold) => Disposition::Hold,
        // These commit nothing themselves: a dry run ends here, and a chain decides for all of its steps.
        (_, _, Disposition::Show | Disposition::Leave) => asked,
    };
    let overrides = match (answer.rule, consent) {
        (ChannelRule::Ask, Consent::Given) => PersonsOverride::Used,
        _ => PersonsOverride::NotUsed,
    };
    Ok(RunDecision { disposition, overrides })
}

/// What a run uses of the limits, by its caller and by what a person let through.
pub(super) fn allowance(
    view: &ContextView,
    actor: &Actor,
    overrides: PersonsOverride,
    at: ClockMoment,
) -> Option<Allowance> {
    let policy = view.governance.as_ref().ok()?.policy.as_ref().ok()?;
    let (kind, most) = match overrides {
        // Noted also where nothing is limited: a limit that is set later counts the day before.
        PersonsOverride::Used => (AllowanceKind::Override, policy.most_overrides().unwrap_or(u64::MAX >> 1)),
        PersonsOverride::NotUsed if actor.is_unattended() => (AllowanceKind::Run, policy.rate_limit()?),
        PersonsOverride::NotUsed => return None,
    };
    Some(Allowance { kind, most, at })
}
