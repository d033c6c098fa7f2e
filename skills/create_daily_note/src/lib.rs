//! Makes the note of the day, unless there is one.

use kavi_sdk::clock::{self, DateTime};
use kavi_sdk::prelude::*;
use kavi_sdk::{moment, note, zone};

/// Where daily notes are when the vault says nothing of it.
const FOLDER: &str = "Daily";
/// How they are called then.
const FORMAT: &str = "YYYY-MM-DD";

#[derive(Deserialize)]
struct Input {
    /// The time zone, by its IANA name.
    zone: Option<String>,
    /// Minutes east of UTC, where there is no zone.
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

/// What Obsidian's own daily notes are set to.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Settings {
    folder: Option<String>,
    format: Option<String>,
    template: Option<String>,
}

fn run(input: Input) -> Result<Output, SkillError> {
    let now = DateTime::at(clock::now(), offset(&input)?);
    let settings = settings()?;
    let format = settings.format.as_deref().unwrap_or(FORMAT);
    let folder = settings.folder.as_deref().unwrap_or(FOLDER);
    let name = moment::format(&now, format);
    let path = format!("{folder}/{name}.md");
    let title = name.rsplit('/').next().unwrap_or(&name);
    let created = input.existing == Existing::Replace || !vault::exists(&path)?;
    if created {
        let template = match (&input.template, &settings.template) {
            (Some(template), _) => vault::read(template)?,
            (None, Some(template)) => vault::read(with_ending(template))?,
            (None, None) => "# {{title}}\n".to_owned(),
        };
        vault::write(&path, fill(&template, &now, title))?;
    }
    Ok(Output {
        path,
        date: now.date(),
        created,
    })
}

/// Minutes east of UTC.
fn offset(input: &Input) -> Result<i32, SkillError> {
    if input.offset_minutes.abs() > 14 * 60 {
        let why = "`offset_minutes` is more than 14 hours";
        return Err(SkillError::invalid_input(why));
    }
    match &input.zone {
        None => Ok(input.offset_minutes),
        Some(zone) => zone::offset_minutes(zone, clock::now()).ok_or_else(|| {
            let why = format!("`{zone}` is no time zone: write it like Europe/Prague");
            SkillError::invalid_input(why)
        }),
    }
}

/// The vault's own settings, without those that are empty.
fn settings() -> Result<Settings, SkillError> {
    let Some(value) = vault::settings("daily-notes")? else {
        return Ok(Settings::default());
    };
    let read: Settings = serde_json::from_value(value)?;
    let said = |text: Option<String>| {
        let text = text.map(|text| text.trim_matches('/').to_owned());
        text.filter(|text| !text.is_empty())
    };
    Ok(Settings {
        folder: said(read.folder),
        format: said(read.format),
        template: said(read.template),
    })
}

fn with_ending(path: &str) -> String {
    if note::is_note(path) {
        path.to_owned()
    } else {
        format!("{path}.md")
    }
}

/// Puts the day into a template. What is in other braces stays.
fn fill(template: &str, now: &DateTime, title: &str) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some((before, behind)) = rest.split_once("{{") {
        text.push_str(before);
        let (name, behind_name) = behind.split_once("}}").unwrap_or((behind, ""));
        let (name, format) = match name.split_once(':') {
            Some((name, format)) => (name, Some(format.trim())),
            None => (name, None),
        };
        let value = match name.trim().to_lowercase().as_str() {
            "date" => Some(moment::format(now, format.unwrap_or(FORMAT))),
            "time" => Some(moment::format(now, format.unwrap_or("HH:mm"))),
            "title" => Some(title.to_owned()),
            "weekday" => Some(now.weekday().to_owned()),
            _ => None,
        };
        rest = match value {
            Some(value) => {
                text.push_str(&value);
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

    /// Runs the skill at 2026-01-02T03:04:05Z.
    fn on_the_day(input: Value) -> Result<Value, SkillError> {
        set_clock(1_767_323_045);
        call(run, input)
    }

    #[test]
    fn makes_the_note_of_the_day() {
        let output = on_the_day(json!({}));
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
            assert_eq!(on_the_day(input), Ok(kept.clone()));
        }
        assert!(written_paths().is_empty());
        let replaced = json!({ "path": DAY, "date": "2026-01-02", "created": true });
        assert_eq!(on_the_day(json!({ "existing": "replace" })), Ok(replaced));
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
        let input = json!({ "template": "Templates/day.md", "offset_minutes": 61 });
        assert!(on_the_day(input).is_ok());
        let expected = "---\nday: 2026-01-02\n---\n# 2026-01-02, Friday 04:05\n{{other}} {{ {x}} 2026-01-02 {{";
        assert_eq!(written(DAY).as_deref(), Some(expected));
    }

    #[test]
    fn the_settings_of_the_vault_are_followed() {
        let settings = json!({
            "folder": "/Journal/",
            "format": "YYYY/MM-MMMM/YYYY-MM-DD dddd",
            "template": "Templates/day",
        });
        seed(".obsidian/daily-notes.json", settings.to_string());
        seed(
            "Templates/day.md",
            "# {{title}} {{DATE:D. MMMM}} {{time:HH[h]}}",
        );
        let path = "Journal/2026/01-January/2026-01-02 Friday.md";
        let expected = json!({ "path": path, "date": "2026-01-02", "created": true });
        assert_eq!(on_the_day(json!({})), Ok(expected));
        let text = "# 2026-01-02 Friday 2. January 03h";
        assert_eq!(written(path).as_deref(), Some(text));
        seed("other.md", "{{date}}");
        let input = json!({ "template": "other.md", "existing": "replace" });
        assert!(on_the_day(input).is_ok());
        assert_eq!(written(path).as_deref(), Some("2026-01-02"));
    }

    #[test]
    fn settings_that_say_nothing_are_the_usual_ones() {
        for settings in [
            "{}",
            "{\"folder\": \"\", \"format\": \"\", \"template\": null}",
        ] {
            seed(".obsidian/daily-notes.json", settings);
            let output = on_the_day(json!({ "existing": "replace" })).unwrap();
            assert_eq!(output["path"], DAY, "{settings}");
        }
        seed("Templates/day.MD", "x");
        seed(
            ".obsidian/daily-notes.json",
            "{\"template\": \"Templates/day.MD\"}",
        );
        assert!(on_the_day(json!({ "existing": "replace" })).is_ok());
        assert_eq!(written(DAY).as_deref(), Some("x"));
        seed(".obsidian/daily-notes.json", "{\"folder\": 1}");
        let got = on_the_day(json!({}));
        assert!(matches!(got, Err(SkillError::Failed(_))), "{got:?}");
    }

    #[test]
    fn the_day_is_that_of_the_zone() {
        let date = |zone: &str| call(run, json!({ "zone": zone })).unwrap()["date"].clone();
        // 2026-03-29T00:30:00Z: an hour before the clocks of Europe change.
        set_clock(1_774_744_200);
        assert_eq!(date("America/New_York"), "2026-03-28");
        assert_eq!(date("Europe/Prague"), "2026-03-29");
        // 2026-07-01T22:30:00Z: in summer Prague is two hours ahead.
        set_clock(1_782_945_000);
        assert_eq!(date("Europe/Prague"), "2026-07-02");
        assert_eq!(date("UTC"), "2026-07-01");
        let got = call(run, json!({ "zone": "Nowhere/Town" }));
        assert!(matches!(got, Err(SkillError::InvalidInput(_))), "{got:?}");
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
