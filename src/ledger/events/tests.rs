//! Edits of a ledger behind Kavi's back: every column of every table, whole rows, and whole copies.

mod anchored_tests;
mod newer_tests;

use std::error::Error;
use std::sync::{Arc, Mutex};

use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::json;

use super::*;
use crate::history::anchor::AnchorError;
use crate::history::note::NoteKey;
use crate::ledger::{
    Acknowledgement, Adoption, ArtifactRow, BuildEnd, Create, Deadlines, Decided, GateRow, Ledger, NewBuild,
    NewProposal, PromotionRequest, PromotionSubject, ProposalOrigin, ProposalSource, Research, Reverification, Settled,
    SignedEnvelope, Verification,
};
use crate::model::governance::GovernanceRows;
use crate::model::{
    artifact::{ArtifactKind, ArtifactPath},
    channel::Channel,
    commit::{Commit, FileChange, VaultChange},
    digest::Digest,
    execution::{Effect, ExecutionRecord},
    id::{ArtifactId, BuildId, ExecutionId, PromotionId, ProposalId, RandomIds, ResearchId, VerificationId},
    lifecycle::{BuilderKind, CommitKind, FailureKind, Trigger, Verdict},
    limits::Narrowed,
    name::SkillName,
    program::ProgramIdentity,
    research::{AdviceOutcome, Classified, Escalation, Facts},
    spec::SkillSpec,
    vault_path::VaultPath,
};
use crate::sync::lock;

type Done = Result<(), Box<dyn Error>>;
type Made<T> = Result<T, Box<dyn Error>>;

/// An anchor in memory.
#[derive(Debug)]
struct MemoryAnchor {
    seed: [u8; 32],
    head: Mutex<Option<String>>,
}

impl MemoryAnchor {
    fn new(seed: u8) -> Arc<Self> {
        Arc::new(Self { seed: [seed; 32], head: Mutex::default() })
    }

    fn pair(&self) -> Result<Ed25519KeyPair, AnchorError> {
        Ed25519KeyPair::from_seed_unchecked(&self.seed).map_err(|error| AnchorError::Unusable(error.to_string()))
    }
}

impl HistoryAnchor for MemoryAnchor {
    fn key(&self) -> Result<NoteKey, AnchorError> {
        let public = self.pair()?.public_key().as_ref().try_into().unwrap_or_default();
        NoteKey::new("kavi/test", public).ok_or_else(|| AnchorError::Unusable("no name".to_owned()))
    }

    fn sign(&self, text: &str) -> Result<[u8; 64], AnchorError> {
        let signature = self.pair()?.sign(text.as_bytes());
        signature.as_ref().try_into().map_err(|_| AnchorError::Unusable("no signature".to_owned()))
    }

    fn head(&self) -> Result<Option<String>, AnchorError> {
        Ok(lock(&self.head).clone())
    }

    fn advance(&self, note: &str) -> Result<(), AnchorError> {
        *lock(&self.head) = Some(note.to_owned());
        Ok(())
    }
}

fn at(second: i64) -> Made<Timestamp> {
    Ok(Timestamp::from_millis(1_796_000_000_000 + second * 1_000)?)
}

fn artifact(second: i64) -> Made<ArtifactRow> {
    let id = ArtifactId::new(&RandomIds);
    let path = ArtifactPath::parse(&format!("artifacts_out/{id}"))?;
    let (kind, sha256, related_id) = (ArtifactKind::Note, Digest::of(path.as_str().as_bytes()), String::new());
    Ok(ArtifactRow { id, kind, path, sha256, created_at: at(second)?, related_id })
}

fn request(second: i64, reason: Option<&str>) -> Made<PromotionRequest> {
    let (id, reason) = (PromotionId::new(&RandomIds), reason.map(str::to_owned));
    Ok(PromotionRequest { id, approved_by: "ada".to_owned(), reason, at: at(second)? })
}

