//! The import builder: sources that a person wrote, through the same gate as a model's.
//!
//! A person's crate has a manifest and build output beside its sources. They are left where they are: Kavi compiles
//! with a manifest of its own. So that nobody is surprised by what is left out, the manifest is read, and one that
//! asks for more than the SDK is refused.

use super::gate::Allowed;
use crate::model::finding::Finding;

/// What may lie in a person's skill crate besides sources.
pub fn allowed() -> Allowed {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Allowed {
        provided: Default::default(),
        read_aside: names(&["Cargo.toml"]),
        ignored: names(&["Cargo.lock", "target", ".gitignore", "README.md", "spec.json"]),
    }
}

/// Keys of `[package]` that change nothing about what is compiled.
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
];

/// Checks that a manifest describes what Kavi will compile: the SDK as the only dependency, no build script, no features.
pub fn check_manifest(bytes: &[u8]) -> Vec<Finding> {
    let finding = |message: String| Finding::new("workspace/manifest", message).in_file("Cargo.toml");
    let Some(table) = std::str::from_utf8(bytes).ok().and_then(|text| text.parse::<toml::Table>().ok()) else {
        return vec![finding("it is not TOML".to_owned())];
    };
    let mut findings = Vec::new();
    for (key, value) in &table {
        match (key.as_str(), value.as_table()) {
            ("package", Some(package)) => {
                let odd = package.keys().filter(|key| !HARMLESS.contains(&key.as_str()));
                findings.extend(odd.map(|key| finding(format!("`package.{key}` is not for a skill to set"))));
            }
            ("dependencies", Some(dependencies)) => {
                let odd = dependencies.keys().filter(|name| !PERMITTED.contains(&name.as_str()));
                findings
                    .extend(odd.map(|name| finding(format!("it depends on `{name}`; a skill may use kavi-sdk only"))));
            }
            ("lib", Some(lib)) => {
                let odd = lib.keys().filter(|key| !["crate-type", "name", "doctest"].contains(&key.as_str()));
                findings.extend(odd.map(|key| finding(format!("`lib.{key}` is not for a skill to set"))));
            }
            // What a workspace root and its profiles say is not read: kavi's own flags and lints hold.
            ("workspace" | "lints" | "profile", Some(_)) => {}
            _ => findings
                .push(finding(format!("`{key}` is not for a skill to set: kavi compiles with its own manifest"))),
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
