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
//! statement POSITION
//! A STATEMENT THAT THE EVENT AT THIS POSITION NAMES, IN ITS ENVELOPE, ONE LINE
//!
//! source
//! PATH OF A FILE
//! BASE64 OF ITS BYTES
//!
//! checkpoint
//! THE SIGNED NOTE, to the end of the file
//! ```
//!
//! A valid proof says that the holder of the key has put these events into one append-only history. It says nothing about what
//! came after the checkpoint, so a promotion counts "as of" it. Whether the key is the one that you expect is for you to compare.
//! `statement` blocks are there exactly as the events name them. `source` is there or not, and is the one that was promoted.
//!
//! Guarantees: no part of a file that does not follow this form, and no byte after it, is ever ignored, but for signature lines of
//! other keys. Deliberately never: reads a workspace or a network.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::Hash;
use super::approval::{ApprovalIssue, Approved};
use super::approval_walk::ApprovalWalk;
use super::checkpoint::{Checkpoint, CheckpointError};
use super::event::Event;
use super::merkle::{MAX_PATH, leaf_hash, verify_inclusion};
use super::note::{NoteError, NoteKey};
use super::source_files::{self, SourceFiles};
use super::statement::{self, PromotedDigests, ProvenStatement, StatementError};

/// Longest file that is read, in bytes.
pub const MAX_PROOF: usize = 4 << 20;
/// Most events of a file.
const MAX_EVENTS: usize = 256;
/// Most statements of a file.
const MAX_STATEMENTS: usize = 64;

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

/// A statement of a promotion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementBlock {
    /// The event that names it.
    pub position: u64,
    /// Its envelope.
    pub envelope: String,
}

/// A proof file, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// The key that signed the checkpoint.
    pub key: NoteKey,
    /// The events.
    pub events: Vec<ProvenEvent>,
    /// The statements that the events name, in their order.
    pub statements: Vec<StatementBlock>,
    /// The source of the skill, if the file has it.
    pub source: Option<SourceFiles>,
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
    /// The statements of each event.
    pub statements: Vec<Vec<ProvenStatement>>,
    /// What the newest promotion or rollback among the events names.
    pub promoted: Option<PromotedDigests>,
    /// The digest of the source, if the file has it.
    pub source: Option<String>,
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
    /// A statement that does not count.
    #[error("a statement of event {0}: {1}")]
    Statement(u64, StatementError),
    /// A source that is not the one that was promoted.
    #[error("its source is not the one that event {0} names")]
    Source(u64),
    /// Signed with another key than the one that was asked for.
    #[error("it is signed with the key `{0}`, not with the one that you gave")]
    OtherKey(String),
}

