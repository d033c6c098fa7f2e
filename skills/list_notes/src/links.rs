//! Links between notes.

use kavi_sdk::note::{self, Links, Note};
use kavi_sdk::prelude::*;

use crate::{Item, What};

/// The files that links lead to, and which links are asked for.
#[derive(Default)]
pub struct Files {
    links: Links,
    /// The note that links lead to, or that has them.
    path: Option<String>,
    only_unresolved: bool,
}

impl Files {
    /// All files of the vault.
    pub fn new(path: Option<&str>, what: What) -> Result<Self, SkillError> {
        let files = vault::walk("")?.files;
        let only_unresolved = what == What::Unresolved;
        match path {
            Some(path) if !files.iter().any(|file| file == path) => Err(SkillError::not_found(
                format!("`{path}` is not in the vault"),
            )),
            None if !only_unresolved => {
                let why = "`path` is missing: the note that the links lead to";
                Err(SkillError::invalid_input(why))
            }
            path => Ok(Self {
                links: Links::new(&files),
                path: path.map(str::to_owned),
                only_unresolved,
            }),
        }
    }

    /// The links of a note that are asked for.
    pub fn links(&self, from: &str, note: &Note) -> Vec<Item> {
        let wanted = |link: &&note::Link| {
            let to = self.links.resolve(link, from);
            if self.only_unresolved {
                let is_here = self.path.as_deref().is_none_or(|path| path == from);
                is_here && to.is_none() && !note::is_external(link)
            } else {
                to.is_some() && to == self.path.as_deref() && to != Some(from)
            }
        };
        let item = |link: &note::Link| Item {
            path: Some(from.to_owned()),
            name: Some(link.target.clone()),
            start: Some(link.range.start),
            end: Some(link.range.end),
            ..Item::default()
        };
        note.links.iter().filter(wanted).map(item).collect()
    }
}
