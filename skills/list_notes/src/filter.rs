//! Which notes are listed.

use kavi_sdk::note::{Note, front, letters, name, tags};
use kavi_sdk::prelude::*;

/// What a note must have. What is left out makes no difference.
#[derive(Deserialize)]
pub struct Filter {
    /// Only below this folder.
    #[serde(default)]
    pub folder: String,
    /// A tag, or one below it.
    tag: Option<String>,
    /// A property.
    property: Option<String>,
    /// Its value, or one of its list.
    value: Option<String>,
    /// A part of its name.
    name: Option<String>,
    /// The `date` of the front matter is this day or a later one.
    since: Option<String>,
    /// It is this day or an earlier one.
    until: Option<String>,
}

impl Filter {
    /// Refuses what cannot be.
    pub fn check(&self) -> Result<(), SkillError> {
        if let Some(tag) = self.tag.as_ref().filter(|tag| tags::query(tag).is_none()) {
            return Err(SkillError::invalid_input(format!("`{tag}` is no tag")));
        }
        if self.value.is_some() && self.property.is_none() {
            let why = "`value` needs the `property` that has it";
            return Err(SkillError::invalid_input(why));
        }
        let mut days = [&self.since, &self.until].into_iter().flatten();
        match days.find(|day| day_of(day).is_none()) {
            Some(day) => Err(SkillError::invalid_input(format!(
                "`{day}` is no day: write it like 2026-01-02"
            ))),
            None => Ok(()),
        }
    }

    /// Whether a note is listed.
    pub fn accepts(&self, path: &str, note: &Note) -> bool {
        let has_tag = |asked: &String| {
            let asked = tags::query(asked).unwrap_or_default();
            note.tags
                .iter()
                .any(|tag| tags::is_within(&tag.name, asked))
        };
        let is_named = |part: &String| letters::folded(name(path)).contains(&letters::folded(part));
        let date = date_of(note);
        let in_time = |day: &Option<String>, fits: fn(&str, &str) -> bool| {
            day.as_deref()
                .is_none_or(|day| date.as_deref().is_some_and(|date| fits(date, day)))
        };
        self.tag.as_ref().is_none_or(has_tag)
            && self
                .property
                .as_ref()
                .is_none_or(|key| self.has_property(note, key))
            && self.name.as_ref().is_none_or(is_named)
            && in_time(&self.since, |date, day| date >= day)
            && in_time(&self.until, |date, day| date <= day)
    }

    fn has_property(&self, note: &Note, key: &str) -> bool {
        let Some(value) = &self.value else {
            return note.front.property(key).is_some();
        };
        let value = letters::folded(value);
        let texts = note.front.texts(key);
        texts.iter().any(|text| letters::folded(text) == value)
    }
}

/// The day of the front matter's `date` or `created`.
pub fn date_of(note: &Note) -> Option<String> {
    let value = note.front.get("date").or(note.front.get("created"))?;
    day_of(&front::text_of(value)?).map(str::to_owned)
}

/// The day that a text starts with.
fn day_of(text: &str) -> Option<&str> {
    let day = text.get(..10)?;
    let fits = |(at, byte): (usize, u8)| match at {
        4 | 7 => byte == b'-',
        _ => byte.is_ascii_digit(),
    };
    day.bytes().enumerate().all(fits).then_some(day)
}
