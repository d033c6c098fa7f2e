use super::*;
use crate::history::merkle::{consistency_path, leaf_hash, root};
use proptest::prelude::*;
use ring::signature::{Ed25519KeyPair, KeyPair as _};

type Tested = Result<(), Box<dyn std::error::Error>>;

fn pair(seed: u8) -> Result<Ed25519KeyPair, &'static str> {
    Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).map_err(|_| "no key")
}

fn log_key() -> Result<NoteKey, Box<dyn std::error::Error>> {
    Ok(NoteKey::new("kavi/log", pair(1)?.public_key().as_ref().try_into()?).ok_or("no name")?)
}

/// The leaves of a history, and of a fork that differs in its first leaf.
fn leaves(size: u8, fork: bool) -> Vec<Hash> {
    (0..size).map(|number| leaf_hash(&[number, u8::from(fork && number == 0)])).collect()
}

fn note(leaves: &[Hash], signer: u8) -> Result<String, Box<dyn std::error::Error>> {
    let key = log_key()?;
    let head = TreeHead { size: leaves.len() as u64, root: root(leaves) };
    let checkpoint = Checkpoint { origin: key.name().to_owned(), head };
    let signature = pair(signer)?.sign(checkpoint.text().as_bytes()).as_ref().try_into()?;
    Ok(checkpoint.note(&key, &signature))
}

fn head(leaves: &[Hash]) -> TreeHead {
    TreeHead { size: leaves.len() as u64, root: root(leaves) }
}

#[test]
fn a_witness_cosigns_only_what_extends_what_it_cosigned() -> Tested {
    let key = log_key()?;
    let known = |origin: &str| (origin == key.name()).then_some(&key);
    for (old, new) in (0_u8..9).flat_map(|old| (old.max(1)..12).map(move |new| (old, new))) {
        let (before, after) = (leaves(old, false), leaves(new, false));
        let proof = consistency_path(&after, old.into()).unwrap_or_default();
        let request = AddCheckpoint { old: old.into(), proof, note: note(&after, 1)? };
        assert_eq!(AddCheckpoint::parse(&request.text()), Ok(request.clone()));
        let newest = |_: &str| (old > 0).then(|| head(&before));
        let decided = decide(&request, known, newest);
        assert!(
            matches!(&decided, WitnessDecision::Cosign(made) if made.head == head(&after)),
            "{old} {new}: {decided:?}"
        );
        // The log does not know how far the witness is.
        let unaware = AddCheckpoint { old: u64::from(old) + 1, ..request.clone() };
        let expected = if old < new { WitnessDecision::Conflict(old.into()) } else { decide(&unaware, known, newest) };
        assert_eq!(decide(&unaware, known, newest), expected);
        assert!(old < new || matches!(expected, WitnessDecision::Invalid(_)), "{expected:?}");
        // A fork, with the proof that fits the fork.
        let fork = leaves(new, true);
        let proof = consistency_path(&fork, old.into()).unwrap_or_default();
        let forked = AddCheckpoint { note: note(&fork, 1)?, proof, ..request.clone() };
        let expected = match old {
            0 => continue,
            _ if old == new => WitnessDecision::Conflict(old.into()),
            _ => WitnessDecision::Inconsistent,
        };
        assert_eq!(decide(&forked, known, newest), expected, "{old} {new}");
    }
    let one = AddCheckpoint { old: 0, proof: Vec::new(), note: note(&leaves(3, false), 1)? };
    assert_eq!(decide(&one, |_| None, |_| None), WitnessDecision::UnknownOrigin);
    let forged = AddCheckpoint { note: note(&leaves(3, false), 2)?, ..one.clone() };
    assert_eq!(decide(&forged, known, |_| None), WitnessDecision::NotSigned);
    let proven = AddCheckpoint { proof: vec![[0; 32]], ..one.clone() };
    assert_eq!(decide(&proven, known, |_| None), WitnessDecision::Inconsistent);
    let older = decide(&one, known, |_| Some(head(&leaves(5, false))));
    assert_eq!(older, WitnessDecision::Conflict(5));
    Ok(())
}

