//! Appends a bullet to a journal note.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    /// A note below `Journal`.
    path: String,
    /// One line.
    text: String,
    /// The level-two heading to append under; the end of the note when it is missing.
    heading: Option<String>,
    /// When given, the bullet is a checkbox.
    done: Option<bool>,
}

#[derive(Serialize)]
struct Output {
    path: String,
    lines: usize,
    created: bool,
}

fn one_line<'a>(name: &str, text: &'a str) -> Result<&'a str, SkillError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(SkillError::invalid_input(format!("`{name}` is empty")));
    }
    if text.contains(['\n', '\r']) {
        return Err(SkillError::invalid_input(format!(
            "`{name}` is more than one line"
        )));
    }
    Ok(text)
}

/// Where a new line of this section goes: before its trailing blank lines.
fn end_of_section(lines: &[String], heading: &str) -> Option<usize> {
    let start = lines.iter().position(|line| line.trim_end() == heading)? + 1;
    let length = lines
        .iter()
        .skip(start)
        .take_while(|line| !line.starts_with("# ") && !line.starts_with("## "))
        .count();
    let mut end = start + length;
    while end > start
        && lines
            .get(end - 1)
            .is_some_and(|line| line.trim().is_empty())
    {
        end -= 1;
    }
    Some(end)
}

fn run(input: Input) -> Result<Output, SkillError> {
    let text = one_line("text", &input.text)?;
    let heading = match &input.heading {
        Some(heading) => Some(format!("## {}", one_line("heading", heading)?)),
        None => None,
    };
    if !input.path.starts_with("Journal/") {
        return Err(SkillError::denied(format!(
            "`{}` is not below `Journal`",
            input.path
        )));
    }
    if !input.path.ends_with(".md") {
        return Err(SkillError::invalid_input(format!(
            "`{}` does not end with `.md`",
            input.path
        )));
    }
    let bullet = match input.done {
        Some(true) => format!("- [x] {text}"),
        Some(false) => format!("- [ ] {text}"),
        None => format!("- {text}"),
    };
    let created = !vault::exists(&input.path)?;
    let old = if created {
        String::new()
    } else {
        vault::read(&input.path)?
    };
    let mut lines: Vec<String> = old.lines().map(str::to_owned).collect();
    match heading {
        None => lines.push(bullet),
        Some(heading) => match end_of_section(&lines, &heading) {
            Some(end) => lines.insert(end, bullet),
            None => {
                if lines.last().is_some_and(|line| !line.trim().is_empty()) {
                    lines.push(String::new());
                }
                lines.push(heading);
                lines.push(bullet);
            }
        },
    }
    vault::write(&input.path, lines.join("\n") + "\n")?;
    Ok(Output {
        path: input.path,
        lines: lines.len(),
        created,
    })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::{call, seed, written, written_paths};

    const DAY: &str = "Journal/2026-05-01.md";

    #[test]
    fn creates_the_note() {
        let output = call(run, json!({ "path": DAY, "text": " First. " }));
        assert_eq!(
            output,
            Ok(json!({ "path": DAY, "lines": 1, "created": true }))
        );
        assert_eq!(written(DAY).as_deref(), Some("- First.\n"));
    }

    #[test]
    fn appends_at_the_end() {
        seed(DAY, "# Day\n- a");
        let output = call(run, json!({ "path": DAY, "text": "b", "done": true }));
        assert_eq!(
            output,
            Ok(json!({ "path": DAY, "lines": 3, "created": false }))
        );
        assert_eq!(written(DAY).as_deref(), Some("# Day\n- a\n- [x] b\n"));
    }

    #[test]
    fn appends_inside_a_section() {
        seed(DAY, "# Day\n\n## Tasks\n\n- a\n\n\n## Notes\n\n- n\n");
        let task = json!({ "path": DAY, "text": "b", "heading": "Tasks", "done": false });
        assert!(call(run, task).is_ok());
        assert_eq!(
            written(DAY).as_deref(),
            Some("# Day\n\n## Tasks\n\n- a\n- [ ] b\n\n\n## Notes\n\n- n\n")
        );
    }

    #[test]
    fn a_missing_heading_is_made() {
        seed(DAY, "- a");
        assert!(call(run, json!({ "path": DAY, "text": "b", "heading": "Tasks" })).is_ok());
        assert_eq!(written(DAY).as_deref(), Some("- a\n\n## Tasks\n- b\n"));
    }

    #[test]
    fn refuses_bad_input_and_writes_nothing() {
        for input in [
            json!({ "path": DAY, "text": " " }),
            json!({ "path": DAY, "text": "a\nb" }),
            json!({ "path": DAY, "text": "a", "heading": "" }),
            json!({ "path": "Journal/a.txt", "text": "a" }),
            json!({ "path": "Journal/../a.md", "text": "a" }),
        ] {
            let got = call(run, input);
            assert!(matches!(got, Err(SkillError::InvalidInput(_))), "{got:?}");
        }
        let got = call(run, json!({ "path": "Inbox/a.md", "text": "a" }));
        assert!(matches!(got, Err(SkillError::Denied(_))), "{got:?}");
        assert!(written_paths().is_empty());
    }
}
