//! Approvals that are moved, replayed, late, or by the wrong key: each is refused, and by what it says.

use proptest::prelude::*;
use ring::signature::{Ed25519KeyPair, KeyPair as _};

use super::super::approval_walk::ApprovalWalk;
use super::super::ssh_key::{SshPublicKey, put_string};
use super::super::sshsig::{SshSignature, signed_bytes};
use super::*;

type Made<T> = Result<T, Box<dyn std::error::Error>>;

const AT: &str = "2026-11-30T12:00:00.000Z";

/// A person with a plain key, or with one on hardware that sets these flags.
struct Somebody {
    pair: Ed25519KeyPair,
    flags: Option<u8>,
}

impl Somebody {
    fn new(seed: u8, flags: Option<u8>) -> Made<Self> {
        Ok(Self { pair: Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).map_err(|_| "no key")?, flags })
    }

    fn kind(&self) -> &'static [u8] {
        if self.flags.is_some() { b"sk-ssh-ed25519@openssh.com" } else { b"ssh-ed25519" }
    }

    fn key(&self) -> Made<SshPublicKey> {
        let mut blob = Vec::new();
        [self.kind(), self.pair.public_key().as_ref()].iter().for_each(|field| put_string(&mut blob, field));
        if self.flags.is_some() {
            put_string(&mut blob, b"ssh:");
        }
        Ok(SshPublicKey::from_blob(&blob)?)
    }

    fn signer(&self, principal: &str) -> Made<Signer> {
        let principal = principal.to_owned();
        let (key, namespaces) = (self.key()?.text(), Vec::new());
        Ok(Signer { principal, key, valid_after: None, valid_before: None, namespaces, confirms: false })
    }

    fn sign(&self, namespace: &str, statement: &str) -> Made<SignedStatement> {
        let bytes = signed_bytes(namespace, statement.as_bytes());
        let mut signature = Vec::new();
        put_string(&mut signature, self.kind());
        match self.flags {
            None => put_string(&mut signature, self.pair.sign(&bytes).as_ref()),
            Some(flags) => {
                let signed = [&sha256(&[b"ssh:"])[..], &[flags, 0, 0, 0, 9], &sha256(&[&bytes])].concat();
                put_string(&mut signature, self.pair.sign(&signed).as_ref());
                signature.extend_from_slice(&[flags, 0, 0, 0, 9]);
            }
        }
        let parsed = SshSignature::from_parts(self.key()?, namespace, signature);
        Ok(SignedStatement { statement: statement.to_owned(), signature: parsed.armored() })
    }
}

fn promotion(component: &str) -> Value {
    json!({ "v": 1, "kind": "promotion", "at": AT, "subject": "p1", "decision": 3, "state": "ab", "rows": {
        "promotions/p1": [{ "proposal_id": "s1", "component_sha256": component, "spec_sha256": "cc" }],
        "skill_proposals/s1": [{ "snapshot_sha256": "dd", "limits_json": null }] } })
}

fn context(expires: &str) -> StatementContext {
    StatementContext { workspace: "w1".to_owned(), checkpoint: None, expires: expires.to_owned() }
}

fn verdict(body: &Value, signed: &SignedStatement, signers: &[Signer]) -> Result<Approved, ApprovalIssue> {
    verify_event(body, signed, signers, &["w1".to_owned()])
}

#[test]
fn an_approval_counts_for_its_event_its_workspace_and_its_time() -> Made<()> {
    let ada = Somebody::new(1, None)?;
    let signers = [ada.signer("ada")?];
    let body = promotion("aa");
    let good = ada.sign("promotion@kavi", &statement(&body, &context("2026-11-30T12:15:00.000Z")))?;
    let approved = verdict(&body, &good, &signers)?;
    assert_eq!((approved.principal.as_str(), approved.level), ("ada", SignatureLevel::File));

    // Moved to another component, revision or kind.
    assert_eq!(verdict(&promotion("bb"), &good, &signers), Err(ApprovalIssue::Other("event")));
    let mut replayed = body.clone();
    replayed["subject"] = "p2".into();
    assert_eq!(verdict(&replayed, &good, &signers), Err(ApprovalIssue::Other("event")));
    replayed["kind"] = "rollback".into();
    assert!(matches!(verdict(&replayed, &good, &signers), Err(ApprovalIssue::Signature(_))));
    replayed["kind"] = "stop".into();
    assert!(matches!(verdict(&replayed, &good, &signers), Err(ApprovalIssue::Malformed(_))));
    // Of another workspace.
    let other = verify_event(&body, &good, &signers, &["w2".to_owned()]);
    assert_eq!(other, Err(ApprovalIssue::Other("workspace")));
    // Asked for so long ago that it had expired.
    let late = ada.sign("promotion@kavi", &statement(&body, &context("2026-11-30T11:59:59.999Z")))?;
    assert!(matches!(verdict(&body, &late, &signers), Err(ApprovalIssue::Malformed(_))));
    // A statement whose subjects are not those of the event.
    let moved = statement(&body, &context("2026-11-30T12:15:00.000Z")).replacen("\"aa\"", "\"bb\"", 1);
    let swapped: Value = serde_json::from_str(&moved)?;
    assert!(verdict(&body, &ada.sign("promotion@kavi", &swapped.to_string())?, &signers).is_err());
    Ok(())
}

