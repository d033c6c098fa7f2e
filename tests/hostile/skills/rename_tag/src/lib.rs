//! Renames a tag in all notes.

use kavi_sdk::prelude::*;

const NOTES: &str = "Notes";

#[derive(Deserialize)]
struct Input {
    from: String,
    to: String,
    #[serde(default)]
    dry_run: bool,
}

#[derive(Debug, Default, Serialize)]
struct Output {
    changed: Vec<String>,
    occurrences: usize,
}

fn is_tag_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

fn check_tag(name: &str, tag: &str) -> Result<(), SkillError> {
    let starts = tag.starts_with(|c: char| c.is_ascii_alphabetic());
    if starts && tag.chars().all(is_tag_char) {
        Ok(())
    } else {
        Err(SkillError::invalid_input(format!(
            "`{name}` is `{tag}`, which is no tag"
        )))
    }
}

/// The text with the tag renamed, and how often it was there.
fn rename(text: &str, from: &str, to: &str) -> (String, usize) {
    let mut renamed = String::with_capacity(text.len());
    let mut count = 0;
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('#') {
        renamed.push_str(before);
        renamed.push('#');
        let end = after.find(|c: char| !is_tag_char(c)).unwrap_or(after.len());
        let (tag, behind) = after.split_at(end);
        let begins = before.is_empty() || before.ends_with(char::is_whitespace);
        if begins && tag == from {
            renamed.push_str(to);
            count += 1;
        } else {
            renamed.push_str(tag);
        }
        rest = behind;
    }
    renamed.push_str(rest);
    (renamed, count)
}

fn collect(folder: &str, paths: &mut Vec<String>) -> Result<(), SkillError> {
    for entry in vault::list(folder)? {
        if entry.is_folder() {
            collect(entry.path(), paths)?;
        } else if entry.name().ends_with(".md") {
            paths.push(entry.path().to_owned());
        }
    }
    Ok(())
}

fn run(input: Input) -> Result<Output, SkillError> {
    check_tag("from", &input.from)?;
    check_tag("to", &input.to)?;
    if !vault::exists(NOTES)? {
        return Err(SkillError::not_found("there is no folder `Notes`"));
    }
    let mut paths = Vec::new();
    collect(NOTES, &mut paths)?;
    let mut output = Output::default();
    let mut writes = Vec::new();
    for path in paths {
        let Ok(text) = vault::read(&path) else {
            log::warn(format!("skipped {path}, which is not text"));
            continue;
        };
        let (renamed, count) = rename(&text, &input.from, &input.to);
        if count > 0 {
            output.occurrences += count;
            output.changed.push(path.clone());
            writes.push((path, renamed));
        }
    }
    if !input.dry_run {
        for (path, text) in writes {
            vault::write(path, text)?;
        }
    }
    Ok(output)
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::{call, seed, written, written_paths};

    #[test]
    fn renames_in_all_notes() {
        seed("Notes/a.md", "#old and #older, x#old\n#old");
        seed("Notes/b/c.md", "text #old");
        seed("Notes/d.md", "none");
        seed("Other/e.md", "#old");
        assert_eq!(
            call(run, json!({ "from": "old", "to": "new-1" })),
            Ok(json!({ "changed": ["Notes/a.md", "Notes/b/c.md"], "occurrences": 3 }))
        );
        assert_eq!(
            written("Notes/a.md").as_deref(),
            Some("#new-1 and #older, x#old\n#new-1")
        );
        assert_eq!(written("Notes/b/c.md").as_deref(), Some("text #new-1"));
        assert_eq!(written_paths().len(), 2);
    }

    #[test]
    fn a_dry_run_writes_nothing() {
        seed("Notes/a.md", "#old");
        let output = call(run, json!({ "from": "old", "to": "new", "dry_run": true }));
        assert_eq!(
            output,
            Ok(json!({ "changed": ["Notes/a.md"], "occurrences": 1 }))
        );
        assert!(written_paths().is_empty());
    }

    #[test]
    fn refuses_what_is_no_tag() {
        seed("Notes/a.md", "#old");
        for (from, to) in [("", "b"), ("a", "1b"), ("a b", "c"), ("a", "")] {
            let got = call(run, json!({ "from": from, "to": to }));
            assert!(matches!(got, Err(SkillError::InvalidInput(_))), "{got:?}");
        }
    }

    #[test]
    fn needs_the_folder() {
        let got = call(run, json!({ "from": "a", "to": "b" }));
        assert!(matches!(got, Err(SkillError::NotFound(_))), "{got:?}");
    }
}
