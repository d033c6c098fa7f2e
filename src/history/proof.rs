//! Proof files: events of a history with their paths to one signed checkpoint, as text that needs nothing else.
//!
//! ```text
//! kavi-proof@v1
//! key NAME+ID+BASE64
//!
//! event POSITION
//! THE BYTES OF THE EVENT, ONE LINE
//! BASE64 OF A HASH, from the leaf to the root, one a line
//!
//! checkpoint
//! THE SIGNED NOTE, to the end of the file
//! ```
//!
//! A valid proof says that the holder of the key has put these events into one append-only history. It says nothing about what
//! came after the checkpoint, so a promotion counts "as of" it. Whether the key is the one that you expect is for you to compare.
//!
//! Guarantees: no part of a file that does not follow this form, and no byte after it, is ever ignored, but for signature lines of
//! other keys. Deliberately never: reads a workspace or a network.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Hash;
use super::approval::{ApprovalIssue, Approved};
use super::approval_walk::ApprovalWalk;
use super::checkpoint::{Checkpoint, CheckpointError};
use super::event::Event;
use super::merkle::{MAX_PATH, leaf_hash, verify_inclusion};
use super::note::{NoteError, NoteKey};

/// Longest file that is read, in bytes.
pub const MAX_PROOF: usize = 1 << 20;
/// Most events of a file.
const MAX_EVENTS: usize = 256;

const FIRST_LINE: &str = "kavi-proof@v1";

/// An event and its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvenEvent {
    /// Its place in the history.
    pub position: u64,
    /// Its bytes.
    pub body: String,
    /// The hashes from its leaf to the root.
    pub path: Vec<Hash>,
}

/// A proof file, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The key that signed the checkpoint.
    pub key: NoteKey,
    /// The events.
    pub events: Vec<ProvenEvent>,
    /// The signed checkpoint.
    pub checkpoint: String,
}

/// What a valid proof shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// The history.
    pub origin: String,
    /// Its size at the checkpoint.
    pub size: u64,
    /// The events, in the order of the file.
    pub events: Vec<Event>,
    /// Who approved each event by their key.
    pub approvals: Vec<Option<Approved>>,
}

/// Why a file is no valid proof.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// Its form.
    #[error("the proof is malformed: {0}")]
    Malformed(&'static str),
    /// Its key.
    #[error("its key: {0}")]
    Key(NoteError),
    /// Its checkpoint.
    #[error("its checkpoint: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// An event that is not in the tree of the checkpoint.
    #[error("event {0} is not in the history that the checkpoint is of")]
    NotIncluded(u64),
    /// An event that cannot be read.
    #[error("event {0} is malformed")]
    Event(u64),
    /// An event that is not approved as it had to be.
    #[error("event {0}: {1}")]
    Approval(u64, ApprovalIssue),
    /// Signed with another key than the one that was asked for.
    #[error("it is signed with the key `{0}`, not with the one that you gave")]
    OtherKey(String),
}

impl Proof {
    /// The text of the file.
    pub fn text(&self) -> String {
        let mut text = format!("{FIRST_LINE}\nkey {}\n\n", self.key.text());
        for event in &self.events {
            text.push_str(&format!("event {}\n{}\n", event.position, event.body));
            event.path.iter().for_each(|hash| text.push_str(&format!("{}\n", STANDARD.encode(hash))));
            text.push('\n');
        }
        text.push_str("checkpoint\n");
        text.push_str(&self.checkpoint);
        text
    }

    /// Takes a file apart.
    ///
    /// # Errors
    /// [`ProofError::Malformed`] or [`ProofError::Key`].
    pub fn parse(text: &str) -> Result<Self, ProofError> {
        let malformed = ProofError::Malformed;
        if text.len() > MAX_PROOF {
            return Err(malformed("it is too long"));
        }
        let rest = text.strip_prefix(FIRST_LINE).and_then(|rest| rest.strip_prefix("\nkey "));
        let (key, mut rest) = rest.and_then(|rest| rest.split_once("\n\n")).ok_or(malformed("it has no key"))?;
        let key = NoteKey::parse(key).map_err(ProofError::Key)?;
        let mut events = Vec::new();
        while let Some(event) = rest.strip_prefix("event ") {
            let (block, after) = event.split_once("\n\n").ok_or(malformed("an event does not end"))?;
            events.push(Self::event(block)?);
            if events.len() > MAX_EVENTS {
                return Err(malformed("it has too many events"));
            }
            rest = after;
        }
        let checkpoint = rest.strip_prefix("checkpoint\n").ok_or(malformed("it has no checkpoint"))?.to_owned();
        if events.is_empty() {
            return Err(malformed("it has no event"));
        }
        Ok(Self { key, events, checkpoint })
    }

