//! The skill of the canon, right and with one defect each.

/// The schema of `shout`.
pub const SCHEMA: &str = r#"{"input":{"text":"str"},"output":{"text":"str"}}"#;

/// Right: upper case, without the spaces around.
pub const GOOD: &str = r#"//! Says it louder.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    text: String,
}

#[derive(Serialize)]
struct Output {
    text: String,
}

fn run(input: Input) -> Result<Output, SkillError> {
    let text = input.text.trim().to_uppercase();
    Ok(Output { text })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::call;

    fn shouted(text: &str) -> Value {
        call(run, json!({ "text": text })).unwrap_or_default()["text"].clone()
    }

    #[test]
    fn is_louder() {
        assert_eq!(shouted("hello"), json!("HELLO"));
    }

    #[test]
    fn knows_other_letters() {
        assert_eq!(shouted("grün"), json!("GRÜN"));
    }

    #[test]
    fn leaves_the_spaces_around_away() {
        assert_eq!(shouted("  a b "), json!("A B"));
    }
}
"#;

fn changed(from: &str, to: &str) -> String {
    assert!(GOOD.contains(from), "{from}");
    GOOD.replace(from, to)
}

/// The macro that exports the skill is forgotten: the component exports nothing.
pub fn not_exported() -> String {
    changed("kavi_sdk::export_skill!(run);\n\n", "")
}

/// Reads the host's files past the SDK.
pub fn reads_files() -> String {
    changed(
        "    let text = input.text.trim().to_uppercase();\n",
        "    let extra = std::fs::read_to_string(\"/etc/passwd\").unwrap_or_default();\n    let text = format!(\"{}{extra}\", input.text.trim()).to_uppercase();\n",
    )
}

/// Forgets to trim: one test of three fails.
pub fn not_trimmed() -> String {
    changed(".trim().to_uppercase()", ".to_uppercase()")
}

/// Another value of the wrong type: does not compile.
pub fn wrong_type() -> String {
    changed("Ok(Output { text })", "Ok(Output { text: 1 })")
}

/// Works, and clippy finds something suspicious.
pub fn warned_about() -> String {
    changed("    Ok(Output { text })", "    let text = text.replace(\"a\", \"a\");\n    Ok(Output { text })")
}

/// Much longer, and still not trimmed.
pub fn rewritten() -> String {
    let body = (0..40).map(|n| format!("    // Thought {n} about spaces.\n")).collect::<String>();
    changed(
        "    let text = input.text.trim().to_uppercase();\n",
        &format!("{body}    let text = input.text.to_uppercase();\n"),
    )
}

/// The schema of `keep`, which writes a note.
pub const KEEP_SCHEMA: &str = r#"{"input":{"text":"str"},"output":{"written_path":"str"}}"#;

/// Keeps a text as a note. Right for a class that may write.
pub const KEEP: &str = r#"//! Keeps a text as a note.

use kavi_sdk::prelude::*;

const PATH: &str = "Inbox/AI/kept.md";

#[derive(Deserialize)]
struct Input {
    text: String,
}

#[derive(Serialize)]
struct Output {
    written_path: String,
}

fn run(input: Input) -> Result<Output, SkillError> {
    vault::write(PATH, format!("{}\n", input.text))?;
    let written_path = PATH.to_owned();
    Ok(Output { written_path })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::{call, written, written_paths};

    fn keep(text: &str) -> Value {
        call(run, json!({ "text": text })).unwrap_or_default()
    }

    #[test]
    fn says_where() {
        assert_eq!(keep("a"), json!({ "written_path": PATH }));
    }

    #[test]
    fn keeps_the_text() {
        keep("some text");
        assert_eq!(written(PATH).as_deref(), Some("some text\n"));
    }

    #[test]
    fn writes_one_file() {
        keep("a");
        assert_eq!(written_paths(), [PATH]);
    }
}
"#;
