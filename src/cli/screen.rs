//! How wide the screen is.
//!
//! Guarantees: what goes into a pipe is not cut, unless COLUMNS asks for it. Deliberately never: prints.

use std::io::IsTerminal as _;
use std::sync::OnceLock;

use console::{Term, measure_text_width, truncate_str};

use crate::workspace::Environment;

/// The narrowest screen that lines are laid out for.
const NARROWEST: usize = 40;

static WIDTH: OnceLock<Option<usize>> = OnceLock::new();

/// Finds out how wide the screen is. Once, before anything is printed.
pub fn start(environment: &Environment) {
    let asked = environment.text("COLUMNS").ok().flatten().and_then(|columns| columns.parse().ok());
    let found = || std::io::stdout().is_terminal().then(|| usize::from(Term::stdout().size().1));
    let _ = WIDTH.set(asked.or_else(found).map(|width: usize| width.max(NARROWEST)));
}

/// The columns of the screen; none where nothing is cut.
pub fn width() -> Option<usize> {
    WIDTH.get().copied().flatten()
}

/// A line, cut with `…` where the screen ends.
pub fn cut(line: &str, width: Option<usize>) -> String {
    width.map_or_else(|| line.to_owned(), |width| truncate_str(line, width, "…").into_owned())
}

/// A column is not cut below this while others can be left out: names and ids stay whole.
const READABLE: usize = 20;
/// The columns that are left out first. `--json` has all of them.
const LEAST: [&str; 7] = ["component", "gates", "times", "kind", "channel", "made", "proposer"];

/// Makes a table no wider than that: times lose their seconds, long cells are cut, and the columns that matter least are left
/// out. Columns have `gap` between them.
pub fn fit(header: &mut Vec<String>, rows: &mut [Vec<String>], width: usize, gap: usize) {
    // The first column has half a gap before it, and the last one half a gap after it.
    let room = |columns: usize| width.saturating_sub(gap * columns);
    let is_wide =
        |header: &[String], rows: &[Vec<String>]| widths(header, rows).iter().sum::<usize>() > room(header.len());
    if is_wide(header, rows) {
        rows.iter_mut().flatten().for_each(shorten_time);
    }
    let is_too_wide = |header: &[String], rows: &[Vec<String>]| {
        let widths = widths(header, rows);
        widths.iter().map(|width| width.min(&READABLE)).sum::<usize>() > room(header.len())
    };
    for least in LEAST {
        let Some(at) = header.iter().position(|title| title == least) else { continue };
        if is_too_wide(header, rows) {
            header.remove(at);
            rows.iter_mut().filter(|row| at < row.len()).for_each(|row| drop(row.remove(at)));
        }
    }
    let mut widths = widths(header, rows);
    for least in [READABLE, 6] {
        while widths.iter().sum::<usize>() > room(header.len()) {
            // One character at a time from the widest, so that no column pays for all.
            let Some(widest) = widths.iter_mut().max().filter(|widest| **widest > least) else { break };
            *widest -= 1;
        }
    }
    for row in rows.iter_mut().map(Vec::as_mut_slice).chain([header.as_mut_slice()]) {
        for (cell, width) in row.iter_mut().zip(&widths) {
            *cell = truncate_str(cell, *width, "…").into_owned();
        }
    }
}

/// The width of each column.
fn widths(header: &[String], rows: &[Vec<String>]) -> Vec<usize> {
    let cells = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| measure_text_width(cell));
        cells.max().unwrap_or(0).max(header.get(column).map_or(0, |name| measure_text_width(name)))
    };
    (0..header.len()).map(cells).collect()
}

/// `2026-01-02T03:04:05.678Z` without its seconds.
fn shorten_time(cell: &mut String) {
    let is_time = cell.len() == 24 && cell.ends_with('Z') && cell.get(10..11) == Some("T");
    if is_time && cell.starts_with(|first: char| first.is_ascii_digit()) {
        cell.truncate(16);
    }
}

