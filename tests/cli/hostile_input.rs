//! Bytes of strangers: every parser of the trust path gets random bytes, and honest input that was changed. None panics, and
//! none says yes to other bytes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kavi::history::approval::{self, SignedStatement, StatementContext, statement, verify_event};
use kavi::history::bundle;
use kavi::history::checkpoint::Checkpoint;
use kavi::history::event::Event;
use kavi::history::merkle::{TreeHead, leaf_hash, root};
use kavi::history::note::{MAX_NOTE, NoteKey};
use kavi::history::proof::{self, MAX_PROOF};
use kavi::history::signers::{Signer, parse_signers};
use kavi::history::ssh_key::SshPublicKey;
use kavi::history::sshsig::{MAX_SSHSIG, SshSignature, signed_bytes};
use kavi::history::statement as dsse;
use kavi::history::trust_policy::TrustPolicy;
use kavi::history::witness::{AddCheckpoint, CosignerKey, MAX_REQUEST, WitnessDecision, cosigned_text, decide};
use proptest::prelude::*;
use proptest::sample::Index;
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

use crate::forged::Forged;

const AT: &str = "2026-11-30T12:00:00.000Z";

/// A parser, what it says yes to, and its limit.
struct Target {
    name: &'static str,
    honest: String,
    /// Longer input is refused unread.
    longest: usize,
    /// Whether it says yes.
    says_yes: Box<dyn Fn(&str) -> bool>,
    /// What of the input counts. Two texts that are alike in it may both be good.
    counts: fn(&str) -> String,
}

impl Target {
    fn new(name: &'static str, honest: String, longest: usize, says_yes: impl Fn(&str) -> bool + 'static) -> Self {
        Self { name, honest, longest, says_yes: Box::new(says_yes), counts: str::to_owned }
    }

    fn counting(self, counts: fn(&str) -> String) -> Self {
        Self { counts, ..self }
    }

    /// Input may only be accepted where it is the honest one.
    #[track_caller]
    fn try_bytes(&self, bytes: &[u8]) {
        let Ok(text) = std::str::from_utf8(bytes) else { return };
        if !(self.says_yes)(text) {
            return;
        }
        assert!(bytes.len() <= self.longest, "{}: {} bytes were accepted", self.name, bytes.len());
        assert_eq!((self.counts)(text), (self.counts)(&self.honest), "{} was accepted", self.name);
    }
}

/// A note may carry lines of other keys, and one line twice. What it says is in front of them.
fn without_signature_lines(text: &str) -> String {
    text.lines().filter(|line| !line.starts_with("\u{2014} ")).collect::<Vec<_>>().join("\n")
}

/// The comment of a public key is no part of it.
fn first_words(text: &str) -> String {
    text.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

fn pair(seed: u8) -> Ed25519KeyPair {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).expect("a seed is a key")
}

fn note_key() -> NoteKey {
    NoteKey::new("kavi/honest", pair(3).public_key().as_ref().try_into().unwrap()).unwrap()
}

fn note() -> String {
    let leaves: Vec<_> = (0..5_u8).map(|number| leaf_hash(&[number])).collect();
    let head = TreeHead { size: 5, root: root(&leaves) };
    let checkpoint = Checkpoint { origin: "kavi/honest".to_owned(), head };
    checkpoint.note(&note_key(), &pair(3).sign(checkpoint.text().as_bytes()).as_ref().try_into().unwrap())
}

fn field(value: &[u8]) -> Vec<u8> {
    [&u32::try_from(value.len()).unwrap().to_be_bytes()[..], value].concat()
}

/// An SSH key that signs like OpenSSH.
fn ssh_key() -> Vec<u8> {
    [field(b"ssh-ed25519"), field(pair(4).public_key().as_ref())].concat()
}

fn ssh_signature(namespace: &str, message: &str) -> String {
    let signed = pair(4).sign(&signed_bytes(namespace, message.as_bytes()));
    let signature = [field(b"ssh-ed25519"), field(signed.as_ref())].concat();
    let mut blob = b"SSHSIG\0\0\0\x01".to_vec();
    for part in [&ssh_key()[..], namespace.as_bytes(), b"", b"sha512", &signature] {
        blob.extend(field(part));
    }
    let encoded = STANDARD.encode(blob);
    let lines: String =
        encoded.as_bytes().chunks(70).map(|line| format!("{}\n", String::from_utf8_lossy(line))).collect();
    format!("-----BEGIN SSH SIGNATURE-----\n{lines}-----END SSH SIGNATURE-----\n")
}

fn signer() -> Signer {
    Signer {
        principal: "ada".to_owned(),
        key: format!("ssh-ed25519 {}", STANDARD.encode(ssh_key())),
        valid_after: None,
        valid_before: None,
        namespaces: Vec::new(),
        confirms: false,
    }
}

