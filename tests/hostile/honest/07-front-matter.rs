//! Reads the front matter of notes; its own text holds `---` and raw strings with code in them.

use std::path::{Path, PathBuf};

use kavi_sdk::prelude::*;

const TEMPLATE: &str = r##"---
title: "{title}"
code: |
  #![feature(x)]
  unsafe { std::process::Command::new("sh") } // r#"not the end"#
---
"##;

#[derive(Deserialize)]
struct Input {
    folder: String,
    #[serde(default)]
    dry_run: bool,
}

#[derive(Serialize)]
struct Output {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<Note>,
    r#type: &'static str,
}

#[derive(Debug, Default, PartialEq, Serialize)]
struct Note {
    path: String,
    title: Option<String>,
    tags: Vec<String>,
    exists: bool,
}

fn front_matter(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("---\n")?;
    let end = rest.find("\n---\n").or_else(|| rest.strip_suffix("\n---").map(str::len))?;
    rest.get(..end)
}

fn note(path: &str, text: &str) -> Note {
    let mut note = Note { path: path.to_owned(), exists: true, ..Note::default() };
    for line in front_matter(text).unwrap_or_default().lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        let value = value.trim().trim_matches('"');
        match key.trim() {
            "title" => note.title = Some(value.to_owned()),
            "tags" => note.tags.extend(value.trim_matches(['[', ']']).split(',').map(|tag| tag.trim().to_owned())),
            _ => {}
        }
    }
    if note.title.is_none() {
        note.title = Path::new(path).file_stem().and_then(|stem| stem.to_str()).map(str::to_owned);
    }
    note
}

fn run(input: Input) -> Result<Output, SkillError> {
    let mut notes = Vec::new();
    for entry in vault::list(&input.folder)? {
        let is_note = PathBuf::from(entry.name()).extension().is_some_and(|ending| ending == "md");
        if is_note && vault::exists(entry.path())? {
            notes.push(note(entry.path(), &vault::read(entry.path())?));
        }
    }
    if !input.dry_run {
        vault::write("Inbox/AI/index.md", TEMPLATE.replace("{title}", "Index"))?;
    }
    Ok(Output { notes, r#type: "index" })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;

    struct Case<'a> {
        text: &'a str,
        title: Option<&'a str>,
    }

    impl<'a> Case<'a> {
        const fn new(text: &'a str, title: Option<&'a str>) -> Self {
            Self { text, title }
        }
    }

    impl Default for Case<'_> {
        fn default() -> Self {
            Self::new("", Some("a"))
        }
    }

    #[test]
    fn titles_come_from_the_front_matter_or_the_name() {
        let cases = [
            Case::default(),
            Case::new("---\ntitle: \"B\"\n---\n", Some("B")),
            Case::new("--- no\n", Some("a")),
        ];
        for Case { text, title } in cases {
            assert_eq!(note("x/a.md", text).title.as_deref(), title, "{text:?}");
        }
    }
}
