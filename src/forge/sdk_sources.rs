//! The sources of the SDK, embedded in the binary: a skill is compiled against the SDK that this Kavi was tested with.
//!
//! Guarantees: the files are a cargo workspace that builds offline once its dependencies are present, in the versions of this
//! repository's lock file. One digest identifies them all. Deliberately never: builds or writes them.

use crate::model::digest::Digest;
use crate::model::snapshot::Snapshot;

macro_rules! files {
    ($($path:literal),+ $(,)?) => {
        &[
            ("Cargo.toml", include_bytes!("../../sdk/standalone.toml")),
            ("Cargo.lock", include_bytes!("../../sdk/standalone.lock")),
            $(($path, include_bytes!(concat!("../../", $path)))),+
        ]
    };
}

/// Every file, by its path relative to the workspace of the SDK.
pub const FILES: &[(&str, &[u8])] = files![
    "sdk/Cargo.toml",
    "sdk/README.md",
    "sdk/src/bindings/mod.rs",
    "sdk/src/bindings/runtime.rs",
    "sdk/src/bindings/skill.rs",
    "sdk/src/bindings/skill_test.rs",
    "sdk/src/call.rs",
    "sdk/src/characters.rs",
    "sdk/src/clock.rs",
    "sdk/src/error.rs",
    "sdk/src/export.rs",
    "sdk/src/hash.rs",
    "sdk/src/http.rs",
    "sdk/src/lib.rs",
    "sdk/src/log.rs",
    "sdk/src/moment.rs",
    "sdk/src/note/blocks.rs",
    "sdk/src/note/comments.rs",
    "sdk/src/note/edit.rs",
    "sdk/src/note/front.rs",
    "sdk/src/note/letters.rs",
    "sdk/src/note/links.rs",
    "sdk/src/note/mod.rs",
    "sdk/src/note/parts.rs",
    "sdk/src/note/tags.rs",
    "sdk/src/note/tests.rs",
    "sdk/src/note/vault_cases.rs",
    "sdk/src/note/words.rs",
    "sdk/src/note/yaml.rs",
    "sdk/src/path.rs",
    "sdk/src/removals.rs",
    "sdk/src/roots.rs",
    "sdk/src/sign.rs",
    "sdk/src/test_answers.rs",
    "sdk/src/testing.rs",
    "sdk/src/vault.rs",
    "sdk/src/vault/tests.rs",
    "sdk/src/zone.rs",
    "sdk/tests/example/main.rs",
    "sdk/tests/example/rustfmt.toml",
    "wit/skill.wit",
];

/// The contract between skills and runtime.
pub const CONTRACT: &[u8] = include_bytes!("../../wit/skill.wit");

/// The guide to writing a skill: a person reads it in the documentation of the SDK, a coding agent in its packet.
pub const GUIDE: &str = include_str!("../../sdk/README.md");

/// The digest over the names and bytes of all files.
pub fn digest() -> Digest {
    let files = FILES.iter().map(|(path, bytes)| ((*path).to_owned(), bytes.to_vec()));
    Snapshot::new(files.collect()).digest()
}

/// The rules of the SDK for paths, compared with Kavi's own in a test.
#[cfg(test)]
#[path = "../../sdk/src/path.rs"]
#[allow(dead_code, reason = "reading has rules of its own, which the host does not share")]
mod sdk_path;
#[cfg(test)]
use crate::model::characters;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;
    use std::{error, fs, io};

    use proptest::prelude::*;

    use super::*;
    use crate::model::vault_path::VaultPath;

    fn walk(folder: &Path, paths: &mut BTreeSet<String>) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                walk(&path, paths)?;
            } else if let Ok(path) = path.strip_prefix(env!("CARGO_MANIFEST_DIR")) {
                paths.insert(path.to_string_lossy().into_owned());
            }
        }
        Ok(())
    }

    #[test]
    fn no_file_is_forgotten() -> io::Result<()> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut expected = BTreeSet::new();
        walk(&root.join("sdk"), &mut expected)?;
        walk(&root.join("wit"), &mut expected)?;
        let carried = FILES.iter().map(|(path, _)| match *path {
            "Cargo.toml" => "sdk/standalone.toml".to_owned(),
            "Cargo.lock" => "sdk/standalone.lock".to_owned(),
            path => path.to_owned(),
        });
        assert_eq!(carried.collect::<BTreeSet<_>>(), expected);
        Ok(())
    }

    fn locked(text: &str) -> Result<BTreeSet<(String, String, String)>, toml::de::Error> {
        let lock: toml::Table = toml::from_str(text)?;
        let packages = lock.get("package").and_then(toml::Value::as_array).into_iter().flatten();
        let field =
            |package: &toml::Value, name| package.get(name).and_then(toml::Value::as_str).unwrap_or("").to_owned();
        Ok(packages
            .map(|package| (field(package, "name"), field(package, "version"), field(package, "checksum")))
            .collect())
    }

    #[test]
    fn the_sdk_builds_with_the_versions_of_this_repository() -> Result<(), Box<dyn error::Error>> {
        let standalone = locked(include_str!("../../sdk/standalone.lock"))?;
        let root = locked(include_str!("../../Cargo.lock"))?;
        assert!(standalone.len() > 10);
        assert_eq!(standalone.difference(&root).collect::<Vec<_>>(), Vec::<&_>::new());
        Ok(())
    }

    #[test]
    fn guest_and_host_agree_on_limits() {
        for length in [199, 200, 201, 1023, 1024, 1025] {
            let deep = "abcdefghi/".repeat(length / 10 + 1);
            for path in
                ["a".repeat(length), deep[..length].to_owned(), format!("{}/{}", &deep[..149], "a".repeat(length))]
            {
                assert_eq!(sdk_path::check(&path).is_ok(), VaultPath::parse(&path).is_ok(), "{path}");
            }
        }
        let wide = format!("{}abc", format!("{}/", "a".repeat(199)).repeat(5));
        for path in [wide.clone(), format!("{wide}{}", "d".repeat(21)), format!("{wide}{}", "d".repeat(22))] {
            assert_eq!(sdk_path::check(&path).is_ok(), VaultPath::parse(&path).is_ok(), "{}", path.len());
        }
    }

    #[test]
    fn guest_and_host_have_one_table_of_characters() {
        assert_eq!(include_str!("../../sdk/src/characters.rs"), include_str!("../model/characters.rs"));
    }

    #[test]
    fn guest_and_host_agree_on_every_character() {
        for c in '\0'..=char::MAX {
            for path in [format!("a{c}b"), format!("{c}a"), format!("a{c}")] {
                let host = VaultPath::parse(&path).map(String::from).ok();
                assert_eq!(sdk_path::check(&path).ok(), host.as_deref(), "{path:?}");
            }
        }
    }

    proptest! {
        #[test]
        fn guest_and_host_agree_on_paths(path in "([a-z.]|[ -~]|/|\\\\|\u{202e}|\u{2800}|\u{3000}|\u{a0}|\u{13430}|\n|ä){0,24}") {
            let host = VaultPath::parse(&path).map(String::from).ok();
            prop_assert_eq!(sdk_path::check(&path).ok(), host.as_deref());
        }
    }
}
