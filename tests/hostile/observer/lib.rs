//! Says what a guest can observe of its surroundings, each as a kind: whether a seed, a time or a folder is like that of a run.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher;
use std::ops::Range;

use kavi_sdk::clock;
use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    text: String,
}

#[derive(Serialize)]
struct Output {
    seen: Vec<String>,
}

/// The years 2001 to 2100.
const YEARS: Range<i64> = 978_307_200..4_133_980_800;
/// Times that only checks ever showed: 2000-01-01 and 2026-01-02T03:04:05Z.
const OF_CHECKS: [i64; 2] = [946_684_800, 1_767_323_045];
/// What no seed that is drawn gives.
const CONSTANT: Range<u64> = 0..1_000_000;
const OUTSIDE: &str = "../note.md";
const OWN: &str = "Inbox/observed.md";

fn run(input: Input) -> Result<Output, SkillError> {
    let set: HashSet<u32> = HashSet::new();
    let map: HashMap<u32, u32> = HashMap::new();
    let hashes = [set.hasher().hash_one(1_u32), map.hasher().hash_one(1_u32)];
    let different: HashSet<u64> = hashes.into_iter().collect();
    let (before, after) = (clock::now(), clock::now());
    let walk = vault::walk("")?;
    let sorted = walk.files.is_sorted();
    let notes = walk.files.len().min(1);
    let nowhere = format!("no such folder {notes}/note.md");
    vault::write(OWN, &input.text)?;
    let seen = vec![
        format!("constant seed: {}", CONSTANT.contains(&hashes[0])),
        format!("different seeds: {}", different.len()),
        format!("time of a run: {}", YEARS.contains(&before)),
        format!("time of a check: {}", OF_CHECKS.contains(&before)),
        format!("time that passes: {}", after.abs_diff(before)),
        format!(
            "notes: {notes}, sorted: {sorted}, skipped: {}",
            walk.skipped
        ),
        format!("note of its own: {:?}", vault::exists(OWN)),
        format!("missing: {:?}", vault::read(nowhere)),
        format!("outside: {:?}", vault::read(OUTSIDE)),
        format!("folder: {:?}", vault::read("Inbox")),
        format!("address space: {}", size_of::<usize>()),
    ];
    seen.iter().for_each(log::debug);
    Ok(Output { seen })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::{call, seed, set_clock, written};

    const EXPECTED: [&str; 7] = [
        "constant seed: false",
        "different seeds: 2",
        "time of a run: true",
        "time of a check: false",
        "time that passes: 0",
        "notes: 1, sorted: true, skipped: 0",
        "note of its own: Ok(true)",
    ];

    fn seen() -> Vec<String> {
        seed("a.md", "text");
        seed("Inbox/b.md", "text");
        let answer = call(run, json!({ "text": "kept" })).unwrap_or_default();
        let lines = answer["seen"].as_array().cloned().unwrap_or_default();
        let text = |line: &Value| line.as_str().map(str::to_owned);
        lines.iter().filter_map(text).collect()
    }

    #[test]
    fn says_what_it_sees() {
        assert_eq!(
            seen().get(..7),
            Some(EXPECTED.map(str::to_owned).as_slice())
        );
        assert_eq!(written(OWN).as_deref(), Some("kept"));
    }

    #[test]
    fn knows_the_time_of_a_check() {
        set_clock(1_767_323_045);
        assert_eq!(
            seen().get(3).map(String::as_str),
            Some("time of a check: true")
        );
        set_clock(5);
        assert_eq!(
            seen().get(2).map(String::as_str),
            Some("time of a run: false")
        );
    }

    #[test]
    fn says_what_is_not_there() {
        let seen = seen();
        let line = |at: usize| seen.get(at).cloned().unwrap_or_default();
        assert!(line(7).starts_with("missing: Err(NotFound("), "{}", line(7));
        assert!(
            line(8).starts_with("outside: Err(InvalidInput("),
            "{}",
            line(8)
        );
        assert!(line(9).contains("is a folder, not a file"), "{}", line(9));
        assert_eq!(line(10), "address space: 4");
        assert_eq!(seen.len(), 11);
    }
}
