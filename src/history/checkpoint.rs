//! Checkpoints (C2SP `tlog-checkpoint`): the size and root of a history at one moment, in a signed note.
//!
//! Guarantees: [`Checkpoint::open`] gives a checkpoint only when the key has signed it and its origin is the key's name.
//! Deliberately never: accepts an extension line, because nothing here writes one.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::merkle::TreeHead;
use super::note::{Note, NoteError, NoteKey};

/// A history at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Which history.
    pub origin: String,
    /// Its size and root.
    pub head: TreeHead,
}

/// Why a text is no checkpoint of a history.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Its note.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// Its text.
    #[error("the checkpoint is malformed: {0}")]
    Malformed(&'static str),
    /// Another history.
    #[error("the checkpoint is of the history `{found}`, not of `{wanted}`")]
    OtherOrigin {
        /// What it names.
        found: String,
        /// What was asked for.
        wanted: String,
    },
}

impl Checkpoint {
    /// The text to be signed.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.head.size, STANDARD.encode(self.head.root))
    }

    /// The signed note, with a signature over [`Checkpoint::text`].
    pub fn note(&self, key: &NoteKey, signature: &[u8; 64]) -> String {
        format!("{}\n{}", self.text(), key.signature_line(signature))
    }

    /// Reads the text of a checkpoint.
    ///
    /// # Errors
    /// [`CheckpointError::Malformed`].
    pub fn parse(text: &str) -> Result<Self, CheckpointError> {
        let malformed = CheckpointError::Malformed;
        let mut lines = text.split('\n');
        let (origin, size, root) = (lines.next(), lines.next(), lines.next());
        let (Some(origin), Some(size), Some(root)) = (origin, size, root) else {
            return Err(malformed("it has fewer than three lines"));
        };
        // The specification allows further lines. A reader who ignores them could be shown
        // something that was never meant to be signed.
        if lines.next() != Some("") || lines.next().is_some() {
            return Err(malformed("it has extension lines"));
        }
        // One number has one form: no sign, no leading zero.
        let size: u64 = size
            .parse()
            .ok()
            .filter(|number: &u64| number.to_string() == size)
            .ok_or(malformed("its size is no number"))?;
        let bytes = STANDARD.decode(root).map_err(|_| malformed("its root is not base64"))?;
        let root = bytes.try_into().map_err(|_| malformed("its root is no SHA-256"))?;
        if origin.is_empty() {
            return Err(malformed("it names no origin"));
        }
        Ok(Self { origin: origin.to_owned(), head: TreeHead { size, root } })
    }

    /// Reads a signed checkpoint without its signature. It says nothing about who wrote it.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn read_unverified(note: &str) -> Result<Self, CheckpointError> {
        Self::parse(Note::parse(note)?.text)
    }

    /// Reads a signed checkpoint, and checks that this key signed it for the history of its name.
    ///
    /// # Errors
    /// [`CheckpointError`].
    pub fn open(note: &str, key: &NoteKey) -> Result<Self, CheckpointError> {
        let note = Note::parse(note)?;
        // Before the text is read: a text without a good signature is input of a stranger.
        note.verify(key)?;
        let checkpoint = Self::parse(note.text)?;
        // One machine has keys for several histories. Without this, a checkpoint of one workspace
        // would pass for another.
        match checkpoint.origin == key.name() {
            true => Ok(checkpoint),
            false => Err(CheckpointError::OtherOrigin { found: checkpoint.origin, wanted: key.name().to_owned() }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use ring::signature::{Ed25519KeyPair, KeyPair as _};

    type Tested = Result<(), Box<dyn std::error::Error>>;

    fn signed(origin: &str, name: &str) -> Result<(String, NoteKey), Box<dyn std::error::Error>> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[3; 32]).map_err(|_| "no key")?;
        let key = NoteKey::new(name, pair.public_key().as_ref().try_into()?).ok_or("no name")?;
        let checkpoint = Checkpoint { origin: origin.to_owned(), head: TreeHead { size: 12, root: [9; 32] } };
        let signature = pair.sign(checkpoint.text().as_bytes()).as_ref().try_into()?;
        Ok((checkpoint.note(&key, &signature), key))
    }

    #[test]
    fn a_checkpoint_comes_back_as_it_was_signed() -> Tested {
        let (note, key) = signed("kavi/a", "kavi/a")?;
        let checkpoint = Checkpoint::open(&note, &key)?;
        assert_eq!((checkpoint.head.size, checkpoint.head.root), (12, [9; 32]));
        assert_eq!(Checkpoint::read_unverified(&note)?, checkpoint);
        let (other, key) = signed("kavi/b", "kavi/a")?;
        assert!(matches!(Checkpoint::open(&other, &key), Err(CheckpointError::OtherOrigin { .. })));
        Ok(())
    }

    #[test]
    fn what_is_no_checkpoint_is_refused() {
        let root = STANDARD.encode([9; 32]);
        let texts = [
            String::new(),
            format!("a\n1\n{root}"),
            format!("a\n01\n{root}\n"),
            format!("a\n+1\n{root}\n"),
            format!("a\n-1\n{root}\n"),
            format!("\n1\n{root}\n"),
            format!("a\n1\n{root}\nextension\n"),
            "a\n1\nAAAA\n".to_owned(),
            "a\n1\n!\n".to_owned(),
        ];
        for text in texts {
            assert!(Checkpoint::parse(&text).is_err(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "(.|\n)*") {
            let _ = Checkpoint::parse(&text);
            let _ = Checkpoint::read_unverified(&text);
        }
    }
}
