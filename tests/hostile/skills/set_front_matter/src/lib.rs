//! Sets one field of a note's front matter.

mod front_matter;
#[cfg(test)]
mod tests;

use front_matter::Document;
use kavi_sdk::prelude::*;

/// The folder that this skill may write below.
const NOTES: &str = "Notes/";

#[derive(Deserialize)]
struct Input {
    path: String,
    key: String,
    value: FieldValue,
}

/// What a field can hold.
#[derive(Deserialize)]
#[serde(untagged)]
enum FieldValue {
    Flag(bool),
    Number(serde_json::Number),
    Text(String),
    List(Vec<String>),
}

#[derive(Serialize)]
struct Output {
    path: String,
    changed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<String>,
}

impl FieldValue {
    /// The value as YAML, on one line.
    fn to_yaml(&self) -> Result<String, SkillError> {
        Ok(match self {
            Self::Flag(flag) => flag.to_string(),
            Self::Number(number) => number.to_string(),
            Self::Text(text) => serde_json::to_string(text)?,
            Self::List(items) => {
                let items = items
                    .iter()
                    .map(serde_json::to_string)
                    .collect::<Result<Vec<_>, _>>()?;
                format!("[{}]", items.join(", "))
            }
        })
    }
}

fn is_key(key: &str) -> bool {
    key.starts_with(|c: char| c.is_ascii_lowercase())
        && key
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

fn run(input: Input) -> Result<Output, SkillError> {
    let Input { path, key, value } = input;
    if !is_key(&key) {
        return Err(SkillError::invalid_input(format!(
            "`{key}` is not a key of lower-case letters, digits and `_`"
        )));
    }
    if !path.ends_with(".md") {
        return Err(SkillError::invalid_input(format!("`{path}` is not a note")));
    }
    if !path.starts_with(NOTES) {
        return Err(SkillError::denied(format!(
            "`{path}` is outside of `{NOTES}`"
        )));
    }
    let text = vault::read(&path)?;
    let mut document = Document::parse(&text)?;
    let previous = document.set(&key, &value.to_yaml()?);
    let updated = document.to_string();
    let changed = updated != text;
    if changed {
        vault::write(&path, updated)?;
        log::info(format!("set `{key}` in {path}"));
    }
    Ok(Output {
        path,
        changed,
        previous,
    })
}

kavi_sdk::export_skill!(run);
