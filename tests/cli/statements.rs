//! Statements at promotion: what they say, and that no checker takes one that does not fit.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;

use kavi::history::proof::{self, Proof};
use kavi::history::statement::StatementKind;
use kavi::model::digest::Digest;
use serde_json::{Value, json};

use crate::forged::{Forged, verdict};
use crate::support::{self, Called, Workspace};

fn prove(workspace: &Workspace, args: &[&str]) -> String {
    workspace.json(&[&["proof"], args].concat()).expect(0).json()["proof"].as_str().unwrap().to_owned()
}

/// A change of something that is forged, and its name.
type Change<T> = (&'static str, fn(&mut T));

#[test]
fn a_promotion_states_how_the_component_came_to_be_and_what_the_gates_said() {
    let workspace = Workspace::trusted();
    let text = prove(&workspace, &["write_note"]);
    let proven = proof::check(&text, None).unwrap();
    let statements: Vec<_> = proven.statements.iter().flatten().collect();
    assert_eq!(statements.iter().map(|one| one.kind).collect::<Vec<_>>(), StatementKind::ALL);
    let shown = workspace.show("write_note");
    let component = json!([{ "name": "component", "digest": { "sha256": shown["component_sha256"] } }]);
    assert!(statements.iter().all(|one| one.payload["subject"] == component));

    let provenance = &statements[0].payload["predicate"];
    let build = &provenance["buildDefinition"];
    assert_eq!(build["externalParameters"]["specification"]["digest"]["sha256"], shown["spec_sha256"]);
    assert_eq!(build["externalParameters"]["packet"]["digest"]["sha256"], shown["builds"][0]["packet_sha256"]);
    let names: Vec<&str> =
        build["resolvedDependencies"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["source", "sdk", "toolchain", "contract"]);
    let contract = Digest::of(include_bytes!("../../wit/skill.wit")).to_string();
    assert_eq!(build["resolvedDependencies"][3]["digest"]["sha256"], contract);
    // The builder is this very program, and its digest was not made at each start.
    let program = Digest::of(&fs::read(env!("CARGO_BIN_EXE_kavi")).unwrap());
    let builder = &provenance["runDetails"]["builder"];
    assert_eq!(builder["id"], format!("urn:kavi:program:sha256:{program}"));
    assert_eq!(statements[2].payload["predicate"]["verifier"]["id"], builder["id"]);
    let kept = fs::read_dir(support::cache()).unwrap().flatten().map(|entry| entry.file_name());
    assert!(kept.into_iter().any(|name| name.to_string_lossy().starts_with("program-")));

    let passed = statements[1].payload["predicate"]["passedTests"].as_array().unwrap().len();
    assert_eq!(statements[1].payload["predicate"]["result"], "PASSED");
    assert_eq!(passed, shown["verifications"][0]["gates"].as_array().unwrap().len());
    // For people, in the checker's words.
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), &text).unwrap();
    let path = file.path().display().to_string();
    let checked: Called =
        support::kavi(std::path::Path::new("/")).args(["check-proof", &path]).output().unwrap().into();
    let said = checked.expect(0).stdout;
    for words in [format!("by urn:kavi:program:sha256:{program}"), "test result: PASSED".to_owned()] {
        assert!(said.contains(&words), "{words}: {said}");
    }
    assert!(verdict("a real proof", &text));
}

