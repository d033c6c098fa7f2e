//! Comments, `<!-- -->` and `%% %%`, blanked out before a note is parsed: they may contain anything. So are formulas with an
//! empty line, which CommonMark would read as several paragraphs.
//!
//! Guarantees: the time is in proportion to the text, however many marks it has.

use std::borrow::Cow;
use std::ops::Range;

use pulldown_cmark::{Event, Parser, Tag};

use super::blocks::OPTIONS;

/// Stands for each byte of a comment within a line: neither white space, which would indent, nor a mark of any kind.
pub(super) const BLANK: char = '\u{1}';

/// How often code is looked for anew, because a comment cut some of it.
const MAX_ROUNDS: usize = 16;

/// How each kind of piece starts and ends.
const MARKS: [(&str, &str); 3] = [("<!--", "-->"), ("%%", "%%"), (FORMULA, FORMULA)];
const FORMULA: &str = "$$";

/// The text with every comment blanked, byte for byte, outside of code and formulas.
pub(super) fn blanked(body: &str) -> Cow<'_, str> {
    let has_formula = || body.contains(FORMULA) && body.lines().any(|line| line.trim() == FORMULA);
    if !body.contains("%%") && !body.contains("<!--") && !has_formula() {
        return Cow::Borrowed(body);
    }
    let mut text = body.to_owned();
    let mut search = Search { code: code_ranges(&text), starts: [Some(0); 3], ends: [Some(0); 3] };
    let (mut at, mut rounds) = (0, 0);
    while let Some(piece) = search.next(&text, at) {
        at = piece.end;
        blank(&mut text, piece.clone());
        if search.code_at(piece.end).is_some_and(|code| code.start < piece.end) && rounds < MAX_ROUNDS {
            rounds += 1;
            search.code = code_ranges(&text);
        }
    }
    Cow::Owned(text)
}

fn code_ranges(text: &str) -> Vec<Range<usize>> {
    let is_code = |event: &Event<'_>| {
        matches!(event, Event::Start(Tag::CodeBlock(_)) | Event::Code(_) | Event::InlineMath(_) | Event::DisplayMath(_))
    };
    let events = Parser::new_ext(text, OPTIONS).into_offset_iter();
    events.filter(|(event, _)| is_code(event)).map(|(_, range)| range).collect()
}

/// What is known of a text while pieces are looked for from its start to its end.
struct Search {
    code: Vec<Range<usize>>,
    /// Of each kind, where the next mark is that starts a piece. `None` where there is no further one. Each mark is looked
    /// for once: a search from every place would take the square of the time.
    starts: [Option<usize>; 3],
    /// The same for the marks that end a piece.
    ends: [Option<usize>; 3],
}

impl Search {
    /// The first piece from `at` on that starts outside of code.
    fn next(&mut self, text: &str, at: usize) -> Option<Range<usize>> {
        let mut at = at;
        loop {
            let (start, kind) = self.start(text, at)?;
            let (open, close) = MARKS[kind];
            if let Some(code) = self.code_at(start).filter(|code| code.contains(&start)) {
                at = code.end;
                continue;
            }
            let inside = start + open.len();
            let end = forward(&mut self.ends[kind], text, inside, close);
            match end.map(|end| start..end + close.len()) {
                Some(piece) if open != FORMULA || self.is_formula(text, &piece) => return Some(piece),
                // CommonMark: a comment that starts a line and is never closed goes on to the end.
                None if close == "-->" && starts_line(text, start) => return Some(start..text.len()),
                _ => at = inside,
            }
        }
    }

    /// The first mark from `at` on, and its kind.
    fn start(&mut self, text: &str, at: usize) -> Option<(usize, usize)> {
        let kinds = MARKS.iter().zip(&mut self.starts).enumerate();
        kinds.filter_map(|(kind, ((open, _), next))| Some((forward(next, text, at, open)?, kind))).min()
    }

    /// The first code that ends after a place.
    fn code_at(&self, place: usize) -> Option<&Range<usize>> {
        self.code.get(self.code.partition_point(|code| code.end <= place))
    }

    /// Whether a piece between `$$` and `$$` is a formula that CommonMark takes apart. Its first mark has a line for itself, its
    /// last one ends a line, and a line within it is empty.
    fn is_formula(&self, text: &str, piece: &Range<usize>) -> bool {
        let (open, close) = (piece.start + FORMULA.len(), piece.end - FORMULA.len());
        let is_apart = starts_line(text, piece.start) && ends_line(text, open) && ends_line(text, piece.end);
        // The mark may be the first one of a formula that is whole.
        let is_other = self.code_at(close).is_some_and(|code| code.contains(&close));
        is_apart && !is_other && text[open..close].lines().skip(1).any(|line| line.trim().is_empty())
    }
}

/// The first `mark` from `at` on, where `known` has the first one from an earlier place on.
fn forward(known: &mut Option<usize>, text: &str, at: usize, mark: &str) -> Option<usize> {
    let is_mark = |place: usize| place >= at && text.get(place..).is_some_and(|rest| rest.starts_with(mark));
    if !is_mark((*known)?) {
        *known = text.get(at..).and_then(|rest| rest.find(mark)).map(|found| at + found);
    }
    *known
}

/// Whether there is nothing but white space before a place on its line.
fn starts_line(text: &str, at: usize) -> bool {
    text[..at].chars().rev().find(|c| *c == '\n' || !c.is_whitespace()).is_none_or(|c| c == '\n')
}

/// Whether there is nothing but white space behind a place on its line.
fn ends_line(text: &str, at: usize) -> bool {
    text[at..].chars().find(|c| *c == '\n' || !c.is_whitespace()).is_none_or(|c| c == '\n')
}

/// Whole lines become empty ones, so that what follows starts anew.
fn blank(text: &mut String, piece: Range<usize>) {
    let is_alone = starts_line(text, piece.start) && ends_line(text, piece.end);
    let with = if is_alone { ' ' } else { BLANK };
    let blank = |byte: u8| if matches!(byte, b'\n' | b'\r') { char::from(byte) } else { with };
    let blanks: String = text[piece.clone()].bytes().map(blank).collect();
    text.replace_range(piece, &blanks);
}
