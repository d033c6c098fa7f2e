//! The look at the bytes that comes before any parser: sizes, plain text, nesting.
//!
//! Guarantees, when it finds nothing, that every file is UTF-8 without hidden or control characters. Outside of
//! literals and comments it has only ASCII. It nests so little that a recursive parser cannot run out of stack. It
//! walks each file once, without recursion, and never builds a tree.

use super::report::{Rule, ScanReport, quote};
use super::unicode;
use crate::model::snapshot::Snapshot;

/// Most bytes of one file. The reviewer reads it: more is not a small capability.
pub const MAX_FILE_BYTES: usize = 256 * 1024;
/// Most bytes over all files.
pub const MAX_TOTAL_BYTES: usize = 1024 * 1024;
/// Most files.
pub const MAX_FILES: usize = 64;
/// Deepest nesting of brackets. `syn` and `rustc` recurse on each.
pub const MAX_NESTING: usize = 64;
/// Longest run of code characters without an end of a statement or list element: operators nest without brackets.
pub const MAX_RUN: usize = 8 * 1024;
/// Most `<` not closed by `>` between two statements: generic arguments nest without brackets.
const MAX_ANGLES: usize = 512;
/// Most `else` between the brackets of one block: each nests in the one before.
const MAX_ELSE: usize = 256;
/// Most `|` and `->` between two statements: closures and function types nest without brackets.
const MAX_BARS: usize = 1024;

/// Checks the files of `snapshot` before they are parsed.
pub(super) fn check(snapshot: &Snapshot, report: &mut ScanReport) {
    if snapshot.bytes() > MAX_TOTAL_BYTES {
        report.add(Rule::Size, "src/lib.rs", 0, format!("the sources are larger than {MAX_TOTAL_BYTES} bytes"));
        return;
    }
    if snapshot.sources().count() > MAX_FILES {
        report.add(Rule::Size, "src/lib.rs", 0, format!("there are more than {MAX_FILES} source files"));
        return;
    }
    for (path, bytes) in snapshot.sources() {
        if bytes.len() > MAX_FILE_BYTES {
            report.add(Rule::Size, path, 0, format!("the file is larger than {MAX_FILE_BYTES} bytes"));
            continue;
        }
        match std::str::from_utf8(bytes) {
            Ok(text) => check_text(path, text, report),
            Err(error) => {
                let line = line_at(bytes, error.valid_up_to());
                report.add(Rule::Encoding, path, line, "the file is not UTF-8");
            }
        }
    }
}

fn line_at(bytes: &[u8], offset: usize) -> u32 {
    let newlines = bytes.iter().take(offset).filter(|byte| **byte == b'\n').count();
    u32::try_from(newlines + 1).unwrap_or(u32::MAX)
}

fn check_text(path: &str, text: &str, report: &mut ScanReport) {
    // A newer compiler reads front matter as settings of its own, which no rule here covers.
    if text.trim_start().starts_with("---") {
        report.add(Rule::Encoding, path, 1, "the file starts with front matter: start with code or a `//!` comment");
        return;
    }
    let mut walk = LexicalScan {
        // As characters, because look-ahead by bytes could fall into the middle of one.
        chars: text.chars().collect(),
        at: 0,
        line: 1,
        nesting: vec![NestingCounters::default()],
        path,
        report,
    };
    walk.run();
}

/// What the walk is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CharContext {
    Code,
    /// A literal or a comment.
    Text,
}

/// Counters between one pair of brackets.
#[derive(Debug, Default)]
struct NestingCounters {
    run: usize,
    angles: usize,
    bars: usize,
    elses: usize,
}

struct LexicalScan<'a> {
    chars: Vec<char>,
    at: usize,
    line: u32,
    nesting: Vec<NestingCounters>,
    path: &'a str,
    report: &'a mut ScanReport,
}