/// Text in lines of at most `width`, broken between words.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split(' ') {
        let line = lines
            .last_mut()
            .filter(|line| line.is_empty() || measure_text_width(line) + 1 + measure_text_width(word) <= width);
        match line {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

/// Text in pages of at most `rows` rows. A line that is wider than the screen takes several of them. One that is longer than a
/// page goes on with the next: otherwise what a page begins with would be gone before it was read.
pub fn pages(text: &str, rows: usize, columns: usize) -> Vec<Vec<&str>> {
    let mut pages = vec![Vec::new()];
    let mut left = rows;
    for line in text.lines().flat_map(|line| pieces(line, rows * columns)) {
        let needs = measure_text_width(line).div_ceil(columns).clamp(1, rows);
        if needs > left {
            pages.push(Vec::new());
            left = rows;
        }
        left -= needs;
        if let Some(page) = pages.last_mut() {
            page.push(line);
        }
    }
    pages
}

/// A line in pieces that are no wider than that.
fn pieces(line: &str, width: usize) -> Vec<&str> {
    if line.len() <= width {
        return vec![line];
    }
    let (mut pieces, mut start, mut wide) = (Vec::new(), 0, 0);
    for (at, letter) in line.char_indices() {
        let next = measure_text_width(letter.encode_utf8(&mut [0; 4]));
        if wide + next > width {
            pieces.push(&line[start..at]);
            (start, wide) = (at, 0);
        }
        wide += next;
    }
    pieces.push(&line[start..]);
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_fits_and_its_longest_cells_are_cut() {
        let mut rows = vec![
            vec!["short".to_owned(), "a long cell that goes on and on and on".to_owned(), "漢字".repeat(12)],
            vec!["x".to_owned(), "y".to_owned(), "z".to_owned()],
        ];
        fit(&mut ["one", "two", "three"].map(str::to_owned).to_vec(), &mut rows, 40, 2);
        let widths: Vec<usize> = rows[0].iter().map(|cell| measure_text_width(cell)).collect();
        assert!(widths.iter().sum::<usize>() + 4 <= 40 && widths[0] == 5, "{rows:?}");
        assert!(rows[0][1].ends_with('…') && rows[0][2].ends_with('…') && rows[1][1] == "y", "{rows:?}");
    }

    #[test]
    fn a_long_title_of_a_column_is_cut_too() {
        let mut header = ["name", "what this column says"].map(str::to_owned).to_vec();
        fit(&mut header, &mut [vec!["a".repeat(30), "b".to_owned()]], 40, 2);
        assert!(header.iter().map(|title| measure_text_width(title)).sum::<usize>() <= 38 && header[1].ends_with('…'));
    }

    #[test]
    fn names_stay_whole_while_a_column_can_be_left_out() {
        let mut header = ["skill", "gates", "made", "component", "what it does"].map(str::to_owned).to_vec();
        let row = ["create_daily_note", "4", "2026-01-02T03:04:05.678Z", "52eba41ec691", "Makes the note of the day"];
        let mut rows = vec![row.map(str::to_owned).to_vec()];
        fit(&mut header, &mut rows, 50, 2);
        assert_eq!(header, ["skill", "what it does"]);
        assert_eq!(rows, [["create_daily_note", "Makes the note of the day"]]);
        let mut wide = vec![row.map(str::to_owned).to_vec()];
        fit(&mut ["skill", "gates", "made", "component", "what it does"].map(str::to_owned).to_vec(), &mut wide, 82, 2);
        assert_eq!(wide[0][2], "2026-01-02T03:04");
    }

    #[test]
    fn a_page_has_the_rows_that_its_lines_take() {
        let text = format!("one\n{}\nthree\nfour", "x".repeat(25));
        assert_eq!(pages(&text, 4, 10), [vec!["one", &"x".repeat(25)], vec!["three", "four"]]);
        assert_eq!(pages("a\nb\nc", 2, 10), [vec!["a", "b"], vec!["c"]]);
        // A line that no page can hold is shown on several.
        let long = format!("{}{}", "漢".repeat(10), "y".repeat(12));
        let shown = pages(&long, 2, 10);
        assert_eq!(shown.concat().concat(), long);
        assert_eq!(shown.iter().map(Vec::len).collect::<Vec<_>>(), [1, 1]);
        assert_eq!(pages("", 2, 10), [Vec::<&str>::new()]);
    }

    #[test]
    fn no_line_breaks_inside_a_word() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("a verylongwordindeed b", 6), ["a", "verylongwordindeed", "b"]);
        assert_eq!(cut("one two", Some(5)), "one …");
    }
}