fn propose(ledger: &Ledger, name: &str, second: i64) -> Made<ProposalId> {
    let io = json!({ "type": "object", "properties": { "a": { "type": "string" } }, "required": ["a"],
        "additionalProperties": false });
    let spec: SkillSpec = serde_json::from_value(json!({ "v": 1, "name": name, "description": "d",
        "side_effect_class": "READ_ONLY", "paths": [], "required_secrets": [], "examples": [],
        "io": { "input": io, "output": io } }))?;
    let id = ProposalId::new(&RandomIds);
    let spec_json = crate::model::json::canonical(&serde_json::to_value(&spec)?);
    let source = ProposalSource { channel: Channel::Mcp, by: "an agent".to_owned(), why: "often".to_owned() };
    let artifact = artifact(second)?;
    let digest = Digest::of(b"elsewhere");
    let origin = ProposalOrigin {
        workspace: "kavi/other".to_owned(),
        signed_by: "kavi/other+00000000+AA==".to_owned(),
        events: 7,
        promoted_at: at(second)?,
        promoted_by: "bob".to_owned(),
        approval: Some("signed".to_owned()),
        bundle_sha256: digest,
        source_sha256: digest,
        component_sha256: digest,
    };
    let new = NewProposal {
        id,
        spec: &spec,
        spec_json: &spec_json,
        artifact: &artifact,
        source: Some(&source),
        origin: Some(&origin),
        context_sha256: Some(GovernanceRows::default().context_set().sha256),
    };
    Ok(ledger.insert_proposal(&new)?.id)
}

/// A proposal, built and verified. Gives its verification and component.
fn verified(ledger: &Ledger, proposal: ProposalId, second: i64) -> Made<(VerificationId, Digest)> {
    let packet = artifact(second)?;
    let escalations = vec![Escalation { trigger: Trigger::Ambiguous, why: "unclear".to_owned() }];
    let go = Acknowledgement { acknowledged_by: "ada".to_owned(), escalations };
    let build = ledger.start_build(&NewBuild {
        id: BuildId::new(&RandomIds),
        proposal_id: proposal,
        branch_name: "skill/x".to_owned(),
        builder: BuilderKind::Claude,
        confinement: "own".to_owned(),
        packet: &packet,
        decided_after: None,
        acknowledgement: Some(&go),
        used: None,
    })?;
    let snapshot = Digest::of(proposal.to_string().as_bytes());
    ledger.finish_build(
        build.id,
        &BuildEnd {
            outcome: Ok(snapshot),
            summary: "over".to_owned(),
            confinement: "own".to_owned(),
            findings: Vec::new(),
            artifacts: vec![artifact(second)?],
            finished_at: at(second)?,
        },
    )?;
    let component = Digest::of(b"component");
    let verification = Verification {
        id: VerificationId::new(&RandomIds),
        proposal_id: proposal,
        build_id: build.id,
        status: Verdict::Passed,
        snapshot_sha256: snapshot,
        component_sha256: Some(component),
        toolchain: "rustc".to_owned(),
        sdk_sha256: Digest::of(b"sdk"),
        confinement: "own".to_owned(),
        report_path: "report".to_owned(),
        created_at: at(second)?,
        gates_version: 1,
        program: Some(ProgramIdentity {
            sha256: Digest::of(b"kavi"),
            version: "0.1.0".to_owned(),
            commit: Some("c0ffee".to_owned()),
            sources_sha256: Digest::of(b"sources").to_string(),
            contract_sha256: Digest::of(b"contract"),
        }),
        gates: vec![GateRow {
            gate: "imports".to_owned(),
            status: Verdict::Passed,
            findings: Vec::new(),
            duration_ms: 3,
            check_key: Some(Digest::of(b"key")),
            reused_from: None,
        }],
    };
    ledger.insert_verification(&verification, &artifact(second)?)?;
    ledger.insert_research(
        &Research {
            id: ResearchId::new(&RandomIds),
            build_id: build.id,
            verification_id: None,
            classified: Classified {
                kind: FailureKind::Unknown,
                facts: Facts {
                    gate: None,
                    failed_gates: Vec::new(),
                    findings: Vec::new(),
                    omitted: 0,
                    excerpt: String::new(),
                },
            },
            hint: None,
            advice: AdviceOutcome::Unreachable { why: "nobody".to_owned() },
            escalations: Vec::new(),
            note_path: "note".to_owned(),
            created_at: at(second)?,
        },
        &[artifact(second)?],
    )?;
    Ok((verification.id, component))
}

