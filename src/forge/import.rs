//! The import builder: sources that a person wrote, through the same intake as a model's.
//!
//! A person's crate has a manifest and build output beside its sources. Kavi does not use them: it compiles without a manifest.
//!
//! Guarantees: a manifest that asks for more than the SDK is refused, so that nothing is left out silently.
//! Deliberately never: runs cargo, or takes a setting from the manifest.

use super::intake::{IntakeRules, IntegrationTests};
use crate::model::finding::Finding;

/// The files that a person's skill crate may contain besides sources.
pub fn rules() -> IntakeRules {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    IntakeRules {
        provided: Default::default(),
        inspected: names(&["Cargo.toml"]),
        ignored: names(&[
            "Cargo.lock",
            "target",
            ".git",
            ".gitignore",
            "CHANGELOG.md",
            "LICENSE",
            "LICENSE-APACHE",
            "LICENSE-MIT",
            "README.md",
            "spec.json",
        ]),
        tests: IntegrationTests::Read,
    }
}

/// Keys of `[package]` that do not change what is compiled.
const HARMLESS: &[&str] = &[
    "name",
    "version",
    "edition",
    "rust-version",
    "description",
    "authors",
    "license",
    "publish",
    "keywords",
    "categories",
    "readme",
    "repository",
    "homepage",
    "documentation",
];

/// The name under which tests use the crate of a manifest.
pub(super) fn crate_name(manifest: &[u8]) -> Option<String> {
    let table = std::str::from_utf8(manifest).ok()?.parse::<toml::Table>().ok()?;
    let name = |part: &str| table.get(part)?.get("name")?.as_str();
    name("lib").or_else(|| name("package")).map(|name| name.replace('-', "_"))
}

/// Checks that a manifest describes what Kavi will compile: the SDK as the only dependency, no build script, no features.
pub fn check_manifest(bytes: &[u8]) -> Vec<Finding> {
    let finding = |message: String| Finding::new("workspace/manifest", message).in_file("Cargo.toml");
    let Some(table) = std::str::from_utf8(bytes).ok().and_then(|text| text.parse::<toml::Table>().ok()) else {
        return vec![finding("the manifest is not valid TOML".to_owned())];
    };
    let mut findings = Vec::new();
    for (key, value) in &table {
        match (key.as_str(), value.as_table()) {
            ("package", Some(package)) => {
                let odd = package.keys().filter(|key| !HARMLESS.contains(&key.as_str()));
                findings.extend(odd.map(|key| finding(format!("a skill must not set `package.{key}`"))));
            }
            ("dependencies" | "dev-dependencies", Some(dependencies)) => {
                let odd = dependencies.keys().filter(|name| !PERMITTED.contains(&name.as_str()));
                findings
                    .extend(odd.map(|name| finding(format!("it depends on `{name}`: a skill may only use kavi-sdk"))));
            }
            ("lib", Some(lib)) => {
                let odd = lib.keys().filter(|key| !["crate-type", "name", "doctest"].contains(&key.as_str()));
                findings.extend(odd.map(|key| finding(format!("a skill must not set `lib.{key}`"))));
            }
            // Harmless, because they are not used: Kavi's own flags and lints apply.
            ("workspace" | "lints" | "profile", Some(_)) => {}
            _ => findings.push(finding(format!("a skill must not set `{key}`: kavi compiles without the manifest"))),
        }
    }
    findings
}

/// Dependencies that the scaffold writes.
const PERMITTED: &[&str] = &["kavi-sdk", "serde"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_that_asks_for_more_is_refused() {
        for bad in [
            "[package]\nname = 'a'\nbuild = 'x.rs'",
            "[dependencies]\nlibc = '1'",
            "[patch.crates-io]\nserde = { path = 'x' }",
            "[build-dependencies]\ncc = '1'",
            "[lib]\npath = 'elsewhere.rs'",
            "[lib]\nproc-macro = true",
            "[features]\nx = []",
            "not toml",
        ] {
            assert_eq!(check_manifest(bad.as_bytes()).len(), 1, "{bad}");
        }
        let good = "[package]\nname = 'a'\nversion = '0.1.0'\nedition = '2024'\n[lib]\ncrate-type = ['cdylib']\n[dependencies]\nkavi-sdk = { path = '../../.kavi/sdk' }";
        assert_eq!(check_manifest(good.as_bytes()), []);
    }
}
