//! A skill in several files, with a test module of its own in each.

mod dates;
mod text;
#[cfg(test)]
mod tests;

use kavi_sdk::prelude::*;

use crate::dates::Date;
use crate::text::{self as prose, slug};

#[derive(Deserialize)]
pub(crate) struct Input {
    pub(crate) title: String,
    #[serde(with = "crate::dates::iso")]
    pub(crate) date: Date,
}

#[derive(Debug, Serialize)]
pub(crate) struct Output {
    pub(crate) path: String,
    #[serde(serialize_with = "dates::iso::serialize")]
    day: Date,
}

pub(crate) fn run(input: Input) -> Result<Output, SkillError> {
    let path = format!("Inbox/AI/{}-{}.md", input.date, slug(&input.title));
    vault::write(&path, prose::heading(&input.title))?;
    Ok(Output { path, day: input.date })
}

kavi_sdk::export_skill!(run);
//@ file: src/tests.rs
use kavi_sdk::testing::{call, written};

use super::*;

#[test]
fn writes_a_dated_note() {
    let output = call(run, json!({ "title": "Hello, World", "date": "2026-05-09" })).unwrap();
    assert_eq!(output["path"], "Inbox/AI/2026-05-09-hello-world.md");
    assert_eq!(written("Inbox/AI/2026-05-09-hello-world.md").as_deref(), Some("# Hello, World\n"));
}
//@ file: src/text.rs
/// Letters and digits, the rest as `-`.
pub fn slug(title: &str) -> String {
    let mut slug = String::new();
    for c in title.chars().flat_map(char::to_lowercase) {
        match c {
            'a'..='z' | '0'..='9' => slug.push(c),
            _ if slug.ends_with('-') || slug.is_empty() => {}
            _ => slug.push('-'),
        }
    }
    slug.trim_end_matches('-').to_owned()
}

pub fn heading(title: &str) -> String {
    format!("# {title}\n")
}

#[cfg(test)]
mod tests {
    use super::slug;

    #[test]
    fn joins_words() {
        for (title, expected) in [("A  b", "a-b"), ("-x-", "x"), ("", "")] {
            assert_eq!(slug(title), expected, "{title:?}");
        }
    }
}
//@ file: src/dates/mod.rs
pub mod iso;

use std::fmt;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    pub year: u16,
    pub month: u8,
    pub day: u8,
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}
//@ file: src/dates/iso.rs
use kavi_sdk::serde::de::{self, Deserializer};
use kavi_sdk::serde::{Deserialize, Serializer};

use super::Date;

pub fn serialize<S: Serializer>(date: &Date, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(date)
}

pub fn deserialize<'de, D>(from: D) -> Result<Date, D::Error>
where
    D: Deserializer<'de>,
{
    let text = String::deserialize(from)?;
    parse(&text).ok_or_else(|| de::Error::custom(format!("`{text}` is no date")))
}

fn parse(text: &str) -> Option<Date> {
    let mut parts = text.splitn(3, '-');
    let date = Date {
        year: parts.next()?.parse().ok()?,
        month: parts.next()?.parse().ok().filter(|m| (1..=12).contains(m))?,
        day: parts.next()?.parse().ok().filter(|d| (1..=31).contains(d))?,
    };
    Some(date)
}
