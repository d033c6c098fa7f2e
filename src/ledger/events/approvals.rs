//! What a decision needs, and a person's signature over it.
//!
//! The policy in force is the newest row of `trust_policies`. What comes from outside of the ledger ([`DecisionRules`]) can only add
//! to it. Once there is a signer, every change of the policy, and every adoption, needs a signature.
//!
//! Guarantees: the event of a decision that needs a signature is not appended without one that counts, over exactly this event.
//! Deliberately never: asks while the write lock is held. The transaction ends, and is tried again with the signature.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension as _};
use serde_json::Value;

use super::super::LedgerError;
use super::super::write_transaction::WriteTransaction;
use super::images::{self, RowKey};
use super::{NewEvent, begin, seal, state};
use crate::history::anchor::HistoryAnchor;
use crate::history::approval::{
    self, SignatureRequest, SignedStatement, StatementContext, context_of, namespace, statement, verify_event,
};
use crate::history::checkpoint::Checkpoint;
use crate::history::event::EventKind;
use crate::history::merkle::TreeHead;
use crate::history::rules::{DecisionRules, weaker_channel};
use crate::history::signers::Signer;
use crate::history::trust_policy::{Requirement, TrustPolicy, only_stops_agents};
use crate::model::name::SkillName;

/// How long a request for a signature counts.
const REQUEST_LASTS: Duration = Duration::from_mins(15);

const NEWEST: &str = "SELECT policy FROM trust_policies WHERE number <> ?1 ORDER BY number DESC LIMIT 1";

fn not_approved(why: impl Into<String>) -> LedgerError {
    LedgerError::NotApproved(why.into())
}

/// The policy in force, but for the row with this number. A ledger without one asks for nothing.
fn in_force(conn: &Connection, except: i64) -> Result<Option<TrustPolicy>, LedgerError> {
    let text: Option<String> = conn.prepare_cached(NEWEST)?.query_row([except], |row| row.get(0)).optional()?;
    let parsed = text.map(|text| TrustPolicy::parse(&text)).transpose();
    parsed.map_err(|error| LedgerError::BadValue(error.to_string()))
}

/// The policy in force.
pub(in super::super) fn policy(conn: &Connection) -> Result<Option<TrustPolicy>, LedgerError> {
    in_force(conn, 0)
}

/// What one decision needs, and whose signature counts for it.
struct Need {
    required: Requirement,
    signers: Vec<Signer>,
}

impl Need {
    fn of(conn: &Connection, rules: &DecisionRules, event: &NewEvent<'_>) -> Result<Self, LedgerError> {
        let changes_policy = matches!(event.kind, EventKind::TrustPolicy | EventKind::Signers);
        // Its row is there already, and must not speak for itself.
        let own = if changes_policy { event.subject.parse().unwrap_or_default() } else { 0 };
        let mut policy = in_force(conn, own)?.unwrap_or_default();
        // A ledger without signers, where there were some, is from before they were enrolled. What needs a signature now
        // must not be free again with an older copy and its head.
        let is_older = !policy.has_signers() && rules.of_this_place.as_ref().is_some_and(|signers| !signers.is_empty());
        if changes_policy && !policy.has_signers() {
            // The first signer shows that they have the key.
            let new = event.detail.as_ref().map(|detail| TrustPolicy::of_value(&detail["policy"])).transpose();
            policy = new.map_err(|error| LedgerError::BadValue(error.to_string()))?.unwrap_or_default();
        }
        let proposed = rules.proposed.require.unwrap_or_default();
        // The stricter of both: kavi.toml may ask for more than the policy in force, and an edit of
        // it cannot ask for less.
        let table = policy.require.stricter(&proposed);
        let mut required = table.of(event.kind).unwrap_or_default();
        let mut signers = policy.signers;
        if is_older {
            required = required.max(Requirement::Signed);
        }
        if let (true, Some(of_this_place)) = (is_older || event.kind == EventKind::Adopted, &rules.of_this_place) {
            signers.clone_from(of_this_place);
        }
        // Whoever can change who signs can sign everything.
        if (changes_policy || event.kind == EventKind::Adopted) && !signers.is_empty() {
            required = required.max(Requirement::Signed);
        }
        // Another user of the machine decides who may sign. Even a ledger with signers of its own
        // cannot add to that.
        if let Some(pinned) = &rules.pinned {
            required = required.max(Requirement::Signed);
            let is_pinned = |signer: &Signer| pinned.iter().any(|pinned| pinned.key == signer.key);
            match signers.is_empty() {
                true => signers.clone_from(pinned),
                false => signers.retain(is_pinned),
            }
        }
        Ok(Self { required, signers })
    }
}

