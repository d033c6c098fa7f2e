//! Writes a markdown note into the vault's inbox.

use kavi_sdk::note;
use kavi_sdk::prelude::*;

/// Where notes land: the folder that the specification declares as writable.
const INBOX: &str = "Inbox/AI/";

#[derive(Deserialize)]
struct Input {
    /// Where the note goes, like `Inbox/AI/hello.md`.
    path: String,
    /// Its heading: one line.
    title: String,
    /// Its text, in markdown.
    body: String,
    /// What to do with a note that is there.
    #[serde(default)]
    if_exists: IfExists,
}

#[derive(Deserialize, Default, PartialEq)]
#[serde(rename_all = "lowercase")]
enum IfExists {
    /// It is written anew.
    #[default]
    Replace,
    /// It stays as it is.
    Keep,
    /// Nothing is written, and the run fails.
    Fail,
}

#[derive(Serialize)]
struct Output {
    /// Where the note went.
    written_path: String,
    /// The SHA-256 of the bytes that are there now.
    sha256: String,
    /// Whether a note that was there stayed as it is.
    #[serde(skip_serializing_if = "is_false")]
    kept: bool,
}

fn is_false(kept: &bool) -> bool {
    !kept
}

fn run(input: Input) -> Result<Output, SkillError> {
    let Input {
        path,
        title,
        body,
        if_exists,
    } = input;
    let title = title.trim();
    if title.is_empty() {
        return Err(SkillError::invalid_input("`title` is empty"));
    }
    if title.chars().any(char::is_control) {
        return Err(SkillError::invalid_input(
            "`title` is more than one line of text",
        ));
    }
    // Asking first tells a path that is none (invalid input) from one that lies elsewhere (denied).
    let replaces = vault::exists(&path)?;
    if !path.starts_with(INBOX) {
        return Err(SkillError::denied(format!(
            "`{path}` is outside of `{INBOX}`, where notes land"
        )));
    }
    if !note::is_note(&path) {
        return Err(SkillError::invalid_input(format!(
            "`{path}` does not end with `.md`"
        )));
    }
    if replaces && if_exists == IfExists::Fail {
        return Err(SkillError::failed(format!("`{path}` exists already")));
    }
    if replaces && if_exists == IfExists::Keep {
        return Ok(Output {
            sha256: sha256(vault::read_bytes(&path)?),
            written_path: path,
            kept: true,
        });
    }
    let note = format!("# {title}\n\n{}\n", body.trim_end());
    vault::write(&path, &note)?;
    log::info(format!(
        "{} {path}",
        if replaces { "replaced" } else { "wrote" }
    ));
    Ok(Output {
        written_path: path,
        sha256: sha256(&note),
        kept: false,
    })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::{call, seed, written, written_paths};

    fn note(path: &str, title: &str) -> Value {
        json!({ "path": path, "title": title, "body": "Some *text*." })
    }

    #[test]
    fn writes_the_note_and_says_where_and_what() {
        let output = call(run, note("Inbox/AI/hello.md", "Hello"));
        let text = "# Hello\n\nSome *text*.\n";
        let expected = json!({ "written_path": "Inbox/AI/hello.md", "sha256": sha256(text) });
        assert_eq!(output, Ok(expected));
        assert_eq!(written("Inbox/AI/hello.md").as_deref(), Some(text));
        assert_eq!(written_paths(), ["Inbox/AI/hello.md"]);
    }

    #[test]
    fn makes_folders_below_the_inbox() {
        assert!(call(run, note("Inbox/AI/2026/May/plan.md", "Plan")).is_ok());
        assert_eq!(written_paths(), ["Inbox/AI/2026/May/plan.md"]);
    }

    #[test]
    fn replaces_a_note_that_is_there() {
        seed("Inbox/AI/hello.md", "old");
        assert!(call(run, note("Inbox/AI/hello.md", "New")).is_ok());
        assert_eq!(
            written("Inbox/AI/hello.md").as_deref(),
            Some("# New\n\nSome *text*.\n")
        );
    }

    #[test]
    fn keeps_a_note_or_fails_when_it_is_asked_to() {
        let with = |mode: &str| {
            let mut input = note("Inbox/AI/hello.md", "New");
            input["if_exists"] = json!(mode);
            call(run, input)
        };
        assert!(with("fail").is_ok());
        seed("Inbox/AI/other.md", "old");
        let mut input = note("Inbox/AI/other.md", "New");
        input["if_exists"] = json!("keep");
        let kept =
            json!({ "written_path": "Inbox/AI/other.md", "sha256": sha256("old"), "kept": true });
        assert_eq!(call(run, input.clone()), Ok(kept));
        input["if_exists"] = json!("fail");
        let got = call(run, input);
        assert!(matches!(got, Err(SkillError::Failed(_))), "{got:?}");
        assert_eq!(written_paths(), ["Inbox/AI/hello.md"]);
        assert!(with("replace").is_ok());
        assert!(matches!(with("append"), Err(SkillError::InvalidInput(_))));
    }

    #[test]
    fn the_ending_may_be_in_capitals() {
        assert!(call(run, note("Inbox/AI/HELLO.MD", "Hello")).is_ok());
        assert_eq!(written_paths(), ["Inbox/AI/HELLO.MD"]);
    }

    #[test]
    fn the_same_input_gives_the_same_bytes() {
        let first = call(run, note("Inbox/AI/a.md", " Same "));
        let second = call(run, note("Inbox/AI/a.md", "Same"));
        assert_eq!(first, second);
    }

    #[test]
    fn denies_a_path_outside_the_inbox() {
        for path in [
            "hello.md",
            "Inbox/hello.md",
            "Inbox/AIx/hello.md",
            "Projects/AI/hello.md",
        ] {
            let got = call(run, note(path, "Hello"));
            assert!(matches!(got, Err(SkillError::Denied(_))), "{path}: {got:?}");
        }
        assert!(written_paths().is_empty());
    }

    #[test]
    fn refuses_what_is_no_path_or_no_note() {
        for path in [
            "",
            "/Inbox/AI/x.md",
            "Inbox/AI/../x.md",
            "Inbox/AI/.x.md",
            "Inbox/AI/x.sh",
            "Inbox/AI/",
        ] {
            let got = call(run, note(path, "Hello"));
            assert!(
                matches!(got, Err(SkillError::InvalidInput(_))),
                "{path}: {got:?}"
            );
        }
        assert!(written_paths().is_empty());
    }

    #[test]
    fn refuses_a_title_that_is_no_heading() {
        for title in ["", "   ", "two\nlines"] {
            let got = call(run, note("Inbox/AI/x.md", title));
            assert!(
                matches!(got, Err(SkillError::InvalidInput(_))),
                "{title:?}: {got:?}"
            );
        }
        assert!(matches!(
            call(run, json!({ "path": "Inbox/AI/x.md" })),
            Err(SkillError::InvalidInput(_))
        ));
        assert!(written_paths().is_empty());
    }
}
