//! Asks a witness for cosignatures: the client of C2SP `tlog-witness`.
//!
//! Guarantees: a cosignature counts only when it is by the key of the settings, over exactly the checkpoint that was sent. What a
//! witness says otherwise is text of a stranger, and never repeated.
//!
//! Deliberately never: decides what a missing cosignature means.

use std::str::FromStr;
use std::time::Duration;

use crate::history::note::NoteError;
use crate::history::witness::{AddCheckpoint, CosignerKey};
use crate::http::{BaseUrl, ExchangeLimits, HttpClient, HttpError, HttpMethod, HttpRequest, TlsRoots};

/// How long a witness may take.
const TIME: Duration = Duration::from_secs(5);
/// Most bytes of its answer.
const MAX_ANSWER: usize = 16 << 10;

/// A witness that is asked over HTTP: its address, and the key that it cosigns with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessAddress {
    url: BaseUrl,
    key: CosignerKey,
}

/// The text names no witness.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not the address of a witness: write http://127.0.0.1:PORT (or https://HOST) and its key, with a space between"
)]
pub struct InvalidWitness(String);

impl FromStr for WitnessAddress {
    type Err = InvalidWitness;

    fn from_str(text: &str) -> Result<Self, InvalidWitness> {
        let invalid = || InvalidWitness(crate::model::text::line(text, 200));
        let (url, key) = text.split_once(' ').ok_or_else(invalid)?;
        let (url, key) =
            (BaseUrl::from_str(url).map_err(|_| invalid())?, CosignerKey::parse(key).map_err(|_| invalid())?);
        // What is sent is public. An answer without encryption could still be held back by others.
        if url.is_loopback() || url.is_encrypted() { Ok(Self { url, key }) } else { Err(invalid()) }
    }
}

impl std::fmt::Display for WitnessAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.url, self.key.text())
    }
}

/// What a witness answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WitnessAnswer {
    /// The checkpoint with the cosignature, and when it was made, in seconds since 1970.
    Cosigned {
        /// The signed note.
        note: String,
        /// The time.
        at: u64,
    },
    /// It has cosigned another size.
    HasSize(u64),
    /// It says that the checkpoint does not extend what it cosigned.
    Inconsistent,
}

/// Why a witness gave no answer that counts.
#[derive(Debug, thiserror::Error)]
pub enum WitnessError {
    /// It cannot be reached.
    #[error("the witness cannot be asked: {0}")]
    Http(#[from] HttpError),
    /// It refuses.
    #[error("the witness refuses with status {0}: does it witness this history?")]
    Refused(u16),
    /// Its answer is none.
    #[error("the witness gave an answer that cannot be read")]
    Malformed,
    /// Its cosignature does not count.
    #[error("the cosignature of the witness does not count: {0}")]
    Cosignature(#[from] NoteError),
}

impl WitnessAddress {
    /// When it cosigned a checkpoint, in seconds since 1970; none when it did not.
    pub fn cosigned_at(&self, note: &str) -> Option<u64> {
        self.key.cosigned_at(note).ok()
    }

    /// Sends one request.
    ///
    /// # Errors
    /// `WitnessError`.
    pub fn submit(&self, request: &AddCheckpoint) -> Result<WitnessAnswer, WitnessError> {
        let limits = ExchangeLimits { time: TIME, response_head: 16 << 10 };
        // The roots that come with Kavi. A witness is there for a machine whose own settings may be
        // wrong.
        let client = HttpClient::new(&TlsRoots::Bundled, None)?;
        let sent = HttpRequest::new(HttpMethod::Post, &format!("{}/add-checkpoint", self.url), limits)?;
        let answer = client.fetch_any_status(sent.body(request.text().into_bytes()), MAX_ANSWER)?;
        let body = String::from_utf8(answer.body).map_err(|_| WitnessError::Malformed)?;
        match answer.status {
            200 => {
                // The witness sends its line alone. Put under the note that was sent, it cannot be
                // a signature over another one.
                let note = format!("{}{body}", request.note);
                Ok(WitnessAnswer::Cosigned { at: self.key.cosigned_at(&note)?, note })
            }
            409 => {
                let size = body.strip_suffix('\n').and_then(|size| size.parse().ok());
                size.map(WitnessAnswer::HasSize).ok_or(WitnessError::Malformed)
            }
            422 => Ok(WitnessAnswer::Inconsistent),
            status => Err(WitnessError::Refused(status)),
        }
    }
}
