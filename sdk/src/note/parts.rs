//! Parts of a note: what is below a heading, and a block with an id.

use std::ops::Range;

use super::letters::folded;
use super::{Block, Heading, Note};

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
    ///
    /// A name that no heading has as it is written is compared without signs, as links to headings are: `Note x` is
    /// `## [[Note]]: *x*`.
    pub fn sections(&self, text: &str, name: &str) -> Vec<Section> {
        let whole = folded(name.trim().trim_start_matches('#').trim());
        let path: Vec<String> = name.split('#').map(str::trim).filter(|part| !part.is_empty()).map(folded).collect();
        let plain = without_signs(&whole);
        let all = 0..self.headings.len();
        let mut found: Vec<usize> = all.clone().filter(|at| self.is_called(*at, &whole)).collect();
        if found.is_empty() {
            found = all.clone().filter(|at| self.is_below(*at, &path)).collect();
        }
        if let Some((above, last)) = name.rsplit_once('#').filter(|_| found.is_empty()) {
            // The name above has a `#` itself, as `C# notes#Part`.
            let path = [folded(above.trim().trim_start_matches('#').trim()), folded(last.trim())];
            found = all.clone().filter(|at| self.is_below(*at, &path)).collect();
        }
        if found.is_empty() && !plain.is_empty() {
            let fits = |at: &usize| self.headings.get(*at).is_some_and(|it| without_signs(&folded(&it.text)) == plain);
            found = all.filter(fits).collect();
        }
        found.into_iter().map(|at| self.section(text, at)).collect()
    }

    fn is_called(&self, at: usize, name: &str) -> bool {
        self.headings.get(at).is_some_and(|heading| folded(&heading.text) == name)
    }

    /// Whether a heading is the last one of a path, and the others of the path are above it.
    fn is_below(&self, at: usize, path: &[String]) -> bool {
        let (Some((last, above)), Some(heading)) = (path.split_last(), self.headings.get(at)) else { return false };
        if folded(&heading.text) != *last {
            return false;
        }
        let mut above = above.iter().rev();
        let mut level = heading.level;
        let mut wanted = above.next();
        for parent in self.headings[..at].iter().rev() {
            let Some(name) = wanted else { break };
            if parent.level < level {
                level = parent.level;
                if folded(&parent.text) == *name {
                    wanted = above.next();
                }
            }
        }
        wanted.is_none()
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

    /// The lines of the block with an id: `^id` at the end of its last line, or alone below a list, a quote, a table or code.
    pub fn block_with_id(&self, text: &str, id: &str) -> Option<Range<usize>> {
        let id = format!("^{}", id.trim_start_matches('^'));
        let has = |block: &&Block| {
            let last = block.lines.last();
            last.is_some_and(|line| line == &id || line.ends_with(&format!(" {id}")))
        };
        let block = self.blocks.iter().find(has)?;
        let is_alone = block.lines.len() == 1 && block.lines.first() == Some(&id);
        let first = if is_alone { self.named_by(text, block)? } else { block.range.start };
        Some(line_start(text, first)..line_end(text, block.range.end))
    }

    /// Where the element begins that an id by itself names: the one that it is in, or the one before its paragraph.
    fn named_by(&self, text: &str, id: &Block) -> Option<usize> {
        let at = self.elements.iter().rposition(|element| element.start <= id.range.start)?;
        let whole = self.elements.get(at).and_then(|element| text.get(element.clone())).map(str::trim);
        let is_apart = whole.is_some() && whole == text.get(id.range.clone()).map(str::trim);
        let at = if is_apart { at.checked_sub(1)? } else { at };
        self.elements.get(at).map(|element| element.start)
    }
}

/// A name without the signs that a link to a heading leaves out.
fn without_signs(name: &str) -> String {
    let words = name.split(|c: char| c.is_ascii_punctuation() && !"-_'".contains(c) || c.is_whitespace());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// Where the line of a byte starts.
pub fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |end| end + 1)
}

/// Where the line of a byte ends, with its line end.
pub fn line_end(text: &str, at: usize) -> usize {
    text[at..].find('\n').map_or(text.len(), |end| at + end + 1)
}
