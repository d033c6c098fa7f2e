//! How much code the local macros of a crate can become.
//!
//! A macro that repeats its argument twice, called within its own argument thirty times, is a
//! billion tokens for the compiler. Guarantees that the expansion of all local macros together
//! stays below [`MAX_EXPANDED`] tokens. It counts an upper bound and never expands a macro.

use std::collections::BTreeMap;
use std::ops::Range;

use super::module_files::ROOT;
use super::report::{Rule, ScanReport, quote};
use super::tokens::{SourceTokens, Token, TokenContext, TokenRole};

/// Most tokens that the local macros of a crate may become.
const MAX_EXPANDED: u64 = 1_000_000;
/// Most macros that call one another in a row.
const MAX_CHAIN: usize = 32;
/// The recursion limit of the compiler.
const COMPILER_RECURSION: u64 = 128;

/// Checks the local macros of `files`.
pub(super) fn check(files: &[SourceTokens], report: &mut ScanReport) {
    let mut growth = Growth::of(files);
    let loops = growth.loops();
    for name in &loops {
        let message = format!(
            "the local macro {} calls itself in a way that can grow without end: call it once in a rule, outside of `$(…)`, \
             with each fragment once",
            quote(&name.text)
        );
        report.add(Rule::LocalMacro, name.file, name.line, message);
    }
    // Without an end there is nothing to count.
    if !loops.is_empty() {
        return;
    }
    let mut total = 0_u64;
    for file in files {
        // Saturating everywhere: a product that wraps would make the largest expansion the
        // smallest.
        total = total.saturating_add(growth.of_code(file));
    }
    if total > MAX_EXPANDED {
        let message = format!("the local macros together become more than {MAX_EXPANDED} tokens: write less with them");
        report.add(Rule::LocalMacro, ROOT, 0, message);
    }
}

/// One rule of a local macro.
struct MacroRule<'a> {
    file: &'a SourceTokens,
    /// The nesting of `$(…)` in which the matcher declares each fragment.
    declared: BTreeMap<&'a str, u32>,
    body: Range<usize>,
    line: u32,
}

/// The place of a macro that must not be expanded.
struct LoopingMacro<'a> {
    text: String,
    file: &'a str,
    line: u32,
}

/// The local macros, and the work that is left for counting.
struct Growth<'a> {
    macros: BTreeMap<&'a str, Vec<MacroRule<'a>>>,
    /// Counting takes one step for each token of the result at most, so it ends when the result is
    /// too large.
    steps: u64,
}

impl<'a> Growth<'a> {
    fn of(files: &'a [SourceTokens]) -> Self {
        let mut macros: BTreeMap<&str, Vec<MacroRule<'a>>> = BTreeMap::new();
        for file in files {
            for at in 0..file.tokens.len() {
                let Some(open) = file.local_macro(at) else { continue };
                let Some(name) = file.segment(at + 2) else { continue };
                macros.entry(name).or_default().extend(rules(file, open));
            }
        }
        Self { macros, steps: MAX_EXPANDED * 2 }
    }

