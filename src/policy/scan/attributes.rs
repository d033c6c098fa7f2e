//! Attributes: a closed list, each with the arguments it may have.
//!
//! Guarantees that nothing is compiled conditionally but whole test modules, that no lint level is changed, that no
//! attribute names a file, a symbol or a macro, and that serde's strings hold no code (`serde_keys`).
//! Attributes in the arguments of macros are read like any other.

use super::names::Names;
use super::report::{Objection, Report, Rule, quote};
use super::serde_keys;
use super::structure;
use super::tables;
use super::tokens::{Audience, File, Kind, Zone};

/// One attribute: its tokens lie strictly between `open` and `close`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attribute<'a> {
    pub(super) file: &'a File,
    /// The `#`.
    start: usize,
    /// The first token after its name.
    pub(super) args: usize,
    /// Its `]`.
    pub(super) close: usize,
}

/// Checks the attributes of `file`.
pub(super) fn check(file: &File, names: &Names, report: &mut Report) {
    for at in 0..file.tokens.len() {
        let Some(close) = file.attribute(at) else { continue };
        let open = file.pair_of(close);
        if let Some((rule, message)) = check_one(file, at, open, close, names) {
            report.add(rule, &file.path, file.line(at), message);
        }
    }
}

fn check_one(file: &File, start: usize, open: usize, close: usize, names: &Names) -> Option<Objection> {
    let mut name = Vec::new();
    let mut args = open + 1;
    while let Some(segment) = file.segment(args) {
        name.push(segment);
        args += 1;
        if !file.is_separator(args) {
            break;
        }
        args += 2;
    }
    let name = name.join("::");
    let attribute = Attribute { file, start, args, close };
    if file.is_punct(start + 1, '!') && name != "doc" {
        return Some(refusal(&name, "no attribute but documentation holds for a whole file or block"));
    }
    if file.tokens.get(start..close).is_some_and(|tokens| tokens.iter().any(|token| token.is_punct('$'))) {
        return Some((Rule::LocalMacro, "an attribute that a local macro puts together".to_owned()));
    }
    let fits = match name.as_str() {
        "doc" => attribute.is_doc(),
        "derive" => return attribute.check_derive(),
        "cfg" => return attribute.check_cfg(open),
        "test" => return attribute.check_test(),
        "serde" => return serde_keys::check(attribute, names),
        "cold" | "track_caller" | "non_exhaustive" | "default" | "rustfmt::skip" => attribute.is_bare(),
        "macro_use" => return attribute.check_macro_use(),
        "inline" => attribute.is_bare() || attribute.is_word_list(&["always", "never"]),
        "must_use" => attribute.is_bare() || attribute.is_text(),
        "deprecated" => attribute.is_bare() || attribute.is_text() || attribute.is_note(),
        "repr" => attribute.is_word_list(REPRESENTATIONS),
        _ => return Some(refusal(&name, "it is not on the list of attributes that a skill may have")),
    };
    (!fits).then(|| refusal(&name, "it does not have these arguments here"))
}

const REPRESENTATIONS: &[&str] =
    &["C", "transparent", "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16", "u32", "u64", "u128", "usize"];

fn refusal(name: &str, why: &str) -> Objection {
    match name {
        "cfg" | "cfg_attr" => (Rule::Cfg, format!("`{name}`: the tested program would not be the promoted one")),
        "allow" | "expect" | "warn" | "deny" | "forbid" => {
            (Rule::Lint, format!("`{name}`: lint levels are set by Kavi, mend the code instead"))
        }
        "ignore" | "should_panic" | "bench" => {
            (Rule::Test, format!("`{name}`: every test runs and ends without a panic"))
        }
        _ => (Rule::Attribute, format!("{}: {why}", quote(name))),
    }
}

/// Whether `text` is a plain string literal, which only stands for its text.
pub(super) fn is_string(text: &str) -> bool {
    text.ends_with(['"', '#']) && (text.starts_with('"') || text.starts_with("r\"") || text.starts_with("r#"))
}

