//! Splits a note at its headings.

use kavi_sdk::prelude::*;

const TARGET: &str = "Split";
const MAX_PARTS: usize = 99;
const MAX_NAME: usize = 60;

#[derive(Deserialize)]
struct Input {
    path: String,
    /// A folder below `Split`; `Split` itself when it is missing.
    folder: Option<String>,
}

#[derive(Serialize)]
struct Output {
    written: Vec<String>,
}

#[derive(Debug, Default, PartialEq)]
struct Part {
    title: Option<String>,
    text: String,
}

/// The parts of a note: what lies before the first heading, and one for each heading.
fn split(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut part = Part::default();
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("# ") {
            parts.push(std::mem::take(&mut part));
            part.title = Some(title.trim().to_owned());
        }
        part.text.push_str(line);
        part.text.push('\n');
    }
    parts.push(part);
    parts
}

fn file_name(number: usize, title: &str) -> String {
    let words: Vec<String> = title
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
        .collect();
    let name: String = words.join("-").chars().take(MAX_NAME).collect();
    let name = if name.is_empty() { "part" } else { &name };
    format!("{number:02}-{name}.md")
}

fn run(input: Input) -> Result<Output, SkillError> {
    let folder = match &input.folder {
        Some(folder) if folder.contains("..") || folder.trim().is_empty() => {
            return Err(SkillError::invalid_input("`folder` is not a folder"));
        }
        Some(folder) => format!("{TARGET}/{folder}"),
        None => TARGET.to_owned(),
    };
    // Fails for what is no path before anything is written.
    vault::exists(&folder)?;
    let parts = split(&vault::read(&input.path)?);
    if parts.len() < 2 {
        return Err(SkillError::invalid_input("the note has no heading"));
    }
    if parts.len() > MAX_PARTS {
        return Err(SkillError::invalid_input("the note has too many headings"));
    }
    let mut files = Vec::new();
    for (number, part) in parts.into_iter().enumerate() {
        let name = match &part.title {
            Some(title) => file_name(number, title),
            None if part.text.trim().is_empty() => continue,
            None => file_name(number, "intro"),
        };
        let path = format!("{folder}/{name}");
        vault::exists(&path)?;
        files.push((path, part.text));
    }
    let mut written = Vec::new();
    for (path, text) in files {
        vault::write(&path, text)?;
        written.push(path);
    }
    log::info(format!("split {} into {} notes", input.path, written.len()));
    Ok(Output { written })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::{call, seed, written, written_paths};

    #[test]
    fn splits_at_headings() {
        seed("n.md", "intro\n# First one!\na\n## Sub\n# Zwölf\nb\n");
        assert_eq!(
            call(run, json!({ "path": "n.md" })),
            Ok(json!({ "written": [
                "Split/00-intro.md",
                "Split/01-first-one.md",
                "Split/02-zwölf.md",
            ] }))
        );
        assert_eq!(written("Split/00-intro.md").as_deref(), Some("intro\n"));
        assert_eq!(
            written("Split/01-first-one.md").as_deref(),
            Some("# First one!\na\n## Sub\n")
        );
        assert_eq!(
            written("Split/02-zwölf.md").as_deref(),
            Some("# Zwölf\nb\n")
        );
    }

    #[test]
    fn a_blank_intro_is_left_out_and_nameless_headings_get_a_name() {
        seed("n.md", "\n# ?\ntext");
        assert_eq!(
            call(run, json!({ "path": "n.md", "folder": "deep" })),
            Ok(json!({ "written": ["Split/deep/01-part.md"] }))
        );
    }

    #[test]
    fn long_headings_are_cut() {
        assert_eq!(file_name(3, &"x".repeat(80)).len(), 66);
    }

    #[test]
    fn refuses_a_note_without_headings() {
        seed("n.md", "text\n#tag\n");
        let got = call(run, json!({ "path": "n.md" }));
        assert!(matches!(got, Err(SkillError::InvalidInput(_))), "{got:?}");
        assert!(written_paths().is_empty());
    }

    #[test]
    fn refuses_too_many_headings_and_odd_folders() {
        seed("n.md", "# a\n".repeat(100));
        for input in [
            json!({ "path": "n.md" }),
            json!({ "path": "n.md", "folder": " " }),
            json!({ "path": "n.md", "folder": "../x" }),
        ] {
            let got = call(run, input);
            assert!(matches!(got, Err(SkillError::InvalidInput(_))), "{got:?}");
        }
        let got = call(run, json!({ "path": "gone.md" }));
        assert!(matches!(got, Err(SkillError::NotFound(_))), "{got:?}");
    }
}