fn trust(ledger: &Ledger, name: &str, second: i64) -> Made<ProposalId> {
    let proposal = propose(ledger, name, second)?;
    let (verification, component) = verified(ledger, proposal, second)?;
    let (limits, request) = (Narrowed::default(), request(second, None)?);
    let statements = vec![SignedEnvelope { predicate_type: "a statement", envelope: "x".repeat(300) }];
    let subject = PromotionSubject { id: proposal, verification, component, limits: &limits, request, statements };
    ledger.promote_all(&[subject])?;
    Ok(proposal)
}

fn record(second: i64) -> Made<ExecutionRecord> {
    let record: ExecutionRecord = serde_json::from_str(include_str!("../../../tests/support/record.json"))?;
    let (started_at, finished_at) = (at(second)?, at(second)?);
    Ok(ExecutionRecord { execution_id: ExecutionId::new(&RandomIds), started_at, finished_at, ..record })
}

/// A run that wrote a file, and its commit: held for a person, or on its way.
fn run(ledger: &Ledger, second: i64, held: bool) -> Made<Commit> {
    let record = record(second)?;
    let id = record.execution_id.into();
    let effect = Effect { path: VaultPath::parse("a.md")?, sha256: Some(Digest::of(b"a")), bytes: 1, before: None };
    let changes = vec![VaultChange::File(FileChange::from(&effect))];
    let mut commit = Commit::pending(id, CommitKind::Run, changes, record.finished_at);
    if held {
        commit.state = crate::model::lifecycle::CommitState::Held;
        commit.expires_at = Some(at(second + 100_000)?);
    }
    let record = ExecutionRecord { effects: vec![effect], commit_id: Some(id), ..record };
    ledger.insert_success(&record, Some(&commit), ledger.authorize()?)?;
    Ok(commit)
}

fn name(text: &str) -> Made<SkillName> {
    Ok(SkillName::parse(text)?)
}

/// A ledger in which everything happened that can happen.
fn eventful(ledger: &Ledger) -> Done {
    ledger.name_key(at(0)?)?;
    for skill in ["one", "two"] {
        trust(ledger, skill, 1)?;
    }
    trust(ledger, "one", 2)?;
    ledger.rollback(&name("one")?, ledger.rollback_target(&name("one")?)?.id, &request(3, None)?)?;
    trust(ledger, "three", 4)?;
    ledger.revoke(&name("three")?, None, &request(5, Some("smells"))?)?;
    ledger.insert_reverification(&Reverification {
        id: VerificationId::new(&RandomIds),
        proposal_id: ledger.trusted(&name("two")?)?.ok_or("not trusted")?.id,
        gates_version: 2,
        status: Verdict::Passed,
        findings: Vec::new(),
        created_at: at(5)?,
    })?;
    propose(ledger, "four", 6)?;
    ledger.stop("ada", "a look", at(7)?)?;
    ledger.resume("ada", at(8)?)?;
    let old = run(ledger, -10_000_000, false)?;
    ledger.settle(old.id, &Settled::Applied)?;
    let applied = run(ledger, 9, false)?;
    ledger.settle(applied.id, &Settled::Applied)?;
    let decided = Decided { by: "ada", at: at(11)? };
    ledger.approve_commit(run(ledger, 10, true)?.id, decided, Deadlines::Count, &[])?;
    ledger.reject_commit(run(ledger, 10, true)?.id, decided, Deadlines::Count, Some("no"))?;
    run(ledger, 10, true)?;
    // The file system failed after an approval, so the person decides again.
    let again = run(ledger, 10, true)?.id;
    ledger.approve_commit(again, decided, Deadlines::Count, &[])?;
    ledger.settle(again, &Settled::Held)?;
    ledger.approve_commit(again, decided, Deadlines::Count, &[])?;
    ledger.insert_execution(&record(12)?)?;
    let pruned = ledger.prune(at(0)?, Decided { by: "ada", at: at(13)? })?;
    assert_eq!((pruned.executions, pruned.commits), (1, 1));
    ledger.insert_execution(&record(14)?)?;
    Ok(())
}

fn anchored() -> Made<Ledger> {
    let ledger = Ledger::in_memory()?.with_anchor(MemoryAnchor::new(1));
    eventful(&ledger)?;
    Ok(ledger)
}

fn texts(conn: &Connection, sql: &str) -> Made<Vec<String>> {
    Ok(conn.prepare(sql)?.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?)
}

