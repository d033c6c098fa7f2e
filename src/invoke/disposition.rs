//! What policy makes of a request: its files are committed, held, or it does not run.
//!
//! Deliberately never: asks a person, or grants a capability (that is `policy::capabilities`).

use super::error::InvokeError;
use super::request::{Consent, Disposition};
use crate::model::{capabilities::SkillCapabilities, channel::Channel, effect::EffectClass, spec::SkillSpec};
use crate::policy::{
    capabilities,
    channels::{ChannelPolicy, ChannelRule},
};

/// What policy judges a skill by.
#[derive(Debug, Clone, Copy)]
pub(super) struct JudgedSkill {
    pub(super) class: EffectClass,
    /// Whether it reads the vault and reaches a host.
    pub(super) can_carry_out: bool,
}

impl From<&SkillSpec> for JudgedSkill {
    fn from(spec: &SkillSpec) -> Self {
        Self { class: spec.side_effect_class, can_carry_out: SkillCapabilities::of(spec).can_carry_out() }
    }
}

/// What happens to the files of a run of this class. Where policy asks for a person and nobody said yes, they are held. A class
/// that leaves no files to hold needs a person first.
///
/// # Errors
/// [`InvokeError::Denied`] and [`InvokeError::NeedsPerson`].
pub(super) fn decide(
    channels: &ChannelPolicy,
    channel: Channel,
    consent: Consent,
    judged: JudgedSkill,
    asked: Disposition,
) -> Result<Disposition, InvokeError> {
    let JudgedSkill { class, can_carry_out } = judged;
    match (channels.answer_for(channel, class, can_carry_out), consent, asked) {
        (ChannelRule::Deny, ..) => Err(InvokeError::Denied { channel, class }),
        (ChannelRule::Allow, ..) | (ChannelRule::Ask, Consent::Given, _) => Ok(asked),
        // A person must be asked before the run here. Afterwards there are no files whose commit they could refuse.
        (ChannelRule::Ask, Consent::None, _) if !capabilities::leaves_only_files(class) => {
            Err(InvokeError::NeedsPerson { channel, class })
        }
        (ChannelRule::Ask, Consent::None, Disposition::Commit | Disposition::Hold) => Ok(Disposition::Hold),
        // These commit nothing themselves: a dry run ends here, and a chain decides for all of its steps.
        (ChannelRule::Ask, Consent::None, Disposition::Show | Disposition::Leave) => Ok(asked),
    }
}
