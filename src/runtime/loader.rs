//! From the bytes of a skill to a component that can run: from the cache, or else from the compile child.
//!
//! Guarantees: at every load, the exact imports and exports are compared with the capabilities before anything is compiled or
//! loaded. They are read from the component, or from its sealed cache entry. A problem with the cache is a warning and a
//! compilation, never a failed run.
//!
//! Deliberately never: asks whether the bytes are trusted. They come from `registry::load`, or are about to be promoted.

use super::{
    cache::{CacheError, CodeCache},
    code::MachineCode,
    compile_child::{self, CodeError, CompileLimits, ComponentTrust},
    engine::{CompiledComponent, Runtime, Tier},
    error::RuntimeError,
    inspect::{self, Interface, InterfaceMismatch},
};
use crate::cage::Cage;
use crate::model::{capabilities::SkillCapabilities, digest::Digest};

/// Why a skill cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It imports more than its capabilities give, or lacks an export.
    #[error("the component is refused: {}", super::error::list(.0))]
    Refused(Vec<InterfaceMismatch>),
    /// It cannot be compiled.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// The engine refuses code that was compiled just now.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
}

/// Where machine code came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CodeOrigin {
    /// From the cache: nothing was compiled.
    Cached,
    /// From the compile child.
    Compiled,
    /// From an earlier run of this process.
    Warm,
}

/// The bytes of a skill, and what is known about them.
#[derive(Debug, Clone, Copy)]
pub struct SkillComponent<'a> {
    /// The bytes.
    pub component: &'a [u8],
    /// Their digest.
    pub digest: Digest,
    /// What the skill may touch.
    pub capabilities: &'a SkillCapabilities,
    /// Whether a person promoted it.
    pub trust: ComponentTrust,
}

/// Loads skills.
#[derive(Debug, Clone, Copy)]
pub struct Loader<'a> {
    /// Where the child is run.
    pub cage: &'a Cage,
    /// Where machine code is kept.
    pub cache: &'a CodeCache,
}

impl Loader<'_> {
    /// Loads a skill, and compiles it if the cache does not have it.
    ///
    /// # Errors
    /// [`LoadError`] when it does not match its capabilities or cannot be compiled.
    pub fn load(
        &self,
        runtime: &Runtime,
        skill: &SkillComponent<'_>,
    ) -> Result<(CompiledComponent, CodeOrigin), LoadError> {
        runtime.check_size(skill.component).map_err(CodeError::Component)?;
        match self.cached(runtime, skill) {
            Ok(Some(code)) => {
                // On a hit as well: the capabilities come from the spec, which is no part of an
                // entry.
                check_interface(code.interface(), skill.capabilities)?;
                match runtime.load(&code) {
                    Ok(compiled) => return Ok((compiled, CodeOrigin::Cached)),
                    // Not a failure: the entry is derived, and compiling again gives a good one.
                    Err(error) => warn_unused(skill.digest, &CacheError::Refused(error)),
                }
            }
            Ok(None) => {}
            Err(error) => warn_unused(skill.digest, &error),
        }
        let interface = runtime.examine(skill.component, Tier::Optimised).map_err(CodeError::Component)?;
        // Before the child: a component that is refused should not reach a compiler.
        check_interface(&interface, skill.capabilities)?;
        let code = compile_child::compile(self.cage, runtime, skill.component, skill.trust, CompileLimits::default())?;
        let compiled = runtime.load(&code)?;
        // Hashed from the bytes that were compiled. Under a digest that was merely passed in, an
        // entry could serve another component.
        if let Err(error) = self.cache.keep(Digest::of(skill.component), &code) {
            let component = skill.digest.short();
            tracing::warn!("the code of component {component} cannot be kept in the cache: {error}");
        }
        Ok((compiled, CodeOrigin::Compiled))
    }

    fn cached(&self, runtime: &Runtime, skill: &SkillComponent<'_>) -> Result<Option<MachineCode>, CacheError> {
        self.cache.find(skill.digest, runtime.engine_id())
    }
}

fn warn_unused(component: Digest, error: &CacheError) {
    let component = component.short();
    tracing::warn!("the cached code of component {component} is not used, it is compiled again: {error}");
}

fn check_interface(interface: &Interface, capabilities: &SkillCapabilities) -> Result<(), LoadError> {
    let mismatches = inspect::check(interface, capabilities);
    if mismatches.is_empty() { Ok(()) } else { Err(LoadError::Refused(mismatches)) }
}
