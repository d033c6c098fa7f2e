//! Parts of a note: what is below a heading, and a block with an id.

use std::ops::Range;

use super::letters::folded;
use super::{Heading, Note};

/// A heading and what is below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// From the first byte of the heading to the end of the last line below it.
    pub whole: Range<usize>,
    /// What is below the heading, with subheadings.
    pub body: Range<usize>,
}

impl Note {
    /// The sections whose heading is called `name`, with or without `#`. `A#B` is a heading `B` below `A`.
    pub fn sections(&self, text: &str, name: &str) -> Vec<Section> {
        let path: Vec<String> = name.split('#').map(str::trim).filter(|part| !part.is_empty()).map(folded).collect();
        let Some((last, above)) = path.split_last() else { return Vec::new() };
        let fits = |at: &usize| {
            let Some(heading) = self.headings.get(*at) else { return false };
            let mut above = above.iter().rev();
            let mut level = heading.level;
            let mut wanted = above.next();
            for parent in self.headings[..*at].iter().rev().filter(|_| folded(&heading.text) == *last) {
                let Some(name) = wanted else { break };
                if parent.level < level {
                    level = parent.level;
                    if folded(&parent.text) == *name {
                        wanted = above.next();
                    }
                }
            }
            folded(&heading.text) == *last && wanted.is_none()
        };
        (0..self.headings.len()).filter(fits).map(|at| self.section(text, at)).collect()
    }

    fn section(&self, text: &str, at: usize) -> Section {
        let Some((heading, rest)) = self.headings.get(at..).and_then(<[Heading]>::split_first) else {
            return Section { whole: 0..0, body: 0..0 };
        };
        let next = rest.iter().find(|other| other.level <= heading.level);
        let start = line_start(text, heading.range.start);
        let end = next.map_or(text.len(), |next| line_start(text, next.range.start));
        Section { whole: start..end, body: line_end(text, heading.range.end).min(end)..end }
    }

    /// The lines of the block with an id: `^id` at the end of its last line, or alone on the line below.
    pub fn block_with_id(&self, text: &str, id: &str) -> Option<Range<usize>> {
        let id = format!("^{}", id.trim_start_matches('^'));
        let has = |at: &usize| {
            let last = self.blocks.get(*at).and_then(|block| block.lines.last());
            last.is_some_and(|line| line == &id || line.ends_with(&format!(" {id}")))
        };
        let at = (0..self.blocks.len()).find(has)?;
        let block = self.blocks.get(at)?;
        // An id in a paragraph by itself names the block before it.
        let is_alone = block.lines.len() == 1 && block.lines.first() == Some(&id);
        let first = if is_alone { self.blocks.get(at.checked_sub(1)?)? } else { block };
        Some(line_start(text, first.range.start)..line_end(text, block.range.end))
    }
}

/// Where the line of a byte starts.
pub fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |end| end + 1)
}

/// Where the line of a byte ends, with its line end.
pub fn line_end(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |end| at + end + 1)
}
