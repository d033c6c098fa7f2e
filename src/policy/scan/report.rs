//! What the scanner reports: its rules and the list that findings are gathered in.
//!
//! Guarantees that the list stays short and its texts stay small, whatever the source says. It never decides anything.

use crate::model::finding::Finding;

/// Most findings of one scan, and most of [`CLOCK`]: more tell a reader nothing.
pub(super) const MAX_FINDINGS: usize = 64;
/// Longest message, in characters.
const MAX_MESSAGE: usize = 300;
/// Longest piece of source that a message quotes, in characters.
const MAX_QUOTE: usize = 80;

/// The rule of a skill that asks for the time. Whether it may is for its specification to say.
pub const CLOCK: &str = "policy/clock";

/// What the scanner can object to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// Bytes that are not plain text.
    Encoding,
    /// Too many bytes or files.
    Size,
    /// Too deep or too long an expression.
    Nesting,
    /// Characters that show as nothing or reorder what is shown.
    Unicode,
    /// A name that could be taken for another one.
    Identifier,
    /// Files and modules that do not fit together.
    Structure,
    /// The skill's entry point.
    Export,
    /// A path that is not on the list.
    Path,
    /// The time, which a specification must ask for.
    Clock,
    /// An import that hides where a name comes from.
    Import,
    /// An attribute that is not on the list.
    Attribute,
    /// Conditional compilation.
    Cfg,
    /// A lint level.
    Lint,
    /// A serde attribute that is not on the list.
    Serde,
    /// A macro that is not on the list.
    Macro,
    /// A local macro that could build paths.
    LocalMacro,
    /// Code that the compiler cannot vouch for.
    Unsafe,
    /// Foreign code.
    Extern,
    /// State that outlives a call.
    State,
    /// A test that is not what it seems, or a test module that changes the skill.
    Test,
    /// A secret as a literal.
    Secret,
    /// Text that is not Rust as the scanner knows it.
    Syntax,
    /// More findings than a report lists.
    Limits,
}

impl Rule {
    /// The reason to refuse a piece of source that breaks this rule.
    pub(super) fn because(self, message: impl Into<String>) -> RefusalReason {
        RefusalReason { rule: self, message: message.into() }
    }

    /// Whether the compiler may still read a source that breaks this rule. Only rules about what
    /// the code does when it runs leave the compiler safe, so a new rule has to be added here to be
    /// one of them.
    fn compile_safety(self) -> CompileSafety {
        match self {
            Self::Path | Self::Clock | Self::State | Self::Lint | Self::Test | Self::Export | Self::Secret => {
                CompileSafety::Safe
            }
            _ => CompileSafety::Unsafe,
        }
    }

    /// The rule's name in a finding.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Encoding => "policy/encoding",
            Self::Size => "policy/size",
            Self::Nesting => "policy/nesting",
            Self::Unicode => "policy/unicode",
            Self::Identifier => "policy/identifier",
            Self::Structure => "policy/structure",
            Self::Export => "policy/export",
            Self::Path => "policy/path",
            Self::Clock => CLOCK,
            Self::Import => "policy/import",
            Self::Attribute => "policy/attribute",
            Self::Cfg => "policy/cfg",
            Self::Lint => "policy/lint",
            Self::Serde => "policy/serde",
            Self::Macro => "policy/macro",
            Self::LocalMacro => "policy/local-macro",
            Self::Unsafe => "policy/unsafe",
            Self::Extern => "policy/extern",
            Self::State => "policy/state",
            Self::Test => "policy/test",
            Self::Secret => "policy/secret",
            Self::Syntax => "policy/syntax",
            Self::Limits => "policy/limits",
        }
    }
}

/// Whether the compiler may read the sources.
///
/// The compiler acts on a source before anything of it runs: it opens the files that a macro names
/// and expands what a macro builds. What it reads can appear in its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub enum CompileSafety {
    /// Nothing was found that could make the compiler read a file or use up the machine.
    #[default]
    Safe,
    /// Such a finding exists. No tool may compile, lint or test these sources.
    Unsafe,
}

/// Why a piece of source is refused, without its place.
#[derive(Debug)]
pub(super) struct RefusalReason {
    pub(super) rule: Rule,
    pub(super) message: String,
}

/// The findings of one scan.
#[derive(Debug, Default)]
pub(super) struct ScanReport {
    findings: Vec<Finding>,
    /// Findings of [`CLOCK`]. A specification can permit them, so they may use no room of the others.
    clock: Vec<Finding>,
    /// Whether a finding had no room.
    is_cut: bool,
    safety: CompileSafety,
}

impl ScanReport {
    /// Adds a finding, once.
    pub(super) fn add(&mut self, rule: Rule, file: &str, line: u32, message: impl Into<String>) {
        // Noted before the list is cut: a long list must not hide the one finding that matters.
        if rule.compile_safety() == CompileSafety::Unsafe {
            self.safety = CompileSafety::Unsafe;
        }
        self.push(rule, file, line, message);
    }

    /// Adds a finding of a rule that is unsafe in general, about a construct that the compiler may
    /// read.
    pub(super) fn add_safe(&mut self, rule: Rule, file: &str, line: u32, message: impl Into<String>) {
        self.push(rule, file, line, message);
    }

    /// Notes that the compiler must not read the sources.
    pub(super) fn forbid_compiling(&mut self) {
        self.safety = CompileSafety::Unsafe;
    }

    fn push(&mut self, rule: Rule, file: &str, line: u32, message: impl Into<String>) {
        // Cut before it is compared, so that the list cannot grow by long texts that begin the
        // same.
        let message: String = message.into().chars().take(MAX_MESSAGE).collect();
        let finding = Finding::new(rule.name(), message).at(file, line);
        let list = if rule == Rule::Clock { &mut self.clock } else { &mut self.findings };
        if list.contains(&finding) {
            return;
        }
        if list.len() < MAX_FINDINGS {
            list.push(finding);
        } else if rule != Rule::Clock {
            self.is_cut = true;
        }
    }

    /// Adds a refusal at its place, once.
    pub(super) fn refuse(&mut self, file: &str, line: u32, reason: RefusalReason) {
        self.add(reason.rule, file, line, reason.message);
    }

    /// Whether nothing was found, but for what a specification may permit.
    pub(super) fn is_clean(&self) -> bool {
        self.findings.is_empty()
    }

    /// Whether the compiler may read the sources.
    pub(super) fn compile_safety(&self) -> CompileSafety {
        self.safety
    }

    /// The findings in order of their places.
    pub(super) fn finish(self) -> Vec<Finding> {
        let mut findings = [self.findings, self.clock].concat();
        // Checks run one after the other over the files. A reader goes through a file from top to
        // bottom.
        findings.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
        if self.is_cut {
            // A finding of its own. What is not listed then fails the gate, whatever a reader
            // permits of the list.
            let message =
                format!("there are more than {MAX_FINDINGS} findings: only the first {MAX_FINDINGS} are listed");
            findings.push(Finding::new(Rule::Limits.name(), message));
        }
        findings
    }
}

/// A piece of source as a message may quote it: one line, printable, short.
pub(super) fn quote(text: &str) -> String {
    let mut short: String = text.chars().take(MAX_QUOTE).flat_map(char::escape_debug).collect();
    if text.chars().count() > MAX_QUOTE {
        short.push('…');
    }
    format!("`{short}`")
}
