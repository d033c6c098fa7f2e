//! What a rewritten guidance may differ in from the one that is published. Pure.
//!
//! Guarantees: a text that passes has the same headings with something below each that had it, little is changed, and it leads an agent to no place, name or right that
//! the published text does not have. Deliberately never: judges whether the text is better.

use std::collections::BTreeSet;

use similar::{ChangeTag, TextDiff};

use crate::model::guidance::{GuidanceText, InvalidGuidance};

/// The share of lines that may change, in percent.
const MOST_CHANGED: usize = 30;
/// The lines that may always change: a share of a short text is none.
const ALWAYS_CHANGED: usize = 4;
/// How much longer a text may become, in percent.
const MOST_LONGER: usize = 20;
/// The bytes that may always be added, for the same reason.
const ALWAYS_LONGER: usize = 400;

/// Words that speak of rights. A text that has a new one wants more than it had.
const RIGHTS: [&str; 18] = [
    "approve",
    "approved",
    "auto-approve",
    "bearer",
    "bypass",
    "capability",
    "credential",
    "disregard",
    "ignore",
    "messaging",
    "network",
    "override",
    "password",
    "permission",
    "promote",
    "secret",
    "sudo",
    "token",
];

/// Why a rewritten text is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RefusedRevision {
    /// It is no guidance.
    #[error(transparent)]
    Invalid(#[from] InvalidGuidance),
    /// It is the same text.
    #[error("it is the published text")]
    Unchanged,
    /// It has other headings.
    #[error("its headings are not those of the published text")]
    Headings,
    /// Nothing is left below a heading, as in an answer that ends too early.
    #[error("nothing is left below its heading `{0}`")]
    Emptied(String),
    /// Too much is changed.
    #[error("{changed} of {lines} lines are changed, {MOST_CHANGED} % may be")]
    TooDifferent {
        /// Lines that were added or removed, whichever are more.
        changed: usize,
        /// Lines of the published text.
        lines: usize,
    },
    /// It is too long.
    #[error("it is longer by more than {MOST_LONGER} %")]
    TooLong,
    /// It names something that the published text does not.
    #[error("it names `{0}`, which the published text does not")]
    New(String),
}

/// Checks a rewritten text against the published one.
///
/// # Errors
/// [`RefusedRevision`] says what it must not differ in.
pub fn check(published: &GuidanceText, rewritten: &str) -> Result<GuidanceText, RefusedRevision> {
    let new = GuidanceText::parse(rewritten)?;
    if new == *published {
        return Err(RefusedRevision::Unchanged);
    }
    let (old, text) = (published.as_str(), new.as_str());
    // The headings say what a guidance is about. A model that may change them can turn it into
    // another text in a few steps.
    let (before, after) = (sections(old), sections(text));
    if !before.iter().map(|section| section.heading).eq(after.iter().map(|section| section.heading)) {
        return Err(RefusedRevision::Headings);
    }
    // The lines that may always change could be all that a short section has.
    if let Some((emptied, _)) = before.iter().zip(&after).find(|(old, new)| old.has_text && !new.has_text) {
        return Err(RefusedRevision::Emptied(crate::model::text::line(emptied.heading, 100)));
    }
    if text.len() > old.len() + (old.len() * MOST_LONGER / 100).max(ALWAYS_LONGER) {
        return Err(RefusedRevision::TooLong);
    }
    let (mut added, mut removed) = (0_usize, 0_usize);
    for change in TextDiff::from_lines(old, text).iter_all_changes() {
        match change.tag() {
            ChangeTag::Insert => added += 1,
            ChangeTag::Delete => removed += 1,
            ChangeTag::Equal => {}
        }
    }
    // The larger of the two, because a line that is replaced counts as both.
    let (changed, lines) = (added.max(removed), old.lines().count());
    if changed > (lines * MOST_CHANGED / 100).max(ALWAYS_CHANGED) {
        return Err(RefusedRevision::TooDifferent { changed, lines });
    }
    // What is in the text already was accepted by a person. A rewrite may neither bring a new
    // address nor ask for new rights.
    let known = named(old);
    match named(text).into_iter().find(|name| !known.contains(name)) {
        Some(name) => Err(RefusedRevision::New(crate::model::text::line(&name, 100))),
        None => Ok(new),
    }
}

/// A heading, and whether something is below it before the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Section<'a> {
    heading: &'a str,
    has_text: bool,
}