    /// The local macros that call themselves in another way than once per rule.
    fn loops(&self) -> Vec<LoopingMacro<'a>> {
        let mut found = Vec::new();
        for (name, rules) in &self.macros {
            for rule in rules {
                let calls: Vec<usize> = self.calls(rule).collect();
                let own: Vec<&usize> = calls.iter().filter(|at| rule.file.is_word(**at, name)).collect();
                let others = calls.iter().filter(|at| !rule.file.is_word(**at, name));
                // Two macros that call one another grow like one that calls itself, and are harder
                // to bound. No honest skill has them.
                let back = others.filter_map(|at| rule.file.segment(*at)).any(|other| self.reaches(other, name));
                let linear = match own.as_slice() {
                    [] => true,
                    [at] => is_linear(rule, **at),
                    _ => false,
                };
                if back || !linear {
                    found.push(LoopingMacro { text: (*name).to_owned(), file: &rule.file.path, line: rule.line });
                }
            }
        }
        found
    }

    /// The calls of local macros in the body of a rule.
    fn calls<'r>(&'r self, rule: &'r MacroRule<'a>) -> impl Iterator<Item = usize> + 'r {
        rule.body.clone().filter(|at| {
            rule.file.macro_call(*at).is_some()
                && rule.file.segment(*at).is_some_and(|name| self.macros.contains_key(name))
        })
    }

    /// Whether expanding `from` can lead to a call of `to`.
    fn reaches(&self, from: &str, to: &str) -> bool {
        let mut seen: Vec<&str> = Vec::new();
        let mut next: Vec<&str> = vec![from];
        while let Some(name) = next.pop() {
            if name == to {
                return true;
            }
            if seen.contains(&name) {
                continue;
            }
            let Some((name, rules)) = self.macros.get_key_value(name) else { continue };
            seen.push(name);
            for rule in rules {
                next.extend(self.calls(rule).filter_map(|at| rule.file.segment(at)));
            }
        }
        false
    }

    /// The tokens that the macro calls in the code of a file become.
    fn of_code(&mut self, file: &'a SourceTokens) -> u64 {
        let mut total = 0_u64;
        let mut at = 0;
        while at < file.tokens.len() {
            let token = &file.tokens[at];
            // A call within the rules of a macro is counted where that macro is called.
            let call = file.macro_call(at).filter(|_| token.role == TokenRole::Plain);
            match call.filter(|_| token.context != TokenContext::Rules) {
                Some(open) if self.macros.contains_key(token.text.as_str()) => {
                    let size = self.arguments(file, open);
                    total = total.saturating_add(self.expanded(&token.text, size, 0));
                    at = file.pair_of(open) + 1;
                }
                _ => at += 1,
            }
        }
        total
    }

    /// The tokens of the arguments of a call, with the calls among them expanded.
    fn arguments(&mut self, file: &'a SourceTokens, open: usize) -> u64 {
        let mut size = 1_u64;
        let mut at = open + 1;
        while at < file.pair_of(open) {
            match file.macro_call(at) {
                Some(inner) if self.macros.contains_key(file.tokens[at].text.as_str()) => {
                    let arguments = self.arguments(file, inner);
                    size = size.saturating_add(self.expanded(&file.tokens[at].text, arguments, 0));
                    at = file.pair_of(inner) + 1;
                }
                _ => {
                    size = size.saturating_add(1);
                    at += 1;
                }
            }
        }
        size
    }

    /// The most tokens that `name` can become when it is called with `size` tokens.
    fn expanded(&mut self, name: &str, size: u64, chain: usize) -> u64 {
        // Too large already, whatever the rest is. The recursion of this function ends here as
        // well.
        if chain > MAX_CHAIN || size > MAX_EXPANDED {
            return u64::MAX;
        }
        // Taken out while its rules are counted: a call of itself then counts as a plain name.
        let Some((key, rules)) = self.macros.remove_entry(name) else { return size };
        let mut most = 0_u64;
        for rule in &rules {
            let own = rule.body.clone().find(|at| rule.file.is_word(*at, key) && rule.file.macro_call(*at).is_some());
            let (size, rounds) = match own {
                None => (size, 1),
                // Each round may add the plain tokens of the call to the arguments.
                Some(at) => {
                    let added = (rule.file.pair_of(at + 2) - at) as u64;
                    (size.saturating_add(added.saturating_mul(COMPILER_RECURSION)), COMPILER_RECURSION)
                }
            };
            let body = BodySize { rule, size, chain };
            most = most.max(self.body(&body, rule.body.clone(), 0).saturating_mul(rounds));
        }
        self.macros.insert(key, rules);
        most
    }

    /// The tokens that a part of a body becomes, inside `depth` repetitions.
    fn body(&mut self, of: &BodySize<'_, 'a>, part: Range<usize>, depth: u32) -> u64 {
        let (file, size) = (of.rule.file, of.size);
        let mut total = 0_u64;
        let mut at = part.start;
        while at < part.end {
            // The count itself is exponential for macros that double. A child has a processor
            // limit, and a refusal is better than its death.
            self.steps = self.steps.saturating_sub(1);
            if self.steps == 0 {
                return u64::MAX;
            }
            // A repetition runs at most once for each token that the macro was given, and nested
            // ones multiply.
            let times = size.saturating_pow(depth);
            let repeated = file.is_punct(at, '$') && file.is_open(at + 1, "(");
            let call = file.macro_call(at).filter(|_| self.macros.contains_key(file.tokens[at].text.as_str()));
            if repeated {
                let close = file.pair_of(at + 1);
                total = total.saturating_add(self.body(of, at + 2..close, depth + 1));
                at = close + 1;
            } else if let Some(open) = call {
                let close = file.pair_of(open);
                let arguments = self.body(of, open + 1..close, 0).saturating_add(1);
                let once = self.expanded(&file.tokens[at].text, arguments, of.chain + 1);
                total = total.saturating_add(once.saturating_mul(times));
                at = close + 1;
            } else if file.is_punct(at, '$') && file.get(at + 1).is_some_and(Token::is_name) {
                let declared = of.rule.declared.get(file.tokens[at + 1].text.as_str()).copied().unwrap_or(0);
                // A fragment that was declared further out is copied whole for each round of the
                // repetitions inside.
                let outer = size.saturating_pow(depth.saturating_sub(declared));
                total = total.saturating_add(size.saturating_mul(outer));
                at += 2;
            } else {
                total = total.saturating_add(times);
                at += 1;
            }
        }
        total
    }
}

