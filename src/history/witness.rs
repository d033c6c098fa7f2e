//! Witnesses of C2SP: `tlog-witness` (the request of a log, and what a witness decides) and `tlog-cosignature` (its signature).
//!
//! Guarantees: a witness cosigns only what extends the newest checkpoint that it cosigned, and only what the log's key signed. A
//! cosignature counts only by exactly that key, over exactly that checkpoint.
//!
//! Deliberately never: keeps a checkpoint or a private key, or asks for the time. Whoever calls it stores before it answers.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Hash;
use super::checkpoint::{Checkpoint, CheckpointError};
use super::merkle::{MAX_PATH, TreeHead, verify_consistency};
use super::note::{MAX_NOTE, Note, NoteError, NoteKey};
use super::sha256;

/// Longest request that is read, in bytes: a checkpoint, and at most 63 hashes.
pub const MAX_REQUEST: usize = MAX_NOTE + 64 * 64;
/// The type byte of an Ed25519 key that cosigns. 0x06 is ML-DSA-44, whose lines are ignored.
const ED25519_COSIGNER: u8 = 4;

/// A public key that cosigns checkpoints, and its name.
#[derive(Clone, PartialEq, Eq)]
pub struct CosignerKey {
    name: String,
    public: [u8; 32],
}

impl fmt::Debug for CosignerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl CosignerKey {
    /// The key of this name. `None` when it is no name of a key.
    pub fn new(name: &str, public: [u8; 32]) -> Option<Self> {
        NoteKey::new(name, public).map(|key| Self { name: key.name().to_owned(), public })
    }

    /// Its id, which commits to name, type and key.
    fn id(&self) -> [u8; 4] {
        let [a, b, c, d, ..] = sha256(&[self.name.as_bytes(), b"\n", &[ED25519_COSIGNER], &self.public]);
        [a, b, c, d]
    }

    /// As the specification writes it: `NAME+ID+BASE64`.
    pub fn text(&self) -> String {
        let id: String = self.id().iter().map(|byte| format!("{byte:02x}")).collect();
        format!("{}+{id}+{}", self.name, STANDARD.encode([&[ED25519_COSIGNER][..], &self.public].concat()))
    }

    /// Reads a key as [`CosignerKey::text`] writes it.
    ///
    /// # Errors
    /// [`NoteError::Malformed`].
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let malformed = || NoteError::Malformed("it is no public key of a witness");
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(_), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(malformed());
        };
        let bytes = STANDARD.decode(key).map_err(|_| malformed())?;
        let public = bytes.strip_prefix(&[ED25519_COSIGNER]).and_then(|public| public.try_into().ok());
        // Compares the id as well, which was skipped above: it must be that of this name and key.
        let key = public.and_then(|public| Self::new(name, public)).filter(|key| key.text() == text);
        key.ok_or_else(malformed)
    }

    /// The signature line of a cosignature that was made at this time, over [`cosigned_text`].
    pub fn line(&self, time: u64, signature: &[u8; 64]) -> String {
        let bytes = [&self.id()[..], &time.to_be_bytes(), signature].concat();
        format!("\u{2014} {} {}\n", self.name, STANDARD.encode(bytes))
    }

    /// When this key cosigned a checkpoint, in seconds since 1970.
    ///
    /// # Errors
    /// [`NoteError::Unsigned`] without a cosignature by this key, [`NoteError::Forged`] with one that does not fit.
    pub fn cosigned_at(&self, note: &str) -> Result<u64, NoteError> {
        let note = Note::parse(note)?;
        let forged = || NoteError::Forged(self.name.clone());
        let found = note.signatures_by(&self.name, self.id()).next();
        let bytes = found.ok_or_else(|| NoteError::Unsigned(self.name.clone()))?;
        let (time, signature) = bytes.split_first_chunk::<8>().ok_or_else(forged)?;
        let time = u64::from_be_bytes(*time);
        let public = ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, self.public);
        let fits =
            // The time goes into the signed text, so a line with another time does not fit.
            i64::try_from(time).is_ok() && public.verify(cosigned_text(note.text, time).as_bytes(), signature).is_ok();
        if fits { Ok(time) } else { Err(forged()) }
    }
}

