//! What tells one program from another that does the same: where something lies in memory, and numbers of types.
//!
//! The program of the tests and the promoted component are compiled apart, so their addresses differ. A skill that could
//! read them could behave in its tests and not afterwards. The same goes for the seed that hash maps start from.

use super::report::{Objection, Report, Rule, quote};
use super::tokens::{File, Kind, Part, Token};

/// Methods that give an address or the number of a type.
const METHODS: [&str; 6] = ["addr", "as_mut_ptr", "as_mut_ptr_range", "as_ptr", "as_ptr_range", "type_id"];
/// The type of the standard library that starts hash maps from chance.
const CHANCE: &str = "RandomState";
/// Macros whose first text says how values are shown.
const FORMATS: [&str; 15] = [
    "assert",
    "assert_eq",
    "assert_ne",
    "eprint",
    "eprintln",
    "format",
    "format_args",
    "panic",
    "print",
    "println",
    "todo",
    "unimplemented",
    "unreachable",
    "write",
    "writeln",
];

/// Checks every file.
pub(super) fn check(files: &[File], report: &mut Report) {
    for file in files {
        for (at, token) in file.tokens.iter().enumerate().filter(|(_, token)| token.part == Part::Plain) {
            let found = method(file, at, token).or_else(|| name(token)).or_else(|| shown(file, at, token));
            if let Some((rule, message)) = found {
                report.add(rule, &file.path, token.line, message);
            }
        }
    }
}

fn objection(what: &str) -> Objection {
    let why = "where something lies in memory differs between the program that is tested and the one that is promoted";
    (Rule::Path, format!("{}: {why}", quote(what)))
}

fn method(file: &File, at: usize, token: &Token) -> Option<Objection> {
    let called =
        at.checked_sub(1).is_some_and(|before| file.is_punct(before, '.')) && METHODS.contains(&token.text.as_str());
    called.then(|| objection(&format!(".{}()", token.text)))
}

fn name(token: &Token) -> Option<Objection> {
    (token.is_name() && token.text == CHANCE).then(|| objection(CHANCE))
}

/// `{:p}` in the text of a macro that formats.
fn shown(file: &File, at: usize, token: &Token) -> Option<Objection> {
    file.macro_call(at)?;
    if !FORMATS.contains(&token.text.as_str()) {
        return None;
    }
    let arguments = file.tokens.get(at..file.pair_of(at + 2))?;
    let texts = arguments.iter().filter(|token| token.kind == Kind::Literal && token.text.contains('{'));
    let pointer = texts.filter(|token| {
        let holes = token.text.split('{').skip(1).filter_map(|rest| rest.split_once('}'));
        holes.map(|(hole, _)| hole).any(|hole| hole.split_once(':').is_some_and(|(_, form)| form.ends_with('p')))
    });
    pointer.map(|token| objection(&token.text)).next()
}