/// A decision, and its statement.
fn decision() -> (Value, String) {
    let event = json!({ "v": 1, "kind": "resume", "at": AT, "subject": "3", "decision": 4, "rows": {} });
    let context = StatementContext {
        workspace: "w1".to_owned(),
        checkpoint: None,
        expires: "2026-11-30T12:15:00.000Z".to_owned(),
    };
    let said = statement(&event, &context);
    (event, said)
}

fn approves(statement: &str, signature: &str) -> bool {
    let (event, _) = decision();
    let given = SignedStatement { statement: statement.to_owned(), signature: signature.to_owned() };
    verify_event(&event, &given, &[signer()], &["w1".to_owned()]).is_ok()
}

fn request() -> AddCheckpoint {
    AddCheckpoint { old: 0, proof: Vec::new(), note: note() }
}

fn cosigned(text: &str) -> bool {
    let key = note_key();
    let known = |origin: &str| (origin == key.name()).then_some(&key);
    AddCheckpoint::parse(text).is_ok_and(|asked| matches!(decide(&asked, known, |_| None), WitnessDecision::Cosign(_)))
}

fn cosigner() -> CosignerKey {
    CosignerKey::new("kavi-witness/w", pair(6).public_key().as_ref().try_into().unwrap()).unwrap()
}

/// A checkpoint with the line that a witness answers.
fn cosignature() -> String {
    let honest = note();
    let text = &honest[..=honest.rfind("\n\n").unwrap()];
    let signed = pair(6).sign(cosigned_text(text, 7).as_bytes());
    format!("{honest}{}", cosigner().line(7, signed.as_ref().try_into().unwrap()))
}

fn targets() -> Vec<Target> {
    let forged = Forged::new();
    let (proof_text, bundle_text) = (forged.proof().text(), forged.bundle().text());
    let envelope = forged.proof().statements[0].envelope.clone();
    let proof_key = forged.proof().key;
    let (_, said) = decision();
    let signature = ssh_signature("resume@kavi", &said);
    let policy =
        json!({ "v": 1, "require": { "resume": "signed" }, "signers": [signer()], "channels": {} }).to_string();
    let (signed, message) = (signature.clone(), said.clone());
    vec![
        Target::new("proof", proof_text, MAX_PROOF, |text| proof::check(text, None).is_ok())
            .counting(without_signature_lines),
        Target::new("bundle", bundle_text, bundle::MAX_BUNDLE, |text| bundle::check(text, None).is_ok())
            .counting(without_signature_lines),
        Target::new("key", note_key().text(), 1_024, |text| NoteKey::parse(text).is_ok()),
        Target::new("key of a witness", cosigner().text(), 1_024, |text| CosignerKey::parse(text).is_ok()),
        Target::new("checkpoint", note(), MAX_NOTE, |text| Checkpoint::open(text, &note_key()).is_ok())
            .counting(without_signature_lines),
        Target::new("statement", envelope, dsse::MAX_ENVELOPE, move |text| dsse::open(text, &proof_key).is_ok()),
        Target::new("signature", signature, MAX_SSHSIG, move |text| {
            SshSignature::parse(text).is_ok_and(|parsed| parsed.verify("resume@kavi", message.as_bytes()).is_ok())
        }),
        Target::new("signed statement", said, MAX_PROOF, move |text| {
            let _ = approval::context_of(text);
            approves(text, &signed)
        }),
        Target::new("public key", signer().key, usize::MAX, |text| {
            SshPublicKey::parse(text).is_ok_and(|key| key.text() == signer().key)
        })
        .counting(first_words),
        Target::new("request to a witness", request().text(), MAX_REQUEST, cosigned).counting(without_signature_lines),
        Target::new("answer of a witness", cosignature(), MAX_NOTE, |text| cosigner().cosigned_at(text).is_ok())
            .counting(without_signature_lines),
        // These say nothing by themselves. They must come back as they were read, and never panic.
        Target::new("signers", signer().line(), usize::MAX, |text| {
            let read = parse_signers(text).unwrap_or_default();
            let written: String = read.iter().map(Signer::line).collect();
            assert_eq!(parse_signers(&written).unwrap_or_default(), read);
            false
        }),
        Target::new("policy", policy, usize::MAX, |text| TrustPolicy::parse(text).is_ok_and(|policy| policy.v != 1)),
        Target::new("event", decision().0.to_string(), usize::MAX, |text| {
            Event::parse(text).is_ok_and(|event| event.v != 1)
        }),
    ]
}

/// One change of a text.
#[derive(Debug, Clone)]
enum Change {
    Flip {
        at: Index,
        bit: u8,
    },
    Cut {
        at: Index,
    },
    Remove {
        at: Index,
        count: usize,
    },
    Insert {
        at: Index,
        bytes: Vec<u8>,
    },
    RepeatLine {
        at: Index,
    },
    SwapLines {
        at: Index,
    },
    /// A number, or a length in SSH's binary form, that is as large as it can be.
    Huge {
        at: Index,
    },
    /// One character for another one of base64, which keeps the form.
    Letter {
        at: Index,
        letter: Index,
    },
}

