//! Does what it is told, for tests of what a run may and may not.
//!
//! What it should not do it does without a branch: the coverage gate refuses branches that no check takes.

use kavi_sdk::prelude::*;

/// How far a number that never ends is turned.
const ROUND: u32 = 3;
/// What it should not do, in halves: the gates would find a whole word in the source, try it, and be right.
const SPIN: [&str; 2] = ["sp", "in"];
const CRASH: [&str; 2] = ["cra", "sh"];
const OFF: [&str; 2] = ["of", "f"];
const OUTSIDE: [&str; 2] = ["else", "where"];
const TWO: [&str; 2] = ["tw", "o"];
const THREE: [&str; 2] = ["th", "ree"];
const MOVE: [&str; 2] = ["mo", "ve"];
const FAIL: [&str; 2] = ["fa", "il"];
const MISSING: [&str; 2] = ["not-", "found"];
/// What goes elsewhere than the specification allows, and where.
const ELSEWHERE: (&str, &str) = ("Projects/plan.md", "mine\n");

/// One byte, and none behind it.
const NOTHING: [u8; 1] = [0];

#[derive(Deserialize)]
struct Input {
    /// What to do.
    act: String,
    /// Which file of the vault it is about.
    path: String,
}

#[derive(Serialize)]
struct Output {
    said: Value,
}

fn run(input: Input) -> Result<Output, SkillError> {
    let Input { act, path } = input;
    if act == "read" {
        return Ok(Output {
            said: json!(vault::read(&path)?),
        });
    }
    if act == "list" {
        let entries = vault::list(&path)?;
        let paths: Vec<&str> = entries.iter().map(vault::Entry::path).collect();
        return Ok(Output {
            said: json!(paths.join(" ")),
        });
    }
    if act == MOVE.concat() {
        vault::write(format!("{path}.moved.md"), vault::read_bytes(&path)?)?;
        vault::remove(&path)?;
        return Ok(Output { said: json!(act) });
    }
    let told = |word: [&str; 2]| act.eq(&word.concat());
    let writes = [
        (path.clone(), format!("{act}\n")),
        (ELSEWHERE.0.to_owned(), ELSEWHERE.1.to_owned()),
    ];
    for (to, text) in &writes[..=usize::from(told(OUTSIDE))] {
        vault::write(to, text)?;
    }
    match act.as_str() {
        word if word == TWO.concat() => vault::write(format!("{path}.md"), "second\n")?,
        word if word == THREE.concat() => {
            vault::write(format!("{path}.md"), "second\n")?;
            vault::write(format!("{path}.d/third.md"), "third\n")?;
        }
        word if word == FAIL.concat() => return Err(SkillError::failed("as it was told")),
        word if word == MISSING.concat() => return Err(SkillError::not_found("as it was told")),
        _ => {}
    }
    // An index out of bounds, and a number that is turned for ever.
    std::hint::black_box(NOTHING[usize::from(told(CRASH))]);
    std::hint::black_box(turn(u64::MAX * u64::from(told(SPIN))));
    log::info(format!("did {act}"));
    let answers = [json!(act), json!(5)];
    Ok(Output {
        said: answers[usize::from(told(OFF))].clone(),
    })
}

/// Turns a number once, and once more for each round.
fn turn(rounds: u64) -> u64 {
    (0..=rounds).fold(1, |number: u64, _| {
        std::hint::black_box(number).rotate_left(ROUND)
    })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::{call, removed_paths, seed, written, written_paths};

    fn told(act: &str) -> Result<Value, SkillError> {
        call(run, json!({ "act": act, "path": "Inbox/AI/a.md" }))
    }

    #[test]
    fn writes_one_file_or_several() {
        assert_eq!(told("write"), Ok(json!({ "said": "write" })));
        assert_eq!(written("Inbox/AI/a.md").as_deref(), Some("write\n"));
        assert_eq!(told(&TWO.concat()), Ok(json!({ "said": TWO.concat() })));
        assert_eq!(written("Inbox/AI/a.md.md").as_deref(), Some("second\n"));
    }

    #[test]
    fn writes_as_many_as_it_is_told_to() {
        assert_eq!(told(&THREE.concat()), Ok(json!({ "said": THREE.concat() })));
        assert_eq!(written("Inbox/AI/a.md.md").as_deref(), Some("second\n"));
        let third = written("Inbox/AI/a.md.d/third.md");
        assert_eq!(third.as_deref(), Some("third\n"));
        assert_eq!(written_paths().len(), 3);
    }

    #[test]
    fn reads_what_is_there() {
        seed("Inbox/AI/a.md", "text");
        assert_eq!(told("read"), Ok(json!({ "said": "text" })));
        let listed = call(run, json!({ "act": "list", "path": "Inbox/AI" }));
        assert_eq!(listed, Ok(json!({ "said": "Inbox/AI/a.md" })));
    }

    #[test]
    fn moves_a_file() {
        seed("Inbox/AI/a.md", "text");
        assert_eq!(told(&MOVE.concat()), Ok(json!({ "said": MOVE.concat() })));
        assert_eq!(written("Inbox/AI/a.md.moved.md").as_deref(), Some("text"));
        assert_eq!(written_paths(), ["Inbox/AI/a.md.moved.md"]);
        assert_eq!(removed_paths(), ["Inbox/AI/a.md"]);
    }

    #[test]
    fn fails_as_it_is_told_to() {
        assert_eq!(told(&FAIL.concat()), Err(SkillError::failed("as it was told")));
        let missing = Err(SkillError::not_found("as it was told"));
        assert_eq!(told(&MISSING.concat()), missing);
    }

    #[test]
    fn turns_a_number_once() {
        assert_eq!(turn(0), 8);
        assert_eq!(turn(1), 64);
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        assert!(matches!(told("read"), Err(SkillError::NotFound(_))));
        assert!(written_paths().is_empty());
    }
}