    fn event(block: &str) -> Result<ProvenEvent, ProofError> {
        let malformed = ProofError::Malformed;
        let mut lines = block.split('\n');
        let (number, body) =
            (lines.next().unwrap_or_default(), lines.next().ok_or(malformed("an event has no bytes"))?);
        let position = number.parse().ok().filter(|position: &u64| position.to_string() == number);
        let position = position.ok_or(malformed("the place of an event is no number"))?;
        let mut path = Vec::new();
        for line in lines {
            let hash = STANDARD.decode(line).ok().and_then(|bytes| bytes.try_into().ok());
            path.push(hash.ok_or(malformed("a hash is not one"))?);
            if path.len() > MAX_PATH {
                return Err(malformed("a path is too long"));
            }
        }
        Ok(ProvenEvent { position, body: body.to_owned(), path })
    }

    /// Checks everything. With `expected`, only that key counts.
    ///
    /// # Errors
    /// [`ProofError`].
    pub fn check(&self, expected: Option<&NoteKey>) -> Result<Proven, ProofError> {
        if expected.is_some_and(|expected| *expected != self.key) {
            return Err(ProofError::OtherKey(self.key.text()));
        }
        let checkpoint = Checkpoint::open(&self.checkpoint, &self.key)?;
        let head = checkpoint.head;
        let mut events = Vec::new();
        for event in &self.events {
            let leaf = leaf_hash(event.body.as_bytes());
            if !verify_inclusion(&leaf, event.position, head.size, &event.path, &head.root) {
                return Err(ProofError::NotIncluded(event.position));
            }
            events.push(Event::parse(&event.body).map_err(|_| ProofError::Event(event.position))?);
        }
        let approvals = self.approvals(&checkpoint.origin)?;
        Ok(Proven { origin: checkpoint.origin, size: head.size, events, approvals })
    }

    /// Checks the signatures of people, in the order of the history.
    fn approvals(&self, origin: &str) -> Result<Vec<Option<Approved>>, ProofError> {
        let mut order: Vec<usize> = (0..self.events.len()).collect();
        order.sort_by_key(|index| self.events[*index].position);
        let mut walk = ApprovalWalk::new(origin.strip_prefix("kavi/"));
        let mut approvals = vec![None; self.events.len()];
        for index in order {
            let ProvenEvent { position, body, .. } = &self.events[index];
            let body = serde_json::from_str(body).map_err(|_| ProofError::Event(*position))?;
            approvals[index] = walk.step(&body).map_err(|error| ProofError::Approval(*position, error))?;
        }
        Ok(approvals)
    }
}

/// Takes a file apart and checks it.
///
/// # Errors
/// [`ProofError`].
pub fn check(text: &str, expected: Option<&NoteKey>) -> Result<Proven, ProofError> {
    Proof::parse(text)?.check(expected)
}

