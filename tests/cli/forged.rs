//! Proofs and bundles as somebody with a key of their own would make them: every digest and signature fits, and what they say is
//! theirs to choose.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use kavi::history::bundle::{self, Bundle};
use kavi::history::checkpoint::Checkpoint;
use kavi::history::merkle::{TreeHead, inclusion_path, leaf_hash, root};
use kavi::history::note::NoteKey;
use kavi::history::proof::{Proof, ProvenEvent, StatementBlock};
use kavi::history::source_files::{self, SourceFiles};
use kavi::history::statement::{self, StatementKind};
use kavi::history::{hex, sha256};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

/// What somebody else claims to have promoted.
pub struct Forged {
    pub specification: Vec<u8>,
    pub component: Vec<u8>,
    pub source: SourceFiles,
    /// Changes the statements before they are signed.
    pub claims: fn(&mut [Value]),
    /// Changes the envelopes before the event names them.
    pub envelopes: fn(&mut Vec<String>),
    /// Changes the event before it is hashed.
    pub event: fn(&mut Value),
}

fn digest(bytes: &[u8]) -> String {
    hex(&sha256(&[bytes]))
}

fn named(digest: &str) -> Value {
    json!({ "sha256": digest })
}

impl Forged {
    pub fn new() -> Self {
        Self {
            specification: b"{}".to_vec(),
            component: b"\0asm".to_vec(),
            source: BTreeMap::from([("src/lib.rs".to_owned(), b"fn run() {}".to_vec())]),
            claims: |_| {},
            envelopes: |_| {},
            event: |_| {},
        }
    }

    fn pair() -> Ed25519KeyPair {
        Ed25519KeyPair::from_seed_unchecked(&[9; 32]).expect("a seed is a key")
    }

    fn key() -> NoteKey {
        NoteKey::new("kavi/mallory", Self::pair().public_key().as_ref().try_into().expect("32 bytes")).expect("a name")
    }

    fn seal(payload: &Value) -> String {
        let payload = payload.to_string();
        let signature = Self::pair().sign(statement::to_be_signed(&payload).as_bytes());
        statement::envelope(&payload, &Self::key(), signature.as_ref().try_into().expect("64 bytes"))
    }

    /// The three statements of a promotion, as honest ones are.
    fn statements(&self) -> Vec<Value> {
        let subject = json!([{ "name": "component", "digest": named(&digest(&self.component)) }]);
        let source = json!({ "name": "source", "digest": named(&source_files::digest(&self.source)) });
        let predicates = [
            json!({
                "buildDefinition": {
                    "externalParameters": { "specification": { "digest": named(&digest(&self.specification)) } },
                    "resolvedDependencies": [{ "name": "sdk", "digest": named("0") }, source],
                },
                "runDetails": { "builder": { "id": "urn:mallory" } },
            }),
            json!({ "result": "PASSED", "passedTests": ["policy"] }),
            json!({ "verificationResult": "PASSED", "inputAttestations": [] }),
        ];
        let statement = |(kind, predicate): (StatementKind, Value)| {
            json!({ "_type": "https://in-toto.io/Statement/v1", "subject": subject,
                "predicateType": kind.predicate_type(), "predicate": predicate })
        };
        StatementKind::ALL.into_iter().zip(predicates).map(statement).collect()
    }

