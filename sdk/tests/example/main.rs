//! Counts the words of a note and keeps the count beside it.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    /// The note, like `Projects/plan.md`.
    path: String,
    /// Words shorter than this many characters do not count.
    #[serde(default)]
    min_chars: usize,
}

#[derive(Serialize)]
struct Output {
    words: usize,
    written_path: String,
}

fn run(input: Input) -> Result<Output, SkillError> {
    if input.min_chars > 100 {
        return Err(SkillError::invalid_input("`min_chars` is over 100"));
    }
    let text = vault::read(&input.path)?;
    let words = text
        .split_whitespace()
        .filter(|word| word.chars().count() >= input.min_chars)
        .count();
    let name = input.path.replace('/', "-");
    let written_path = format!("Inbox/AI/{name}.count.md");
    vault::write(
        &written_path,
        format!("# {}\n\nWords: {words}\n", input.path),
    )?;
    log::info(format!("counted {words} words"));
    Ok(Output {
        words,
        written_path,
    })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::{call, seed, written, written_paths};

    #[test]
    fn counts_the_words_and_writes_the_count() {
        seed("Projects/plan.md", "one two three");
        let output = call(run, json!({ "path": "Projects/plan.md", "min_chars": 4 }));
        let note = "Inbox/AI/Projects-plan.md.count.md";
        assert_eq!(output, Ok(json!({ "words": 1, "written_path": note })));
        assert_eq!(
            written(note).as_deref(),
            Some("# Projects/plan.md\n\nWords: 1\n")
        );
    }

    #[test]
    fn a_missing_note_is_not_found_and_nothing_is_written() {
        let got = call(run, json!({ "path": "nowhere.md" }));
        assert!(matches!(got, Err(SkillError::NotFound(_))), "{got:?}");
        assert!(written_paths().is_empty());
    }

    #[test]
    fn a_wrong_input_is_refused() {
        for input in [
            json!({}),
            json!({ "path": 1 }),
            json!({ "path": "a.md", "min_chars": 101 }),
        ] {
            let got = call(run, input);
            assert!(matches!(got, Err(SkillError::InvalidInput(_))), "{got:?}");
        }
    }
}