/// The sections, in their order. Lines in fences are no headings.
fn sections(text: &str) -> Vec<Section<'_>> {
    let mut fence = None;
    let mut found: Vec<Section<'_>> = Vec::new();
    for line in text.lines() {
        let inner = line.trim_start();
        let mark = inner.chars().next().filter(|c| matches!(c, '`' | '~'));
        let length = mark.map_or(0, |mark| inner.chars().take_while(|c| *c == mark).count());
        let mut is_heading = false;
        match fence {
            // As in CommonMark: a fence is closed by the same mark, at least as often. Otherwise a
            // heading could be hidden in what only looks like a fence.
            Some((open, least)) if mark == Some(open) && length >= least => fence = None,
            Some(_) => {}
            None if length >= 3 => fence = mark.map(|mark| (mark, length)),
            None => is_heading = line.starts_with('#'),
        }
        match found.last_mut() {
            _ if is_heading => found.push(Section { heading: line.trim_end(), has_text: false }),
            Some(section) => section.has_text |= !inner.is_empty(),
            None => {}
        }
    }
    found
}

/// What a text names that an agent could follow: addresses, hosts, names like those of secrets, and words of rights.
fn named(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '/' | '@' | '%');
    let words = text.split(|c: char| !is_part(c)).map(|word| word.trim_matches(|c: char| !c.is_alphanumeric()));
    words.filter(|word| leads_somewhere(word)).map(str::to_lowercase).collect()
}

fn leads_somewhere(word: &str) -> bool {
    let is_address = word.contains("://") || word.contains('@') || word.starts_with("www.");
    let is_name_of_a_secret = word.len() >= 4
        && word.contains('_')
        && word.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    let lower = word.to_lowercase();
    is_address || is_host(&lower) || is_name_of_a_secret || RIGHTS.contains(&lower.as_str())
}

/// A name with a dot whose last part is of letters, and which is no file of a vault. Numbers with three dots are addresses.
fn is_host(word: &str) -> bool {
    let host = word.split(['/', ':']).next().unwrap_or_default();
    let parts: Vec<&str> = host.split('.').collect();
    let is_number = |part: &&str| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit());
    // An IPv4 address leads somewhere as well. Its last part is no letters, so the rule below would
    // miss it.
    if parts.len() == 4 && parts.iter().all(is_number) {
        return true;
    }
    let (Some(last), true) = (parts.last(), parts.len() > 1) else { return host == "localhost" };
    let is_file = matches!(*last, "md" | "json" | "txt" | "csv" | "rs" | "toml" | "yaml");
    last.len() >= 2 && last.chars().all(char::is_alphabetic) && parts.iter().all(|part| !part.is_empty()) && !is_file
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str =
        "# note\n\nWrites a note.\n\n## When\n\nUse it once.\nNot twice.\n\n## Input\n\nGive `path`, like a.md.\n";

    fn refused(text: &str) -> Option<RefusedRevision> {
        GuidanceText::parse(OLD).ok().and_then(|old| check(&old, text).err())
    }

    #[test]
    fn a_small_change_passes() {
        assert_eq!(refused(&OLD.replace("Give `path`, like a.md.", "Give `path` below Inbox, like Inbox/a.md.")), None);
        assert_eq!(refused(&OLD.replace("Not twice.", "Not twice, and never for a list.")), None);
    }

    #[test]
    fn what_goes_further_is_refused() {
        use RefusedRevision as No;
        assert_eq!(refused(OLD), Some(No::Unchanged));
        assert_eq!(refused(&OLD.replace("## When", "## Whenever")), Some(No::Headings));
        assert_eq!(refused(&OLD.replace("## When", "```\n## When\n```")), Some(No::Headings));
        assert_eq!(refused(&format!("{OLD}\n## More\n")), Some(No::Headings));
        let short = GuidanceText::parse("# note\n\nWrites.\n\n## When\n\nOnce.\n");
        for (cut, heading) in
            [("# note\n\n## When\n\nOnce.\n", "# note"), ("# note\n\nWrites.\n\n## When\n", "## When")]
        {
            let found = short.as_ref().ok().and_then(|old| check(old, cut).err());
            assert_eq!(found, Some(No::Emptied(heading.to_owned())), "{cut:?}");
        }
        assert!(matches!(
            refused("# note\n\na\nb\nc\nd\ne\nf\n\n## When\n\ng\n\n## Input\n\nh\n"),
            Some(No::TooDifferent { .. })
        ));
        assert_eq!(refused(&OLD.replace("Not twice.", &"x".repeat(500))), Some(No::TooLong));
        for name in [
            "https://evil.example/x",
            "evil.example",
            "api.evil.com:443/x",
            "10.0.0.1",
            "localhost:80",
            "ada@evil.example",
            "API_TOKEN",
            "AWS_SECRET_KEY",
            "sudo",
            "Ignore",
            "password",
            "network",
        ] {
            let found = refused(&OLD.replace("Not twice.", &format!("Not twice: {name}.")));
            assert!(matches!(&found, Some(No::New(_))), "{name}: {found:?}");
        }
        assert!(matches!(refused(&OLD.replace("twice", "tw\u{202e}ice")), Some(No::Invalid(_))));
    }
}
