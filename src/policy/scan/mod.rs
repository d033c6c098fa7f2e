//! The source scanner: what a skill's source may say, decided from its text alone.
//!
//! It reads tokens and syntax and denies by default. Standard library paths, macros, attributes and serde keys are
//! lists of what is allowed (`allow_list`). A name that cannot be placed is refused. Its parts:
//!
//! | part | guarantees |
//! |---|---|
//! | `lexical`, `unicode` | plain, visible, small text that is safe to parse |
//! | `module_files` | the files are exactly the modules that the compiler will read |
//! | `keywords` | no unsafe or foreign code, no disguised name |
//! | `declared_names`, `imports`, `paths`, `allow_list`, `deny_list` | every path ends on the list, whatever it is called on the way |
//! | `attributes`, `serde_keys` | no conditional code, no lint levels, no code in strings |
//! | `macros`, `local_macros`, `macro_growth` | only known macros, none that builds names, paths or a flood of code |
//! | `secrets` | no literal with the shape of a token or a private key |
//! | `test_separation` | test code changes nothing of the skill |
//! | `syntax_tree` | the syntax tree agrees |
//!
//! It is one wall of several: the compiler's `-F unsafe_code`, the cage and the component's exact import list stand
//! behind it. It never compiles, expands or runs anything, and reads nothing but the snapshot. [`precheck`] may run in
//! any process; [`scan`] parses, and belongs into a child that may be killed.

mod allow_list;
mod attribute_shape;
mod attributes;
mod declared_names;
mod deny_list;
mod import_tree;
mod imports;
mod keywords;
mod language;
mod lexical;
mod local_macros;
mod macro_growth;
mod macros;
mod memory_addresses;
mod module_files;
mod paths;
mod report;
mod secrets;
mod serde_keys;
mod syntax_tree;
mod test_separation;
#[cfg(test)]
mod tests;
mod tokens;
mod unicode;

pub use lexical::{MAX_FILE_BYTES, MAX_FILES, MAX_NESTING, MAX_RUN, MAX_TOTAL_BYTES};
pub use report::{CLOCK, CompileSafety};
pub use secrets::looks_like_secret;

use crate::model::finding::Finding;
use crate::model::snapshot::Snapshot;
use report::ScanReport;

/// Checks the bytes of `snapshot`: sizes, plain and visible text, nesting. Never recurses, so it is safe on any input.
pub fn precheck(snapshot: &Snapshot) -> Vec<Finding> {
    let mut report = ScanReport::default();
    lexical::check(snapshot, &mut report);
    report.finish()
}

/// The outcome of a scan.
#[derive(Debug)]
pub struct ScanVerdict {
    /// What a skill must not say, in order of place.
    pub findings: Vec<Finding>,
    /// Whether the compiler may read the sources. Sources without findings are safe.
    pub safety: CompileSafety,
}

/// Checks the sources of a skill against everything that a skill may say.
pub fn scan(snapshot: &Snapshot) -> Vec<Finding> {
    judge(snapshot).findings
}

/// Checks the sources like [`scan`], and decides whether the compiler may read them.
///
/// Finding of the rule [`CLOCK`] is what a specification may permit.
///
/// Starts with [`precheck`] and stops there when that finds something.
pub fn judge(snapshot: &Snapshot) -> ScanVerdict {
    let report = check_all(snapshot);
    ScanVerdict { safety: report.compile_safety(), findings: report.finish() }
}

fn check_all(snapshot: &Snapshot) -> ScanReport {
    let mut report = ScanReport::default();
    lexical::check(snapshot, &mut report);
    // The parsers below recurse and assume plain text. What lexical refuses must not reach them.
    if !report.is_clean() {
        return report;
    }
    let files = module_files::load(snapshot, &mut report);
    // Over all files first: a name that one file declares changes what another one means.
    let names = declared_names::DeclaredNames::collect(&files);
    for file in &files {
        keywords::check(file, &mut report);
        imports::check(file, &names, &mut report);
        paths::check_file(file, &names, &mut report);
        attributes::check(file, &names, &mut report);
        local_macros::check(file, &mut report);
        test_separation::check(file, &names, &mut report);
        secrets::check(file, &mut report);
    }
    macros::check(&files, &names, &mut report);
    macro_growth::check(&files, &mut report);
    memory_addresses::check(&files, &mut report);
    // Only then, because the tree would repeat what the tokens have shown, in other words.
    if report.is_clean() {
        syntax_tree::check(&files, &names, &mut report);
    }
    report
}
