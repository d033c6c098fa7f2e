//! Kinds and hints of what guidance and improvement fail with.

use super::{Kind, STOPPED, artifact, ledger, ledger_hint};
use crate::improve::{guidance::GuidanceError, pass::PassError};

pub(super) fn kind_of_guidance(error: &GuidanceError) -> Kind {
    match error {
        GuidanceError::Invalid(_)
        | GuidanceError::NoReason
        | GuidanceError::NotTrusted(_)
        | GuidanceError::Unreadable { .. }
        | GuidanceError::SkillFile { .. } => Kind::Usage,
        GuidanceError::Unchanged { .. } | GuidanceError::NothingBefore(_) | GuidanceError::Foreign(_) => Kind::Refused,
        GuidanceError::Artifact(error) => artifact(error),
        GuidanceError::Ledger(error) => ledger(error),
    }
}

pub(super) fn hint_of_guidance(error: &GuidanceError) -> Option<String> {
    let text = match error {
        GuidanceError::NotTrusted(_) => "see `kavi list-skills`",
        GuidanceError::Unchanged { .. } | GuidanceError::NothingBefore(_) => "see `kavi guidance history NAME`",
        GuidanceError::Foreign(_) => "give --to another folder, or move that file away",
        GuidanceError::Unreadable { .. } => "give a folder with a SKILL.md",
        GuidanceError::Ledger(error) => return ledger_hint(error),
        _ => return None,
    };
    Some(text.to_owned())
}

pub(super) fn kind_of_pass(error: &PassError) -> Kind {
    match error {
        PassError::Busy | PassError::Stopped(_) => Kind::Refused,
        PassError::Guidance(error) => kind_of_guidance(error),
        PassError::Ledger(error) => ledger(error),
        PassError::Lock(error) => artifact(error),
    }
}

pub(super) fn hint_of_pass(error: &PassError) -> Option<String> {
    match error {
        PassError::Stopped(_) => Some(STOPPED.to_owned()),
        PassError::Guidance(error) => hint_of_guidance(error),
        PassError::Ledger(error) => ledger_hint(error),
        PassError::Busy => Some("wait for it to end; `kavi improve status` shows its attempts".to_owned()),
        PassError::Lock(_) => None,
    }
}
