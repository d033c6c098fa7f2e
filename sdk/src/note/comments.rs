//! Comments, `<!-- -->` and `%% %%`, blanked out before a note is parsed: they may contain anything.

use std::borrow::Cow;
use std::ops::Range;

use pulldown_cmark::{Event, Parser, Tag};

use super::blocks::OPTIONS;

/// Stands for each byte of a comment within a line: neither white space, which would indent, nor a mark of any kind.
pub(super) const BLANK: char = '\u{1}';

/// How often code is looked for anew, because a comment cut some of it.
const MAX_ROUNDS: usize = 16;

/// The text with every comment blanked, byte for byte, outside of code and formulas.
pub(super) fn blanked(body: &str) -> Cow<'_, str> {
    if !body.contains("%%") && !body.contains("<!--") {
        return Cow::Borrowed(body);
    }
    let mut text = body.to_owned();
    let mut code = code_ranges(&text);
    let (mut at, mut rounds) = (0, 0);
    while let Some(comment) = next(&text, at, &code) {
        at = comment.end;
        blank(&mut text, comment.clone());
        let is_cut = code.iter().any(|code| code.start < comment.end && comment.end < code.end);
        if is_cut && rounds < MAX_ROUNDS {
            rounds += 1;
            code = code_ranges(&text);
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

/// The first comment from `at` on that starts outside of code.
fn next(text: &str, at: usize, code: &[Range<usize>]) -> Option<Range<usize>> {
    let mut at = at;
    loop {
        let rest = text.get(at..)?;
        let html = rest.find("<!--");
        let own = rest.find("%%");
        let start = at + html.into_iter().chain(own).min()?;
        let inside = code.partition_point(|code| code.end <= start);
        if let Some(code) = code.get(inside).filter(|code| code.contains(&start)) {
            at = code.end;
            continue;
        }
        let (open, close) = if text[start..].starts_with('<') { (4, "-->") } else { (2, "%%") };
        if let Some(end) = text[start + open..].find(close) {
            return Some(start..start + open + end + close.len());
        }
        // CommonMark: a comment that starts a line and is never closed goes on to the end.
        let line = text[..start].rfind('\n').map_or(0, |end| end + 1);
        if open == 4 && text[line..start].trim().is_empty() {
            return Some(start..text.len());
        }
        at = start + open;
    }
}

/// Whole lines become empty ones, so that what follows starts anew.
fn blank(text: &mut String, comment: Range<usize>) {
    let line = text[..comment.start].rfind('\n').map_or(0, |end| end + 1);
    let line_end = text[comment.end..].find('\n').map_or(text.len(), |end| comment.end + end);
    let is_alone = text[line..comment.start].trim().is_empty() && text[comment.end..line_end].trim().is_empty();
    let with = if is_alone { ' ' } else { BLANK };
    let blank = |byte: u8| if matches!(byte, b'\n' | b'\r') { char::from(byte) } else { with };
    let blanks: String = text[comment.clone()].bytes().map(blank).collect();
    text.replace_range(comment, &blanks);
}
