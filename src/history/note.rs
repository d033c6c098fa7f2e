//! Signed notes (C2SP `signed-note`) with Ed25519 keys.
//!
//! A note is text that ends in a line feed, an empty line, and signature lines `— NAME BASE64`. The base64 holds the first four
//! bytes of the key's id and the signature.
//!
//! Guarantees: [`Note::verify`] says yes only for a signature over exactly the text by exactly that key. Signature lines of
//! other keys are ignored, as the specification asks. Deliberately never: holds a private key.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::sha256;

/// Longest note that is read, in bytes.
pub const MAX_NOTE: usize = 64 << 10;
/// Most signature lines of a note.
const MAX_SIGNATURES: usize = 100;
/// The type byte of an Ed25519 key.
const ED25519: u8 = 1;

/// Why a text is no note, or a note is not signed by a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoteError {
    /// Not the form of a note.
    #[error("the signed note is malformed: {0}")]
    Malformed(&'static str),
    /// No signature by the key.
    #[error("the note has no signature by the key `{0}`")]
    Unsigned(String),
    /// A signature by the key that does not fit the text.
    #[error("the signature by the key `{0}` does not fit the text")]
    Forged(String),
}

/// A public key that signs notes, and its name.
#[derive(Clone, PartialEq, Eq)]
pub struct NoteKey {
    name: String,
    public: [u8; 32],
}

impl fmt::Debug for NoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl NoteKey {
    /// The key of this name. `None` when it is no name of a key: empty, or with a space or a plus sign.
    pub fn new(name: &str, public: [u8; 32]) -> Option<Self> {
        let good =
            !name.is_empty() && name.len() <= 200 && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'+');
        good.then(|| Self { name: name.to_owned(), public })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its 32 bytes.
    pub fn public(&self) -> &[u8; 32] {
        &self.public
    }

    /// Its id, which commits to name, type and key.
    pub fn id(&self) -> [u8; 4] {
        let [a, b, c, d, ..] = sha256(&[self.name.as_bytes(), b"\n", &[ED25519], &self.public]);
        [a, b, c, d]
    }

    /// As the specification writes it: `NAME+ID+BASE64`.
    pub fn text(&self) -> String {
        let id: String = self.id().iter().map(|byte| format!("{byte:02x}")).collect();
        let key = [&[ED25519][..], &self.public].concat();
        format!("{}+{id}+{}", self.name, STANDARD.encode(key))
    }

    /// Reads a key as [`NoteKey::text`] writes it.
    ///
    /// # Errors
    /// [`NoteError::Malformed`].
    pub fn parse(text: &str) -> Result<Self, NoteError> {
        let malformed = || NoteError::Malformed("it is no public key for notes");
        let mut parts = text.splitn(3, '+');
        let (name, id, key) = (parts.next(), parts.next(), parts.next());
        let (Some(name), Some(_), Some(key)) = (name, id, key) else { return Err(malformed()) };
        let key = STANDARD.decode(key).map_err(|_| malformed())?;
        let (&kind, public) = key.split_first().ok_or_else(malformed)?;
        let public = public.try_into().map_err(|_| malformed())?;
        let key = Self::new(name, public).filter(|key| kind == ED25519 && key.text() == text);
        key.ok_or_else(malformed)
    }

    /// The signature line for a signature by this key.
    pub fn signature_line(&self, signature: &[u8; 64]) -> String {
        format!("\u{2014} {} {}\n", self.name, STANDARD.encode([&self.id()[..], signature].concat()))
    }
}

/// A note, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note<'a> {
    /// The signed text, with its last line feed.
    pub text: &'a str,
    signatures: Vec<SignatureLine<'a>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct SignatureLine<'a> {
    name: &'a str,
    id: [u8; 4],
    signature: Vec<u8>,
}

impl<'a> Note<'a> {
    /// Takes a note apart.
    ///
    /// # Errors
    /// [`NoteError::Malformed`].
    pub fn parse(note: &'a str) -> Result<Self, NoteError> {
        if note.len() > MAX_NOTE {
            return Err(NoteError::Malformed("it is too long"));
        }
        if note.chars().any(|char| char.is_control() && char != '\n') {
            return Err(NoteError::Malformed("it has a control character"));
        }
        let split = note.rfind("\n\n").ok_or(NoteError::Malformed("it has no signatures"))?;
        let (text, lines) = (&note[..=split], &note[split + 2..]);
        let lines = lines.strip_suffix('\n').ok_or(NoteError::Malformed("its last line has no end"))?;
        let mut signatures = Vec::new();
        for line in lines.split('\n') {
            let parts = line.strip_prefix("\u{2014} ").and_then(|rest| rest.split_once(' '));
            let (name, encoded) = parts.ok_or(NoteError::Malformed("a signature line is not one"))?;
            let bytes = STANDARD.decode(encoded).map_err(|_| NoteError::Malformed("a signature is not base64"))?;
            let (id, signature) =
                bytes.split_first_chunk::<4>().ok_or(NoteError::Malformed("a signature is too short"))?;
            if name.is_empty() || name.contains('+') || signature.is_empty() {
                return Err(NoteError::Malformed("a signature line is not one"));
            }
            signatures.push(SignatureLine { name, id: *id, signature: signature.to_vec() });
            if signatures.len() > MAX_SIGNATURES {
                return Err(NoteError::Malformed("it has too many signatures"));
            }
        }
        Ok(Self { text, signatures })
    }

