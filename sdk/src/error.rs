//! [`SkillError`]: the four ways in which a skill says no.

use std::{error, fmt, io, num, str, string};

/// Why a skill did not produce an output.
///
/// Make one with [`invalid_input`](Self::invalid_input), [`not_found`](Self::not_found),
/// [`denied`](Self::denied) or [`failed`](Self::failed), or let `?` convert a standard error. The message is for
/// a person: lower case, naming the thing it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SkillError {
    /// The input does not make sense: a wrong shape, a missing field, a value out of range.
    InvalidInput(String),
    /// Something that the input names does not exist.
    NotFound(String),
    /// The skill is not allowed to do what was asked.
    Denied(String),
    /// Anything else: the work was started and could not be finished.
    Failed(String),
}

/// The longest message that reaches the host, in bytes.
const LONGEST: usize = 4 << 10;

impl SkillError {
    /// The input does not make sense.
    pub fn invalid_input(message: impl Into<String>) -> Self {
        Self::InvalidInput(message.into())
    }

    /// Something that the input names does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::NotFound(message.into())
    }

    /// The skill is not allowed to do what was asked.
    pub fn denied(message: impl Into<String>) -> Self {
        Self::Denied(message.into())
    }

    /// Anything else.
    pub fn failed(message: impl Into<String>) -> Self {
        Self::Failed(message.into())
    }

    /// The error with a message of at most [`LONGEST`] bytes. A message often quotes the input, and the host ends a run whose
    /// error is too long.
    pub(crate) fn cut(mut self) -> Self {
        let (Self::InvalidInput(message) | Self::NotFound(message) | Self::Denied(message) | Self::Failed(message)) =
            &mut self;
        if message.len() > LONGEST {
            message.truncate(message.floor_char_boundary(LONGEST - '…'.len_utf8()));
            message.push('…');
        }
        self
    }

    /// The message, without the kind that `Display` puts in front of it.
    pub fn message(&self) -> &str {
        match self {
            Self::InvalidInput(message) | Self::NotFound(message) | Self::Denied(message) | Self::Failed(message) => {
                message
            }
        }
    }
}

impl fmt::Display for SkillError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self {
            Self::InvalidInput(_) => "invalid input",
            Self::NotFound(_) => "not found",
            Self::Denied(_) => "denied",
            Self::Failed(_) => "failed",
        };
        write!(f, "{kind}: {}", self.message())
    }
}

impl error::Error for SkillError {}

impl From<io::Error> for SkillError {
    fn from(error: io::Error) -> Self {
        let message = error.to_string();
        match error.kind() {
            io::ErrorKind::NotFound => Self::NotFound(message),
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::Denied(message),
            _ => Self::Failed(message),
        }
    }
}

/// What a skill parses from its input by hand is input: a number that is none is an invalid input.
macro_rules! invalid_input_from {
    ($($error:ty),+) => {$(
        impl From<$error> for SkillError {
            fn from(error: $error) -> Self {
                Self::InvalidInput(error.to_string())
            }
        }
    )+};
}

macro_rules! failed_from {
    ($($error:ty),+) => {$(
        impl From<$error> for SkillError {
            fn from(error: $error) -> Self {
                Self::Failed(error.to_string())
            }
        }
    )+};
}

invalid_input_from!(num::ParseIntError, num::ParseFloatError, num::TryFromIntError, str::ParseBoolError);
failed_from!(serde_json::Error, fmt::Error, str::Utf8Error, string::FromUtf8Error);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_mark_keeps_the_kind() {
        fn io(kind: io::ErrorKind) -> SkillError {
            io::Error::new(kind, "x").into()
        }
        assert_eq!(io(io::ErrorKind::NotFound), SkillError::not_found("x"));
        assert_eq!(io(io::ErrorKind::PermissionDenied), SkillError::denied("x"));
        assert_eq!(io(io::ErrorKind::ReadOnlyFilesystem), SkillError::denied("x"));
        assert_eq!(io(io::ErrorKind::StorageFull), SkillError::failed("x"));
        assert!(matches!("x".parse::<u8>().map_err(SkillError::from), Err(SkillError::InvalidInput(_))));
        assert_eq!(SkillError::from(fmt::Error).to_string(), format!("failed: {}", fmt::Error));
    }

    #[test]
    fn a_message_that_quotes_a_long_input_is_cut_between_characters() {
        let long = SkillError::not_found(format!("x{}", "é".repeat(LONGEST))).cut();
        assert!(long.message().len() <= LONGEST && long.message().len() > LONGEST - 8);
        assert!(long.message().ends_with("é…"));
        assert!(matches!(long, SkillError::NotFound(_)));
        let fits = SkillError::failed("x".repeat(LONGEST));
        assert_eq!(fits.clone().cut(), fits);
    }

    #[test]
    fn the_text_has_the_kind_and_the_message_has_not() {
        let error = SkillError::denied("`a.md` is outside of `Inbox/AI`");
        assert_eq!(error.to_string(), "denied: `a.md` is outside of `Inbox/AI`");
        assert_eq!(error.message(), "`a.md` is outside of `Inbox/AI`");
    }
}