impl LexicalScan<'_> {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn starts(&self, text: &str) -> bool {
        text.chars().enumerate().all(|(ahead, c)| self.peek(ahead) == Some(c))
    }

    fn refuse(&mut self, rule: Rule, message: String) {
        self.report.add(rule, self.path, self.line, message);
    }

    /// Steps over one character and checks that it may stand there.
    fn step(&mut self, context: CharContext) {
        let Some(c) = self.peek(0) else { return };
        match c {
            '\n' => self.line += 1,
            '\t' => {}
            // Alone it returns a terminal to the start of the line and can hide what was there.
            '\r' if self.peek(1) == Some('\n') => {}
            _ if c.is_control() => {
                self.refuse(Rule::Encoding, format!("a control character {}: write it as an escape", unicode::name(c)));
            }
            _ if c.is_ascii() => {}
            _ if unicode::is_hidden(c) => {
                let joins = context == CharContext::Text && unicode::joins_emoji(&self.chars, self.at);
                if !joins {
                    let hint = "write it as an escape in a literal, and not at all elsewhere";
                    self.refuse(Rule::Unicode, format!("a character that hides, {}: {hint}", unicode::name(c)));
                }
            }
            _ if context == CharContext::Code => {
                let hint = "outside of literals and comments only ASCII may stand";
                self.refuse(Rule::Identifier, format!("the character {} in code: {hint}", quote(&c.to_string())));
            }
            _ => {}
        }
        self.at += 1;
    }

    fn steps(&mut self, count: usize, context: CharContext) {
        for _ in 0..count {
            self.step(context);
        }
    }

    fn run(&mut self) {
        // After a name, `r"` is no raw string: in `for"` the letter belongs to the word before. After a
        // literal it is the literal's suffix, and after `'` the name of a lifetime.
        let mut name_before = false;
        while let Some(c) = self.peek(0) {
            let mut is_literal = false;
            if self.starts("//") {
                while self.peek(0).is_some_and(|c| c != '\n') {
                    self.step(CharContext::Text);
                }
            } else if self.starts("/*") {
                self.block_comment();
            } else if c == '"' {
                self.string();
                is_literal = true;
            } else if c == '\'' {
                self.quoted();
                is_literal = true;
            } else if !name_before && let Some(hashes) = self.raw_string() {
                self.raw(hashes);
                is_literal = true;
            } else if !self.code(c) {
                return;
            }
            name_before = is_literal || c.is_ascii_alphanumeric() || c == '_';
        }
    }

    fn block_comment(&mut self) {
        let mut depth = 0_usize;
        while self.peek(0).is_some() {
            if self.starts("/*") {
                depth += 1;
                self.steps(2, CharContext::Text);
            } else if self.starts("*/") {
                depth -= 1;
                self.steps(2, CharContext::Text);
                if depth == 0 {
                    return;
                }
            } else {
                self.step(CharContext::Text);
            }
        }
    }

    fn string(&mut self) {
        self.step(CharContext::Text);
        while let Some(c) = self.peek(0) {
            self.step(CharContext::Text);
            match c {
                // The escaped character is stepped over, so that `\"` does not end the string.
                '\\' => self.step(CharContext::Text),
                '"' => return,
                _ => {}
            }
        }
    }

    /// A character, or the mark of a lifetime.
    fn quoted(&mut self) {
        if self.peek(1) == Some('\\') {
            self.steps(3, CharContext::Text);
            while self.peek(0).is_some_and(|c| c != '\'' && c != '\n') {
                self.step(CharContext::Text);
            }
            self.step(CharContext::Text);
        // `'a'` is a character and `'a` a lifetime. Only the quote two places on tells them apart.
        } else if self.peek(2) == Some('\'') {
            self.steps(3, CharContext::Text);
        } else {
            self.step(CharContext::Code);
        }
    }

    /// The number of `#` when a raw string starts here.
    fn raw_string(&self) -> Option<usize> {
        let prefix = ["r", "br", "cr"]
            .into_iter()
            .find(|prefix| self.starts(prefix) && matches!(self.peek(prefix.len()), Some('"' | '#')))?;
        let mut hashes = 0;
        while self.peek(prefix.len() + hashes) == Some('#') {
            hashes += 1;
        }
        (self.peek(prefix.len() + hashes) == Some('"')).then_some(hashes)
    }

    fn raw(&mut self, hashes: usize) {
        while self.peek(0).is_some_and(|c| c != '"') {
            self.step(CharContext::Text);
        }
        self.step(CharContext::Text);
        while let Some(c) = self.peek(0) {
            self.step(CharContext::Text);
            // Fewer hashes do not end it: the text may contain quotes.
            if c == '"' && (0..hashes).all(|ahead| self.peek(ahead) == Some('#')) {
                self.steps(hashes, CharContext::Text);
                return;
            }
        }
    }

    /// One character of code; false when the file nests too deeply to go on.
    fn code(&mut self, c: char) -> bool {
        match c {
            '(' | '[' | '{' => self.nesting.push(NestingCounters::default()),
            // The outermost counters stay, also for a file with too many closing brackets.
            ')' | ']' | '}' if self.nesting.len() > 1 => {
                self.nesting.pop();
            }
            _ => {}
        }
        let starts_else = c == 'e' && self.starts("else");
        let arrow = self.starts("->");
        // The `>` of an arrow closes no generic arguments.
        let closes = c == '>' && self.at > 0 && !matches!(self.chars.get(self.at - 1), Some('-' | '='));
        let ends_block = c == '}' && self.ends_statement();
        let depth = self.nesting.len();
        let Some(counters) = self.nesting.last_mut() else { return false };
        match c {
            // A statement ends here. A chain of `else` can go on over it, so its count stays.
            ';' => *counters = NestingCounters { elses: counters.elses, ..NestingCounters::default() },
            ',' => counters.run = 0,
            '}' if ends_block => *counters = NestingCounters { elses: counters.elses, ..NestingCounters::default() },
            '<' => counters.angles += 1,
            '>' if closes => counters.angles = counters.angles.saturating_sub(1),
            '|' => counters.bars += 1,
            '-' if arrow => counters.bars += 1,
            _ if starts_else => counters.elses += 1,
            _ => {}
        }
        // White space nests nothing, and counting it would refuse well-formatted code.
        counters.run += usize::from(!c.is_whitespace());
        let too_long = counters.run > MAX_RUN || counters.angles > MAX_ANGLES;
        if depth > MAX_NESTING || too_long || counters.bars > MAX_BARS || counters.elses > MAX_ELSE {
            self.refuse(Rule::Nesting, "the code nests too deeply here, or one expression is too long".to_owned());
            return false;
        }
        self.step(CharContext::Code);
        true
    }

    /// Whether the `}` here ends what came before: what follows starts anew and does not go on with an operator.
    fn ends_statement(&self) -> bool {
        let rest = self.chars.get(self.at + 1..).unwrap_or_default();
        let mut rest = rest.iter().copied().skip_while(|c| c.is_whitespace());
        let word: String = rest.by_ref().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').take(8).collect();
        let ends = rest.next().is_none();
        match word.as_str() {
            // These continue the expression before, so the nesting goes on through the bracket.
            "as" | "else" | "in" => false,
            "" => ends || self.next_is_start(),
            _ => true,
        }
    }

    fn next_is_start(&self) -> bool {
        let rest = self.chars.get(self.at + 1..).unwrap_or_default();
        matches!(rest.iter().find(|c| !c.is_whitespace()), None | Some('#' | '}' | ')' | ']' | '"' | '/'))
    }
}