    /// The signatures of the lines with this name and this id.
    pub(super) fn signatures_by(&self, name: &str, id: [u8; 4]) -> impl Iterator<Item = &[u8]> {
        self.signatures
            .iter()
            .filter(move |line| line.name == name && line.id == id)
            .map(|line| line.signature.as_slice())
    }

    /// Checks the signature by a key.
    ///
    /// # Errors
    /// [`NoteError::Unsigned`] without a signature by this key, [`NoteError::Forged`] with one that does not fit.
    pub fn verify(&self, key: &NoteKey) -> Result<(), NoteError> {
        let mut ours = self.signatures.iter().filter(|line| line.name == key.name && line.id == key.id()).peekable();
        if ours.peek().is_none() {
            return Err(NoteError::Unsigned(key.name.clone()));
        }
        let public = ring::signature::UnparsedPublicKey::new(&ring::signature::ED25519, key.public);
        match ours.all(|line| public.verify(self.text.as_bytes(), &line.signature).is_ok()) {
            true => Ok(()),
            false => Err(NoteError::Forged(key.name.clone())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use ring::signature::{Ed25519KeyPair, KeyPair as _};

    fn key(seed: u8) -> Option<(Ed25519KeyPair, NoteKey)> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).ok()?;
        let public = pair.public_key().as_ref().try_into().ok()?;
        Some((pair, NoteKey::new("kavi/test", public)?))
    }

    fn signed(text: &str) -> Option<String> {
        let (pair, key) = key(7)?;
        let signature = pair.sign(text.as_bytes()).as_ref().try_into().ok()?;
        Some(format!("{text}\n{}", key.signature_line(&signature)))
    }

    /// The example of the specification.
    #[test]
    fn the_note_of_the_specification_is_accepted() -> Result<(), NoteError> {
        let key = NoteKey::parse("PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW")?;
        let note = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n\
                    \u{2014} PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";
        Note::parse(note)?.verify(&key)?;
        let edited = note.replace("answer", "Answer");
        assert_eq!(Note::parse(&edited)?.verify(&key), Err(NoteError::Forged("PeterNeumann".to_owned())));
        Ok(())
    }

    #[test]
    fn a_note_counts_only_with_the_key_and_lines_of_others_are_ignored() {
        let note = signed("a\nb\n").unwrap_or_default();
        let (ours, other) = (key(7).map(|both| both.1), key(8).map(|both| both.1));
        let (Some(ours), Some(other)) = (ours, other) else { unreachable!("a seed is a key") };
        let verdict = |note: &str, key: &NoteKey| Note::parse(note).and_then(|note| note.verify(key));
        assert_eq!(verdict(&note, &ours), Ok(()));
        assert_eq!(verdict(&note, &other), Err(NoteError::Unsigned("kavi/test".to_owned())));
        let witnessed = format!("{note}\u{2014} somebody AAAAAAA=\n");
        assert_eq!(verdict(&witnessed, &ours), Ok(()));
        assert_eq!(NoteKey::parse(&ours.text()), Ok(ours));
    }

    #[test]
    fn what_is_no_note_is_refused() {
        let note = signed("a\n").unwrap_or_default();
        let without_end = note.trim_end();
        for bad in [
            "",
            "a\n",
            "a\n\n",
            without_end,
            "a\n\n- k AAAAAAA=\n",
            "a\n\n\u{2014} k AA\n",
            "a\n\n\u{2014} k \n",
            "a\u{7}\n\n\u{2014} k AAAAAAA=\n",
        ] {
            assert!(matches!(Note::parse(bad), Err(NoteError::Malformed(_))), "{bad:?}");
        }
        let long = format!("{}\n\n\u{2014} k AAAAAAA=\n", "a".repeat(MAX_NOTE));
        assert!(Note::parse(&long).is_err());
        for bad in
            ["", "a", "a+b", "a+00000000+AQ==", "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"]
        {
            assert!(NoteKey::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn one_changed_byte_is_never_accepted(place in any::<prop::sample::Index>(), bit in 0_u8..8) {
            let note = signed("kavi/test\n7\nAAAA\n").unwrap_or_default();
            let mut bytes = note.clone().into_bytes();
            let place = place.index(bytes.len());
            bytes[place] ^= 1 << bit;
            let accepted = std::str::from_utf8(&bytes).is_ok_and(|text| {
                key(7).is_some_and(|both| Note::parse(text).and_then(|note| note.verify(&both.1)).is_ok())
            });
            prop_assert!(!accepted, "{place} {bit}");
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".*") {
            let _ = Note::parse(&text);
            let _ = NoteKey::parse(&text);
        }
    }
}
