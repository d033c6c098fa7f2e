//! The other side of a witness: its key, and the newest checkpoint of each history that it cosigned.
//!
//! Guarantees: a checkpoint is on the disk before its cosignature exists. Check and change happen under one lock, which other
//! processes respect, so no history ever goes back. Only histories whose keys were named are cosigned.
//!
//! Deliberately never: listens, or forgets a history.

use std::fs::File;
use std::path::{Path, PathBuf};

use super::file_anchor::FileAnchor;
use crate::artifacts::{self, ReadError};
use crate::history::anchor::{AnchorError, HistoryAnchor as _};
use crate::history::checkpoint::Checkpoint;
use crate::history::merkle::TreeHead;
use crate::history::note::{Note, NoteKey};
use crate::history::witness::{AddCheckpoint, CosignerKey, WitnessDecision, cosigned_text, decide};
use crate::history::{hex, sha256};
use crate::sync::uninterrupted;

/// The path of the one call.
const ADD_CHECKPOINT: &str = "/add-checkpoint";

/// What a witness keeps.
#[derive(Debug)]
pub struct WitnessStore {
    folder: PathBuf,
    key: FileAnchor,
    cosigner: CosignerKey,
    logs: Vec<NoteKey>,
}

/// What a witness says to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessReply {
    /// The HTTP status.
    pub status: u16,
    /// The type of the body.
    pub content_type: &'static str,
    /// The body.
    pub body: String,
}

impl WitnessReply {
    fn plain(status: u16, text: &str) -> Self {
        Self { status, content_type: "text/plain; charset=utf-8", body: format!("{text}\n") }
    }
}

fn unusable(error: impl std::fmt::Display) -> AnchorError {
    AnchorError::Unusable(error.to_string())
}

impl WitnessStore {
    /// The witness in this folder, for these histories. Makes its key at the first time.
    ///
    /// # Errors
    /// [`AnchorError`] when the key cannot be made or used.
    pub fn open(folder: &Path, logs: Vec<NoteKey>) -> Result<Self, AnchorError> {
        let key = FileAnchor::new(Some(folder.to_owned()), "witness");
        key.make_key()?;
        let public = *key.key()?.public();
        let name = format!("kavi-witness/{}", &hex(&sha256(&[&public]))[..16]);
        let cosigner = CosignerKey::new(&name, public).ok_or_else(|| unusable("its key has no name"))?;
        Ok(Self { folder: folder.to_owned(), key, cosigner, logs })
    }

    /// The key that cosigns.
    pub fn cosigner(&self) -> &CosignerKey {
        &self.cosigner
    }

    /// Answers one request. `now` is in seconds since 1970.
    pub fn answer(&self, is_post: bool, path: &str, body: &[u8], now: u64) -> WitnessReply {
        if path != ADD_CHECKPOINT {
            return WitnessReply::plain(404, "there is only /add-checkpoint");
        }
        if !is_post {
            return WitnessReply::plain(405, "use POST");
        }
        let request = std::str::from_utf8(body).map_err(|_| "the request is not text".to_owned());
        let request = request.and_then(|text| AddCheckpoint::parse(text).map_err(|error| error.to_string()));
        match request {
            Err(error) => WitnessReply::plain(400, &error),
            Ok(request) => {
                self.decide(&request, now).unwrap_or_else(|error| WitnessReply::plain(500, &error.to_string()))
            }
        }
    }

    fn decide(&self, request: &AddCheckpoint, now: u64) -> Result<WitnessReply, AnchorError> {
        // Two requests at once could each see the old size, and get cosignatures for two histories
        // of one size.
        let _lock = self.lock()?;
        let known = |origin: &str| self.logs.iter().find(|key| key.name() == origin);
        // Read before the decision: a record that cannot be read is no reason to begin anew.
        let origin = Checkpoint::read_unverified(&request.note).map(|claimed| claimed.origin);
        let newest = match origin.ok().filter(|origin| known(origin).is_some()) {
            Some(origin) => self.newest(&origin)?,
            None => None,
        };
        Ok(match decide(request, known, |_| newest) {
            WitnessDecision::Cosign(checkpoint) => {
                let path = self.record(&checkpoint.origin);
                // On the disk before the signature. A witness that forgets what it cosigned can be
                // led into a fork.
                artifacts::write_durably(&self.folder, &path, request.note.as_bytes()).map_err(unusable)?;
                let body = self.cosign(&request.note, now)?;
                WitnessReply { status: 200, content_type: "text/plain; charset=utf-8", body }
            }
            WitnessDecision::Conflict(size) => {
                WitnessReply { status: 409, content_type: "text/x.tlog.size", body: format!("{size}\n") }
            }
            WitnessDecision::Invalid(why) => WitnessReply::plain(400, &why),
            WitnessDecision::UnknownOrigin => WitnessReply::plain(404, "this history is not witnessed here"),
            WitnessDecision::NotSigned => WitnessReply::plain(403, "no signature is by the key of the history"),
            WitnessDecision::Inconsistent => WitnessReply::plain(422, "it does not extend what was cosigned before"),
        })
    }

    /// The file of a history. Its name is a digest, because an origin can have any characters.
    fn record(&self, origin: &str) -> PathBuf {
        self.folder.join("histories").join(hex(&sha256(&[origin.as_bytes()])))
    }

    fn newest(&self, origin: &str) -> Result<Option<TreeHead>, AnchorError> {
        let path = self.record(origin);
        let bytes = match artifacts::read_once(&path) {
            Ok(bytes) => bytes,
            Err(ReadError::Missing) => return Ok(None),
            Err(_) => return Err(unusable(format!("{} cannot be read", path.display()))),
        };
        let text = String::from_utf8(bytes).map_err(unusable)?;
        Checkpoint::read_unverified(&text).map(|checkpoint| Some(checkpoint.head)).map_err(unusable)
    }

    fn cosign(&self, note: &str, now: u64) -> Result<String, AnchorError> {
        let text = Note::parse(note).map_err(unusable)?.text;
        let signature = self.key.sign(&cosigned_text(text, now))?;
        Ok(self.cosigner.line(now, &signature))
    }

    fn lock(&self) -> Result<File, AnchorError> {
        let file = artifacts::open_lock(&self.folder, &self.folder.join("witness.lock")).map_err(unusable)?;
        uninterrupted(|| file.lock()).map_err(unusable)?;
        Ok(file)
    }
}