/// Every table, and its columns.
fn all_columns(conn: &Connection) -> Made<Vec<(String, String)>> {
    let mut all = Vec::new();
    for table in texts(conn, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")? {
        for column in texts(conn, &format!("SELECT name FROM pragma_table_info('{table}')"))? {
            all.push((table.clone(), column));
        }
    }
    Ok(all)
}

/// Other values that a column may be given, in SQL.
const OTHERS: [&str; 4] = ["{} + 1", "coalesce({}, '') || 'x'", "zeroblob(32)", "NULL"];

/// Tries an edit, and takes it back. `None` when SQLite refuses it or it changes nothing.
fn edited<T>(ledger: &Ledger, sql: &str, look: impl FnOnce(&Ledger) -> T) -> Made<Option<T>> {
    ledger.conn.execute_batch("BEGIN")?;
    let seen = ledger.conn.execute(sql, []).is_ok_and(|rows| rows > 0).then(|| look(ledger));
    ledger.conn.execute_batch("ROLLBACK")?;
    Ok(seen)
}

fn unlocked(ledger: &Ledger) -> Done {
    ledger.conn.pragma_update(None, "ignore_check_constraints", "ON")?;
    ledger.conn.pragma_update(None, "foreign_keys", "OFF")?;
    Ok(())
}

fn found(ledger: &Ledger) -> bool {
    ledger.audit_history().map_or(true, |audit| !audit.problems.is_empty())
}

#[test]
fn nothing_is_wrong_with_what_kavi_wrote() -> Done {
    let ledger = anchored()?;
    let audit = ledger.audit_history()?;
    assert_eq!(audit.problems, [""; 0]);
    assert_eq!(audit.pruned, 1);
    assert!(ledger.sign_tail()? && !ledger.sign_tail()?);
    let after = ledger.audit_history()?;
    assert_eq!((after.problems.len(), after.signed_events), (0, after.events));
    for skill in ["one", "two", "three", "never"] {
        ledger.check_trust(Some(&name(skill)?))?;
    }
    Ok(())
}

#[test]
fn every_column_of_every_row_is_held_to_its_event() -> Done {
    let ledger = newer_tests::everything()?;
    unlocked(&ledger)?;
    let (mut tried, mut believed) = (0, Vec::new());
    for (table, column) in all_columns(&ledger.conn)? {
        let rows = texts(&ledger.conn, &format!("SELECT CAST(rowid AS TEXT) FROM {table} ORDER BY rowid"))?;
        // The first and the last ones: each edit is a check of everything.
        let some: Vec<&String> = rows.iter().take(4).chain(rows.iter().skip(4).rev().take(4)).collect();
        for row in some {
            for other in OTHERS {
                let value = other.replace("{}", &column);
                let sql =
                    format!("UPDATE {table} SET {column} = {value} WHERE rowid = {row} AND {column} IS NOT {value}");
                if let Some(seen) = edited(&ledger, &sql, found)? {
                    tried += 1;
                    if !seen {
                        believed.push(sql);
                    }
                }
            }
        }
    }
    assert!(believed.is_empty(), "{} of {tried} edits were believed: {believed:#?}", believed.len());
    assert!(tried > 500, "{tried}");
    Ok(())
}

