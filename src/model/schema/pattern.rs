//! Patterns: which are accepted, what matching one costs, and texts that match it.

use regex_syntax::{
    Parser,
    hir::{Class, Hir, HirKind},
};
use serde_json::json;

use super::{ecma, ecma_pattern, seeded_rng::SeededRng, validator};

/// Longest pattern, in bytes.
const MAX_BYTES: usize = 512;
/// Longest text that is made for a pattern, in characters.
const MAX_SAMPLE: usize = 4_096;

/// Checks a pattern.
///
/// Accepted is what ECMA-262 has and the linear engine can do: no look-around, no back-references.
pub(super) fn check(pattern: &str) -> Result<(), &'static str> {
    if pattern.len() > MAX_BYTES {
        return Err("the pattern is longer than 512 bytes");
    }
    // The translation first: the engine would read `\d` and `.` as more characters than ECMA-262
    // means, and accept them.
    let translated = ecma::to_engine(pattern)?;
    if Parser::new().parse(&translated).is_err() {
        return Err("not a regular expression of the linear engine (no look-around, no back-references)");
    }
    let too_large = "not a regular expression, or it compiles to more than 64 KiB: use smaller repetitions";
    let schema = json!({"type": "string", "pattern": pattern});
    // The validator reads it as well, as it was written: other readers use it or one like it.
    validator::compile_untranslated(&schema).map_err(|_| too_large)?;
    ecma_pattern::build(&translated).map(drop).ok_or(too_large)
}

/// A pattern, as the engine sees it. A promoted skill may have one from before it was translated.
fn parse(pattern: &str) -> Option<Hir> {
    Parser::new().parse(&ecma::to_engine(pattern).unwrap_or_else(|_| pattern.to_owned())).ok()
}

/// About the number of steps that matching a pattern costs for each byte of text.
pub(super) fn steps(pattern: &str) -> u64 {
    parse(pattern).map_or(u64::MAX, |hir| states(&hir).max(1))
}

/// An estimate of the states of the automaton.
fn states(hir: &Hir) -> u64 {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 1,
        HirKind::Literal(literal) => literal.0.len() as u64,
        // Too few for a class outside of ASCII, which compiles to a state for each byte. It is an
        // estimate, and the bound that it serves has room.
        HirKind::Class(_) => 1,
        HirKind::Repetition(repetition) => {
            // `{1000}` is unrolled by the engine. That is what makes a short pattern expensive.
            let times = repetition.max.unwrap_or(repetition.min.saturating_add(1)).max(1);
            states(&repetition.sub).saturating_mul(u64::from(times))
        }
        HirKind::Capture(capture) => states(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().fold(0, |sum: u64, part| sum.saturating_add(states(part)))
        }
    }
}

/// A text made along a pattern. It nearly always matches; anchors in odd places can make it fail.
pub(super) fn sample(pattern: &str, seeded_rng: &mut SeededRng) -> Option<String> {
    let hir = parse(pattern)?;
    let mut text = Vec::new();
    write(&hir, seeded_rng, &mut text);
    String::from_utf8(text).ok()
}

fn write(hir: &Hir, seeded_rng: &mut SeededRng, text: &mut Vec<u8>) {
    // Repetitions in repetitions multiply. What is cut off here does not match, and the caller
    // tries again.
    if text.len() > MAX_SAMPLE {
        return;
    }
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => {}
        HirKind::Literal(literal) => text.extend_from_slice(&literal.0),
        HirKind::Class(class) => {
            let c = character(class, seeded_rng);
            text.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
        }
        HirKind::Repetition(repetition) => {
            let most =
                repetition.max.unwrap_or(repetition.min.saturating_add(8)).min(repetition.min.saturating_add(64));
            let times = match seeded_rng.below(4) {
                0 => repetition.min,
                1 => most,
                _ => repetition.min + seeded_rng.below(u64::from(most - repetition.min) + 1) as u32,
            };
            (0..times).for_each(|_| write(&repetition.sub, seeded_rng, text));
        }
        HirKind::Capture(capture) => write(&capture.sub, seeded_rng, text),
        HirKind::Concat(parts) => parts.iter().for_each(|part| write(part, seeded_rng, text)),
        HirKind::Alternation(parts) => {
            if let Some(part) = seeded_rng.pick(parts) {
                write(part, seeded_rng, text);
            }
        }
    }
}

/// A character of the class: printable ASCII when it has one, mostly, as `\d` and `\w` mean only that here.
fn character(class: &Class, seeded_rng: &mut SeededRng) -> char {
    let ranges: Vec<(u32, u32)> = match class {
        Class::Unicode(class) => class.ranges().iter().map(|r| (r.start().into(), r.end().into())).collect(),
        Class::Bytes(class) => class.ranges().iter().map(|r| (r.start().into(), r.end().into())).collect(),
    };
    let printable: Vec<(u32, u32)> =
        ranges.iter().map(|(from, to)| ((*from).max(0x20), (*to).min(0x7E))).filter(|(from, to)| from <= to).collect();
    let pool = if printable.is_empty() || seeded_rng.below(16) == 0 { &ranges } else { &printable };
    let Some((from, to)) = seeded_rng.pick(pool).copied() else { return 'x' };
    let code = from + seeded_rng.below(u64::from(to - from) + 1) as u32;
    // Surrogates are no characters, and NUL is refused by the parser that a sample goes through.
    char::from_u32(code).filter(|c| *c != '\0').or(char::from_u32(to)).unwrap_or('x')
}
