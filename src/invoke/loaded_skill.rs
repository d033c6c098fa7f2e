//! A trusted skill that is ready to run: its machine code, limits, grants and schemas.
//!
//! Guarantees: it is made only from a [`TrustedSkill`], whose bytes were hashed when they were read; the component matches the
//! grants of its class. Deliberately never: says what is trusted *now*. Code that keeps one asks the ledger before each run.

use std::path::Path;
use std::sync::Arc;

use super::error::InvokeError;
use super::record::RecordedSkill;
use crate::model::{grants::Grants, layout::Layout, limits::Limits, spec::SkillSpec};
use crate::policy::grants;
use crate::registry::TrustedSkill;
use crate::runtime::{CodePurpose, Compiled, Loader, Origin, Reaches, Runtime, RuntimeError, Skill};

/// What all runs of a skill have in common.
#[derive(Debug)]
pub(super) struct LoadedSkill {
    spec: SkillSpec,
    recorded: RecordedSkill,
    limits: Limits,
    grants: Grants,
    compiled: Compiled,
}

impl LoadedSkill {
    /// Loads the skill's machine code into an engine for its limits.
    pub(super) fn make(
        skill: &TrustedSkill,
        loader: Loader<'_>,
        limits: &Limits,
        engine: impl FnOnce(&Limits) -> Result<Arc<Runtime>, RuntimeError>,
    ) -> Result<(Self, Origin), InvokeError> {
        let spec = skill.spec();
        if !grants::is_runnable(spec.side_effect_class) {
            return Err(InvokeError::NotGranted { name: spec.name.clone(), class: spec.side_effect_class });
        }
        // Of each limit the smaller one: a promotion can narrow what kavi.toml allows, and never widen it.
        let limits = limits.narrowed(skill.limits());
        let grants = grants::of(spec.side_effect_class);
        let (bytes, digest) = (skill.component(), skill.digest());
        let component = Skill { component: bytes, digest, grants: &grants, purpose: CodePurpose::Promoted };
        let (compiled, code) = loader.load(&*engine(&limits)?, &component)?;
        Ok((Self { spec: spec.clone(), recorded: skill.into(), limits, grants, compiled }, code))
    }

    pub(super) fn spec(&self) -> &SkillSpec {
        &self.spec
    }

    pub(super) fn recorded(&self) -> &RecordedSkill {
        &self.recorded
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    pub(super) fn grants(&self) -> &Grants {
        &self.grants
    }

    pub(super) fn compiled(&self) -> &Compiled {
        &self.compiled
    }

    /// Whether its runs have a staging folder.
    pub(super) fn writes(&self) -> bool {
        self.grants.out
    }

    /// The vault, if its runs need it: a component that imports no files does not get it.
    pub(super) fn vault<'a>(&self, layout: &'a Layout) -> Option<&'a Path> {
        (self.grants.vault && self.compiled.imports_files()).then_some(layout.vault.as_path())
    }

    /// What its runs reach, if one thread can be kept for all of them.
    pub(super) fn reaches(&self, layout: &Layout) -> Option<Reaches> {
        match (self.writes(), self.vault(layout)) {
            // Each run has a staging folder of its own, and a lane cannot open a new one.
            (true, _) => None,
            (false, Some(vault)) => Some(Reaches::Vault(vault.to_owned())),
            (false, None) => Some(Reaches::Nothing),
        }
    }
}
