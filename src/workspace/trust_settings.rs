//! The `[trust]` table of kavi.toml: what it proposes for decisions, and where key, head and witness are.
//!
//! Guarantees: a word that is not known is an error, never `none`. Deliberately never: says what is in force; the ledger does.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::Deserializer;

use super::discover::resolve_new;
use crate::history::trust_policy::{Requirement, RequirementTable};

/// The `[trust]` table.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrustSettings {
    /// What decisions need; none when the policy in force says it alone.
    #[serde(deserialize_with = "word_or_table")]
    pub require: Option<RequirementTable>,
    /// Where key and head are kept, if not in the user's state folder.
    pub anchor: Option<PathBuf>,
    /// The file of a witness.
    pub witness: Option<PathBuf>,
    /// The address of a witness, and a space, and its key.
    pub witness_url: Option<String>,
}

/// `require` is one word for every decision, or a table.
fn word_or_table<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<RequirementTable>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum WordOrTable {
        Word(Requirement),
        Table(RequirementTable),
    }

    WordOrTable::deserialize(deserializer).map(|given| match given {
        WordOrTable::Word(word) => Some(RequirementTable::all(word)),
        WordOrTable::Table(table) => Some(table),
    })
}

impl TrustSettings {
    /// The same with whole paths: below the home folder, or from the folder of kavi.toml.
    pub(super) fn resolved(
        self,
        root: &Path,
        expand: impl Fn(PathBuf) -> Result<PathBuf, String>,
    ) -> Result<Self, String> {
        let whole = |path: Option<PathBuf>| path.map(|path| expand(path).map(|path| root.join(path))).transpose();
        if self.witness.is_some() && self.witness_url.is_some() {
            return Err("`witness` and `witness_url` are two ways to the same: give one".to_owned());
        }
        Ok(Self { anchor: whole(self.anchor)?, witness: whole(self.witness)?, ..self })
    }

    /// Whether one of its paths is in a folder, also through links.
    pub(super) fn is_in(&self, folder: &Path) -> bool {
        let inside =
            |path: &PathBuf| path.starts_with(folder) || resolve_new(path).is_none_or(|path| path.starts_with(folder));
        self.anchor.iter().chain(&self.witness).any(inside)
    }
}
