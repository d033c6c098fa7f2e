//! The error, as the contract has it.

use crate::SkillError;
use crate::bindings::skill::Error;

impl From<Error> for SkillError {
    fn from(error: Error) -> Self {
        match error {
            Error::InvalidInput(message) => Self::InvalidInput(message),
            Error::NotFound(message) => Self::NotFound(message),
            Error::Denied(message) => Self::Denied(message),
            Error::Failed(message) => Self::Failed(message),
        }
    }
}

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
