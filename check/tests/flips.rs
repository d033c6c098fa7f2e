//! A hundred thousand changes of one byte of a proof: the checker accepts none of them.
#![allow(clippy::unwrap_used)]

#[path = "../../src/history/mod.rs"]
#[allow(dead_code, reason = "the checker needs a part of it")]
mod history;

use std::path::Path;

use history::proof::check;

const TRIED: usize = 100_000;

/// The next number of a fixed sequence (xorshift64), so that every run of the test tries the same changes.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

#[test]
fn no_changed_byte_of_the_example_is_accepted() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/verifier/example.proof");
    let honest = std::fs::read(path).unwrap();
    assert!(check(std::str::from_utf8(&honest).unwrap(), None).is_ok());
    let mut state = 0x9e37_79b9_7f4a_7c15;
    for number in 0..TRIED {
        let mut bytes = honest.clone();
        // Each byte once, then any of them.
        let place = if number < bytes.len() { number } else { next(&mut state) as usize % bytes.len() };
        bytes[place] ^= u8::try_from(next(&mut state) % 255).unwrap() + 1;
        let accepted = std::str::from_utf8(&bytes).is_ok_and(|text| check(text, None).is_ok());
        assert!(!accepted, "byte {place} as {:#04x}", bytes[place]);
    }
}