#[test]
fn every_removed_and_every_added_row_is_seen() -> Done {
    let ledger = newer_tests::everything()?;
    unlocked(&ledger)?;
    let mut believed = Vec::new();
    // Another key, and for what must be unique another value.
    let unique = ["id", "path", "sha256", "key", "gate", "execution_id", "build_id", "proposal_id"];
    for table in texts(&ledger.conn, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")?
    {
        let columns = texts(&ledger.conn, &format!("SELECT name FROM pragma_table_info('{table}')"))?;
        let copy = |status: &str| {
            let value = |column: &String| match column.as_str() {
                "number" | "position" | "size" | "revision" => format!("{column} + 1000"),
                "status" => status.to_owned(),
                name if unique.contains(&name) => format!("{name} || 'x'"),
                name => name.to_owned(),
            };
            columns.iter().map(value).collect::<Vec<_>>().join(", ")
        };
        for row in texts(&ledger.conn, &format!("SELECT CAST(rowid AS TEXT) FROM {table}"))? {
            let added =
                |status: &str| format!("INSERT INTO {table} SELECT {} FROM {table} WHERE rowid = {row}", copy(status));
            for sql in [format!("DELETE FROM {table} WHERE rowid = {row}"), added("status"), added("'REVOKED'")] {
                if edited(&ledger, &sql, found)? == Some(false) {
                    believed.push(sql);
                }
            }
        }
    }
    assert!(believed.is_empty(), "{believed:#?}");
    Ok(())
}

#[test]
fn an_edit_of_what_decides_stops_the_run_and_names_event_and_field() -> Done {
    let ledger = anchored()?;
    unlocked(&ledger)?;
    let one = name("one")?;
    let refused = |ledger: &Ledger| match (ledger.trusted_revision(&one), ledger.trusted(&one)) {
        (Err(first), Err(_)) => first.to_string(),
        _ => "believed".to_owned(),
    };
    let revision = ledger.trusted_revision(&one)?.ok_or("not trusted")?.id;
    let newest = newest_decision(&ledger.conn)?.ok_or("no decision")?;
    let row = format!("WHERE id = '{revision}'");
    let event = format!("WHERE position = {newest}");
    let edits = [
        (format!("UPDATE skill_proposals SET component_sha256 = '{}' {row}", "0".repeat(64)), "`component_sha256`"),
        (format!("UPDATE skill_proposals SET snapshot_sha256 = '{}' {row}", "0".repeat(64)), "`snapshot_sha256`"),
        (format!("UPDATE skill_proposals SET limits_json = '{{\"wall_ms\":1}}' {row}"), "`limits_json`"),
        (format!("UPDATE skill_proposals SET revision = 7 {row}"), "`revision`"),
        (format!("UPDATE skill_proposals SET status = 'REVOKED' {row}"), "`status`"),
        (format!("DELETE FROM skill_proposals {row}"), "removed"),
        ("UPDATE switch_turns SET position = 'STOPPED' WHERE number = 3".to_owned(), "`position`"),
        ("UPDATE switch_turns SET turned_by = 'bob' WHERE number = 3".to_owned(), "`turned_by`"),
        ("DELETE FROM switch_turns WHERE number = 3".to_owned(), "switch_turns/"),
        ("UPDATE trust_state SET leaf = zeroblob(32) WHERE key = 'skill/two'".to_owned(), "`trust_state`"),
        ("DELETE FROM trust_state WHERE key = 'skill/three'".to_owned(), "`trust_state`"),
        (format!("UPDATE history SET body = replace(body, 'ada', 'bob') {event}"), "event"),
        (format!("UPDATE history SET decides = 0 {event}"), "decision"),
        (format!("DELETE FROM history {event}"), "decision"),
        (format!("DELETE FROM checkpoints WHERE size = {}", newest + 1), "checkpoint"),
        (
            format!("UPDATE checkpoints SET note = replace(note, 'kavi', 'evil') WHERE size = {}", newest + 1),
            "checkpoint",
        ),
    ];
    for (sql, says) in edits {
        let said = edited(&ledger, &sql, refused)?.ok_or_else(|| format!("{sql}: not done"))?;
        assert!(said.starts_with("the ledger was changed outside of Kavi") && said.contains(says), "{sql}: {said}");
    }
    assert!(ledger.trusted(&one)?.is_some());
    Ok(())
}

/// Appends an event behind Kavi's back, with its leaf and link.
fn forge(ledger: &Ledger, kind: EventKind, detail: &str, state: Option<Hash>) -> Done {
    let (position, last): (u64, Hash) = ledger.conn.query_row(LAST, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let mut body = json!({ "v": 1, "kind": kind.as_str(), "at": at(20)?.to_string(), "subject": detail,
        "decision": newest_decision(&ledger.conn)?, "rows": {} });
    if let Some(state) = state {
        body["state"] = json!(hex(&state));
    }
    let (body, decides) = (body.to_string(), kind.is_decision());
    let leaf = leaf_hash(body.as_bytes());
    ledger
        .conn
        .execute(INSERT, params![position + 1, kind.as_str(), decides, detail, body, leaf, chain(&last, &leaf)])?;
    Ok(())
}

#[test]
fn a_forged_decision_without_the_key_is_refused_however_well_it_is_chained() -> Done {
    let ledger = anchored()?;
    unlocked(&ledger)?;
    // Everything that needs no key: the row, the state, the event with its leaf and its link.
    ledger.conn.execute_batch("UPDATE skill_proposals SET status = 'TRUSTED' WHERE name = 'three'")?;
    let state = state::found(&ledger.conn)?;
    for (key, leaf) in state.leaves() {
        ledger.conn.execute("UPDATE trust_state SET leaf = ?2 WHERE key = ?1", params![key, leaf])?;
    }
    forge(&ledger, EventKind::Promotion, "three", Some(state.digest()))?;
    let refused = ledger.trusted(&name("three")?);
    assert!(
        matches!(&refused, Err(LedgerError::Tampered(why)) if why.contains("checkpoint of its own")),
        "{refused:?}"
    );
    // Also after a run had a checkpoint signed over it, and for every decision that follows.
    for _ in 0..2 {
        let _ = ledger.insert_execution(&record(100_000)?);
        assert!(ledger.trusted(&name("three")?).is_err());
    }
    assert!(trust(&ledger, "five", 30).is_err() && ledger.stop("ada", "a look", at(31)?).is_err());
    Ok(())
}

#[test]
fn a_revocation_that_is_cut_out_is_missed() -> Done {
    let ledger = Ledger::in_memory()?.with_anchor(MemoryAnchor::new(1));
    ledger.name_key(at(0)?)?;
    let id = trust(&ledger, "one", 1)?;
    let before: Vec<(String, Hash)> =
        state::found(&ledger.conn)?.leaves().map(|(key, leaf)| (key.to_owned(), *leaf)).collect();
    ledger.revoke(&name("one")?, None, &request(2, Some("smells"))?)?;
    propose(&ledger, "later", 3)?;
    unlocked(&ledger)?;
    let revocation = newest_decision(&ledger.conn)?.ok_or("no decision")?;
    ledger.conn.execute("UPDATE skill_proposals SET status = 'TRUSTED' WHERE id = ?1", [id])?;
    for (key, leaf) in before {
        ledger.conn.execute("UPDATE trust_state SET leaf = ?2 WHERE key = ?1", params![key, leaf])?;
    }
    for sql in [
        format!("DELETE FROM history WHERE position = {revocation}"),
        format!("UPDATE history SET decides = 0 WHERE position = {revocation}"),
    ] {
        let refused =
            edited(&ledger, &sql, |ledger| ledger.trusted(&name("one").unwrap_or_else(|_| unreachable!("a name"))))?;
        assert!(
            matches!(&refused, Some(Err(LedgerError::Tampered(why))) if why.contains("a decision is missing")),
            "{refused:?}"
        );
    }
    Ok(())
}

#[test]
fn an_edited_verification_is_not_promoted() -> Done {
    for sql in [
        "UPDATE verification_gates SET status = 'FAILED'",
        "UPDATE verifications SET sdk_sha256 = lower(hex(zeroblob(32)))",
        "UPDATE builds SET summary = 'honest'",
        "UPDATE skill_proposals SET description = 'other' WHERE name = 'six'",
    ] {
        let ledger = anchored()?;
        unlocked(&ledger)?;
        let proposal = propose(&ledger, "six", 40)?;
        let (verification, component) = verified(&ledger, proposal, 40)?;
        ledger.conn.execute_batch(sql)?;
        let promoted = ledger.promote(proposal, verification, component, &Narrowed::default(), &request(41, None)?);
        assert!(matches!(promoted, Err(LedgerError::Tampered(_))), "{sql}: {promoted:?}");
    }
    Ok(())
}

#[test]
fn an_edited_change_is_neither_approved_nor_finished() -> Done {
    let ledger = &anchored()?;
    unlocked(ledger)?;
    let held = run(ledger, 50, true)?;
    ledger
        .conn
        .execute("UPDATE commits SET changes_json = replace(changes_json, 'a.md', 'b.md') WHERE id = ?1", [held.id])?;
    let approved = ledger.approve_commit(held.id, Decided { by: "ada", at: at(51)? }, Deadlines::Count, &[]);
    assert!(matches!(&approved, Err(LedgerError::Tampered(why)) if why.contains("`changes_json`")), "{approved:?}");
    ledger
        .conn
        .execute("UPDATE commits SET state = 'PENDING', number = 99, expires_at = NULL WHERE id = ?1", [held.id])?;
    assert!(ledger.commit_difference(held.id)?.is_some(), "recovery would move its files");
    assert_eq!(ledger.commit_difference(run(ledger, 52, false)?.id)?, None);
    Ok(())
}
