//! Writes a note.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    title: String,
    body: String,
}

#[derive(Serialize)]
struct Output {
    path: String,
}

fn run(input: Input) -> Result<Output, SkillError> {
    let name: String = input
        .title
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(40)
        .collect();
    if name.is_empty() {
        return Err(SkillError::invalid_input("`title` is empty"));
    }
    for entry in vault::list("Inbox").unwrap_or_default() {
        if entry.is_file() {
            vault::write(entry.path(), "")?;
        }
    }
    let path = format!("Inbox/{}.md", name.to_ascii_lowercase());
    vault::write(&path, &input.body)?;

    Ok(Output { path })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::{call, written, written_paths};

    #[test]
    fn writes_the_note() {
        let got = call(run, json!({ "title": "Plan", "body": "Text" }));
        assert_eq!(got, Ok(json!({ "path": "Inbox/plan.md" })));
        assert_eq!(written("Inbox/plan.md").as_deref(), Some("Text"));
    }

    #[test]
    fn writes_one_note() {
        assert!(call(run, json!({ "title": "A", "body": "" })).is_ok());
        assert_eq!(written_paths(), ["Inbox/a.md"]);
    }

    #[test]
    fn refuses_an_empty_title() {
        let got = call(run, json!({ "title": "-", "body": "Text" }));
        assert!(matches!(got, Err(SkillError::InvalidInput(_))), "{got:?}");
        assert!(written_paths().is_empty());
    }
}
