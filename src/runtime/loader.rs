//! From the bytes of a skill to a component that can be run: out of the cache, else by the compile child.
//!
//! Guarantees: the component's exact imports and exports are compared with its grants at every load, from the component
//! itself or from what a sealed entry says of it, before anything is compiled or loaded; trouble with the cache is a
//! warning and a compilation.
//!
//! Deliberately never: asks whether the bytes are trusted (they come from `registry::load`, or are about to be promoted).

use super::{
    cache::{CacheError, CodeCache},
    code::MachineCode,
    compile_child::{self, Bounds, CodeError, CodePurpose},
    engine::{Compiled, Runtime, Tier},
    error::RuntimeError,
    inspect::{self, Interface, Mismatch, SKILL_VERSION},
};
use crate::cage::Cage;
use crate::model::{digest::Digest, grants::Grants, warnings::Warnings};

/// Why a skill cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// It asks for more than its grants, or does not offer what it must.
    #[error("the component is refused: {}", super::error::list(.0))]
    Refused(Vec<Mismatch>),
    /// It cannot be compiled.
    #[error(transparent)]
    Code(#[from] CodeError),
    /// The engine does not take what was compiled just now.
    #[error(transparent)]
    Runtime(#[from] RuntimeError),
}

/// Where machine code came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// From the cache: nothing was compiled.
    Cached,
    /// From the compile child.
    Compiled,
    /// It was loaded for an earlier run of this process.
    Warm,
}

/// The bytes of a skill, and what is known of them.
#[derive(Debug, Clone, Copy)]
pub struct Skill<'a> {
    /// The bytes.
    pub component: &'a [u8],
    /// Their digest.
    pub digest: Digest,
    /// What the skill may use.
    pub grants: &'a Grants,
    /// Whether it is trusted.
    pub purpose: CodePurpose,
}

/// Loads skills.
#[derive(Debug, Clone, Copy)]
pub struct Loader<'a> {
    /// Where the child is run.
    pub cage: &'a Cage,
    /// Where code is kept.
    pub cache: &'a CodeCache,
    /// Where trouble with the cache is told.
    pub warnings: &'a Warnings,
}

impl Loader<'_> {
    /// Gives a skill ready to run, and compiles it if it has to.
    ///
    /// # Errors
    /// [`LoadError`] when it does not fit its grants or cannot be compiled.
    pub fn load(&self, runtime: &Runtime, skill: &Skill<'_>) -> Result<(Compiled, Origin), LoadError> {
        runtime.check_size(skill.component).map_err(CodeError::Component)?;
        match self.cached(runtime, skill) {
            Ok(Some(code)) => {
                fits(code.interface(), skill.grants)?;
                match runtime.load(&code) {
                    Ok(compiled) => return Ok((compiled, Origin::Cached)),
                    Err(error) => self.doubt(skill.digest, &CacheError::Refused(error)),
                }
            }
            Ok(None) => {}
            Err(error) => self.doubt(skill.digest, &error),
        }
        let interface = runtime.examine(skill.component, Tier::Optimised).map_err(CodeError::Component)?;
        fits(&interface, skill.grants)?;
        let code = compile_child::compile(self.cage, runtime, skill.component, (skill.purpose, Bounds::default()))?;
        let compiled = runtime.load(&code)?;
        if let Err(error) = self.cache.keep(Digest::of(skill.component), &code) {
            self.warnings.add(format!("the code of component {} cannot be kept: {error}", skill.digest.short()));
        }
        Ok((compiled, Origin::Compiled))
    }

    fn cached(&self, runtime: &Runtime, skill: &Skill<'_>) -> Result<Option<MachineCode>, CacheError> {
        self.cache.find(skill.digest, runtime.engine_id())
    }

    fn doubt(&self, component: Digest, error: &CacheError) {
        let component = component.short();
        self.warnings
            .add(format!("the cached code of component {component} is not used, it is compiled again: {error}"));
    }
}

fn fits(interface: &Interface, grants: &Grants) -> Result<(), LoadError> {
    let mismatches = inspect::check(interface, grants, SKILL_VERSION);
    if mismatches.is_empty() { Ok(()) } else { Err(LoadError::Refused(mismatches)) }
}
