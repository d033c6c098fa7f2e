//! Splices insertions into source text.
//!
//! Guarantees: insertions at one place nest. What closes comes before what opens, inner before outer when closing, and outer
//! before inner when opening. Which is the outer one follows from the spans, so insertions of several walks can be mixed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::switch;

/// Where the text of an insertion goes when several meet at one place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) enum Anchor {
    /// It closes what is before the place. Of several the inner one comes first.
    After,
    /// It opens what follows. Of several the outer one comes first.
    Before,
}

/// One insertion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Insertion {
    /// The file.
    pub(crate) file: String,
    /// Its line, from 1.
    pub(crate) line: u32,
    /// The byte before which the text goes.
    pub(crate) at: usize,
    /// Its order among others at the same place.
    pub(crate) anchor: Anchor,
    /// The other end of the span that it and another insertion are put around. `None` for one that stands alone.
    #[serde(default)]
    pub(crate) partner: Option<usize>,
    /// The inserted text, without a newline.
    pub(crate) text: String,
}

/// An insertion does not fit the sources.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InsertionError {
    /// The file is missing.
    #[error("an insertion names `{0}`, which the sources do not have")]
    NoFile(String),
    /// The position is not in the file.
    #[error("an insertion at byte {at} does not fit `{file}`")]
    NoPosition {
        /// The file.
        file: String,
        /// The position.
        at: usize,
    },
}

/// The file that the compiler starts from.
pub(super) const ROOT: &str = "src/lib.rs";

/// The files with these insertions, and with the module that reads the switch. Of two around the same span, the first that is
/// given is the outer one.
///
/// # Errors
/// [`InsertionError`] when an insertion does not fit the files.
pub(crate) fn apply<'a>(
    files: &BTreeMap<String, String>,
    insertions: impl IntoIterator<Item = &'a Insertion>,
) -> Result<BTreeMap<String, String>, InsertionError> {
    let mut changed = files.clone();
    let mut by_file: BTreeMap<&str, Vec<(usize, &Insertion)>> = BTreeMap::new();
    // The number keeps the order in which the insertions were given: it decides how those at one place nest.
    for (number, insertion) in insertions.into_iter().enumerate() {
        by_file.entry(&insertion.file).or_default().push((number, insertion));
    }
    for (file, mut insertions) in by_file {
        let text = files.get(file).ok_or_else(|| InsertionError::NoFile(file.to_owned()))?;
        // Several insertions meet where spans begin or end at one byte. Their brackets must nest,
        // or the result does not compile.
        insertions.sort_by_key(|(number, insertion)| {
            // The wider of two spans is the outer one: its other end is farther away.
            let (width, order) = match insertion.anchor {
                Anchor::After => (usize::MAX - insertion.partner.unwrap_or(insertion.at), usize::MAX - number),
                Anchor::Before => (insertion.partner.map_or(0, |end| usize::MAX - end), *number),
            };
            (insertion.at, insertion.anchor, width, order)
        });
        let mut out = String::with_capacity(text.len() + 64 * insertions.len());
        let mut done = 0;
        for (_, insertion) in insertions {
            let no_position = || InsertionError::NoPosition { file: file.to_owned(), at: insertion.at };
            let before = text.get(done..insertion.at).ok_or_else(no_position)?;
            out.push_str(before);
            out.push_str(&insertion.text);
            done = insertion.at;
        }
        out.push_str(text.get(done..).unwrap_or_default());
        changed.insert(file.to_owned(), out);
    }
    if let Some(root) = changed.get_mut(ROOT) {
        // At the end of the root, so that no line of the source moves and `crate::__kavi` is found
        // from every module.
        root.push_str(switch::SUPPORT);
    }
    Ok(changed)
}

#[cfg(test)]
mod unit {
    use super::*;

    fn insertion(at: usize, anchor: Anchor, text: &str) -> Insertion {
        Insertion { file: "src/a.rs".to_owned(), line: 1, at, anchor, partner: None, text: text.to_owned() }
    }

    fn around(start: usize, end: usize, open: &str, close: &str) -> [Insertion; 2] {
        [
            Insertion { partner: Some(end), ..insertion(start, Anchor::Before, open) },
            Insertion { partner: Some(start), ..insertion(end, Anchor::After, close) },
        ]
    }

    #[test]
    fn the_wider_span_is_the_outer_one_in_whatever_order() -> Result<(), InsertionError> {
        let files = [("src/a.rs".to_owned(), "a+b".to_owned())].into();
        let (inner, outer, last) = (around(0, 1, "(", ")"), around(0, 3, "[", "]"), around(2, 3, "{", "}"));
        for order in [[&inner, &outer, &last], [&outer, &last, &inner], [&last, &inner, &outer]] {
            assert_eq!(apply(&files, order.into_iter().flatten())?["src/a.rs"], "[(a)+{b}]");
        }
        Ok(())
    }

    #[test]
    fn insertions_nest() -> Result<(), InsertionError> {
        let files = [("src/a.rs".to_owned(), "ab;c".to_owned())].into();
        let insertions = [
            insertion(0, Anchor::Before, "("),
            insertion(2, Anchor::After, ")"),
            insertion(0, Anchor::Before, "["),
            insertion(2, Anchor::After, "]"),
            insertion(2, Anchor::Before, "{"),
            insertion(4, Anchor::After, "}"),
        ];
        assert_eq!(apply(&files, &insertions)?["src/a.rs"], "([ab]){;c}");
        assert!(apply(&files, &[insertion(9, Anchor::Before, "x")]).is_err());
        Ok(())
    }
}