impl Proven {
    /// What it shows, for people: one line an event.
    pub fn lines(&self) -> Vec<String> {
        let row = |event: &Event, table: &str, column: &str| {
            event.rows.iter().filter(|(name, _)| name.starts_with(table)).find_map(|(_, image)| match image {
                super::event::RowImage::Columns(rows) => rows.first()?.get(column)?.as_str().map(str::to_owned),
                super::event::RowImage::Digest(_) => None,
            })
        };
        let said = [
            ("promotions/", "decision"),
            ("promotions/", "approved_by"),
            ("promotions/", "component_sha256"),
            ("promotions/", "spec_sha256"),
            ("verifications/", "status"),
            ("verifications/", "component_sha256"),
            ("verifications/", "snapshot_sha256"),
            ("builds/", "builder"),
            ("builds/", "snapshot_sha256"),
            ("skill_proposals/", "name"),
        ];
        let line = |(event, approved): (&Event, &Option<Approved>)| {
            let facts = said.iter().filter_map(|(table, column)| {
                row(event, table, column).map(|value| format!("{}{column}={value}", table.replace('/', ".")))
            });
            let record = event.rows.iter().find_map(|(name, image)| match image {
                super::event::RowImage::Digest(digest) => Some(format!("{name}={digest}")),
                super::event::RowImage::Columns(_) => None,
            });
            let by = |Approved { principal, fingerprint, level }: &Approved| {
                format!("signed by {principal} with {fingerprint}, level {}", level.as_str())
            };
            let facts: Vec<String> = facts.chain(record).chain(approved.as_ref().map(by)).collect();
            format!("{} at {}: {}", event.kind, event.at, facts.join(" "))
        };
        self.events.iter().zip(&self.approvals).map(line).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::event::run_body;
    use crate::history::merkle::{TreeHead, inclusion_path, root};
    use proptest::prelude::*;
    use ring::signature::{Ed25519KeyPair, KeyPair as _};

    type Made<T> = Result<T, Box<dyn std::error::Error>>;

    fn proof(size: u64, proven: &[u64]) -> Made<Proof> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[5; 32]).map_err(|_| "no key")?;
        let key = NoteKey::new("kavi/test", pair.public_key().as_ref().try_into()?).ok_or("no name")?;
        let body = |position: u64| run_body(&position.to_string(), "2026-11-30T00:00:00.000Z", Some(0), &[3; 32]);
        let leaves: Vec<Hash> = (0..size).map(|position| leaf_hash(body(position).as_bytes())).collect();
        let event = |position: &u64| {
            let path = inclusion_path(&leaves, usize::try_from(*position).unwrap_or(usize::MAX)).unwrap_or_default();
            ProvenEvent { position: *position, body: body(*position), path }
        };
        let checkpoint = Checkpoint { origin: "kavi/test".to_owned(), head: TreeHead { size, root: root(&leaves) } };
        let signature = pair.sign(checkpoint.text().as_bytes()).as_ref().try_into()?;
        let events = proven.iter().map(event).collect();
        Ok(Proof { checkpoint: checkpoint.note(&key, &signature), key, events })
    }

    #[test]
    fn a_proof_comes_back_and_holds_and_only_with_its_key() -> Made<()> {
        let proof = proof(21, &[3, 20, 0])?;
        let text = proof.text();
        assert_eq!(Proof::parse(&text)?, proof);
        let proven = check(&text, None)?;
        assert_eq!((proven.origin.as_str(), proven.size, proven.events.len()), ("kavi/test", 21, 3));
        assert!(
            proven.lines()[0].starts_with("run at 2026-11-30T00:00:00.000Z: executions/3=0303"),
            "{:?}",
            proven.lines()
        );
        assert_eq!(check(&text, Some(&proof.key))?, proven);
        let other = NoteKey::new("kavi/test", [1; 32]).ok_or("no name")?;
        assert!(matches!(check(&text, Some(&other)), Err(ProofError::OtherKey(_))));
        Ok(())
    }

    /// Every byte, and every bit of it.
    #[test]
    fn no_flipped_bit_of_a_proof_is_accepted() -> Made<()> {
        let text = proof(1_000, &[700, 999])?.text();
        let mut tried = 0;
        for place in 0..text.len() {
            for bit in 0..8 {
                let mut bytes = text.clone().into_bytes();
                bytes[place] ^= 1 << bit;
                tried += 1;
                let accepted = std::str::from_utf8(&bytes).is_ok_and(|text| check(text, None).is_ok());
                assert!(!accepted, "byte {place}, bit {bit}");
            }
        }
        assert!(tried > 10_000, "{tried}");
        Ok(())
    }

    #[test]
    fn a_proof_of_one_event_in_a_million_is_small() -> Made<()> {
        let mut one = proof(2, &[1])?;
        one.events[0].path = vec![[7; 32]; 20];
        assert!(one.text().len() < 16 << 10);
        Ok(())
    }

    #[test]
    fn what_is_no_proof_is_refused() -> Made<()> {
        let good = proof(5, &[2])?.text();
        let other = proof(6, &[2])?;
        let moved = Proof { checkpoint: other.checkpoint, ..proof(5, &[2])? }.text();
        let long = format!("{good}{}", "x".repeat(MAX_PROOF));
        let bad = [
            String::new(),
            good.replace("kavi-proof@v1", "kavi-proof@v2"),
            good.replace("event 2", "event 02"),
            good.replace("event 2", "event 3"),
            good.replace("event 2\n", "event 2\n\n"),
            good.replace("checkpoint\n", ""),
            good.replacen("event", "evert", 1),
            format!("{good}x"),
            format!("{good}\n"),
            moved,
            long,
        ];
        for text in bad {
            assert!(check(&text, None).is_err(), "{text:.200}");
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn no_text_makes_the_checker_panic(text in "(kavi-proof@v1\nkey )?(.|\n)*") {
            let _ = check(&text, None);
        }
    }
}