impl Attribute<'_> {
    fn is_bare(self) -> bool {
        self.args == self.close
    }

    fn literal(self, at: usize) -> bool {
        self.file.get(at).is_some_and(|token| token.kind == Kind::Literal && is_string(&token.text))
    }

    /// `= "text"`.
    fn is_text(self) -> bool {
        self.file.is_punct(self.args, '=') && self.literal(self.args + 1) && self.args + 2 == self.close
    }

    /// The tokens between its round brackets, when there is nothing else.
    pub(super) fn list(self) -> Option<std::ops::Range<usize>> {
        let end = self.file.pair_of(self.args);
        (self.file.is_open(self.args, "(") && end + 1 == self.close).then_some(self.args + 1..end)
    }

    /// `(word, …)` with words of `allowed`.
    fn is_word_list(self, allowed: &[&str]) -> bool {
        self.list().is_some_and(|mut list| {
            list.all(|at| {
                let word = self.file.get(at).is_some_and(|t| t.kind == Kind::Ident && allowed.contains(&&*t.text));
                word || self.file.is_punct(at, ',')
            })
        })
    }

    /// `(since = "…", note = "…")`.
    fn is_note(self) -> bool {
        self.list().is_some_and(|mut list| {
            list.all(|at| {
                let word = self.file.is_word(at, "since") || self.file.is_word(at, "note");
                word || self.literal(at) || self.file.is_punct(at, ',') || self.file.is_punct(at, '=')
            })
        })
    }

    fn is_doc(self) -> bool {
        let alias = |list: std::ops::Range<usize>| {
            self.file.is_word(list.start, "alias")
                && self.file.is_punct(list.start + 1, '=')
                && self.literal(list.start + 2)
                && list.start + 3 == list.end
        };
        self.is_text() || self.is_word_list(&["hidden", "inline", "no_inline"]) || self.list().is_some_and(alias)
    }

    fn check_derive(self) -> Option<Objection> {
        let Some(list) = self.list() else { return Some(refusal("derive", "it does not have these arguments here")) };
        let mut path: Vec<&str> = Vec::new();
        for at in list.start..=list.end {
            if let Some(name) = self.file.segment(at).filter(|_| at < list.end) {
                path.push(name);
            } else if at == list.end || self.file.is_punct(at, ',') {
                let known = match path.as_slice() {
                    [] => true,
                    [name] => tables::DERIVES.contains(name),
                    [.., "serde" | "kavi_sdk" | "prelude", name] => matches!(*name, "Serialize" | "Deserialize"),
                    ["std" | "core", .., name] => tables::DERIVES.contains(name),
                    _ => false,
                };
                if !known {
                    let message = format!("the derive {} is not on the list", quote(&path.join("::")));
                    return Some((Rule::Attribute, message));
                }
                path.clear();
            } else if !self.file.is_punct(at, ':') {
                return Some(refusal("derive", "it does not have these arguments here"));
            }
        }
        None
    }

    fn check_cfg(self, open: usize) -> Option<Objection> {
        let plain = self.file.get(self.start).is_some_and(|token| token.zone == Zone::Code);
        let fits = plain
            && structure::is_cfg_test(self.file, open)
            && structure::module_after(self.file, self.start).is_some();
        let message = "`cfg` other than `#[cfg(test)]` on a module: the tested program would not be the promoted one";
        (!fits).then(|| (Rule::Cfg, message.to_owned()))
    }

    fn check_test(self) -> Option<Objection> {
        let within = self.file.get(self.start).is_some_and(|token| token.audience == Audience::Tests);
        let message = "a test outside of a `#[cfg(test)]` module, or one with arguments";
        (!within || !self.is_bare()).then(|| (Rule::Test, message.to_owned()))
    }

    fn check_macro_use(self) -> Option<Objection> {
        let module = structure::module_after(self.file, self.start).and_then(|at| self.file.get(at));
        let same = module.is_some_and(|token| self.file.get(self.start).is_some_and(|t| t.audience == token.audience));
        let fits = self.is_bare() && same;
        (!fits).then(|| refusal("macro_use", "it stands on a module, and on none for the tests alone"))
    }
}
