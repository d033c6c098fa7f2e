//! Attributes: a closed list, each with the arguments it may have.
//!
//! Guarantees that nothing is compiled conditionally but whole test modules, and that no lint level is changed. No
//! attribute names a file, a symbol or a macro. Serde's strings hold no code (`serde_keys`). Attributes in the
//! arguments of macros are read like any other.

use super::allow_list;
use super::attribute_shape::Attribute;
use super::declared_names::DeclaredNames;
use super::module_files;
use super::report::{RefusalReason, Rule, ScanReport, quote};
use super::serde_keys;
use super::tokens::{SourceTokens, TokenContext, TokenScope};

/// Checks the attributes of `file`.
pub(super) fn check(file: &SourceTokens, names: &DeclaredNames, report: &mut ScanReport) {
    for at in 0..file.tokens.len() {
        let Some(close) = file.attribute(at) else { continue };
        let open = file.pair_of(close);
        if let Some(reason) = check_one(file, at, open, close, names) {
            report.refuse(&file.path, file.line(at), reason);
            // The compiler may expand the value of an attribute before it refuses the attribute.
            if (open..close).any(|inside| file.is_punct(inside, '!')) {
                report.forbid_compiling();
            }
        }
    }
}

fn check_one(
    file: &SourceTokens,
    start: usize,
    open: usize,
    close: usize,
    names: &DeclaredNames,
) -> Option<RefusalReason> {
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
    // Such an attribute changes code that stands far away from it.
    if file.is_punct(start + 1, '!') && name != "doc" {
        return Some(refusal(&name, "no attribute but documentation holds for a whole file or block"));
    }
    // What a fragment brings in is not known here.
    if file.tokens.get(start..close).is_some_and(|tokens| tokens.iter().any(|token| token.is_punct('$'))) {
        return Some(Rule::LocalMacro.because("an attribute that a local macro puts together"));
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
        // What is unknown is refused: another compiler may give it a meaning.
        _ => return Some(refusal(&name, "it is not on the list of attributes that a skill may have")),
    };
    (!fits).then(|| refusal(&name, "it does not have these arguments here"))
}

const REPRESENTATIONS: &[&str] =
    &["C", "transparent", "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16", "u32", "u64", "u128", "usize"];

fn refusal(name: &str, why: &str) -> RefusalReason {
    match name {
        "cfg" | "cfg_attr" => Rule::Cfg.because(format!("`{name}`: the tested program would not be the promoted one")),
        "allow" | "expect" | "warn" | "deny" | "forbid" => {
            Rule::Lint.because(format!("`{name}`: lint levels are set by Kavi, mend the code instead"))
        }
        "ignore" | "should_panic" | "bench" => {
            Rule::Test.because(format!("`{name}`: every test runs and ends without a panic"))
        }
        _ => Rule::Attribute.because(format!("{}: {why}", quote(name))),
    }
}

impl Attribute<'_> {
    fn check_derive(self) -> Option<RefusalReason> {
        let Some(list) = self.list() else { return Some(refusal("derive", "it does not have these arguments here")) };
        let mut path: Vec<&str> = Vec::new();
        for at in list.start..=list.end {
            if let Some(name) = self.file.segment(at).filter(|_| at < list.end) {
                path.push(name);
            } else if at == list.end || self.file.is_punct(at, ',') {
                let known = match path.as_slice() {
                    [] => true,
                    [name] => allow_list::DERIVES.contains(name),
                    // Only by a path of these crates: a derive of this name elsewhere would be
                    // another macro.
                    [.., "serde" | "kavi_sdk" | "prelude", name] => matches!(*name, "Serialize" | "Deserialize"),
                    ["std" | "core", .., name] => allow_list::DERIVES.contains(name),
                    _ => false,
                };
                if !known {
                    let message = format!("the derive {} is not on the list", quote(&path.join("::")));
                    return Some(Rule::Attribute.because(message));
                }
                path.clear();
            } else if !self.file.is_punct(at, ':') {
                return Some(refusal("derive", "it does not have these arguments here"));
            }
        }
        None
    }

    fn check_cfg(self, open: usize) -> Option<RefusalReason> {
        let plain = self.file.get(self.start).is_some_and(|token| token.context == TokenContext::Code);
        let fits = plain
            && module_files::is_cfg_test(self.file, open)
            && module_files::module_after(self.file, self.start).is_some();
        let message = "`cfg` other than `#[cfg(test)]` on a module: the tested program would not be the promoted one";
        (!fits).then(|| Rule::Cfg.because(message))
    }

    fn check_test(self) -> Option<RefusalReason> {
        let within = self.file.get(self.start).is_some_and(|token| token.scope == TokenScope::Tests);
        let message = "a test outside of a `#[cfg(test)]` module, or one with arguments";
        (!within || !self.is_bare()).then(|| Rule::Test.because(message))
    }

    fn check_macro_use(self) -> Option<RefusalReason> {
        let module = module_files::module_after(self.file, self.start).and_then(|at| self.file.get(at));
        let same = module.is_some_and(|token| self.file.get(self.start).is_some_and(|t| t.scope == token.scope));
        let fits = self.is_bare() && same;
        (!fits).then(|| refusal("macro_use", "it stands on a module, and on none for the tests alone"))
    }
}