/// What a witness signs: the text of a checkpoint, and the time.
pub fn cosigned_text(checkpoint: &str, time: u64) -> String {
    format!("cosignature/v1\ntime {time}\n{checkpoint}")
}

/// A request for a cosignature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// The size that the log believes the witness to have.
    pub old: u64,
    /// The proof from there to the checkpoint.
    pub proof: Vec<Hash>,
    /// The signed checkpoint.
    pub note: String,
}

/// Why a request is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the request is malformed: {0}")]
pub struct MalformedRequest(&'static str);

impl AddCheckpoint {
    /// The body of the request.
    pub fn text(&self) -> String {
        let proof: String = self.proof.iter().map(|hash| format!("{}\n", STANDARD.encode(hash))).collect();
        format!("old {}\n{proof}\n{}", self.old, self.note)
    }

    /// Reads the body of a request.
    ///
    /// # Errors
    /// [`MalformedRequest`].
    pub fn parse(text: &str) -> Result<Self, MalformedRequest> {
        let malformed = MalformedRequest;
        if text.len() > MAX_REQUEST {
            return Err(malformed("it is too long"));
        }
        let (head, note) = text.split_once("\n\n").ok_or(malformed("it has no checkpoint"))?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix("old "));
        // `+5` and `05` parse too. One request has one text.
        let old = old.and_then(|number| number.parse().ok().filter(|old: &u64| old.to_string() == number));
        let old = old.ok_or(malformed("its first line does not name the old size"))?;
        let mut proof = Vec::new();
        for line in lines {
            let hash = STANDARD.decode(line).ok().and_then(|bytes| bytes.try_into().ok());
            proof.push(hash.ok_or(malformed("a line of its proof is no hash"))?);
            if proof.len() > MAX_PATH {
                return Err(malformed("its proof is too long"));
            }
        }
        Ok(Self { old, proof, note: note.to_owned() })
    }
}

/// What a witness answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WitnessDecision {
    /// This checkpoint is the newest one now. It is stored, and then cosigned.
    Cosign(Checkpoint),
    /// It has another size, or another root at this size.
    Conflict(u64),
    /// The request cannot be.
    Invalid(String),
    /// The history is unknown.
    UnknownOrigin,
    /// The history's key did not sign it.
    NotSigned,
    /// The checkpoint does not extend the newest one.
    Inconsistent,
}

/// Decides about a request. `key` finds the key of a history, `newest` the newest checkpoint of it that was cosigned.
pub fn decide<'k>(
    request: &AddCheckpoint,
    key: impl FnOnce(&str) -> Option<&'k NoteKey>,
    newest: impl FnOnce(&str) -> Option<TreeHead>,
) -> WitnessDecision {
    // The origin says which key to ask. Nothing else of what is read here counts before the
    // signature does.
    let claimed = match Checkpoint::read_unverified(&request.note) {
        Ok(claimed) => claimed,
        Err(error) => return WitnessDecision::Invalid(error.to_string()),
    };
    let Some(key) = key(&claimed.origin) else { return WitnessDecision::UnknownOrigin };
    let checkpoint = match Checkpoint::open(&request.note, key) {
        Ok(checkpoint) => checkpoint,
        Err(CheckpointError::Note(NoteError::Unsigned(_) | NoteError::Forged(_))) => return WitnessDecision::NotSigned,
        Err(error) => return WitnessDecision::Invalid(error.to_string()),
    };
    let head = checkpoint.head;
    if request.old > head.size {
        return WitnessDecision::Invalid("the old size is larger than that of the checkpoint".to_owned());
    }
    let newest = newest(&claimed.origin);
    let size = newest.map_or(0, |newest| newest.size);
    // A log that signed two trees of one size is what a witness is there to find.
    if request.old != size || newest.is_some_and(|newest| newest.size == head.size && newest.root != head.root) {
        return WitnessDecision::Conflict(size);
    }
    let extends = match newest {
        // The first checkpoint is taken as it is. There is nothing that it could extend.
        None => request.proof.is_empty(),
        Some(newest) => verify_consistency(newest, head, &request.proof),
    };
    if extends { WitnessDecision::Cosign(checkpoint) } else { WitnessDecision::Inconsistent }
}

#[cfg(test)]
#[path = "witness_tests.rs"]
mod tests;