#[test]
fn what_is_no_request_is_refused() -> Tested {
    let note = note(&leaves(3, false), 1)?;
    let hash = STANDARD.encode([1; 32]);
    for text in [
        String::new(),
        "old 1".to_owned(),
        note.clone(),
        format!("old 01\n\n{note}"),
        format!("old -1\n\n{note}"),
        format!("old 1 \n\n{note}"),
        format!("new 1\n\n{note}"),
        format!("old 1\n{hash}x\n\n{note}"),
        format!("old 1\nAAAA\n\n{note}"),
        format!("old 1\n{}\n{note}", format!("{hash}\n").repeat(64)),
        format!("old 1\n\n{}", "x".repeat(MAX_REQUEST)),
    ] {
        let verdict = AddCheckpoint::parse(&text);
        assert!(verdict.is_err(), "{:?}: {verdict:?}", &text[..text.len().min(60)]);
    }
    assert!(AddCheckpoint::parse(&format!("old 1\n{}\n{note}", format!("{hash}\n").repeat(63))).is_ok());
    Ok(())
}

/// The example of the specification of cosignatures, whose key is not published: its line has the form that ours has.
#[test]
fn a_cosignature_counts_by_its_key_over_its_checkpoint() -> Tested {
    let witness =
        CosignerKey::new("witness.example/w1", pair(7)?.public_key().as_ref().try_into()?).ok_or("no name")?;
    assert_eq!(CosignerKey::parse(&witness.text()), Ok(witness.clone()));
    let note = note(&leaves(3, false), 1)?;
    let text = Note::parse(&note)?.text.to_owned();
    let sign = |time: u64| -> Result<String, Box<dyn std::error::Error>> {
        let signature = pair(7)?.sign(cosigned_text(&text, time).as_bytes()).as_ref().try_into()?;
        Ok(witness.line(time, &signature))
    };
    let line = sign(1_679_315_147)?;
    assert!(line.starts_with("\u{2014} witness.example/w1 ") && line.ends_with('\n'));
    let cosigned = format!("{note}{line}");
    assert_eq!(witness.cosigned_at(&cosigned), Ok(1_679_315_147));
    assert_eq!(Checkpoint::open(&cosigned, &log_key()?)?.head.size, 3);
    assert!(matches!(witness.cosigned_at(&note), Err(NoteError::Unsigned(_))));
    let other = CosignerKey::new("witness.example/w1", [3; 32]).ok_or("no name")?;
    assert!(matches!(other.cosigned_at(&cosigned), Err(NoteError::Unsigned(_))));
    // Another time, another checkpoint, a time that cannot be.
    let moved = cosigned.replacen("\n3\n", "\n4\n", 1);
    assert!(matches!(witness.cosigned_at(&moved), Err(NoteError::Forged(_))));
    let wrong = witness.line(1, pair(7)?.sign(cosigned_text(&text, 2).as_bytes()).as_ref().try_into()?);
    assert!(matches!(witness.cosigned_at(&format!("{note}{wrong}")), Err(NoteError::Forged(_))));
    assert!(matches!(witness.cosigned_at(&format!("{note}{}", sign(u64::MAX)?)), Err(NoteError::Forged(_))));
    // A key that signs notes is not one that cosigns, and the other way round.
    assert!(NoteKey::parse(&witness.text()).is_err() && CosignerKey::parse(&log_key()?.text()).is_err());
    Ok(())
}

proptest! {
    #[test]
    fn no_text_makes_the_readers_panic(text in "(old [0-9]{1,3}\n|[A-Za-z0-9+/=]{0,44}\n|\n|.)*") {
        let _ = AddCheckpoint::parse(&text);
        let _ = CosignerKey::parse(&text);
    }
}
