//! Counts the checkboxes of a markdown text.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    text: String,
}

#[derive(Debug, Serialize)]
struct Output {
    open: usize,
    done: usize,
    share: f64,
    sections: Vec<Section>,
}

#[derive(Debug, Default, Serialize)]
struct Section {
    heading: String,
    open: usize,
    done: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Checkbox {
    Open,
    Done,
}

/// The checkbox at the beginning of a line, behind a bullet.
fn checkbox(line: &str) -> Option<Checkbox> {
    let item = line.trim_start();
    let item = item
        .strip_prefix("- ")
        .or_else(|| item.strip_prefix("* "))
        .or_else(|| item.strip_prefix("+ "))?;
    let item = item.trim_start();
    if item.starts_with("[ ]") {
        Some(Checkbox::Open)
    } else if item.starts_with("[x]") || item.starts_with("[X]") {
        Some(Checkbox::Done)
    } else {
        None
    }
}

fn heading(line: &str) -> Option<&str> {
    let text = line.trim_start_matches('#');
    let level = line.len() - text.len();
    ((1..=6).contains(&level) && text.starts_with(' ')).then(|| text.trim())
}

fn run(input: Input) -> Result<Output, SkillError> {
    let mut sections = Vec::new();
    let mut current = Section::default();
    for line in input.text.lines() {
        if let Some(heading) = heading(line) {
            sections.push(std::mem::take(&mut current));
            current.heading = heading.to_owned();
        }
        match checkbox(line) {
            Some(Checkbox::Open) => current.open += 1,
            Some(Checkbox::Done) => current.done += 1,
            None => {}
        }
    }
    sections.push(current);
    sections.retain(|section| section.open + section.done > 0);

    let open: usize = sections.iter().map(|section| section.open).sum();
    let done: usize = sections.iter().map(|section| section.done).sum();
    let total = open + done;
    let share = if total == 0 {
        0.0
    } else {
        done as f64 / total as f64
    };
    Ok(Output {
        open,
        done,
        share,
        sections,
    })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::call;

    #[test]
    fn counts_by_section() {
        let text = "- [ ] loose\n# Home\n- [x] sweep\n  * [X] mop\n## Garden\n+ [ ] mow\n# Empty\n";
        assert_eq!(
            call(run, json!({ "text": text })),
            Ok(json!({
                "open": 2,
                "done": 2,
                "share": 0.5,
                "sections": [
                    { "heading": "", "open": 1, "done": 0 },
                    { "heading": "Home", "open": 0, "done": 2 },
                    { "heading": "Garden", "open": 1, "done": 0 },
                ],
            }))
        );
    }

    #[test]
    fn a_text_without_checkboxes_has_a_share_of_zero() {
        for text in [
            "",
            "plain",
            "- item",
            "[x] no bullet",
            "- [y] z",
            "-[x] tight",
        ] {
            assert_eq!(
                call(run, json!({ "text": text })),
                Ok(json!({ "open": 0, "done": 0, "share": 0.0, "sections": [] })),
                "{text:?}"
            );
        }
    }

    #[test]
    fn knows_headings() {
        assert_eq!(heading("###### deep "), Some("deep"));
        assert_eq!(heading("####### too deep"), None);
        assert_eq!(heading("#tag"), None);
        assert_eq!(heading("text"), None);
    }

    #[test]
    fn a_missing_text_is_refused() {
        let got = call(run, json!({}));
        assert!(matches!(got, Err(SkillError::InvalidInput(_))), "{got:?}");
    }
}
