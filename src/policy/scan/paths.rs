//! Paths: every `a::b` in code, in types, in macro arguments and in imports.
//!
//! Guarantees that a path that leads into the standard library, from wherever it starts and under whatever name, ends
//! on the list in `allow_list`. Guarantees also that nothing internal of `kavi_sdk` is named, and that no path starts
//! with a crate that the skill does not have. It reads tokens, not types: where two readings are possible it takes the
//! worse one.

use super::allow_list::{self, ModuleAccess};
use super::declared_names::DeclaredNames;
use super::deny_list;
use super::language;
use super::report::{RefusalReason, Rule, ScanReport, quote};
use super::tokens::{SourceTokens, Token, TokenContext, TokenKind, TokenRole, TokenScope};

/// Most tokens between the angle brackets of one path.
const MAX_ARGUMENTS: usize = 256;

/// How a path starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PathStart {
    /// With its first name.
    Plain,
    /// With `::`.
    Leading,
    /// After a type: `<T>::name`.
    Type,
    /// In an import.
    Import,
    /// It is the name of a macro that is called.
    Macro,
}

/// Where a path stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct PathContext {
    pub(super) scope: TokenScope,
    pub(super) start: PathStart,
}

/// The first objection to `path`.
pub(super) fn check(path: &[String], context: PathContext, names: &DeclaredNames) -> Option<RefusalReason> {
    let refuse = |why: &str| Some(Rule::Path.because(format!("{}: {why}", quote(&path.join("::")))));
    // Crates export the helpers of their macros under such names, and the language lets anybody use
    // them.
    if (path.len() > 1 || context.start == PathStart::Import) && path.iter().any(|name| name.starts_with("__")) {
        return refuse("a name that starts with `__` is internal to its crate");
    }
    // At every position and not at the first alone: `self::std::fs` or a re-export leads there too.
    for (at, name) in path.iter().enumerate() {
        let rest = path.get(at + 1..).unwrap_or_default();
        let refusal = if allow_list::STD_ROOTS.contains(&name.as_str()) {
            check_std(rest, context.start)
        } else if name == allow_list::SDK && asks_for_the_time(rest, context.scope) {
            let why = "the specification does not say that this skill asks for the time (`reads_clock`)";
            return Some(Rule::Clock.because(format!("{}: {why}", quote(&path.join("::")))));
        } else if name == allow_list::SDK {
            check_sdk(rest, context.scope)
        } else if rest.is_empty() {
            None
        } else {
            let below = |binding: Vec<String>| [binding, rest.to_vec()].concat();
            // Every meaning that the name has anywhere in the crate, because scopes are not
            // resolved here.
            names.alias(name).into_iter().find_map(|binding| check_std(&below(binding), context.start))
        };
        if let Some(why) = refusal {
            return refuse(&why);
        }
        let below_root = if allow_list::STD_ROOTS.contains(&name.as_str()) {
            vec![rest.to_vec()]
        } else {
            names.alias(name).into_iter().map(|binding| [binding, rest.to_vec()].concat()).collect()
        };
        if context.scope == TokenScope::Skill && below_root.iter().any(|path| keeps_state(path, context.start)) {
            return Some(Rule::State.because(format!("{}: {STATE_HINT}", quote(&path.join("::")))));
        }
    }
    if context.scope == TokenScope::Skill
        && (path.len() > 1 || context.start == PathStart::Import)
        // The promoted component has no such module, so tested and promoted code would differ.
        && let Some(name) = path.iter().find(|name| names.test_modules.contains(*name))
    {
        return Some(Rule::Test.because(format!("the skill names its test module `{name}`: a skill has no test code")));
    }
    check_root(path, context, names).or_else(|| check_file_method(path, context, names))
}

/// What is wrong with `path` below the root of the standard library.
fn check_std(path: &[String], start: PathStart) -> Option<String> {
    let [first, rest @ ..] = path else { return None };
    let first = first.as_str();
    // A macro's name is not a module, and several share a name with one: `vec`, `panic`.
    if start == PathStart::Macro {
        let last = path.last().map_or(first, String::as_str);
        let is_there =
            matches!(path, [_]) || matches!((first, last, path.len()), ("pin", "pin", 2) | ("task", "ready", 2));
        return (!is_there || !allow_list::is_macro(last)).then(|| deny_list::macro_hint(last).to_owned());
    }
    match (allow_list::module(first), rest) {
        (Some(ModuleAccess::All), _) | (Some(ModuleAccess::Only(_)), []) => None,
        (Some(ModuleAccess::Only(open)), [name, ..]) if open.contains(&name.as_str()) => None,
        (None, []) if start == PathStart::Import && first != "panic" && allow_list::is_macro(first) => None,
        _ => Some(deny_list::module_hint(first).to_owned()),
    }
}

