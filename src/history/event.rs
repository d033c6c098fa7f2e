//! The bytes of a leaf: what happened, when, and the rows of the ledger as they were afterwards.
//!
//! An event is one JSON object in one line. It is written once, stored, hashed and checked as these bytes, and never written
//! again from what was read. `rows` maps `TABLE/KEY` to the image of a row: an object of its columns, in which a long value
//! is `{sha256, bytes}`. For a record of a run it is one digest over all of them. `decision` is the place of the newest
//! decision before this event, which ties the newest decision to every checkpoint after it. A decision has `state` as well,
//! the digest of all that may run after it.
//!
//! Deliberately never: decides whether an event should have happened.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use super::{Hash, parse_hex, sha256};

/// Longest value that an image holds as it is, in bytes.
const LONGEST_VALUE: usize = 256;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventKind {
    /// A workspace was made.
    Created,
    /// A ledger from before the history was taken over as it was found.
    TakenOver,
    /// The key that signs checkpoints.
    Key,
    /// A person accepted a ledger whose anchor was missing, lower or forked.
    Adopted,
    /// A proposal.
    Proposal,
    /// A person rejected an open proposal.
    Rejection,
    /// An attempt to build began.
    BuildStarted,
    /// An attempt to build ended.
    Build,
    /// A verification report.
    Verification,
    /// What later gates found in a trusted revision.
    Reverification,
    /// A diagnosis of a failed attempt.
    Diagnosis,
    /// A promotion.
    Promotion,
    /// A rollback.
    Rollback,
    /// A revocation.
    Revocation,
    /// The workspace was stopped.
    Stop,
    /// The workspace may run again.
    Resume,
    /// A run, by the digest of its record.
    Run,
    /// A change of the vault was recorded, and is made now.
    Commit,
    /// A change of the vault was recorded that a person has to approve.
    Held,
    /// A person takes a change of the vault back.
    Undo,
    /// A change of the vault was made, or could not be.
    Settled,
    /// A person approved a held change.
    EffectApproved,
    /// A person rejected a held change.
    EffectRejected,
    /// Held changes expired.
    EffectExpired,
    /// Old records were removed.
    Prune,
    /// A decision about which guidance of a skill is published.
    Guidance,
    /// A person said how a run went.
    OutcomeReport,
    /// A step of an attempt to improve a guidance.
    Improvement,
    /// A person released the text of a run.
    Evidence,
    /// A person lets a guidance step back by itself.
    StandingOrder,
    /// A person set the role charter.
    Charter,
    /// A person set policy values.
    Policy,
    /// A person granted or revoked a capability of an actor.
    Capability,
    /// What decisions need, or what channels may do, was changed.
    TrustPolicy,
    /// Who may sign decisions was changed.
    Signers,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 35] = [
        Self::Created,
        Self::TakenOver,
        Self::Key,
        Self::Adopted,
        Self::Proposal,
        Self::Rejection,
        Self::BuildStarted,
        Self::Build,
        Self::Verification,
        Self::Reverification,
        Self::Diagnosis,
        Self::Promotion,
        Self::Rollback,
        Self::Revocation,
        Self::Stop,
        Self::Resume,
        Self::Run,
        Self::Commit,
        Self::Held,
        Self::Undo,
        Self::Settled,
        Self::EffectApproved,
        Self::EffectRejected,
        Self::EffectExpired,
        Self::Prune,
        Self::Guidance,
        Self::OutcomeReport,
        Self::Improvement,
        Self::Evidence,
        Self::StandingOrder,
        Self::Charter,
        Self::Policy,
        Self::Capability,
        Self::TrustPolicy,
        Self::Signers,
    ];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::TakenOver => "taken-over",
            Self::Key => "key",
            Self::Adopted => "adopted",
            Self::Proposal => "proposal",
            Self::Rejection => "rejection",
            Self::BuildStarted => "build-started",
            Self::Build => "build",
            Self::Verification => "verification",
            Self::Reverification => "reverification",
            Self::Diagnosis => "diagnosis",
            Self::Promotion => "promotion",
            Self::Rollback => "rollback",
            Self::Revocation => "revocation",
            Self::Stop => "stop",
            Self::Resume => "resume",
            Self::Run => "run",
            Self::Commit => "commit",
            Self::Held => "held",
            Self::Undo => "undo",
            Self::Settled => "settled",
            Self::EffectApproved => "effect-approved",
            Self::EffectRejected => "effect-rejected",
            Self::EffectExpired => "effect-expired",
            Self::Prune => "prune",
            Self::Guidance => "guidance",
            Self::OutcomeReport => "outcome-report",
            Self::Improvement => "improvement",
            Self::Evidence => "evidence",
            Self::StandingOrder => "standing-order",
            Self::Charter => "charter",
            Self::Policy => "policy",
            Self::Capability => "capability",
            Self::TrustPolicy => "trust-policy",
            Self::Signers => "signers",
        }
    }

    /// The kind of a word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }

    /// Whether it changes what may run, so that it commits to the state after it.
    pub fn is_decision(self) -> bool {
        use EventKind as Kind;
        matches!(
            self,
            Kind::Created
                | Kind::TakenOver
                | Kind::Key
                | Kind::Adopted
                | Kind::Promotion
                | Kind::Rollback
                | Kind::Revocation
                | Kind::Stop
                | Kind::Resume
                | Kind::Charter
                | Kind::Policy
                | Kind::Capability
                | Kind::TrustPolicy
                | Kind::Signers
        )
    }

    /// Whether a checkpoint is signed with it. Runs and what follows from them are many; they get one from time to time.
    pub fn is_signed(self) -> bool {
        !matches!(self, Self::Run | Self::Commit | Self::Settled | Self::EffectExpired)
    }
}

