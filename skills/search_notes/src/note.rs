//! The parts of a note: what of it is title, heading and body.

/// Where a text stands. The number is its place in tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The file's name, and `title:` in the front matter.
    Title = 0,
    /// A line that starts with `#`.
    Heading = 1,
    /// Everything else.
    Body = 2,
}

/// How many fields there are.
pub const FIELDS: usize = 3;

/// The name of a note: that of its file, without the ending.
pub fn name_of(path: &str) -> &str {
    let file = path.rsplit('/').next().unwrap_or(path);
    file.rsplit_once('.').map_or(file, |(name, _)| name)
}

/// Calls `found` with every line, what it is, and the byte that it starts at.
pub fn each_line(text: &str, mut found: impl FnMut(Field, usize, &str)) {
    let body = body_start(text);
    let mut fence = None;
    let mut at = 0;
    for line in text.split('\n') {
        let field = if at < body {
            title_in(line)
        } else {
            // Most lines are text, as their first byte tells.
            let opens = if line.starts_with([' ', '\t', '`', '~']) {
                fence_of(line)
            } else {
                None
            };
            match fence {
                // Only the same kind of fence closes.
                Some(mark) if opens == Some(mark) => fence = None,
                None => fence = opens,
                Some(_) => {}
            }
            if fence.is_none() && is_heading(line) {
                Field::Heading
            } else {
                Field::Body
            }
        };
        found(field, at, line);
        at += line.len() + 1;
    }
}

/// Where the text after the front matter starts: 0 where there is none.
pub fn body_start(text: &str) -> usize {
    let content = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut at = text.len() - content.len();
    for (number, line) in content.split('\n').enumerate() {
        let line_end = at + line.len() + 1;
        let mark = line.trim_end();
        match number {
            0 if mark != "---" => return 0,
            0 => {}
            _ if mark == "---" || mark == "..." => return line_end.min(text.len()),
            _ => {}
        }
        at = line_end;
    }
    0
}

fn title_in(line: &str) -> Field {
    if line.starts_with("title:") {
        Field::Title
    } else {
        Field::Body
    }
}

/// The character of the code fence that a line opens or closes.
fn fence_of(line: &str) -> Option<char> {
    let line = line.trim_start();
    ['`', '~']
        .into_iter()
        .find(|mark| line.chars().take_while(|c| c == mark).count() >= 3)
}

/// One to six `#` and a space.
fn is_heading(line: &str) -> bool {
    let text = line.trim_start_matches('#');
    let marks = line.len() - text.len();
    (1..=6).contains(&marks) && text.starts_with([' ', '\t'])
}
