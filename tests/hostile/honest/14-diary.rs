//! Appends to a diary; shows paths through its own modules in all the ways there are.

pub mod model {
    pub mod entry {
        use super::super::shared::clip;
        use kavi_sdk::prelude::*;

        #[derive(Debug, Clone, Deserialize, Serialize)]
        pub struct Entry {
            pub day: String,
            pub text: String,
        }

        impl Entry {
            pub fn line(&self) -> String {
                format!("- {}: {}", self.day, clip(&self.text, self::LIMIT))
            }
        }

        pub(in crate::model) const LIMIT: usize = 80;
    }

    pub use self::entry::Entry;
    pub use entry as records;

    pub const fn limit() -> usize {
        entry::LIMIT
    }
}

mod shared {
    pub(crate) fn clip(text: &str, limit: usize) -> &str {
        let end = text.char_indices().nth(limit).map_or(text.len(), |(at, _)| at);
        &text[..end]
    }
}

use kavi_sdk::prelude::*;
use model::{Entry, records};

use crate::shared as tools;

#[derive(Serialize)]
struct Output {
    path: String,
    lines: usize,
}

type Answer<T = Output> = core::result::Result<T, SkillError>;

fn merge(old: &str, entries: &[records::Entry]) -> String {
    let mut lines: Vec<String> = old.lines().map(ToOwned::to_owned).collect();
    lines.extend(entries.iter().map(Entry::line));
    lines.sort_unstable();
    lines.dedup_by(|a, b| tools::clip(a, model::limit()) == crate::shared::clip(b, crate::model::limit()));
    lines.join("\n")
}

fn run(entries: Vec<Entry>) -> Answer {
    let path = String::from("Inbox/AI/diary.md");
    let old = match vault::read(&path) {
        Ok(text) => text,
        Err(SkillError::NotFound(_)) => String::new(),
        Err(other) => return Err(other),
    };
    let text = merge(&old, &entries);
    vault::write(&path, &text)?;
    Ok(Output { lines: text.lines().count(), path })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::{self, seed};
    use std::collections::HashSet;

    fn entry(day: &str) -> Entry {
        Entry { day: day.into(), text: "x".repeat(100) }
    }

    #[test]
    fn keeps_what_was_there() {
        seed("Inbox/AI/diary.md", "- 2026-01-01: old");
        let output = run(vec![entry("2026-01-02"), entry("2026-01-02")]).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(output.lines, 2);
        let text = testing::written("Inbox/AI/diary.md").unwrap_or_default();
        let days: HashSet<&str> = text.lines().filter_map(|line| line.get(2..12)).collect();
        assert_eq!(days, HashSet::from(["2026-01-01", "2026-01-02"]));
    }
}
