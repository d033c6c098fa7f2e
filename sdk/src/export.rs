//! The error, as the contract has it.

use crate::SkillError;
use crate::bindings::skill::Error;

impl From<SkillError> for Error {
    fn from(error: SkillError) -> Self {
        match error {
            SkillError::InvalidInput(message) => Self::InvalidInput(message),
            SkillError::NotFound(message) => Self::NotFound(message),
            SkillError::Denied(message) => Self::Denied(message),
            SkillError::Failed(message) => Self::Failed(message),
        }
    }
}
