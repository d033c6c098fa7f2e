//! The error of a skill, as it crosses the boundary of the guest.

use wasmtime::component::{ComponentType, Lift, Lower};

use super::outcome::GuestError;
use crate::model::example::ErrorKind;

/// `kavi:skill/types.error`, as a guest returns it.
#[derive(ComponentType, Lift, Lower)]
#[component(variant)]
// The names are those of the contract: wasmtime refuses a guest whose variant has other ones.
pub(super) enum SkillError {
    #[component(name = "invalid-input")]
    InvalidInput(String),
    #[component(name = "not-found")]
    NotFound(String),
    #[component(name = "denied")]
    Denied(String),
    #[component(name = "failed")]
    Failed(String),
}

impl From<SkillError> for GuestError {
    fn from(error: SkillError) -> Self {
        let (kind, message) = match error {
            SkillError::InvalidInput(message) => (ErrorKind::InvalidInput, message),
            SkillError::NotFound(message) => (ErrorKind::NotFound, message),
            SkillError::Denied(message) => (ErrorKind::Denied, message),
            SkillError::Failed(message) => (ErrorKind::Failed, message),
        };
        Self { kind, message }
    }
}

impl From<GuestError> for SkillError {
    fn from(error: GuestError) -> Self {
        let GuestError { kind, message } = error;
        match kind {
            ErrorKind::InvalidInput => Self::InvalidInput(message),
            ErrorKind::NotFound => Self::NotFound(message),
            ErrorKind::Denied => Self::Denied(message),
            ErrorKind::Failed => Self::Failed(message),
        }
    }
}