/// Why a skill has no state. Tests may keep some: they are not promoted.
const STATE_HINT: &str = "a skill keeps nothing from one call to the next: every run is a first one, and a test that calls twice \
                          would see another skill";

/// Whether `path` below the root of the standard library leads to a value that a `static` can change.
fn keeps_state(path: &[String], start: PathStart) -> bool {
    match path {
        [first] if start == PathStart::Macro || start == PathStart::Import => first == "thread_local",
        [first, rest @ ..] => first == "sync" && rest.first().is_some_and(|name| !STATELESS.contains(&name.as_str())),
        [] => false,
    }
}

/// What `std::sync` has that no `static` can be changed through.
const STATELESS: [&str; 2] = ["Arc", "Weak"];

/// Whether `path` below `kavi_sdk` leads a skill to the clock. In its tests it names the time by itself.
fn asks_for_the_time(path: &[String], scope: TokenScope) -> bool {
    scope == TokenScope::Skill && path.first().is_some_and(|first| first == allow_list::SDK_CLOCK)
}

/// What is wrong with `path` below `kavi_sdk`.
fn check_sdk(path: &[String], scope: TokenScope) -> Option<String> {
    let first = path.first()?;
    if deny_list::SDK_INTERNAL.contains(&first.as_str()) {
        return Some("this part of the SDK is for its own macro".to_owned());
    }
    let testing = first == "testing" && scope == TokenScope::Skill;
    testing.then(|| "this part of the SDK is for the test module".to_owned())
}

/// Whether the path starts with something that the crate or the language declares.
fn check_root(path: &[String], context: PathContext, names: &DeclaredNames) -> Option<RefusalReason> {
    let first = path.first()?;
    let has_root = match context.start {
        // The tokens before it were judged as a path of their own.
        PathStart::Type => true,
        PathStart::Leading => allow_list::is_root(first),
        PathStart::Plain | PathStart::Macro if path.len() == 1 => true,
        PathStart::Plain | PathStart::Import | PathStart::Macro => {
            allow_list::is_root(first)
                || language::PATH_KEYWORDS.contains(&first.as_str())
                // A type or a trait. Crates and modules are lower case, and only those lead
                // outside.
                || first.starts_with(|c: char| c.is_ascii_uppercase())
                || allow_list::is_given(first)
                || names.declared.contains(first)
        }
    };
    let message = || format!("{}: there is no `{first}`; a skill has `std` and `kavi_sdk`", quote(&path.join("::")));
    (!has_root).then(|| Rule::Path.because(message()))
}

/// Whether the path names a method of `Path` that asks the file system.
fn check_file_method(path: &[String], context: PathContext, names: &DeclaredNames) -> Option<RefusalReason> {
    let (name, owners) = path.split_last()?;
    // Without `std::path` in the crate no value has these methods, and a skill may use the names
    // itself.
    if !names.has_paths || !deny_list::FILE_METHODS.contains(&name.as_str()) {
        return None;
    }
    let asks = match owners.last() {
        None => context.start == PathStart::Type,
        Some(owner) => !names.is_module(owner),
    };
    asks.then(|| file_method(name))
}

/// Whether the token is the name of a method that asks the file system.
pub(super) fn is_file_method(token: &Token) -> bool {
    token.is_name() && deny_list::FILE_METHODS.contains(&token.text.as_str())
}

/// The objection to the method `name`.
pub(super) fn file_method(name: &str) -> RefusalReason {
    Rule::Path.because(format!("`{name}` may ask the file system, as `std::path` is in use: ask `kavi_sdk::vault`"))
}

/// Checks the paths of `file`, but for those of imports and attributes.
pub(super) fn check_file(file: &SourceTokens, names: &DeclaredNames, report: &mut ScanReport) {
    for (at, token) in file.tokens.iter().enumerate() {
        if token.role != TokenRole::Plain {
            continue;
        }
        if let Some(reason) = check_token(file, at, token, names) {
            report.refuse(&file.path, token.line, reason);
        }
    }
}

/// The objection to the path that starts at the token `at`.
pub(super) fn check_at(file: &SourceTokens, at: usize, names: &DeclaredNames) -> Option<RefusalReason> {
    file.get(at).and_then(|token| check_token(file, at, token, names))
}

