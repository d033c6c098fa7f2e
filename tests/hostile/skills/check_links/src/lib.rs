//! Finds the broken relative links of a note.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    path: String,
}

#[derive(Serialize)]
struct Output {
    checked: usize,
    broken: Vec<Broken>,
}

#[derive(Serialize)]
struct Broken {
    line: usize,
    target: String,
}

/// The targets of the links in one line.
fn targets(line: &str) -> Vec<&str> {
    let mut targets = Vec::new();
    let mut rest = line;
    while let Some((_, after)) = rest.split_once("](") {
        let Some((target, after)) = after.split_once(')') else {
            break;
        };
        targets.push(target.trim());
        rest = after;
    }
    targets
}

fn is_external(target: &str) -> bool {
    target.is_empty()
        || target.starts_with('#')
        || target.contains("://")
        || target.starts_with("mailto:")
}

/// Resolves a target against the folder of the note. `None` when it leads out of the vault.
fn resolve(note: &str, target: &str) -> Option<String> {
    let target = target.split('#').next().unwrap_or(target);
    let mut parts: Vec<&str> = Vec::new();
    if !target.starts_with('/') {
        parts.extend(note.split('/'));
        parts.pop();
    }
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

fn is_there(note: &str, target: &str) -> bool {
    let decoded = target.replace("%20", " ");
    // A target that is no path of the vault is as broken as one that is missing.
    resolve(note, &decoded).is_some_and(|path| vault::exists(&path).unwrap_or(false))
}

fn run(input: Input) -> Result<Output, SkillError> {
    let text = vault::read(&input.path)?;
    let mut checked = 0;
    let mut broken = Vec::new();
    for (index, line) in text.lines().enumerate() {
        for target in targets(line) {
            if is_external(target) {
                continue;
            }
            checked += 1;
            if !is_there(&input.path, target) {
                broken.push(Broken {
                    line: index + 1,
                    target: target.to_owned(),
                });
            }
        }
    }
    Ok(Output { checked, broken })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::{call, seed};

    #[test]
    fn finds_broken_links() {
        seed(
            "a/b/n.md",
            "see [one](x.md)\n\n[two](../y.md#part), [three]( gone.md )",
        );
        seed("a/b/x.md", "");
        seed("a/y.md", "");
        assert_eq!(
            call(run, json!({ "path": "a/b/n.md" })),
            Ok(json!({ "checked": 3, "broken": [{ "line": 3, "target": "gone.md" }] }))
        );
    }

    #[test]
    fn skips_links_that_lead_elsewhere() {
        seed(
            "n.md",
            "[a](https://example.org) [b](#top) [c](mailto:x@example.org) [d]() [e](open",
        );
        assert_eq!(
            call(run, json!({ "path": "n.md" })),
            Ok(json!({ "checked": 0, "broken": [] }))
        );
    }

    #[test]
    fn resolves_against_folder_and_root() {
        assert_eq!(resolve("a/n.md", "./x.md").as_deref(), Some("a/x.md"));
        assert_eq!(resolve("a/n.md", "/x.md").as_deref(), Some("x.md"));
        assert_eq!(resolve("a/b/n.md", "../../x.md").as_deref(), Some("x.md"));
        assert_eq!(resolve("n.md", "../x.md"), None);
    }

    #[test]
    fn decodes_spaces() {
        seed("my note.md", "");
        seed("n.md", "[a](my%20note.md) [b](../out.md)");
        assert_eq!(
            call(run, json!({ "path": "n.md" })),
            Ok(json!({ "checked": 2, "broken": [{ "line": 1, "target": "../out.md" }] }))
        );
    }

    #[test]
    fn a_missing_note_is_not_found() {
        let got = call(run, json!({ "path": "n.md" }));
        assert!(matches!(got, Err(SkillError::NotFound(_))), "{got:?}");
    }
}
