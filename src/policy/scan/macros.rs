//! Macro calls, and the one that makes a function the skill.
//!
//! Guarantees that every macro that is called, also in the arguments of another one, is on the list or local.
//! Guarantees also that the crate exports exactly one skill, at its root. What stands in the arguments is scanned as
//! code by the others.

use super::declared_names::DeclaredNames;
use super::module_files::ROOT;
use super::paths::{file_method, is_file_method};
use super::report::{Rule, ScanReport, quote};
use super::tokens::{SourceTokens, TokenContext, TokenKind, TokenRole, TokenScope};
use super::{allow_list, deny_list};

/// The macro that makes a function the skill.
const EXPORT: &str = "export_skill";

/// Checks the macro calls of `files`.
pub(super) fn check(files: &[SourceTokens], names: &DeclaredNames, report: &mut ScanReport) {
    let mut exports = 0_usize;
    for file in files {
        for (at, token) in file.tokens.iter().enumerate() {
            if token.role != TokenRole::Plain || file.macro_call(at).is_none() {
                continue;
            }
            // The name of a fragment: `local_macros` refuses to call one.
            if token.context == TokenContext::Rules && file.before(at, 1).is_some_and(|before| before.is_punct('$')) {
                continue;
            }
            let name = token.text.as_str();
            if !allow_list::is_macro(name) && !names.macros.contains(name) {
                let message = format!("the macro {}: {}", quote(&format!("{name}!")), deny_list::macro_hint(name));
                if deny_list::is_harmless_macro(name) {
                    report.add_safe(Rule::Macro, &file.path, token.line, message);
                } else {
                    report.add(Rule::Macro, &file.path, token.line, message);
                }
            }
            // A local macro may put a dot before a name that it is given, so the name alone counts.
            if names.has_paths && names.macros.contains(name) {
                let asks =
                    file.tokens.get(at..file.pair_of(at + 2)).unwrap_or_default().iter().find(|t| is_file_method(t));
                if let Some(reason) = asks.map(|token| file_method(&token.text)) {
                    report.refuse(&file.path, token.line, reason);
                }
            }
            if name == "thread_local" && token.scope == TokenScope::Skill {
                let message =
                    "`thread_local!`: a skill keeps nothing from one call to the next: every run is a first one";
                report.add(Rule::State, &file.path, token.line, message);
            }
            if name == EXPORT {
                exports += 1;
                if let Some(message) = check_export(file, at, names) {
                    report.add(Rule::Export, &file.path, token.line, message);
                }
            }
        }
    }
    // Without one there is no skill. Of two, a reader could take the wrong one for it.
    if exports != 1 {
        let message = format!("`kavi_sdk::export_skill!(…)` stands {exports} times in the crate: it stands once");
        report.add(Rule::Export, ROOT, 0, message);
    }
}

/// What is wrong with the export whose name is at `at`.
fn check_export(file: &SourceTokens, at: usize, names: &DeclaredNames) -> Option<String> {
    let token = file.get(at)?;
    if file.path != ROOT || token.depth != 0 || token.scope == TokenScope::Tests {
        return Some("the skill is exported at the root of `src/lib.rs`".to_owned());
    }
    let qualified = file.is_separator(at.wrapping_sub(2)) && file.is_word(at.wrapping_sub(3), allow_list::SDK);
    if !qualified || file.is_separator(at.wrapping_sub(5)) && file.before(at, 6).is_some_and(|t| t.is_name()) {
        return Some("write it `kavi_sdk::export_skill!(…)`".to_owned());
    }
    let open = at + 2;
    let close = file.pair_of(open);
    let end = if file.is_punct(close.wrapping_sub(1), ',') { close - 1 } else { close };
    match file.get(open + 1) {
        Some(name) if end == open + 2 && name.kind == TokenKind::Ident && names.root_functions.contains(&name.text) => {
            None
        }
        _ => Some("its argument is the name of a function in `src/lib.rs`".to_owned()),
    }
}