fn change() -> impl Strategy<Value = Change> {
    let at = || any::<Index>();
    prop_oneof![
        (at(), 0..8_u8).prop_map(|(at, bit)| Change::Flip { at, bit }),
        at().prop_map(|at| Change::Cut { at }),
        (at(), 1..200_usize).prop_map(|(at, count)| Change::Remove { at, count }),
        (at(), prop::collection::vec(any::<u8>(), 1..50)).prop_map(|(at, bytes)| Change::Insert { at, bytes }),
        at().prop_map(|at| Change::RepeatLine { at }),
        at().prop_map(|at| Change::SwapLines { at }),
        at().prop_map(|at| Change::Huge { at }),
        (at(), at()).prop_map(|(at, letter)| Change::Letter { at, letter }),
    ]
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        match self {
            Self::Flip { at, bit } => {
                let place = at.index(bytes.len());
                bytes[place] ^= 1_u8 << *bit;
            }
            Self::Cut { at } => bytes.truncate(at.index(bytes.len())),
            Self::Remove { at, count } => {
                let from = at.index(bytes.len());
                drop(bytes.drain(from..(from + count).min(bytes.len())));
            }
            Self::Insert { at, bytes: more } => {
                let place = at.index(bytes.len());
                drop(bytes.splice(place..place, more.iter().copied()));
            }
            Self::RepeatLine { at } | Self::SwapLines { at } => {
                let mut lines: Vec<Vec<u8>> =
                    bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
                let place = at.index(lines.len());
                match self {
                    Self::RepeatLine { .. } => lines.insert(place, lines[place].clone()),
                    _ => {
                        let next = (place + 1) % lines.len();
                        lines.swap(place, next);
                    }
                }
                *bytes = lines.concat();
            }
            Self::Huge { at } => {
                let from = at.index(bytes.len());
                let digit = bytes[from..].iter().position(u8::is_ascii_digit).map_or(from, |place| from + place);
                drop(bytes.splice(digit..=digit, *b"18446744073709551616"));
            }
            Self::Letter { at, letter } => {
                let all = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
                let place = at.index(bytes.len());
                bytes[place] = all[letter.index(all.len())];
            }
        }
    }
}

#[test]
fn every_parser_accepts_what_is_honest() {
    for target in targets() {
        let verdict = (target.says_yes)(&target.honest);
        assert_eq!(verdict, !["signers", "policy", "event"].contains(&target.name), "{}", target.name);
    }
}

#[test]
fn what_is_longer_than_a_limit_is_refused() {
    for target in targets().iter().filter(|target| target.longest < usize::MAX) {
        for filler in ["x", "A", "\n", "{", "[", "0", "\u{2014} a AAAA\n"] {
            let long = filler.repeat(target.longest / filler.len() + 1);
            target.try_bytes(long.as_bytes());
            target.try_bytes(format!("{}{long}", target.honest).as_bytes());
        }
    }
}

/// A length in a signature that is larger than what follows, in each of its fields.
#[test]
fn no_length_in_a_signature_reads_beyond_its_end() {
    let honest = ssh_signature("resume@kavi", "yes");
    let encoded: String = honest.lines().filter(|line| !line.starts_with('-')).collect();
    let blob = STANDARD.decode(encoded).unwrap();
    for place in 0..blob.len() - 3 {
        for length in [0_u32, 1, 0x7fff_ffff, u32::MAX] {
            let mut bytes = blob.clone();
            bytes[place..place + 4].copy_from_slice(&length.to_be_bytes());
            let text = STANDARD.encode(&bytes);
            let lines: String =
                text.as_bytes().chunks(70).map(|line| format!("{}\n", String::from_utf8_lossy(line))).collect();
            let armored = format!("-----BEGIN SSH SIGNATURE-----\n{lines}-----END SSH SIGNATURE-----\n");
            let yes = SshSignature::parse(&armored).is_ok_and(|parsed| parsed.verify("resume@kavi", b"yes").is_ok());
            assert!(!yes || bytes == blob, "{length} at {place}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn changed_input_is_never_accepted(changes in prop::collection::vec(change(), 1..4)) {
        for target in targets() {
            let mut bytes = target.honest.clone().into_bytes();
            changes.iter().for_each(|change| change.apply(&mut bytes));
            target.try_bytes(&bytes);
        }
    }

    #[test]
    fn random_bytes_are_never_accepted(bytes in prop::collection::vec(any::<u8>(), 0..600), keep in any::<Index>()) {
        for target in targets() {
            target.try_bytes(&bytes);
            // The beginning of something honest, and then anything.
            let honest = target.honest.as_bytes();
            target.try_bytes(&[&honest[..keep.index(honest.len())], &bytes].concat());
        }
    }
}
