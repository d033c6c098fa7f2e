//! Signatures with secrets that the skill's specification names. The skill never has a secret: its host signs.
//!
//! A specification binds a secret for this with the place `hmac-sha256` or `sign-ed25519`, and the skill then reaches one origin
//! alone. The same bytes always get the same signature.
//!
//! A test says what is signed with [`testing::sign_with`](crate::testing::sign_with) and
//! [`testing::fail_to_sign`](crate::testing::fail_to_sign). A signature that no test gives is refused.
//!
//! ```
//! use kavi_sdk::prelude::*;
//! use kavi_sdk::{sign, testing};
//!
//! fn header(body: &str) -> Result<String, SkillError> {
//!     let code = sign::hmac_sha256("WEBHOOK_KEY", body)?;
//!     Ok(format!("sha256={}", sign::hex(&code)))
//! }
//!
//! testing::sign_with("WEBHOOK_KEY", [0xab, 0x01]);
//! assert_eq!(header("{}").as_deref(), Ok("sha256=ab01"));
//! testing::fail_to_sign("WEBHOOK_KEY", sign::ErrorKind::Unavailable);
//! assert!(matches!(header("{}"), Err(SkillError::Failed(_))));
//! ```

use std::{error, fmt};

use crate::SkillError;
use crate::test_answers::TestAnswers;

/// How a secret signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    HmacSha256,
    Ed25519,
}

/// The HMAC of some bytes, with SHA-256 and this secret as its key: 32 bytes.
///
/// # Errors
/// [`Error`] when there is none.
pub fn hmac_sha256(secret: &str, bytes: impl AsRef<[u8]>) -> Result<Vec<u8>, Error> {
    signature(Algorithm::HmacSha256, secret, bytes.as_ref())
}

/// The signature of some bytes, by Ed25519 with this secret as the private key: 64 bytes.
///
/// # Errors
/// [`Error`] when there is none.
pub fn sign_ed25519(secret: &str, bytes: impl AsRef<[u8]>) -> Result<Vec<u8>, Error> {
    signature(Algorithm::Ed25519, secret, bytes.as_ref())
}

/// A signature in hexadecimal, as many headers want it.
pub fn hex(signature: &[u8]) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digit = |value: u8| DIGITS.get(usize::from(value)).copied().unwrap_or_default();
    signature.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn signature(algorithm: Algorithm, secret: &str, bytes: &[u8]) -> Result<Vec<u8>, Error> {
    match ANSWERS.with(|answers| answers.take(secret)) {
        Some(answer) => answer,
        None => host(algorithm, secret, bytes),
    }
}

/// Why there is no signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The specification does not name the secret for this, or the run may sign no more.
    Refused,
    /// The secret cannot be read, or is no such key.
    Unavailable,
    /// It is more than is signed at once.
    TooLarge,
}

impl ErrorKind {
    /// Its name, for an output or a log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
            Self::TooLarge => "too-large",
        }
    }
}

/// An error with the text of the host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    message: String,
}

impl Error {
    fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// Its kind.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl error::Error for Error {}

impl From<Error> for SkillError {
    fn from(error: Error) -> Self {
        match error.kind {
            ErrorKind::Refused => Self::Denied(error.message),
            ErrorKind::Unavailable | ErrorKind::TooLarge => Self::Failed(error.message),
        }
    }
}

thread_local! {
    /// What a test says that is signed with a secret.
    static ANSWERS: TestAnswers<Result<Vec<u8>, Error>> = const { TestAnswers::new() };
}

/// What the test has said that is signed, for the host that runs the call.
#[cfg(target_family = "wasm")]
pub(crate) fn told() -> Vec<crate::bindings::skill_test::kavi::skill::testing::Answer> {
    use crate::bindings::skill_test::kavi::skill::testing::{
        Answer as Told, NoSignature, NoSignatureReason as Reason, Signature,
    };

    let told = |secret: String, answer: &Result<Vec<u8>, Error>| {
        let reason = match answer {
            Ok(bytes) => return Told::Signature(Signature { secret, bytes: bytes.clone() }),
            Err(error) => match error.kind {
                ErrorKind::Refused => Reason::Refused,
                ErrorKind::Unavailable => Reason::Unavailable,
                ErrorKind::TooLarge => Reason::TooLarge,
            },
        };
        Told::NoSignature(NoSignature { secret, reason })
    };
    ANSWERS.with(|answers| answers.told(told))
}

pub(crate) fn forget() {
    ANSWERS.with(TestAnswers::forget);
}

pub(crate) fn answer(secret: &str, signature: &[u8]) {
    ANSWERS.with(|answers| answers.push(secret, Ok(signature.to_vec())));
}

pub(crate) fn fail(secret: &str, kind: ErrorKind) {
    let error = Error::new(kind, format!("the test says so: {kind:?}"));
    ANSWERS.with(|answers| answers.push(secret, Err(error)));
}

#[cfg(not(target_family = "wasm"))]
fn host(_: Algorithm, _: &str, _: &[u8]) -> Result<Vec<u8>, Error> {
    Err(Error::new(ErrorKind::Refused, "no test gives this signature: use `testing::sign_with`"))
}

#[cfg(target_family = "wasm")]
fn host(algorithm: Algorithm, secret: &str, bytes: &[u8]) -> Result<Vec<u8>, Error> {
    use crate::bindings::skill::kavi::skill::sign as wit;

    let signed = match algorithm {
        Algorithm::HmacSha256 => wit::hmac_sha256(secret, bytes),
        Algorithm::Ed25519 => wit::sign_ed25519(secret, bytes),
    };
    signed.map_err(|error| {
        let (kind, message) = match error {
            wit::Error::Refused(message) => (ErrorKind::Refused, message),
            wit::Error::Unavailable(message) => (ErrorKind::Unavailable, message),
            wit::Error::TooLarge(message) => (ErrorKind::TooLarge, message),
        };
        Error::new(kind, message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn a_test_gives_each_signature_once() {
        testing::sign_with("KEY", [1, 2]);
        testing::fail_to_sign("KEY", ErrorKind::TooLarge);
        assert_eq!(sign_ed25519("OTHER", "a").map_err(|error| error.kind()), Err(ErrorKind::Refused));
        assert_eq!(hmac_sha256("KEY", "a"), Ok(vec![1, 2]));
        assert_eq!(hmac_sha256("KEY", "a").map_err(|error| error.kind()), Err(ErrorKind::TooLarge));
        assert_eq!(hmac_sha256("KEY", "a").map_err(|error| error.kind()), Err(ErrorKind::Refused));
    }

    #[test]
    fn each_kind_becomes_the_error_that_it_means() {
        let error = |kind| SkillError::from(Error::new(kind, "x"));
        assert_eq!(error(ErrorKind::Refused), SkillError::denied("x"));
        for kind in [ErrorKind::Unavailable, ErrorKind::TooLarge] {
            assert_eq!(error(kind), SkillError::failed("x"));
        }
        assert_eq!(hex(&[0, 0xab, 0xff]), "00abff");
    }
}