#[test]
fn a_proof_with_source_has_the_source_that_the_statements_name() {
    let workspace = Workspace::trusted();
    let text = prove(&workspace, &["write_note", "--with-source"]);
    assert!(verdict("with its source", &text));
    let parsed = Proof::parse(&text).unwrap();
    let source = parsed.source.clone().unwrap();
    assert!(source["src/lib.rs"].starts_with(b"//!"), "{:?}", source.keys());
    let snapshot = &workspace.show("write_note")["snapshot_sha256"];
    assert_eq!(proof::check(&text, None).unwrap().source.as_deref(), snapshot.as_str());
    // Another source, in the same form.
    let mut other = source.clone();
    other.insert("src/lib.rs".to_owned(), b"fn run() {}".to_vec());
    assert!(!verdict("another source", &Proof { source: Some(other), ..parsed.clone() }.text()));
    let mut more = source.clone();
    more.insert("src/more.rs".to_owned(), Vec::new());
    assert!(!verdict("one file more", &Proof { source: Some(more), ..parsed.clone() }.text()));
    assert!(verdict("without it", &Proof { source: None, ..parsed }.text()));
    // What was never promoted has none.
    let id = workspace.propose("later", "READ_ONLY", r#"{"input":{"a":"str"},"output":{"b":"str"}}"#, &[]);
    workspace.refused(&["proof", &id, "--with-source"], 2);
}

#[test]
fn statements_are_kept_with_their_promotion_and_an_edit_of_one_is_seen() {
    let workspace = Workspace::trusted();
    assert_eq!(workspace.count("SELECT count(*) FROM statements"), 9);
    for edit in [
        "UPDATE statements SET envelope = replace(envelope, 'DSSE', 'x') || ' ' WHERE rowid = 1",
        "DELETE FROM statements WHERE rowid = 1",
        "UPDATE verification_programs SET version = '9'",
    ] {
        let workspace = Workspace::trusted();
        assert!(workspace.ledger().execute(edit, []).unwrap() > 0, "{edit}");
        workspace.json(&["audit"]).expect(70);
    }
    // What an older Kavi verified names no builder, and says so.
    let workspace = Workspace::new();
    let id = workspace.verified(&support::PEEK);
    let before = workspace.ledger();
    before.execute_batch("PRAGMA foreign_keys = OFF; DELETE FROM verification_programs").unwrap();
    drop(before);
    let refused = workspace.json(&["promote-skill", &id, "--approved-by", "ada", "--yes"]).expect(70).json();
    assert!(refused["error"]["message"].as_str().unwrap().contains("verification_programs"), "{refused}");
}

#[test]
fn a_rotated_key_leaves_older_statements_valid() {
    let workspace = Workspace::trusted();
    workspace.json(&["trust", "rotate-key", "--why", "a habit", "--approved-by", "ada"]).expect(0);
    assert!(verdict("signed before the rotation", &prove(&workspace, &["write_note", "--with-source"])));
}

#[test]
fn both_checkers_refuse_every_statement_that_does_not_fit() {
    let honest = Forged::new();
    assert!(verdict("an honest one", &honest.proof().text()));
    let claims: &[Change<[Value]>] = &[
        ("another component", |all| all[0]["subject"][0]["digest"]["sha256"] = json!("0".repeat(64))),
        ("two subjects", |all| {
            let subject = all[1]["subject"][0].clone();
            all[1]["subject"] = json!([subject, subject]);
        }),
        ("another type", |all| all[1]["_type"] = json!("https://in-toto.io/Statement/v0.1")),
        ("another predicate", |all| all[2]["predicateType"] = json!("https://slsa.dev/provenance/v1")),
        ("another specification", |all| {
            all[0]["predicate"]["buildDefinition"]["externalParameters"]["specification"]["digest"]["sha256"] =
                json!("1");
        }),
        ("another source", |all| {
            all[0]["predicate"]["buildDefinition"]["resolvedDependencies"][1]["digest"]["sha256"] = json!("1");
        }),
        ("no source", |all| all[0]["predicate"]["buildDefinition"]["resolvedDependencies"] = json!([])),
        ("no builder", |all| all[0]["predicate"]["runDetails"] = json!({})),
        ("an empty builder", |all| all[0]["predicate"]["runDetails"]["builder"]["id"] = json!("")),
        ("failed gates", |all| all[1]["predicate"]["result"] = json!("FAILED")),
        ("a failed summary", |all| all[2]["predicate"]["verificationResult"] = json!("FAILED")),
        ("a summary of others", |all| all[2]["predicate"]["inputAttestations"] = json!([{ "digest": {} }])),
        ("no predicate", |all| all[0]["predicate"] = json!(null)),
        ("a list as statement", |all| all[0] = json!([])),
        ("a fraction", |all| all[1]["predicate"]["more"] = json!(1.5)),
        ("a deep value", |all| {
            let deep = (0..40).fold(json!(1), |inner, _| json!([inner]));
            all[1]["predicate"]["more"] = deep;
        }),
        ("an oversized one", |all| all[1]["predicate"]["more"] = json!("x".repeat(300 << 10))),
    ];
    for (name, change) in claims {
        assert!(!verdict(name, &Forged { claims: *change, ..Forged::new() }.proof().text()), "{name}");
    }
    let kept: &[Change<[Value]>] = &[
        ("a large integer", |all| all[1]["predicate"]["more"] = json!(u64::MAX)),
        ("text of all kinds", |all| all[1]["predicate"]["more"] = json!("\u{1}\u{7f}\u{2028}ä\"\\/\u{1f600}")),
        ("a value that is just not too deep", |all| {
            all[1]["predicate"]["more"] = (0..30).fold(json!(1), |inner, _| json!([inner]));
        }),
    ];
    for (name, change) in kept {
        assert!(verdict(name, &Forged { claims: *change, ..Forged::new() }.proof().text()), "{name}");
    }
}

#[test]
fn both_checkers_refuse_every_envelope_that_is_not_in_its_one_form() {
    let envelopes: &[Change<Vec<String>>] = &[
        ("a space", |all| all[0] = all[0].replacen(':', ": ", 1)),
        ("another order", |all| {
            let envelope: Value = serde_json::from_str(&all[0]).unwrap();
            let (payload, signatures) = (&envelope["payload"], &envelope["signatures"]);
            all[0] = format!(
                r#"{{"payloadType":"application/vnd.in-toto+json","payload":{payload},"signatures":{signatures}}}"#
            );
        }),
        ("a name that is there twice", |all| all[0] = all[0].replacen('{', r#"{"payload":"","#, 1)),
        ("one field more", |all| all[0] = all[0].replacen('{', r#"{"a":1,"#, 1)),
        ("another payload type", |all| all[0] = all[0].replace("vnd.in-toto", "vnd.other")),
        ("an escape", |all| all[0] = all[0].replace("in-toto", "in\\u002dtoto")),
        ("two signatures", |all| {
            let mut envelope: Value = serde_json::from_str(&all[0]).unwrap();
            let signature = envelope["signatures"][0].clone();
            envelope["signatures"] = json!([signature, signature]);
            all[0] = envelope.to_string();
        }),
        ("no signature", |all| {
            let mut envelope: Value = serde_json::from_str(&all[0]).unwrap();
            envelope["signatures"] = json!([]);
            all[0] = envelope.to_string();
        }),
        ("another key", |all| all[0] = all[0].replace("kavi/mallory+", "kavi/alice+")),
        ("the signature of another statement", |all| {
            let (mut one, two): (Value, Value) =
                (serde_json::from_str(&all[0]).unwrap(), serde_json::from_str(&all[1]).unwrap());
            one["signatures"] = two["signatures"].clone();
            all[0] = one.to_string();
        }),
        ("base64 that is not canonical", |all| all[0] = all[0].replacen("\"}]}", "=\"}]}", 1)),
        ("no JSON", |all| all[0] = "nonsense".repeat(60)),
        ("two of one type", |all| {
            let first = all[0].clone();
            all.insert(0, first);
        }),
    ];
    for (name, change) in envelopes {
        assert!(!verdict(name, &Forged { envelopes: *change, ..Forged::new() }.proof().text()), "{name}");
    }
    let events: &[Change<Value>] = &[
        ("a statement that the event does not name", |event| {
            event["rows"]["statements/one"].as_array_mut().unwrap().pop();
        }),
        ("another kind of event", |event| event["kind"] = json!("rollback")),
        ("no rows", |event| event["rows"]["statements/one"] = json!("all of them")),
        ("an unknown type", |event| event["rows"]["statements/one"][0]["predicate_type"] = json!("urn:else")),
        ("no promotion", |event| event["rows"]["promotions/one"] = json!([])),
        ("another digest", |event| event["rows"]["statements/one"][0]["envelope"]["sha256"] = json!("0")),
    ];
    for (name, change) in events {
        assert!(!verdict(name, &Forged { event: *change, ..Forged::new() }.proof().text()), "{name}");
    }
    let honest = Forged::new().proof();
    let mut blocks = vec![("one less", honest.clone()), ("one more", honest.clone()), ("moved", honest.clone())];
    blocks[0].1.statements.pop();
    let again = blocks[1].1.statements[2].clone();
    blocks[1].1.statements.push(again);
    blocks[2].1.statements.swap(0, 1);
    let mut elsewhere = honest;
    elsewhere.statements[0].position = 1;
    blocks.push(("of another event", elsewhere));
    for (name, proof) in blocks {
        assert!(!verdict(name, &proof.text()), "{name}");
    }
}