    /// The proof, with the source.
    pub fn proof(&self) -> Proof {
        let mut statements = self.statements();
        (self.claims)(&mut statements);
        let mut envelopes: Vec<String> = Vec::new();
        for (index, statement) in statements.iter_mut().enumerate() {
            if index == 2 && statement["predicate"]["inputAttestations"] == json!([]) {
                let inputs = envelopes.iter().map(|one| json!({ "digest": named(&digest(one.as_bytes())) }));
                statement["predicate"]["inputAttestations"] = inputs.collect();
            }
            envelopes.push(Self::seal(statement));
        }
        (self.envelopes)(&mut envelopes);
        let row = |(index, envelope): (usize, &String)| {
            let kind = StatementKind::ALL[index.min(2)].predicate_type();
            json!({ "promotion_id": "one", "predicate_type": kind,
                "envelope": { "bytes": envelope.len(), "sha256": digest(envelope.as_bytes()) } })
        };
        let rows: Vec<Value> = envelopes.iter().enumerate().map(row).collect();
        let mut event = json!({
            "v": 1, "kind": "promotion", "at": "2026-11-30T00:00:00.000Z", "subject": "one", "decision": null,
            "rows": {
                "promotions/one": [{ "proposal_id": "two", "component_sha256": digest(&self.component),
                    "spec_sha256": digest(&self.specification), "approved_by": "mallory", "decision": "PROMOTE" }],
                "skill_proposals/two": [{ "snapshot_sha256": source_files::digest(&self.source) }],
                "statements/one": rows,
            },
        });
        (self.event)(&mut event);
        let body = event.to_string();
        let head = TreeHead { size: 1, root: root(&[leaf_hash(body.as_bytes())]) };
        let checkpoint = Checkpoint { origin: "kavi/mallory".to_owned(), head };
        let signature = Self::pair().sign(checkpoint.text().as_bytes());
        let checkpoint = checkpoint.note(&Self::key(), signature.as_ref().try_into().expect("64 bytes"));
        let block = |envelope: String| StatementBlock { position: 0, envelope };
        Proof {
            key: Self::key(),
            events: vec![ProvenEvent { position: 0, body, path: Vec::new() }],
            statements: envelopes.into_iter().map(block).collect(),
            source: Some(self.source.clone()),
            checkpoint,
        }
    }

    pub fn bundle(&self) -> Bundle {
        Bundle { specification: self.specification.clone(), component: self.component.clone(), proof: self.proof() }
    }
}

/// The events of a proof after a change, in a history of somebody who has the key of that workspace. The place of each event
/// stays what it was.
pub fn resigned(text: &str, change: impl Fn(&mut Value)) -> String {
    let honest = Proof::parse(text).expect("a proof");
    let bodies: BTreeMap<u64, String> = honest
        .events
        .iter()
        .map(|event| {
            let mut body: Value = serde_json::from_str(&event.body).expect("an event");
            change(&mut body);
            (event.position, body.to_string())
        })
        .collect();
    let size = bodies.keys().last().expect("an event") + 1;
    // What is not in the proof is anything.
    let leaves: Vec<_> =
        (0..size).map(|place| leaf_hash(bodies.get(&place).map_or(&[][..], |body| body.as_bytes()))).collect();
    let workspace = honest.key.name();
    let key = NoteKey::new(workspace, Forged::pair().public_key().as_ref().try_into().expect("32 bytes"));
    let key = key.expect("a name");
    let checkpoint = Checkpoint { origin: workspace.to_owned(), head: TreeHead { size, root: root(&leaves) } };
    let signature = Forged::pair().sign(checkpoint.text().as_bytes());
    let checkpoint = checkpoint.note(&key, signature.as_ref().try_into().expect("64 bytes"));
    let events = bodies.into_iter().map(|(position, body)| {
        let place = usize::try_from(position).expect("a small history");
        ProvenEvent { position, body, path: inclusion_path(&leaves, place).expect("a place in it") }
    });
    Proof { key, events: events.collect(), statements: honest.statements, source: honest.source, checkpoint }.text()
}

/// The verdict of the verifier in Python about a file.
pub fn python(path: &Path) -> bool {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/verifier/kavi_check.py");
    let done = Command::new("python3").arg(script).arg(path).output().expect("python3 runs");
    match done.status.code() {
        Some(0) => true,
        Some(1) => false,
        code => panic!("{code:?}: {}", String::from_utf8_lossy(&done.stderr)),
    }
}

/// The verdict of both verifiers about a proof or bundle. They must agree.
#[track_caller]
pub fn verdict(name: &str, text: &str) -> bool {
    let ours = match bundle::is_bundle(text) {
        true => bundle::check(text, None).map(drop).map_err(|error| error.to_string()),
        false => kavi::history::proof::check(text, None).map(drop).map_err(|error| error.to_string()),
    };
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), text).expect("a file");
    assert_eq!(python(file.path()), ours.is_ok(), "{name}: the verifiers disagree: {ours:?}");
    ours.is_ok()
}
