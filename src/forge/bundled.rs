//! The skills that come with Kavi, embedded in the binary: specification and sources of each.
//!
//! Guarantees: they are the files of this repository that its tests bring through every gate. Deliberately never: trusts
//! one. They go through the forge like any other skill.

use crate::model::digest::Digest;
use crate::model::snapshot::Snapshot;

/// One skill.
#[derive(Debug, Clone, Copy)]
pub struct BundledSkill {
    /// Its name.
    pub name: &'static str,
    /// Its specification, as `kavi propose-skill --spec` takes it.
    pub spec: &'static [u8],
    /// Its sources, by path below the folder of its crate.
    pub sources: &'static [(&'static str, &'static [u8])],
}

macro_rules! skill {
    ($name:literal: $($path:literal),+ $(,)?) => {
        BundledSkill {
            name: $name,
            spec: include_bytes!(concat!("../../skills/", $name, "/spec.json")),
            sources: &[$(($path, include_bytes!(concat!("../../skills/", $name, "/", $path)))),+],
        }
    };
}

/// All of them, by name.
pub const SKILLS: &[BundledSkill] = &[
    skill!("create_daily_note": "src/lib.rs"),
    skill!("edit_note": "src/lib.rs", "src/tests.rs"),
    skill!("list_notes": "src/filter.rs", "src/lib.rs", "src/links.rs", "src/tests.rs"),
    skill!("move_note": "src/lib.rs", "src/rewrite.rs", "src/tests.rs"),
    skill!("read_note": "src/lib.rs", "src/tests.rs"),
    skill!("read_notes_by_tag": "src/lib.rs", "src/tests.rs"),
    skill!("search_notes": "src/engine.rs", "src/lib.rs", "src/operators.rs", "src/tests.rs"),
    skill!("summarize_note": "src/lib.rs", "src/tests.rs", "src/text.rs"),
    skill!("write_note": "src/lib.rs"),
];

/// The one of a name.
pub fn find(name: &str) -> Option<&'static BundledSkill> {
    SKILLS.iter().find(|skill| skill.name == name)
}

impl BundledSkill {
    /// The digest of its sources, as an import of them has it.
    pub fn snapshot(&self) -> Digest {
        let files = self.sources.iter().map(|(path, bytes)| ((*path).to_owned(), bytes.to_vec()));
        Snapshot::new(files.collect()).digest()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;
    use std::{fs, io};

    use super::*;
    use crate::forge::propose::{self, ProposeError};

    #[test]
    fn every_skill_of_the_repository_is_embedded_whole() -> io::Result<()> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("skills");
        let mut expected = BTreeSet::new();
        for entry in fs::read_dir(&root)? {
            let folder = entry?.path();
            if !folder.join("spec.json").is_file() {
                continue;
            }
            for source in fs::read_dir(folder.join("src"))? {
                let path = source?.path();
                expected.extend(path.strip_prefix(&root).ok().map(|path| path.to_string_lossy().into_owned()));
            }
        }
        let embedded =
            SKILLS.iter().flat_map(|skill| skill.sources.iter().map(|(path, _)| format!("{}/{path}", skill.name)));
        assert_eq!(embedded.collect::<BTreeSet<_>>(), expected);
        Ok(())
    }

    #[test]
    fn each_has_a_valid_specification_of_its_name() -> Result<(), ProposeError> {
        for skill in SKILLS {
            let spec = propose::parse_file(skill.spec)?;
            assert_eq!(spec.name.as_str(), skill.name);
            assert!(!spec.examples.is_empty(), "{}", skill.name);
        }
        Ok(())
    }
}
