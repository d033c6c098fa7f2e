//! Collects the tags of the notes in the vault.

use std::collections::{BTreeMap, BTreeSet};

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    /// Where to look; the whole vault when it is missing.
    #[serde(default)]
    folder: String,
    /// Tags of fewer notes than this are left out.
    #[serde(default)]
    min_notes: i64,
}

#[derive(Serialize)]
struct Output {
    notes: usize,
    tags: Vec<Tag>,
}

#[derive(Serialize)]
struct Tag {
    tag: String,
    notes: usize,
}

fn is_tag_char(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '-' | '_' | '/')
}

/// The tags of one line: `#` at the start of a word, then a letter somewhere.
fn tags_of_line(line: &str, tags: &mut BTreeSet<String>) {
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        if c == '#' && (before.is_whitespace() || before == '(') {
            let rest = line.get(at + 1..).unwrap_or_default();
            let tag: String = rest.chars().take_while(|c| is_tag_char(*c)).collect();
            if tag.chars().any(char::is_alphabetic) {
                tags.insert(tag.to_lowercase());
            }
        }
        before = c;
    }
}

fn tags_of(text: &str) -> BTreeSet<String> {
    let mut tags = BTreeSet::new();
    let mut in_code = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        } else if !in_code {
            tags_of_line(line, &mut tags);
        }
    }
    tags
}

/// The paths of all notes below a folder, depth first.
fn notes_below(folder: &str, notes: &mut Vec<String>) -> Result<(), SkillError> {
    for entry in vault::list(folder)? {
        if entry.is_folder() {
            notes_below(entry.path(), notes)?;
        } else if entry.is_file() && entry.name().ends_with(".md") {
            notes.push(entry.path().to_owned());
        }
    }
    Ok(())
}

fn run(input: Input) -> Result<Output, SkillError> {
    let mut paths = Vec::new();
    notes_below(&input.folder, &mut paths)?;
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for path in &paths {
        let bytes = vault::read_bytes(path)?;
        for tag in tags_of(&String::from_utf8_lossy(&bytes)) {
            *counts.entry(tag).or_default() += 1;
        }
    }
    let min_notes = usize::try_from(input.min_notes).unwrap_or(0);
    let mut tags: Vec<Tag> = counts
        .into_iter()
        .filter(|(_, notes)| *notes >= min_notes)
        .map(|(tag, notes)| Tag { tag, notes })
        .collect();
    tags.sort_by(|a, b| b.notes.cmp(&a.notes).then_with(|| a.tag.cmp(&b.tag)));
    Ok(Output {
        notes: paths.len(),
        tags,
    })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::{call, seed};

    #[test]
    fn counts_notes_by_tag() {
        seed("Notes/a.md", "About #rust and #Rust.\n#work/kavi");
        seed("Notes/deep/b.md", "(#rust) x#no #1 # #2nd");
        seed("Notes/c.txt", "#ignored");
        seed("Other/d.md", "#elsewhere");
        assert_eq!(
            call(run, json!({ "folder": "Notes" })),
            Ok(json!({
                "notes": 2,
                "tags": [
                    { "tag": "rust", "notes": 2 },
                    { "tag": "2nd", "notes": 1 },
                    { "tag": "work/kavi", "notes": 1 },
                ],
            }))
        );
    }

    #[test]
    fn leaves_out_code_and_rare_tags() {
        seed("a.md", "#one #two\n```\n#code\n```\n#three");
        seed("b.md", "#two");
        assert_eq!(
            call(run, json!({ "min_notes": 2 })),
            Ok(json!({ "notes": 2, "tags": [{ "tag": "two", "notes": 2 }] }))
        );
        assert_eq!(
            tags_of("#one\n  ```rust\n#code\n```\n#three"),
            BTreeSet::from(["one".to_owned(), "three".to_owned()])
        );
    }

    #[test]
    fn keeps_letters_of_any_script() {
        seed("a.md", "#Größe #日本-語");
        let output = call(run, json!({})).unwrap();
        assert_eq!(output["tags"][0]["tag"], "größe");
        assert_eq!(output["tags"][1]["tag"], "日本-語");
    }

    #[test]
    fn an_empty_vault_has_no_tags() {
        assert_eq!(call(run, json!({})), Ok(json!({ "notes": 0, "tags": [] })));
    }

    #[test]
    fn a_missing_folder_is_not_found() {
        let got = call(run, json!({ "folder": "Nowhere" }));
        assert!(matches!(got, Err(SkillError::NotFound(_))), "{got:?}");
    }
}
