//! Makes the note of the day, unless there is one.

use kavi_sdk::clock::{self, DateTime};
use kavi_sdk::prelude::*;

/// Where daily notes lie: the folder that the specification declares as writable.
const FOLDER: &str = "Daily";

#[derive(Deserialize)]
struct Input {
    /// Where the day is read off, in minutes east of UTC.
    #[serde(default)]
    offset_minutes: i32,
    /// The note whose text is taken, with `{{date}}`, `{{time}}`, `{{title}}` and `{{weekday}}` filled in.
    template: Option<String>,
    /// What to do with a note that is there.
    #[serde(default)]
    existing: Existing,
}

#[derive(Deserialize, Default, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Existing {
    /// It stays as it is.
    #[default]
    Keep,
    /// It is written anew.
    Replace,
}

#[derive(Serialize)]
struct Output {
    /// Where the note of the day is.
    path: String,
    /// The day.
    date: String,
    /// Whether it was written now.
    created: bool,
}

fn run(input: Input) -> Result<Output, SkillError> {
    if input.offset_minutes.abs() > 14 * 60 {
        return Err(SkillError::invalid_input(
            "`offset_minutes` is more than 14 hours",
        ));
    }
    let now = DateTime::at(clock::now(), input.offset_minutes);
    let date = now.date();
    let path = format!("{FOLDER}/{date}.md");
    let created = input.existing == Existing::Replace || !vault::exists(&path)?;
    if created {
        let template = match &input.template {
            Some(template) => vault::read(template)?,
            None => "# {{title}}\n".to_owned(),
        };
        vault::write(&path, fill(&template, &now))?;
    }
    Ok(Output {
        path,
        date,
        created,
    })
}

/// Puts the day into a template. What stands in other braces stays.
fn fill(template: &str, now: &DateTime) -> String {
    let date = now.date();
    let time = now.time();
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once("{{") {
        text.push_str(before);
        let (name, behind_name) = behind.split_once("}}").unwrap_or((behind, ""));
        let value = match name.trim() {
            "date" | "title" => Some(date.as_str()),
            "time" => time.get(..5),
            "weekday" => Some(now.weekday()),
            _ => None,
        };
        rest = match value {
            Some(value) => {
                text.push_str(value);
                behind_name
            }
            None => {
                text.push_str("{{");
                behind
            }
        };
    }
    text + rest
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::{call, seed, set_clock, written, written_paths};

    const DAY: &str = "Daily/2026-01-02.md";

    #[test]
    fn makes_the_note_of_the_day() {
        let output = call(run, json!({}));
        let expected = json!({ "path": DAY, "date": "2026-01-02", "created": true });
        assert_eq!(output, Ok(expected));
        assert_eq!(written_paths(), [DAY]);
        assert_eq!(written(DAY).as_deref(), Some("# 2026-01-02\n"));
    }

    #[test]
    fn keeps_a_note_that_is_there() {
        seed(DAY, "mine");
        let kept = json!({ "path": DAY, "date": "2026-01-02", "created": false });
        let missing = json!({ "template": "nowhere.md" });
        for input in [json!({}), json!({ "existing": "keep" }), missing] {
            assert_eq!(call(run, input), Ok(kept.clone()));
        }
        assert!(written_paths().is_empty());
        let replaced = json!({ "path": DAY, "date": "2026-01-02", "created": true });
        assert_eq!(call(run, json!({ "existing": "replace" })), Ok(replaced));
        assert_eq!(written(DAY).as_deref(), Some("# 2026-01-02\n"));
    }

    #[test]
    fn the_day_is_that_of_the_place() {
        let path =
            |offset: i32| call(run, json!({ "offset_minutes": offset })).unwrap()["path"].clone();
        // 2028-02-28T23:30:00Z, in a leap year.
        set_clock(1_835_393_400);
        assert_eq!(path(0), "Daily/2028-02-28.md");
        assert_eq!(path(29), "Daily/2028-02-28.md");
        assert_eq!(path(30), "Daily/2028-02-29.md");
        assert_eq!(path(840), "Daily/2028-02-29.md");
        assert_eq!(path(-840), "Daily/2028-02-28.md");
        set_clock(1_835_393_400 + 86_400);
        assert_eq!(path(60), "Daily/2028-03-01.md");
    }

    #[test]
    fn fills_a_template() {
        let template = "---\nday: {{date}}\n---\n# {{ title }}, {{weekday}} {{time}}\n{{other}} {{ {x}} {{date}} {{";
        seed("Templates/day.md", template);
        assert!(
            call(
                run,
                json!({ "template": "Templates/day.md", "offset_minutes": 61 })
            )
            .is_ok()
        );
        let expected = "---\nday: 2026-01-02\n---\n# 2026-01-02, Friday 04:05\n{{other}} {{ {x}} 2026-01-02 {{";
        assert_eq!(written(DAY).as_deref(), Some(expected));
    }

    #[test]
    fn refuses_a_template_that_is_not_there_and_an_hour_that_is_nowhere() {
        let got = call(run, json!({ "template": "nowhere.md" }));
        assert!(matches!(got, Err(SkillError::NotFound(_))), "{got:?}");
        for input in [
            json!({ "template": "../x.md" }),
            json!({ "offset_minutes": 841 }),
            json!({ "offset_minutes": -841 }),
            json!({ "offset_minutes": 1.5 }),
            json!({ "existing": "append" }),
        ] {
            let got = call(run, input);
            assert!(matches!(got, Err(SkillError::InvalidInput(_))), "{got:?}");
        }
        assert!(written_paths().is_empty());
    }
}
