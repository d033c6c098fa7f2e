//! Imports: what every `use` brings under which name.
//!
//! Guarantees that no import renames a crate's root, or takes the name of a macro or attribute that means something.
//! No glob brings what is not open as a whole. The paths themselves are judged by `paths`.

use super::allow_list::{self, ModuleAccess};
use super::declared_names::DeclaredNames;
use super::deny_list;
use super::import_tree::{self, ImportBinding, ImportLeaf};
use super::language;
use super::paths::{self, PathContext};
use super::report::{Rule, ScanReport, quote};
use super::tokens::SourceTokens;

/// Checks the imports of `file`.
pub(super) fn check(file: &SourceTokens, names: &DeclaredNames, report: &mut ScanReport) {
    for at in import_tree::starts(file) {
        let Some(leaves) = import_tree::read(file, at).filter(|leaves| !leaves.is_empty()) else {
            report.add(Rule::Import, &file.path, file.line(at), "this import cannot be read");
            continue;
        };
        for leaf in leaves {
            let refusal = check_leaf(&leaf, names);
            if let Some(message) = refusal {
                report.add(Rule::Import, &file.path, leaf.line, message);
            }
            let context = PathContext { scope: leaf.scope, start: paths::PathStart::Import };
            if let Some(reason) = paths::check(&leaf.path, context, names) {
                report.refuse(&file.path, leaf.line, reason);
            }
        }
    }
}

fn check_leaf(leaf: &ImportLeaf, names: &DeclaredNames) -> Option<String> {
    let shown = quote(&leaf.path.join("::"));
    let last = leaf.path.last()?;
    match &leaf.binding {
        ImportBinding::Name(name) => {
            let misleads = allow_list::is_root(name) || deny_list::is_known_macro(name);
            // Under a new name, every later path would begin with a name that the lists do not
            // know.
            if leaf.renamed && allow_list::is_root(last) {
                return Some(format!("{shown} gets another name: a crate keeps its own"));
            }
            if leaf.renamed && (misleads || language::ATTRIBUTES.contains(&name.as_str())) {
                return Some(format!("{shown} takes the name `{name}`, which means something else"));
            }
            if names.macros.contains(name) && leaf.renamed {
                return Some(format!("{shown} takes the name of the local macro `{name}`"));
            }
            None
        }
        ImportBinding::Glob => (!is_open_glob(leaf, names))
            .then(|| format!("{shown} is not open as a whole: import the names that you need")),
    }
}

/// Whether everything below the path may be named.
fn is_open_glob(leaf: &ImportLeaf, names: &DeclaredNames) -> bool {
    let path: Vec<&str> = leaf.path.iter().map(String::as_str).collect();
    let Some(last) = path.last() else { return false };
    // A glob over a half-open module would bring in its closed names without spelling them.
    if allow_list::is_root(last) || !names.alias(last).is_empty() {
        return false;
    }
    let root = path.iter().rposition(|name| allow_list::is_root(name));
    match root.map(|at| (path.get(at).copied(), path.get(at + 1..).unwrap_or_default())) {
        None => true,
        Some((Some(allow_list::SDK), [module])) => allow_list::SDK_GLOBS.contains(module),
        Some((_, [module, ..])) => matches!(allow_list::module(module), Some(ModuleAccess::All)),
        Some(_) => false,
    }
}