/// The image of a row.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum RowImage {
    /// One digest over all of its columns.
    Digest(String),
    /// Each row that has the key, by its columns.
    Columns(Vec<BTreeMap<String, Value>>),
}

/// An event, as it is read.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Event {
    /// The version of the form, 1.
    pub v: u32,
    /// What happened, as a word.
    pub kind: String,
    /// When.
    pub at: String,
    /// The place of the newest decision before it; none for the first event.
    pub decision: Option<u64>,
    /// The digest of the state after a decision.
    #[serde(default)]
    pub state: Option<String>,
    /// The id of what it is about; a run names it in `rows` alone.
    #[serde(default)]
    pub subject: Option<String>,
    /// Anything that is no row: a public key, a reason.
    #[serde(default)]
    pub detail: Option<Value>,
    /// The images of the rows that it left.
    #[serde(default)]
    pub rows: BTreeMap<String, RowImage>,
}

/// Why the stored bytes of an event cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the event is malformed: {0}")]
pub struct MalformedEvent(String);

impl Event {
    /// Reads the bytes of an event.
    ///
    /// # Errors
    /// [`MalformedEvent`].
    pub fn parse(body: &str) -> Result<Self, MalformedEvent> {
        let event: Self = serde_json::from_str(body).map_err(|error| MalformedEvent(error.to_string()))?;
        // An event of a later Kavi is refused, not skipped. A reader that skips what it does not
        // know would miss a revocation.
        let known = event.v == 1 && EventKind::parse(&event.kind).is_some();
        match known && event.state.as_deref().is_none_or(|state| parse_hex(state).is_some()) {
            true => Ok(event),
            false => Err(MalformedEvent("unknown version or kind, or no digest as `state`".to_owned())),
        }
    }

    /// The digest of the state after it.
    pub fn state(&self) -> Option<Hash> {
        self.state.as_deref().and_then(parse_hex)
    }
}

/// How a value of a column is shown in an image.
pub fn value_image(value: Value) -> Value {
    match &value {
        // Events are kept for ever. A long answer of a model belongs into the row, which a prune
        // may delete.
        Value::String(text) if text.len() > LONGEST_VALUE => {
            serde_json::json!({ "sha256": super::hex(&sha256(&[text.as_bytes()])), "bytes": text.len() })
        }
        _ => value,
    }
}

/// The bytes of the event of a run. Written by hand, because there is one for every run.
pub fn run_body(id: &str, at: &str, decision: Option<u64>, record: &Hash) -> String {
    let decision = decision.map_or("null".to_owned(), |place| place.to_string());
    format!(
        // By hand, because every run writes one: building a JSON value costs more than the rest of
        // the event. None of the values can hold a character that JSON escapes.
        r#"{{"v":1,"kind":"run","at":"{at}","decision":{decision},"rows":{{"executions/{id}":"{}"}}}}"#,
        super::hex(record)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn every_kind_has_a_word_of_its_own() {
        for kind in EventKind::ALL {
            assert_eq!(EventKind::parse(kind.as_str()), Some(kind));
            assert!(!kind.is_decision() || kind.is_signed(), "{kind:?}: a decision is always signed");
        }
        assert_eq!(EventKind::parse("else"), None);
    }

    #[test]
    fn the_event_of_a_run_is_read_as_it_was_meant() -> Result<(), MalformedEvent> {
        let event = Event::parse(&run_body("an-id", "2026-11-30T00:00:00.000Z", Some(4), &[7; 32]))?;
        assert_eq!((event.kind.as_str(), event.decision, event.state()), ("run", Some(4), None));
        let digest = RowImage::Digest("07".repeat(32));
        assert_eq!(event.rows, BTreeMap::from([("executions/an-id".to_owned(), digest)]));
        assert_eq!(Event::parse(&run_body("an-id", "", None, &[7; 32]))?.decision, None);
        Ok(())
    }

    #[test]
    fn what_is_no_event_is_refused() {
        let bodies = [
            "",
            "{}",
            r#"{"v":2,"kind":"run","at":"","decision":null}"#,
            r#"{"v":1,"kind":"walk","at":"","decision":null}"#,
            r#"{"v":1,"kind":"stop","at":"","decision":1,"state":"ab"}"#,
            r#"{"v":1,"kind":"stop","at":"","decision":-1}"#,
        ];
        for body in bodies {
            assert!(Event::parse(body).is_err(), "{body}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_reader_panic(text in "(.|\n)*") {
            let _ = Event::parse(&text);
        }

        #[test]
        fn a_long_value_is_shown_by_its_digest(text in ".{0,400}") {
            let image = value_image(Value::String(text.clone()));
            prop_assert_eq!(image == Value::String(text.clone()), text.len() <= LONGEST_VALUE);
        }
    }
}