/// A number in its one form: no sign, no leading zero.
fn number(text: &str) -> Option<u64> {
    text.parse().ok().filter(|number: &u64| number.to_string() == text)
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
        for StatementBlock { position, envelope } in &self.statements {
            text.push_str(&format!("statement {position}\n{envelope}\n\n"));
        }
        if let Some(source) = &self.source {
            text.push_str(&format!("source\n{}\n", source_files::lines(source)));
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
        let mut statements = Vec::new();
        while let Some(statement) = rest.strip_prefix("statement ") {
            let (block, after) = statement.split_once("\n\n").ok_or(malformed("a statement does not end"))?;
            let (position, envelope) = block.split_once('\n').ok_or(malformed("a statement has no envelope"))?;
            let position = number(position).ok_or(malformed("the place of a statement is no number"))?;
            statements.push(StatementBlock { position, envelope: envelope.to_owned() });
            if statements.len() > MAX_STATEMENTS {
                return Err(malformed("it has too many statements"));
            }
            rest = after;
        }
        let mut source = None;
        if let Some(after) = rest.strip_prefix("source\n") {
            let (block, after) = after.split_once("\n\n").ok_or(malformed("the source does not end"))?;
            source = Some(source_files::parse(block).map_err(malformed)?);
            rest = after;
        }
        let checkpoint = rest.strip_prefix("checkpoint\n").ok_or(malformed("it has no checkpoint"))?.to_owned();
        if events.is_empty() {
            return Err(malformed("it has no event"));
        }
        Ok(Self { key, events, statements, source, checkpoint })
    }

    fn event(block: &str) -> Result<ProvenEvent, ProofError> {
        let malformed = ProofError::Malformed;
        let mut lines = block.split('\n');
        let (position, body) =
            (lines.next().unwrap_or_default(), lines.next().ok_or(malformed("an event has no bytes"))?);
        let position = number(position).ok_or(malformed("the place of an event is no number"))?;
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
        let bodies = self.bodies()?;
        let approvals = self.approvals(&bodies, &checkpoint.origin)?;
        let statements = self.check_statements(&bodies)?;
        let promoted = self.check_source(&bodies)?;
        let source = self.source.as_ref().map(source_files::digest);
        Ok(Proven { origin: checkpoint.origin, size: head.size, events, approvals, statements, promoted, source })
    }

    /// The events as JSON, in the order of the file.
    fn bodies(&self) -> Result<Vec<Value>, ProofError> {
        let body =
            |event: &ProvenEvent| serde_json::from_str(&event.body).map_err(|_| ProofError::Event(event.position));
        self.events.iter().map(body).collect()
    }

    /// The indexes of the events, in the order of the history.
    fn in_order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.events.len()).collect();
        order.sort_by_key(|index| self.events[*index].position);
        order
    }

    /// The key that signed statements before this place: the newest one that an event names, else the one of the file. A person
    /// who adopts a history gives it another key.
    fn key_before(&self, position: u64, bodies: &[Value]) -> Result<NoteKey, ProofError> {
        let names_key = |body: &Value| body["kind"] == "key" || body["kind"] == "adopted";
        let named = self.in_order().into_iter().rev();
        let mut named = named.filter(|index| self.events[*index].position < position && names_key(&bodies[*index]));
        match named.find_map(|index| bodies[index]["detail"]["key"].as_str()) {
            Some(key) => NoteKey::parse(key).map_err(ProofError::Key),
            None => Ok(self.key.clone()),
        }
    }

    /// Checks the statements against the events that name them.
    fn check_statements(&self, bodies: &[Value]) -> Result<Vec<Vec<ProvenStatement>>, ProofError> {
        let mut rest = self.statements.as_slice();
        let mut proven = Vec::new();
        for (event, body) in self.events.iter().zip(bodies) {
            let named = statement::named_by(body).map_err(|error| ProofError::Statement(event.position, error))?;
            let (blocks, after) = rest.split_at_checked(named.len()).unwrap_or((&[], rest));
            if blocks.len() != named.len() || blocks.iter().any(|block| block.position != event.position) {
                return Err(ProofError::Malformed("a statement that an event names is missing, or not in its order"));
            }
            let envelopes: Vec<&str> = blocks.iter().map(|block| block.envelope.as_str()).collect();
            let key = self.key_before(event.position, bodies)?;
            let checked = statement::check(body, &envelopes, &key);
            proven.push(checked.map_err(|error| ProofError::Statement(event.position, error))?);
            rest = after;
        }
        if rest.is_empty() { Ok(proven) } else { Err(ProofError::Malformed("a statement is of no event")) }
    }

    /// Checks that the source, if there is one, is what each promotion and rollback is about. Gives what the newest one is about.
    fn check_source(&self, bodies: &[Value]) -> Result<Option<PromotedDigests>, ProofError> {
        let source = self.source.as_ref().map(source_files::digest);
        let mut newest = None;
        for index in self.in_order() {
            let Some(promoted) = PromotedDigests::of_event(&bodies[index]) else { continue };
            if source.as_ref().is_some_and(|source| *source != promoted.source) {
                return Err(ProofError::Source(self.events[index].position));
            }
            newest = Some(promoted);
        }
        match (newest, source) {
            (None, Some(_)) => Err(ProofError::Malformed("it has a source, and no promotion of it")),
            (newest, _) => Ok(newest),
        }
    }

    /// Checks the signatures of people, in the order of the history.
    fn approvals(&self, bodies: &[Value], origin: &str) -> Result<Vec<Option<Approved>>, ProofError> {
        let mut walk = ApprovalWalk::new(origin.strip_prefix("kavi/"));
        let mut approvals = vec![None; self.events.len()];
        for index in self.in_order() {
            let position = self.events[index].position;
            approvals[index] = walk.step(&bodies[index]).map_err(|error| ProofError::Approval(position, error))?;
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
    /// What it shows, for people: one line an event, one a statement, and one for the source.
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
        let events = self.events.iter().zip(&self.approvals).map(line).zip(&self.statements);
        let lines = events.flat_map(|(line, statements)| {
            std::iter::once(line).chain(statements.iter().map(|statement| format!("  {}", statement.line())))
        });
        lines.chain(self.source.iter().map(|source| format!("source {source}, as promoted"))).collect()
    }
}

#[cfg(test)]
#[path = "proof_tests.rs"]
mod tests;
