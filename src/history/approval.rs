//! Approvals: a person's SSH signature over an in-toto Statement about one event, kept in the event itself.
//!
//! The statement's predicate holds the event as it is, but for what only the ledger knows (`decision`, `state`). It also names the
//! workspace, a checkpoint of its history, and a time at which the request for a signature ends.
//!
//! Guarantees: [`verify_event`] says yes only when the signature is by a signer who counts at the event's time, for the kind
//! of this event. The statement that is signed must be about exactly this event of this workspace. The stored bytes of the
//! statement are what is checked.
//!
//! Deliberately never: asks anybody, holds a private key, or decides whether an approval is needed.

use std::fmt::Debug;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::event::EventKind;
use super::merkle::TreeHead;
use super::signers::Signer;
use super::sshsig::{SshSignature, SshsigError};
use super::trust_policy::{Requirement, SignatureLevel};
use super::{hex, sha256};

/// The type of every statement.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";

/// A statement and the signature over exactly these bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedStatement {
    /// An in-toto Statement v1, as JSON.
    pub statement: String,
    /// The armored SSH signature over it.
    pub signature: String,
}

/// Why an approval does not count.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApprovalIssue {
    /// Its form.
    #[error("the approval is malformed: {0}")]
    Malformed(&'static str),
    /// Its signature.
    #[error(transparent)]
    Signature(#[from] SshsigError),
    /// By a key that does not count.
    #[error("the key {0} is of no signer who counts at that time and for that")]
    NoSigner(String),
    /// It needed a signature, or a better one.
    #[error("it is not approved: `{0}` was required")]
    TooWeak(&'static str),
    /// It is about something else.
    #[error("the signed statement is about another {0}")]
    Other(&'static str),
}

/// Who approved, and how sure that is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Approved {
    /// The signer's name.
    pub principal: String,
    /// The fingerprint of the key.
    pub fingerprint: String,
    /// How sure it is to come from a person.
    pub level: SignatureLevel,
}

/// What the signatures over one kind of event are made for. `None` for a kind that nobody signs.
pub fn namespace(kind: EventKind) -> Option<&'static str> {
    match kind {
        EventKind::Promotion => Some("promotion@kavi"),
        EventKind::Rollback => Some("rollback@kavi"),
        EventKind::StandingOrder => Some("standing-order@kavi"),
        EventKind::EffectApproved => Some("effect@kavi"),
        EventKind::TrustPolicy => Some("policy@kavi"),
        EventKind::Signers => Some("signers@kavi"),
        EventKind::Adopted => Some("adoption@kavi"),
        EventKind::Resume => Some("resume@kavi"),
        EventKind::Undo => Some("undo@kavi"),
        EventKind::Charter => Some("charter@kavi"),
        EventKind::Policy => Some("policy-values@kavi"),
        EventKind::Capability => Some("capability@kavi"),
        _ => None,
    }
}

/// The kind of a decision that people sign, by its word.
///
/// # Errors
/// The words that there are.
pub fn signed_kind(word: &str) -> Result<EventKind, String> {
    let signed = || EventKind::ALL.into_iter().filter(|kind| namespace(*kind).is_some());
    let known = || signed().map(EventKind::as_str).collect::<Vec<_>>().join(", ");
    signed().find(|kind| kind.as_str() == word).ok_or_else(|| format!("a decision is one of {}", known()))
}

/// What a statement says besides its event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementContext {
    /// The workspace.
    pub workspace: String,
    /// The newest checkpoint of its history.
    pub checkpoint: Option<TreeHead>,
    /// When the request ends.
    pub expires: String,
}

/// A statement that a person is to sign.
#[derive(Debug, Clone)]
pub struct SignatureRequest {
    /// What it is signed for.
    pub namespace: &'static str,
    /// The bytes to be signed.
    pub statement: String,
    /// Whose signature counts.
    pub signers: Vec<Signer>,
    /// What the signature must show.
    pub required: Requirement,
}

/// Why there is no signature.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NoSignature(pub String);

/// Asks a person for signatures.
pub trait DecisionSigner: Debug + Send + Sync {
    /// A signature over the statement of a request, armored.
    ///
    /// # Errors
    /// [`NoSignature`] with the reason.
    fn sign(&self, request: &SignatureRequest) -> Result<String, NoSignature>;

    /// The time, in the form of events. A request can have expired while a person thought.
    fn now(&self) -> String;
}

/// An event without what only the ledger knows, and without its approval.
pub fn bare_event(body: &Value) -> Value {
    let mut bare = body.clone();
    if let Some(fields) = bare.as_object_mut() {
        fields.remove("decision");
        fields.remove("state");
        if let Some(detail) = fields.get_mut("detail").and_then(Value::as_object_mut) {
            detail.remove("approval");
            if detail.is_empty() {
                fields.remove("detail");
            }
        }
    }
    bare
}

/// The row of a table in an event, by the end of its name.
pub(super) fn column<'b>(event: &'b Value, table: &str, key: Option<&str>, column: &str) -> Option<&'b str> {
    let rows = event["rows"].as_object()?;
    let fits = |name: &str| {
        name.strip_prefix(table)
            .and_then(|rest| rest.strip_prefix('/'))
            .is_some_and(|id| key.is_none_or(|key| key == id))
    };
    let (_, rows) = rows.iter().find(|(name, _)| fits(name))?;
    rows.get(0)?.get(column)?.as_str()
}

