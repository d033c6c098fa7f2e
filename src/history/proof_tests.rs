use super::*;
use crate::history::event::run_body;
use crate::history::merkle::{TreeHead, inclusion_path, root};
use proptest::prelude::*;
use ring::signature::{Ed25519KeyPair, KeyPair as _};

type Made<T> = Result<T, Box<dyn std::error::Error>>;

fn proof(size: u64, proven: &[u64]) -> Made<Proof> {
    let pair = Ed25519KeyPair::from_seed_unchecked(&[5; 32]).map_err(|_| "no key")?;
    let key = NoteKey::new("kavi/test", pair.public_key().as_ref().try_into()?).ok_or("no name")?;
    let body = |position: u64| run_body(&position.to_string(), "2026-11-30T00:00:00.000Z", Some(0), &[3; 32]);
    let leaves: Vec<Hash> = (0..size).map(|position| leaf_hash(body(position).as_bytes())).collect();
    let event = |position: &u64| {
        let path = inclusion_path(&leaves, usize::try_from(*position).unwrap_or(usize::MAX)).unwrap_or_default();
        ProvenEvent { position: *position, body: body(*position), path }
    };
    let checkpoint = Checkpoint { origin: "kavi/test".to_owned(), head: TreeHead { size, root: root(&leaves) } };
    let signature = pair.sign(checkpoint.text().as_bytes()).as_ref().try_into()?;
    let events = proven.iter().map(event).collect();
    let checkpoint = checkpoint.note(&key, &signature);
    Ok(Proof { checkpoint, key, events, statements: Vec::new(), source: None })
}

#[test]
fn a_proof_comes_back_and_holds_and_only_with_its_key() -> Made<()> {
    let proof = proof(21, &[3, 20, 0])?;
    let text = proof.text();
    assert_eq!(Proof::parse(&text)?, proof);
    let proven = check(&text, None)?;
    assert_eq!((proven.origin.as_str(), proven.size, proven.events.len()), ("kavi/test", 21, 3));
    assert!(
        proven.lines()[0].starts_with("run at 2026-11-30T00:00:00.000Z: executions/3=0303"),
        "{:?}",
        proven.lines()
    );
    assert_eq!(check(&text, Some(&proof.key))?, proven);
    let other = NoteKey::new("kavi/test", [1; 32]).ok_or("no name")?;
    assert!(matches!(check(&text, Some(&other)), Err(ProofError::OtherKey(_))));
    Ok(())
}

/// Every byte, and every bit of it.
#[test]
fn no_flipped_bit_of_a_proof_is_accepted() -> Made<()> {
    let text = proof(1_000, &[700, 999])?.text();
    let mut tried = 0;
    for place in 0..text.len() {
        for bit in 0..8 {
            let mut bytes = text.clone().into_bytes();
            bytes[place] ^= 1 << bit;
            tried += 1;
            let accepted = std::str::from_utf8(&bytes).is_ok_and(|text| check(text, None).is_ok());
            assert!(!accepted, "byte {place}, bit {bit}");
        }
    }
    assert!(tried > 10_000, "{tried}");
    Ok(())
}

#[test]
fn a_proof_of_one_event_in_a_million_is_small() -> Made<()> {
    let mut one = proof(2, &[1])?;
    one.events[0].path = vec![[7; 32]; 20];
    assert!(one.text().len() < 16 << 10);
    Ok(())
}

#[test]
fn what_is_no_proof_is_refused() -> Made<()> {
    let good = proof(5, &[2])?.text();
    let other = proof(6, &[2])?;
    let moved = Proof { checkpoint: other.checkpoint, ..proof(5, &[2])? }.text();
    let long = format!("{good}{}", "x".repeat(MAX_PROOF));
    let bad = [
        String::new(),
        good.replace("kavi-proof@v1", "kavi-proof@v2"),
        good.replace("event 2", "event 02"),
        good.replace("event 2", "event 3"),
        good.replace("event 2\n", "event 2\n\n"),
        good.replace("checkpoint\n", ""),
        good.replacen("event", "evert", 1),
        format!("{good}x"),
        format!("{good}\n"),
        moved,
        long,
    ];
    for text in bad {
        assert!(check(&text, None).is_err(), "{text:.200}");
    }
    Ok(())
}

proptest! {
    #[test]
    fn no_text_makes_the_checker_panic(text in "(kavi-proof@v1\nkey )?(.|\n)*") {
        let _ = check(&text, None);
    }
}
