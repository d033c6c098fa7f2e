//! One signature with a secret: what a guest asks, what it gets, and what its record has.
//!
//! Guarantees: a record names the secret and has the digest of what was signed, and the signature. Deliberately never: has the
//! value of a secret, or signs.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{digest::Digest, text};

/// Most bytes that are signed at once.
pub const MAX_SIGNED_BYTES: usize = 1 << 20;
/// Most signatures of one run.
pub const MAX_SIGNATURES: usize = 100;

/// How a secret signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum SignatureAlgorithm {
    /// HMAC with SHA-256. The secret is the key as it is.
    #[serde(rename = "hmac-sha256")]
    HmacSha256,
    /// Ed25519. The secret is the private key, in hexadecimal or base64.
    #[serde(rename = "sign-ed25519")]
    Ed25519,
}

impl SignatureAlgorithm {
    /// Both, in the order of the contract.
    pub const ALL: [Self; 2] = [Self::HmacSha256, Self::Ed25519];

    /// The spelling in bindings, in WIT and in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HmacSha256 => "hmac-sha256",
            Self::Ed25519 => "sign-ed25519",
        }
    }

    /// How many bytes its signatures have.
    pub fn signature_bytes(self) -> usize {
        match self {
            Self::HmacSha256 => 32,
            Self::Ed25519 => 64,
        }
    }
}

impl fmt::Display for SignatureAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A signature that a guest asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningCall {
    /// The name of the secret.
    pub secret: String,
    /// How it is to sign.
    pub algorithm: SignatureAlgorithm,
    /// What is to be signed.
    pub bytes: Vec<u8>,
}

/// Why there is no signature, as a guest can tell the reasons apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SigningFailureKind {
    /// The specification does not name the secret for this, or the run may sign no more.
    Refused,
    /// The secret cannot be read, or is no such key.
    Unavailable,
    /// It is more than is signed at once.
    TooLarge,
}

impl SigningFailureKind {
    /// All of them, in the order of the contract.
    pub const ALL: [Self; 3] = [Self::Refused, Self::Unavailable, Self::TooLarge];

    /// The spelling in WIT and in records.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Unavailable => "unavailable",
            Self::TooLarge => "too-large",
        }
    }
}

/// Why there is no signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{}: {message}", kind.as_str())]
pub struct SigningFailure {
    /// Its kind.
    pub kind: SigningFailureKind,
    /// What happened, without anything that a store said.
    pub message: String,
}

impl SigningFailure {
    /// A failure of this kind.
    pub fn new(kind: SigningFailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

/// What a guest gets.
pub type SigningResult = Result<Vec<u8>, SigningFailure>;

/// What was asked, as a record has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedSigning {
    /// The name of the secret, as far as a name can be long.
    pub secret: String,
    /// How it was to sign.
    pub algorithm: SignatureAlgorithm,
    /// The digest of what was to be signed.
    pub signed: Digest,
}

impl From<&SigningCall> for RecordedSigning {
    fn from(call: &SigningCall) -> Self {
        let SigningCall { secret, algorithm, bytes } = call;
        Self { secret: text::line(secret, 64), algorithm: *algorithm, signed: Digest::of(bytes) }
    }
}

/// The bytes of a signature, in hexadecimal where they are text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SignatureBytes(pub Vec<u8>);

/// The text is no signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a signature is written in hexadecimal")]
pub struct NotHexadecimal;

impl TryFrom<String> for SignatureBytes {
    type Error = NotHexadecimal;

    fn try_from(text: String) -> Result<Self, NotHexadecimal> {
        hex::decode(text).map(Self).map_err(|_| NotHexadecimal)
    }
}

impl From<SignatureBytes> for String {
    fn from(bytes: SignatureBytes) -> Self {
        hex::encode(bytes.0)
    }
}

/// How it ended, as a record has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SigningEnd {
    /// With a signature.
    Signature(SignatureBytes),
    /// Without one.
    Failure(SigningFailure),
}

/// One signature, as a record has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignatureRecord {
    /// What was asked.
    pub call: RecordedSigning,
    /// How it ended.
    pub end: SigningEnd,
}

impl SignatureRecord {
    /// What a record has of a call and of what the guest got.
    pub fn of(call: &SigningCall, result: &SigningResult) -> Self {
        let end = match result {
            Ok(bytes) => SigningEnd::Signature(SignatureBytes(bytes.clone())),
            Err(failure) => SigningEnd::Failure(failure.clone()),
        };
        Self { call: call.into(), end }
    }

    /// What the guest got.
    pub fn result(&self) -> SigningResult {
        match &self.end {
            SigningEnd::Signature(SignatureBytes(bytes)) => Ok(bytes.clone()),
            SigningEnd::Failure(failure) => Err(failure.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_gives_back_what_the_guest_got_and_has_the_digest_alone() -> Result<(), serde_json::Error> {
        let call = SigningCall {
            secret: "A".repeat(100),
            algorithm: SignatureAlgorithm::Ed25519,
            bytes: b"made-up message".to_vec(),
        };
        let failure = SigningFailure::new(SigningFailureKind::TooLarge, "x");
        for result in [Ok(vec![0xab, 1]), Err(failure)] {
            let record = SignatureRecord::of(&call, &result);
            let text = serde_json::to_string(&record)?;
            assert!(!text.contains("made-up") && text.contains("sign-ed25519"), "{text}");
            let read: SignatureRecord = serde_json::from_str(&text)?;
            assert_eq!((read.result(), &read.call), (result, &RecordedSigning::from(&call)));
        }
        assert!(serde_json::from_str::<SignatureBytes>("\"abc\"").is_err());
        Ok(())
    }
}
