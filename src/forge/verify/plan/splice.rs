//! Insertions into source text.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Where the text of an insertion belongs when several meet at one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(in super::super) enum Side {
    /// Closes what lies before: inner ones first.
    After,
    /// Opens what follows: outer ones first.
    Before,
}

/// One insertion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in super::super) struct Edit {
    /// The file.
    pub(in super::super) file: String,
    /// Its line, from 1.
    pub(in super::super) line: u32,
    /// The byte before which the text goes.
    pub(in super::super) at: usize,
    /// How it meets others.
    pub(in super::super) side: Side,
    /// What is inserted. Holds no newline.
    pub(in super::super) text: String,
}

/// What every changed program needs: the switch and the functions that look at it.
const SUPPORT: &str = concat!(
    "\nmod __kavi { ",
    "pub(crate) fn on(number: u64) -> bool { ",
    "static SWITCH: ::std::sync::OnceLock<u64> = ::std::sync::OnceLock::new(); ",
    "*SWITCH.get_or_init(|| ::std::time::SystemTime::now().duration_since(::std::time::UNIX_EPOCH)",
    ".map_or(0, |now| now.as_secs().wrapping_sub(946_684_800))) == number } ",
    "pub(crate) fn flip(number: u64, value: bool) -> bool { value != on(number) } ",
    "#[cfg(test)] pub(crate) fn answer(got: ::core::result::Result<::kavi_sdk::Value, ::kavi_sdk::SkillError>) ",
    "-> ::core::result::Result<::kavi_sdk::Value, ::kavi_sdk::SkillError> { ",
    "if on(5) { ::core::result::Result::Ok(::kavi_sdk::Value::String(word())) } else { got } } ",
    // No two are alike, so that a test which compares two answers notices as well.
    "pub(crate) fn word() -> ::std::string::String { ",
    "static COUNT: ::std::sync::atomic::AtomicU64 = ::std::sync::atomic::AtomicU64::new(0); ",
    "::std::format!(\"kavi {}\", COUNT.fetch_add(1, ::std::sync::atomic::Ordering::Relaxed)) } }\n"
);

/// The files with these insertions, given in the order they were thought of: an outer one before those within it.
///
/// # Errors
/// When an insertion does not fit the files.
pub(in super::super) fn apply<'a>(
    files: &BTreeMap<String, String>,
    edits: impl IntoIterator<Item = &'a Edit>,
) -> Result<BTreeMap<String, String>, String> {
    let mut changed = files.clone();
    let mut by_file: BTreeMap<&str, Vec<(usize, &Edit)>> = BTreeMap::new();
    for (number, edit) in edits.into_iter().enumerate() {
        by_file.entry(&edit.file).or_default().push((number, edit));
    }
    for (file, mut edits) in by_file {
        let text = files.get(file).ok_or_else(|| format!("there is no `{file}`"))?;
        edits.sort_by_key(|(number, edit)| {
            let order = match edit.side {
                Side::After => usize::MAX - number,
                Side::Before => *number,
            };
            (edit.at, edit.side, order)
        });
        let mut out = String::with_capacity(text.len() + 64 * edits.len());
        let mut done = 0;
        for (_, edit) in edits {
            let before = text.get(done..edit.at).ok_or_else(|| format!("`{file}` has no place {}", edit.at))?;
            out.push_str(before);
            out.push_str(&edit.text);
            done = edit.at;
        }
        out.push_str(text.get(done..).unwrap_or_default());
        changed.insert(file.to_owned(), out);
    }
    if let Some(root) = changed.get_mut(super::tree::ROOT) {
        root.push_str(SUPPORT);
    }
    Ok(changed)
}

#[cfg(test)]
mod unit {
    use super::*;

    fn edit(at: usize, side: Side, text: &str) -> Edit {
        Edit { file: "src/a.rs".to_owned(), line: 1, at, side, text: text.to_owned() }
    }

    #[test]
    fn insertions_nest() -> Result<(), String> {
        let files = [("src/a.rs".to_owned(), "ab;c".to_owned())].into();
        let edits = [
            edit(0, Side::Before, "("),
            edit(2, Side::After, ")"),
            edit(0, Side::Before, "["),
            edit(2, Side::After, "]"),
            edit(2, Side::Before, "{"),
            edit(4, Side::After, "}"),
        ];
        assert_eq!(apply(&files, &edits)?["src/a.rs"], "([ab]){;c}");
        assert!(apply(&files, &[edit(9, Side::Before, "x")]).is_err());
        Ok(())
    }

    #[test]
    fn the_switch_is_that_of_the_host() {
        assert!(SUPPORT.contains("946_684_800)") && super::super::SWITCH_ZERO_MS == 946_684_800_000);
        assert!(SUPPORT.contains("on(5)") && super::super::CALLS_SUCCEED == 5);
    }
}