/// Puts the approval into the event of a decision that needs one.
///
/// # Errors
/// [`LedgerError::NeedsSignature`] while nobody has signed it, [`LedgerError::NotApproved`] when nobody can, or the signature does
/// not count.
pub(super) fn approve(tx: &WriteTransaction<'_>, event: &NewEvent<'_>, body: &mut Value) -> Result<(), LedgerError> {
    let Some(purpose) = namespace(event.kind) else { return Ok(()) };
    if only_stops_agents(body) {
        return Ok(());
    }
    let log = tx.log();
    if log.anchor().is_some() && !matches!(event.kind, EventKind::TrustPolicy | EventKind::Signers) {
        // The policy says who may sign. Read from an edited row, it would accept anybody.
        state::check_trust_policy(tx, log.anchor())?;
    }
    let Need { required, mut signers } = Need::of(tx, log.rules(), event)?;
    if required == Requirement::None {
        return Ok(());
    }
    let at = event.at.to_string();
    signers.retain(|signer| signer.counts(&at, purpose));
    if signers.is_empty() {
        let kind = event.kind.as_str();
        return Err(not_approved(format!(
            "a decision of the kind `{kind}` must be signed, and nobody may sign it now"
        )));
    }
    let workspace = begin::workspace_id(tx)?;
    for given in log.given() {
        let context = context_of(&given.statement).map_err(|error| not_approved(error.to_string()))?;
        // A signature over something else is not an error: one transaction can have several
        // decisions, and each has its own.
        if context.workspace != workspace || statement(body, &context) != given.statement {
            continue;
        }
        check_known(tx, context.checkpoint)?;
        let approved = verify_event(body, given, &signers, std::slice::from_ref(&workspace))
            .map_err(|error| not_approved(error.to_string()))?;
        if !approved.level.satisfies(required) {
            let (is, needs) = (approved.level.as_str(), required.as_str());
            return Err(not_approved(format!(
                "the signature by {} is `{is}`, and `{needs}` is required",
                approved.principal
            )));
        }
        body["detail"]["approval"] =
            serde_json::to_value(given).map_err(|error| LedgerError::BadValue(error.to_string()))?;
        return Ok(());
    }
    // The person signs which history they saw. A fork of it cannot use the signature.
    let checkpoint = seal::newest(tx)?.and_then(|newest| Checkpoint::read_unverified(&newest.note).ok());
    let expires = event.at.after(REQUEST_LASTS).to_string();
    let context = StatementContext { workspace, checkpoint: checkpoint.map(|point| point.head), expires };
    let request = SignatureRequest { namespace: purpose, statement: statement(body, &context), signers, required };
    Err(LedgerError::NeedsSignature(Box::new(request)))
}

/// A checkpoint that a statement names must be one of this history.
fn check_known(conn: &Connection, named: Option<TreeHead>) -> Result<(), LedgerError> {
    let Some(named) = named else { return Ok(()) };
    let sql = "SELECT note FROM checkpoints WHERE size = ?1";
    let note: Option<String> = conn.query_row(sql, [named.size], |row| row.get(0)).optional()?;
    match note.and_then(|note| Checkpoint::read_unverified(&note).ok()).is_some_and(|point| point.head == named) {
        true => Ok(()),
        false => Err(not_approved("the signed statement names a checkpoint of another history")),
    }
}

/// Asks a person for the signature of a request.
///
/// # Errors
/// [`LedgerError::NotApproved`] when there is nobody to ask, they do not sign, or they took too long.
pub(in super::super) fn ask(
    anchor: Option<&dyn HistoryAnchor>,
    request: SignatureRequest,
) -> Result<SignedStatement, LedgerError> {
    let signer = anchor.and_then(|anchor| anchor.rules().signer.as_ref());
    let signer = signer.ok_or_else(|| not_approved("it must be signed, and nobody can be asked here"))?;
    let signature = signer.sign(&request).map_err(|error| not_approved(error.to_string()))?;
    let expires = context_of(&request.statement).map_err(|error| not_approved(error.to_string()))?.expires;
    // Asked again after the signature: a person can leave the question open for hours, and decide
    // about a state that is gone.
    match signer.now() <= expires {
        true => Ok(SignedStatement { statement: request.statement, signature }),
        false => Err(not_approved("the request for a signature had expired: decide again")),
    }
}

