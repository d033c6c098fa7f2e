//! Kinds and hints of what guidance and improvement fail with.

use super::causes::{STOPPED, artifact, ledger, ledger_hint};
use super::kind::Kind;
use crate::improve::{
    evidence::EvidenceError, guidance::GuidanceError, pass_context::PassError, shadow::ShadowError,
    step_back::OrderError,
};

/// Why nothing was improved.
#[derive(Debug, thiserror::Error)]
pub enum ImproveError {
    /// A pass.
    #[error(transparent)]
    Pass(#[from] PassError),
    /// The text of a run.
    #[error(transparent)]
    Evidence(#[from] EvidenceError),
    /// A standing order.
    #[error(transparent)]
    Order(#[from] OrderError),
    /// A live shadow.
    #[error(transparent)]
    Shadow(#[from] ShadowError),
}

pub(super) fn kind_of_improve(error: &ImproveError) -> Kind {
    match error {
        ImproveError::Pass(error) => kind_of_pass(error),
        ImproveError::Evidence(error) => kind_of_evidence(error),
        ImproveError::Order(error) => kind_of_order(error),
        ImproveError::Shadow(error) => kind_of_shadow(error),
    }
}

pub(super) fn hint_of_improve(error: &ImproveError) -> Option<String> {
    match error {
        ImproveError::Pass(error) => hint_of_pass(error),
        ImproveError::Evidence(error) => hint_of_evidence(error),
        ImproveError::Order(error) => hint_of_order(error),
        ImproveError::Shadow(error) => hint_of_shadow(error),
    }
}

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

fn kind_of_pass(error: &PassError) -> Kind {
    match error {
        PassError::Busy | PassError::Stopped(_) => Kind::Refused,
        PassError::Guidance(error) => kind_of_guidance(error),
        PassError::Ledger(error) => ledger(error),
        PassError::Lock(error) => artifact(error),
    }
}

fn hint_of_pass(error: &PassError) -> Option<String> {
    match error {
        PassError::Stopped(_) => Some(STOPPED.to_owned()),
        PassError::Guidance(error) => hint_of_guidance(error),
        PassError::Ledger(error) => ledger_hint(error),
        PassError::Busy => Some("wait for it to end; `kavi improve status` shows its attempts".to_owned()),
        PassError::Lock(_) => None,
    }
}

fn kind_of_evidence(error: &EvidenceError) -> Kind {
    match error {
        EvidenceError::NoUse(_) | EvidenceError::NoInput(_) | EvidenceError::Invalid(_) => Kind::Usage,
        EvidenceError::OtherText { .. } => Kind::Refused,
        EvidenceError::Value { .. } => Kind::Internal,
        EvidenceError::Artifact(error) => artifact(error),
        EvidenceError::Guidance(error) => kind_of_guidance(error),
        EvidenceError::Ledger(error) => ledger(error),
    }
}

fn hint_of_evidence(error: &EvidenceError) -> Option<String> {
    match error {
        EvidenceError::OtherText { .. } => {
            Some("read what `kavi improve evidence RUN` shows now, and name its sha256".to_owned())
        }
        EvidenceError::Guidance(error) => hint_of_guidance(error),
        EvidenceError::Ledger(error) => ledger_hint(error),
        _ => None,
    }
}

fn kind_of_order(error: &OrderError) -> Kind {
    match error {
        OrderError::Expiry(_) => Kind::Usage,
        OrderError::Guidance(error) => kind_of_guidance(error),
        OrderError::Ledger(error) => ledger(error),
    }
}

fn hint_of_order(error: &OrderError) -> Option<String> {
    match error {
        OrderError::Expiry(_) => None,
        OrderError::Guidance(error) => hint_of_guidance(error),
        OrderError::Ledger(error) => ledger_hint(error),
    }
}

fn kind_of_shadow(error: &ShadowError) -> Kind {
    match error {
        ShadowError::Calls(_) => Kind::Usage,
        ShadowError::NoCandidate(_) | ShadowError::NotVerified(_) | ShadowError::Reaches(_) => Kind::Refused,
        ShadowError::Guidance(error) => kind_of_guidance(error),
        ShadowError::Ledger(error) => ledger(error),
    }
}

fn hint_of_shadow(error: &ShadowError) -> Option<String> {
    match error {
        ShadowError::NoCandidate(_) => Some("`kavi improve status` shows the attempts".to_owned()),
        ShadowError::NotVerified(id) => Some(format!("run `kavi verify-skill {id}` first")),
        ShadowError::Reaches(_) => {
            Some("the replay of recorded runs is in its verification: see `kavi show`".to_owned())
        }
        ShadowError::Guidance(error) => hint_of_guidance(error),
        ShadowError::Ledger(error) => ledger_hint(error),
        ShadowError::Calls(_) => None,
    }
}