/// The subjects of a statement: the artifacts that a decision is about, or the event itself.
fn subjects(event: &Value) -> Vec<Value> {
    let subject = |name: &str, digest: &str| json!({ "name": name, "digest": { "sha256": digest } });
    let proposal = column(event, "promotions", None, "proposal_id");
    let found = [
        ("component", column(event, "promotions", None, "component_sha256")),
        ("specification", column(event, "promotions", None, "spec_sha256")),
        ("source", proposal.and_then(|id| column(event, "skill_proposals", Some(id), "snapshot_sha256"))),
    ];
    let found: Vec<Value> =
        found.iter().filter_map(|(name, digest)| digest.map(|digest| subject(name, digest))).collect();
    match found.is_empty() {
        true => vec![subject("event", &hex(&sha256(&[event.to_string().as_bytes()])))],
        false => found,
    }
}

/// The statement about an event, as the bytes to be signed. `body` is the event, with or without an approval.
pub fn statement(body: &Value, context: &StatementContext) -> String {
    let event = bare_event(body);
    let kind = event["kind"].as_str().unwrap_or_default().to_owned();
    let checkpoint = context.checkpoint.map(|head| json!({ "size": head.size, "root": hex(&head.root) }));
    let subject = subjects(&event);
    json!({
        "_type": STATEMENT_TYPE,
        "subject": subject,
        "predicateType": format!("urn:kavi:{kind}:v1"),
        "predicate": {
            "workspace": context.workspace,
            "checkpoint": checkpoint,
            "expires": context.expires,
            "event": event,
        },
    })
    .to_string()
}

/// What a signed statement says besides its event. It says nothing about the signature.
///
/// # Errors
/// [`ApprovalIssue::Malformed`].
pub fn context_of(statement: &str) -> Result<StatementContext, ApprovalIssue> {
    let malformed = ApprovalIssue::Malformed;
    let value: Value = serde_json::from_str(statement).map_err(|_| malformed("the statement is not JSON"))?;
    let predicate = &value["predicate"];
    let text = |name: &str| predicate[name].as_str().map(str::to_owned);
    let checkpoint = match &predicate["checkpoint"] {
        Value::Null => None,
        point => {
            let root = point["root"].as_str().and_then(super::parse_hex);
            let (size, root) =
                point["size"].as_u64().zip(root).ok_or(malformed("its checkpoint is not a size and a root"))?;
            Some(TreeHead { size, root })
        }
    };
    Ok(StatementContext {
        workspace: text("workspace").ok_or(malformed("it names no workspace"))?,
        checkpoint,
        expires: text("expires").ok_or(malformed("it does not say when it expires"))?,
    })
}

/// The approval in an event, if it has one.
///
/// # Errors
/// [`ApprovalIssue::Malformed`] when there is something else in its place.
pub fn of_event(body: &Value) -> Result<Option<SignedStatement>, ApprovalIssue> {
    match &body["detail"]["approval"] {
        Value::Null => Ok(None),
        approval => SignedStatement::deserialize(approval)
            .map(Some)
            .map_err(|_| ApprovalIssue::Malformed("it is not a statement and a signature")),
    }
}

/// Checks the approval of an event. `workspaces` are the ids that the workspace has or had.
///
/// # Errors
/// [`ApprovalIssue`].
pub fn verify_event(
    body: &Value,
    approval: &SignedStatement,
    signers: &[Signer],
    workspaces: &[String],
) -> Result<Approved, ApprovalIssue> {
    let malformed = ApprovalIssue::Malformed;
    let kind = body["kind"].as_str().and_then(EventKind::parse).ok_or(malformed("its event has no kind"))?;
    let purpose = namespace(kind).ok_or(malformed("nobody signs events of this kind"))?;
    let signature = SshSignature::parse(&approval.signature)?;
    let presence = signature.verify(purpose, approval.statement.as_bytes())?;
    let at = body["at"].as_str().ok_or(malformed("its event has no time"))?;
    let signer = signers
        .iter()
        .filter(|signer| signer.counts(at, purpose))
        .find(|signer| signer.public_key().is_ok_and(|key| key == signature.key))
        .ok_or_else(|| ApprovalIssue::NoSigner(signature.key.fingerprint()))?;
    let said: Value = serde_json::from_str(&approval.statement).map_err(|_| malformed("the statement is not JSON"))?;
    let context = context_of(&approval.statement)?;
    let other = ApprovalIssue::Other;
    // The statement holds the whole event. Only equal events agree, so no field of a decision can
    // be changed after the signature.
    let event = bare_event(body);
    if said["_type"] != STATEMENT_TYPE || said["predicateType"] != format!("urn:kavi:{}:v1", kind.as_str()) {
        return Err(other("kind of decision"));
    }
    if said["predicate"]["event"] != event {
        return Err(other("event"));
    }
    if !workspaces.contains(&context.workspace) {
        return Err(other("workspace"));
    }
    if context.expires.as_str() < at {
        return Err(ApprovalIssue::Malformed("it had expired"));
    }
    let named: Vec<Value> = subjects(&event);
    if named.iter().all(|subject| subject["name"] != "event") && said["subject"] != Value::Array(named) {
        return Err(other("component"));
    }
    Ok(Approved {
        principal: signer.principal.clone(),
        fingerprint: signature.key.fingerprint(),
        level: SignatureLevel::of(signer, presence),
    })
}

#[cfg(test)]
#[path = "approval_tests.rs"]
mod tests;
