//! Compares what a component is with what it may be.

use super::super::{
    interfaces::{FunctionCheck, ImportAllowlist},
    request::ComponentKind,
};
use super::{
    Export, ExportKind, ImportKind, Interface, InterfaceMismatch, RUN, SKILL_VERSION, SKILL_VERSIONS, TEST_RUN,
    WASI_VERSION, WORLD_TYPES,
};
use crate::model::capabilities::SkillCapabilities;

/// An import or export name without its version, and the version.
pub(in super::super) fn split_version(name: &str) -> (&str, &str) {
    name.split_once('@').unwrap_or((name, ""))
}

/// Compares a skill with its capabilities: it imports only what they give, by exact name and in a version that the
/// runtime speaks; it exports `run` and nothing else.
pub fn check(interface: &Interface, capabilities: &SkillCapabilities) -> Vec<InterfaceMismatch> {
    let contract = contract_version(interface);
    compare(interface, ImportAllowlist::new(ComponentKind::Skill, capabilities, contract, FunctionCheck::On))
}

/// Compares a test component with the capabilities of the skill that it tests: the same, and what the test harness needs;
/// it exports `wasi:cli/run` and nothing else.
pub fn check_tests(interface: &Interface, capabilities: &SkillCapabilities) -> Vec<InterfaceMismatch> {
    let contract = contract_version(interface);
    compare(interface, ImportAllowlist::new(ComponentKind::Tests, capabilities, contract, FunctionCheck::On))
}

/// The version of the contract that a component was built for: that of its first import in a version that the runtime speaks.
/// Imports in other versions are then refused.
pub(in super::super) fn contract_version(interface: &Interface) -> &'static str {
    let names = interface.imports.iter().map(|import| split_version(&import.name));
    let mut versions = names.filter(|(name, _)| name.starts_with(CONTRACT)).map(|(_, version)| version);
    let listed = versions.find_map(|version| SKILL_VERSIONS.into_iter().find(|listed| *listed == version));
    listed.unwrap_or(SKILL_VERSION)
}

/// How the names of the contract's interfaces begin.
const CONTRACT: &str = "kavi:";

/// Compares a component with what one of its kind may import and must export.
pub(in super::super) fn compare(interface: &Interface, allowlist: ImportAllowlist) -> Vec<InterfaceMismatch> {
    let mut mismatches = check_imports(interface, allowlist);
    mismatches.extend(match allowlist.kind() {
        ComponentKind::Skill => check_skill_exports(interface),
        ComponentKind::Tests => check_test_exports(interface),
    });
    mismatches
}

fn check_skill_exports(interface: &Interface) -> Vec<InterfaceMismatch> {
    let mut mismatches = Vec::new();
    let run = Export { name: RUN.into(), kind: ExportKind::Function };
    if !interface.exports.contains(&run) {
        mismatches.push(InterfaceMismatch::Missing { export: RUN.into() });
    } else if !interface.runs_as_skill {
        mismatches.push(InterfaceMismatch::RunType);
    }
    let others = interface.exports.iter().filter(|export| **export != run);
    mismatches.extend(others.map(|export| InterfaceMismatch::Unexpected { export: export.name.clone() }));
    mismatches
}

fn check_test_exports(interface: &Interface) -> Vec<InterfaceMismatch> {
    let mut mismatches = Vec::new();
    let is_run = |export: &&Export| export.kind == ExportKind::Interface && split_version(&export.name).0 == TEST_RUN;
    match interface.exports.iter().find(is_run) {
        None => mismatches.push(InterfaceMismatch::Missing { export: TEST_RUN.into() }),
        Some(export) => {
            mismatches.extend(check_version(&export.name, WASI_VERSION));
            if !interface.runs_as_tests {
                mismatches.push(InterfaceMismatch::TestRunType);
            }
        }
    }
    let others = interface.exports.iter().filter(|export| !is_run(export));
    mismatches.extend(others.map(|export| InterfaceMismatch::Unexpected { export: export.name.clone() }));
    mismatches
}

fn check_imports(interface: &Interface, allowlist: ImportAllowlist) -> Vec<InterfaceMismatch> {
    let mut mismatches = Vec::new();
    if interface.makes_resources {
        mismatches.push(InterfaceMismatch::MakesResources);
    }
    for import in &interface.imports {
        let name = split_version(&import.name).0;
        let granted = match import.kind {
            ImportKind::Interface => allowlist.allows(name),
            // A plain type carries no authority.
            ImportKind::Type if WORLD_TYPES.contains(&&*import.name) => continue,
            ImportKind::Type | ImportKind::Other => false,
        };
        // The version of something that is not granted does not matter, so only the first reason is
        // reported.
        if !granted {
            mismatches.push(InterfaceMismatch::NotGranted { import: import.name.clone() });
            continue;
        }
        // Versions of Kavi's own contract are apart: one component is of one version. The patches of one WASI release are
        // compatible.
        let wanted = if name.starts_with(CONTRACT) { allowlist.contract() } else { WASI_VERSION };
        mismatches.extend(check_version(&import.name, wanted));
        let functions = import.functions.iter().map(|function| format!("{name}#{function}"));
        // Checked in spite of the wall behind it: a person sees the refusal before the skill is
        // ever run.
        let denied = functions.filter(|function| allowlist.refuses_function(function));
        mismatches.extend(denied.map(|function| InterfaceMismatch::Denied { function }));
    }
    mismatches
}

/// The mismatch of an interface whose version the runtime does not speak.
fn check_version(name: &str, wanted: &str) -> Option<InterfaceMismatch> {
    let (name, version) = split_version(name);
    let speaks = if name.starts_with(CONTRACT) { version == wanted } else { is_earlier_patch(version, wanted) };
    // What is not listed at all is told what is, and what is mixed with another version is told that one.
    let unknown = name.starts_with(CONTRACT) && !SKILL_VERSIONS.contains(&version);
    let wanted = if unknown { SKILL_VERSIONS.join(" or ") } else { wanted.to_owned() };
    (!speaks).then(|| InterfaceMismatch::Version {
        interface: name.to_owned(),
        built_for: if version.is_empty() { "no version".to_owned() } else { version.to_owned() },
        wanted,
    })
}

/// Whether `version` is `wanted` or an earlier patch of the same minor version.
fn is_earlier_patch(version: &str, wanted: &str) -> bool {
    let parse = |text: &str| -> Option<(String, u32)> {
        // A later patch may import functions that this runtime does not have, so only earlier ones
        // match.
        let (minor, patch) = text.rsplit_once('.')?;
        Some((minor.to_owned(), patch.parse().ok()?))
    };
    match (parse(version), parse(wanted)) {
        (Some((minor, patch)), Some((wanted_minor, wanted_patch))) => minor == wanted_minor && patch <= wanted_patch,
        _ => false,
    }
}
