//! A trusted skill that is ready to run: its machine code, limits, grants and schemas.
//!
//! Guarantees: it is made only from a [`TrustedSkill`], whose bytes were hashed when they were read; the component matches the
//! grants of its class. Deliberately never: says what is trusted *now*. Code that keeps one asks the ledger before each run.

use std::path::Path;
use std::sync::Arc;

use super::error::InvokeError;
use super::record::RecordedSkill;
use crate::model::{capabilities::SkillCapabilities, layout::Layout, limits::Limits, spec::SkillSpec};
use crate::policy::capabilities;
use crate::registry::TrustedSkill;
use crate::runtime::{
    CodeOrigin, CompiledComponent, ComponentTrust, LaneKey, LinkedFolder, Loader, Runtime, RuntimeError, SkillComponent,
};

/// What all runs of a skill have in common.
#[derive(Debug)]
pub(super) struct LoadedSkill {
    spec: SkillSpec,
    recorded: RecordedSkill,
    limits: Limits,
    capabilities: SkillCapabilities,
    compiled: CompiledComponent,
}

impl LoadedSkill {
    /// Loads the skill's machine code into an engine for its limits.
    pub(super) fn make(
        skill: &TrustedSkill,
        loader: Loader<'_>,
        limits: &Limits,
        engine: impl FnOnce(&Limits) -> Result<Arc<Runtime>, RuntimeError>,
    ) -> Result<(Self, CodeOrigin), InvokeError> {
        let spec = skill.spec();
        let capabilities = SkillCapabilities::of(spec);
        // The label was checked when the spec was proposed; a ledger that says otherwise now is not believed.
        let labelled = capabilities::check(spec.side_effect_class, &capabilities).is_ok();
        if !labelled || !capabilities::is_runnable(spec.side_effect_class) {
            return Err(InvokeError::NotGranted { name: spec.name.clone(), class: spec.side_effect_class });
        }
        // Of each limit the smaller one: a promotion can narrow what kavi.toml allows, and never widen it.
        let limits = limits.narrowed(skill.limits());
        let (bytes, digest, trust) = (skill.component(), skill.digest(), ComponentTrust::Promoted);
        let component = SkillComponent { component: bytes, digest, capabilities: &capabilities, trust };
        let (compiled, code) = loader.load(&*engine(&limits)?, &component)?;
        Ok((Self { spec: spec.clone(), recorded: skill.into(), limits, capabilities, compiled }, code))
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

    pub(super) fn capabilities(&self) -> &SkillCapabilities {
        &self.capabilities
    }

    pub(super) fn compiled(&self) -> &CompiledComponent {
        &self.compiled
    }

    /// Whether its runs have a staging folder.
    pub(super) fn writes(&self) -> bool {
        self.capabilities.writes_files()
    }

    /// The path of the vault, if its runs need it: a component that imports no files does not get it.
    pub(super) fn vault<'a>(&self, layout: &'a Layout) -> Option<&'a Path> {
        (self.capabilities.reads_vault() && self.compiled.imports_files()).then_some(layout.vault.as_path())
    }

    /// What its runs reach, if one thread can be kept for all of them.
    pub(super) fn reaches(&self, layout: &Layout, linked: &[LinkedFolder]) -> Option<LaneKey> {
        // The thread of a lane can start no program, and each run that reaches hosts starts a broker.
        match (self.writes() || self.capabilities.reaches_hosts(), self.vault(layout)) {
            // Each run has a staging folder of its own, and a lane cannot open a new one.
            (true, _) => None,
            (false, Some(vault)) => Some(LaneKey::Vault(vault.to_owned(), linked.to_vec())),
            (false, None) => Some(LaneKey::Nothing),
        }
    }
}
