//! The write scope of a skill: the folders of its spec, below which it may write.
//!
//! Guarantees: a skill whose spec names no folder has no scope at all. Deliberately never: looks at a file.

use super::{execution::Effect, spec::SkillSpec, vault_path::VaultPath};

impl SkillSpec {
    /// Whether the skill may write `path`.
    pub fn may_write(&self, path: &VaultPath) -> bool {
        self.paths.iter().any(|folder| path.is_within(folder))
    }

    /// The first file that a run removed although its spec does not say `removes_files`.
    pub fn first_removed<'e>(&self, effects: &'e [Effect]) -> Option<&'e VaultPath> {
        let removed = effects.iter().find(|effect| effect.sha256.is_none() && !self.removes_files);
        removed.map(|effect| &effect.path)
    }

    /// The first file of a run that is outside of the scope.
    pub fn first_outside<'e>(&self, effects: &'e [Effect]) -> Option<&'e VaultPath> {
        effects.iter().map(|effect| &effect.path).find(|path| !self.may_write(path))
    }
}
