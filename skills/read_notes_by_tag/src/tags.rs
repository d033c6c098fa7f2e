//! The tags of a note, as Obsidian has them.
//!
//! In the text: `#` at the start of a line or after white space, then letters and digits of any script, `_`, `-`, `/` and
//! emoji, not digits alone. Not in code blocks and inline code. In the front matter: `tags:` or `tag:` with a list in
//! either form, or a text with commas or spaces in between.

/// A longer one is no tag.
const MAX_BYTES: usize = 200;

/// All tags of a note in their order, without `#`. One that stands twice is here twice.
pub fn of(text: &str) -> Vec<&str> {
    let (front, body) = split(text);
    let mut tags = Vec::new();
    in_front(front, &mut tags);
    in_body(body, &mut tags);
    tags
}

/// The front matter, without the lines that enclose it, and the rest.
pub fn split(text: &str) -> (&str, &str) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut lines = text.split_inclusive('\n');
    let Some(first) = lines.next().filter(|line| line.trim_end() == "---") else {
        return ("", text);
    };
    let mut at = first.len();
    for line in lines {
        if matches!(line.trim_end(), "---" | "...") {
            return (&text[first.len()..at], &text[at + line.len()..]);
        }
        at += line.len();
    }
    // Never closed: it is text.
    ("", text)
}

/// A tag without what may stand around it; `None` when it is none.
pub fn parse(text: &str) -> Option<&str> {
    let tag = text.strip_prefix('#').unwrap_or(text).trim_matches('/');
    let fits = tag.len() <= MAX_BYTES && tag.chars().all(is_tag);
    (fits && tag.chars().any(|c| !c.is_ascii_digit())).then_some(tag)
}

/// Whether a tag is the one that is asked for, or lies below it.
pub fn is_within(tag: &str, asked: &str) -> bool {
    let (tag, asked) = (tag.to_lowercase(), asked.to_lowercase());
    let below = tag.strip_prefix(&asked);
    below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn is_tag(c: char) -> bool {
    let is_sign = matches!(c, '_' | '-' | '/');
    let is_mark = matches!(u32::from(c), 0x0300..=0x036F | 0xFE0F | 0x200D);
    let is_emoji = matches!(u32::from(c), 0x2600..=0x27BF | 0x1_F000..=0x1_FAFF);
    c.is_alphanumeric() || is_sign || is_mark || is_emoji
}

fn in_front<'t>(front: &'t str, tags: &mut Vec<&'t str>) {
    let mut is_open = false;
    for line in front.lines() {
        let mut items = line;
        if !line.starts_with([' ', '\t', '-', ']']) {
            let (key, value) = line.split_once(':').unwrap_or((line, ""));
            is_open = ["tags", "tag"].contains(&key.to_lowercase().trim_end());
            items = value;
        }
        if is_open {
            // A `#` with nothing after it starts a comment.
            let words = items.split(|c: char| c.is_whitespace() || "[],'\"".contains(c));
            let words = words.take_while(|word| *word != "#");
            tags.extend(words.filter(|word| *word != "-").filter_map(parse));
        }
    }
}

fn in_body<'t>(body: &'t str, tags: &mut Vec<&'t str>) {
    let mut fence = None;
    for line in body.lines() {
        let mark = fence_of(line);
        if fence.is_some() {
            if mark == fence {
                fence = None;
            }
        } else if mark.is_some() {
            fence = mark;
        } else {
            in_line(line, tags);
        }
    }
}

/// The character of the code fence that a line opens or closes.
fn fence_of(line: &str) -> Option<char> {
    let line = line.trim_start();
    ['`', '~']
        .into_iter()
        .find(|mark| line.chars().take_while(|c| c == mark).count() >= 3)
}

fn in_line<'t>(line: &'t str, tags: &mut Vec<&'t str>) {
    let mut rest = line;
    let mut before = ' ';
    while let Some(next) = rest.chars().next() {
        let mut length = next.len_utf8();
        if next == '`' {
            length = code_length(rest);
        } else if next == '#' && before.is_whitespace() {
            let tag = rest[1..]
                .find(|c| !is_tag(c))
                .map_or(rest, |end| &rest[..=end]);
            tags.extend(parse(tag));
            length = tag.len();
        }
        before = next;
        rest = &rest[length..];
    }
}

/// How long the inline code is that a text starts with: as many marks again close it, and without them it is text.
fn code_length(text: &str) -> usize {
    let marks = text.len() - text.trim_start_matches('`').len();
    let mut at = marks;
    while let Some(next) = text[at..].find('`') {
        let closing = &text[at + next..];
        let count = closing.len() - closing.trim_start_matches('`').len();
        at += next + count;
        if count == marks {
            return at;
        }
    }
    marks
}