/// A rule that is called with `size` tokens.
struct BodySize<'r, 'a> {
    rule: &'r MacroRule<'a>,
    size: u64,
    chain: usize,
}

/// The rules between the brackets that open at `open`.
fn rules(file: &SourceTokens, open: usize) -> Vec<MacroRule<'_>> {
    let close = file.pair_of(open);
    let mut found = Vec::new();
    let mut at = open + 1;
    while at < close && file.opens(at) {
        let matcher = at;
        let body = file.pair_of(matcher) + 3;
        if !file.opens(body) {
            break;
        }
        found.push(MacroRule {
            file,
            declared: declared(file, matcher),
            body: body + 1..file.pair_of(body),
            line: file.line(matcher),
        });
        at = file.pair_of(body) + 1;
        if file.is_punct(at, ';') {
            at += 1;
        }
    }
    found
}

/// The fragments of a matcher, each with the number of `$(…)` around it.
fn declared(file: &SourceTokens, open: usize) -> BTreeMap<&str, u32> {
    let mut ends: Vec<usize> = Vec::new();
    let mut found = BTreeMap::new();
    for at in open + 1..file.pair_of(open) {
        ends.retain(|end| at < *end);
        if !file.is_punct(at, '$') {
            continue;
        }
        if file.is_open(at + 1, "(") {
            ends.push(file.pair_of(at + 1));
        } else if let Some(name) = file.segment(at + 1) {
            found.insert(name, u32::try_from(ends.len()).unwrap_or(u32::MAX));
        }
    }
    found
}

/// Whether a rule calls itself so that the arguments cannot multiply: outside of a repetition, with
/// each fragment once.
fn is_linear(rule: &MacroRule<'_>, call: usize) -> bool {
    let file = rule.file;
    let repeated = |at: usize| file.is_punct(at, '$') && file.is_open(at + 1, "(");
    let inside = rule.body.clone().filter(|at| repeated(*at)).any(|at| (at + 1..file.pair_of(at + 1)).contains(&call));
    let arguments = call + 2..file.pair_of(call + 2);
    let mut names: Vec<&str> = Vec::new();
    for at in arguments {
        if file.is_punct(at, '$')
            && let Some(name) = file.segment(at + 1)
        {
            if names.contains(&name) {
                return false;
            }
            names.push(name);
        }
    }
    // A fragment of an outer level, repeated with an inner one, would be copied once for each of
    // them.
    let in_repetition = |name: &str| {
        (call + 2..file.pair_of(call + 2)).filter(|at| repeated(*at)).any(|at| {
            (at + 1..file.pair_of(at + 1)).any(|inner| file.is_punct(inner, '$') && file.is_word(inner + 1, name))
        })
    };
    let level = |name: &str| rule.declared.get(name).copied().unwrap_or(0);
    let copied = names.iter().any(|name| level(name) == 0 && in_repetition(name));
    !inside && !copied
}