fn check_token(file: &SourceTokens, at: usize, token: &Token, names: &DeclaredNames) -> Option<RefusalReason> {
    // What the bracket holds decides where the path leads, and tokens cannot tell.
    if file.is_separator(at) && token.context != TokenContext::Rules && follows_bracket(file, at) {
        return Some(Rule::Path.because("a path goes on after a bracket"));
    }
    if names.has_paths && is_file_method(token) {
        let on_value = file.before(at, 1).is_some_and(|before| before.is_punct('.'));
        let called = on_value && (file.is_open(at + 1, "(") || file.is_separator(at + 1));
        // Within the rules of a macro the dot may come from elsewhere, so the name alone is
        // refused.
        if called || token.context == TokenContext::Rules {
            return Some(file_method(&token.text));
        }
    }
    file.segment(at)?;
    let start = start_of(file, at)?;
    // `std::<>::fs` would be two paths to this scan, and each half would pass by itself.
    if start == PathStart::Type && goes_through_module(file, at) {
        return Some(Rule::Path.because("generic arguments on what is no type"));
    }
    let mut path = Vec::new();
    let mut end = at;
    while let Some(name) = file.segment(end) {
        path.push(name.to_owned());
        if !file.is_separator(end + 1) {
            end += 1;
            break;
        }
        end += 3;
    }
    // `a::` without a name after it.
    let open_end = file.is_separator(end.saturating_sub(2)) && file.segment(end).is_none() && !file.is_punct(end, '<');
    if open_end && token.context != TokenContext::Rules {
        return Some(Rule::Path.because(format!("{} goes on with what is no name", quote(&path.join("::")))));
    }
    let is_macro = file.is_punct(end, '!') && file.opens(end + 1);
    let start = if is_macro && start != PathStart::Leading { PathStart::Macro } else { start };
    check(&path, PathContext { scope: token.scope, start }, names)
}

/// Whether the `::` at `at` goes on after a bracket, other than that of an item or attribute which ends before it.
fn follows_bracket(file: &SourceTokens, at: usize) -> bool {
    let before = file.before(at, 1).filter(|before| before.kind == TokenKind::Close);
    before.is_some_and(|before| {
        let ends = before.context == TokenContext::Code && (before.text == "}" || before.role == TokenRole::Attribute);
        !ends
    })
}

/// How the path that starts at `at` starts; `None` inside a path.
fn start_of(file: &SourceTokens, at: usize) -> Option<PathStart> {
    if at < 2 || !file.is_separator(at - 2) {
        return Some(PathStart::Plain);
    }
    match file.before(at, 3) {
        Some(before) if before.is_punct('>') && !is_arrow(file, at - 3) => Some(PathStart::Type),
        Some(_) if file.segment(at - 3).is_some() => None,
        _ => Some(PathStart::Leading),
    }
}

/// Whether the `>` at `at` is that of `->` or `=>`.
pub(super) fn is_arrow(file: &SourceTokens, at: usize) -> bool {
    file.before(at, 1)
        .is_some_and(|before| before.kind == TokenKind::Joint && matches!(before.text.as_str(), "-" | "="))
}

/// Whether the `>::` before `at` closes generic arguments of a lower-case name: `std::<>::fs`, `m<>::f`.
fn goes_through_module(file: &SourceTokens, at: usize) -> bool {
    let mut open = 0_usize;
    let mut here = at.saturating_sub(3);
    for steps in 0.. {
        // Refused when it is too long to tell: the worse reading is taken.
        let Some(token) = file.get(here).filter(|_| steps < MAX_ARGUMENTS) else { return true };
        if token.kind == TokenKind::Close {
            here = token.pair;
        } else if token.kind == TokenKind::Open || token.is_punct(';') {
            return false;
        } else if token.is_punct('>') && !is_arrow(file, here) {
            open += 1;
        } else if token.is_punct('<') {
            open = open.saturating_sub(1);
            if open == 0 {
                break;
            }
        }
        let Some(next) = here.checked_sub(1) else { return false };
        here = next;
    }
    let name = match here.checked_sub(1) {
        Some(before) if before >= 2 && file.is_separator(before - 1) => before.checked_sub(2),
        before => before,
    };
    let owner = name.and_then(|at| file.segment(at));
    owner.is_some_and(|owner| owner != "Self" && !owner.starts_with(|c: char| c.is_ascii_uppercase()))
}