/// Checks that kavi.toml leaves key and head where they were when their signers were pinned.
pub(super) fn check_anchor_place(rules: &DecisionRules) -> Result<(), LedgerError> {
    match rules.other_anchor {
        // An older ledger with the head that it had fits in another place.
        true => Err(LedgerError::WeakerFile("`trust.anchor` is another one, or missing".to_owned())),
        false => Ok(()),
    }
}

/// Checks that kavi.toml asks for no less than the policy in force.
pub(super) fn check_file(conn: &Connection, rules: &DecisionRules) -> Result<(), LedgerError> {
    check_anchor_place(rules)?;
    let Some(policy) = policy(conn)? else { return Ok(()) };
    let weaker = rules.proposed.require.and_then(|file| file.weaker_than(&policy.require));
    if let Some(kind) = weaker {
        return Err(LedgerError::WeakerFile(format!("`trust.require` asks for less for `{kind}`")));
    }
    for (key, file, in_force, may_be_new) in [
        // Once there is a signer, also where the policy names no place: an older ledger with an older head fits in a new one.
        ("trust.anchor", &rules.proposed.anchor, &policy.anchor, !policy.has_signers()),
        ("trust.witness", &rules.proposed.witness, &policy.witness, true),
    ] {
        // Another place for key and head, or no witness, is weaker however it looks.
        if file != in_force && (in_force.is_some() || !may_be_new) {
            return Err(LedgerError::WeakerFile(format!("`{key}` is another one, or missing")));
        }
    }
    match weaker_channel(&rules.proposed.channels, &policy.channels) {
        Some(key) => Err(LedgerError::WeakerFile(format!("`{key}` allows more"))),
        None => Ok(()),
    }
}

const NEWEST_TRUST: &str = "SELECT s.id, (SELECT h.body FROM promotions p JOIN history h ON h.subject = p.id
         WHERE p.proposal_id = s.id AND h.kind IN ('promotion', 'rollback') ORDER BY h.position DESC LIMIT 1)
     FROM skill_proposals s WHERE s.name = ?1 AND s.status = 'TRUSTED'";

/// What of a trusted revision a pinned signer must have signed.
const SIGNED_COLUMNS: [&str; 7] =
    ["name", "revision", "spec_sha256", "spec_json", "component_sha256", "snapshot_sha256", "limits_json"];

/// Checks that a pinned signer has signed the trust in a skill, if signers are pinned.
pub(super) fn check_pinned(conn: &Connection, rules: &DecisionRules, skill: &SkillName) -> Result<(), LedgerError> {
    let Some(pinned) = &rules.pinned else { return Ok(()) };
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, Option<String>>(1)?));
    // Nothing is trusted under this name, so nothing runs.
    let Some((id, body)) = conn.prepare_cached(NEWEST_TRUST)?.query_row([skill], read).optional()? else {
        return Ok(());
    };
    let refuse = |why: String| Err(not_approved(format!("no pinned signer has signed the trust in {skill}: {why}")));
    let event: Value = body.and_then(|body| serde_json::from_str(&body).ok()).unwrap_or_default();
    let signed = match approval::of_event(&event) {
        Ok(Some(signed)) => signed,
        Ok(None) => return refuse("its decision has no signature".to_owned()),
        Err(error) => return refuse(error.to_string()),
    };
    if let Err(error) = verify_event(&event, &signed, pinned, &begin::workspace_ids(conn)?) {
        return refuse(error.to_string());
    }
    let key = RowKey { table: "skill_proposals", key: id };
    // The signature is over the event. What runs is the row, so the two are compared in what
    // decides the bytes and the rights.
    let now = images::read(conn, &key)?;
    let said = &event["rows"][key.to_string()][0];
    match SIGNED_COLUMNS.into_iter().find(|column| said[column] != now[0][column]) {
        None => Ok(()),
        Some(column) => refuse(format!("`{column}` is not what was signed")),
    }
}