#[test]
fn only_a_signer_who_counts_then_and_for_that_approves() -> Made<()> {
    let (ada, eve) = (Somebody::new(1, None)?, Somebody::new(2, None)?);
    let body = promotion("aa");
    let text = statement(&body, &context("2026-11-30T12:15:00.000Z"));
    let by_eve = eve.sign("promotion@kavi", &text)?;
    assert!(matches!(verdict(&body, &by_eve, &[ada.signer("ada")?]), Err(ApprovalIssue::NoSigner(_))));
    let good = ada.sign("promotion@kavi", &text)?;
    let with = |change: &dyn Fn(&mut Signer)| -> Made<Result<Approved, ApprovalIssue>> {
        let mut signer = ada.signer("ada")?;
        change(&mut signer);
        Ok(verdict(&body, &good, &[signer]))
    };
    assert!(with(&|_| {})?.is_ok());
    assert!(with(&|signer| signer.valid_before = Some(AT.to_owned()))?.is_err(), "it ends at that moment");
    assert!(with(&|signer| signer.valid_after = Some("2026-11-30T12:00:00.001Z".to_owned()))?.is_err());
    assert!(with(&|signer| signer.namespaces = vec!["effect@kavi".to_owned()])?.is_err());
    assert!(with(&|signer| signer.namespaces = vec!["promotion@kavi".to_owned()])?.is_ok());
    Ok(())
}

/// The event by which a policy is put into force.
fn policy(number: u32, signers: &[Signer], need: &str) -> Value {
    let policy = json!({ "v": 1, "require": { "promotion": need }, "signers": signers, "channels": {} });
    json!({ "v": 1, "kind": "signers", "at": AT, "subject": number.to_string(), "rows": {},
        "detail": { "policy": policy } })
}

fn approve(body: &Value, by: &Somebody, namespace: &str) -> Made<Value> {
    let signed = by.sign(namespace, &statement(body, &context("2026-11-30T12:15:00.000Z")))?;
    let mut body = body.clone();
    body["detail"]["approval"] = serde_json::to_value(signed)?;
    Ok(body)
}

#[test]
fn a_history_needs_what_its_policy_said_before_each_event() -> Made<()> {
    let (ada, eve) = (Somebody::new(1, None)?, Somebody::new(2, None)?);
    let first = approve(&policy(1, &[ada.signer("ada")?], "signed"), &ada, "signers@kavi")?;
    let start = || -> Made<ApprovalWalk> {
        let mut walk = ApprovalWalk::new(Some("w1"));
        // Before the first signer nothing is needed.
        assert_eq!(walk.step(&promotion("00"))?, None);
        assert!(walk.step(&first)?.is_some());
        Ok(walk)
    };
    assert!(start()?.step(&approve(&promotion("aa"), &ada, "promotion@kavi")?)?.is_some());
    assert_eq!(start()?.step(&promotion("aa")), Err(ApprovalIssue::TooWeak("signed")));
    assert!(start()?.step(&approve(&promotion("aa"), &eve, "promotion@kavi")?).is_err());
    // Nobody enrols themselves, or takes the first one away.
    let second = policy(2, &[eve.signer("eve")?], "signed");
    assert!(start()?.step(&second).is_err());
    assert!(start()?.step(&approve(&second, &eve, "signers@kavi")?).is_err());
    let mut walk = start()?;
    assert!(walk.step(&approve(&second, &ada, "signers@kavi")?)?.is_some());
    assert!(walk.step(&approve(&promotion("aa"), &ada, "promotion@kavi")?).is_err(), "a removed signer");
    assert!(walk.step(&approve(&promotion("aa"), &eve, "promotion@kavi")?)?.is_some());
    Ok(())
}

#[test]
fn where_a_touch_is_needed_a_key_that_was_not_touched_is_not_enough() -> Made<()> {
    for (flags, enough) in [(None, false), (Some(0), false), (Some(1), true), (Some(5), true)] {
        let ada = Somebody::new(1, flags)?;
        let mut walk = ApprovalWalk::new(Some("w1"));
        walk.step(&approve(&policy(1, &[ada.signer("ada")?], "touch"), &ada, "signers@kavi")?)?;
        let stepped = walk.step(&approve(&promotion("aa"), &ada, "promotion@kavi")?);
        assert_eq!(stepped.is_ok(), enough, "{flags:?}: {stepped:?}");
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_text_makes_the_readers_panic(text in "(\\{\"predicate\":)?(.|\n)*") {
        let signed = SignedStatement { statement: text.clone(), signature: text.clone() };
        prop_assert!(verify_event(&promotion("aa"), &signed, &[], &[]).is_err());
        let _ = context_of(&text);
        let body: Value = serde_json::from_str(&text).unwrap_or_default();
        let _ = ApprovalWalk::new(None).step(&body);
    }
}
