//! Loaded skills by name, for all threads of a resident.
//!
//! Guarantees: a skill is found only by the revision that the ledger calls trusted; no two threads load at once; no more than
//! [`MOST_SKILLS`] are kept. Deliberately never: says what is trusted.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::invoke::context::{RunContext, SharedContext};
use crate::invoke::error::InvokeError;
use crate::invoke::loaded_skill::LoadedSkill;
use crate::ledger::{LedgerError, TrustedRevision};
use crate::model::{limits::Limits, name::SkillName};
use crate::registry::{self, TrustError, TrustedSkill};
use crate::runtime::{CodeOrigin, Runtime, RuntimeError};
use crate::sync::lock;

/// Most skills that are kept. With one more, the one that was loaded first is dropped.
const MOST_SKILLS: usize = 128;

/// A loaded skill and its revision.
#[derive(Debug)]
pub(super) struct CachedSkill {
    pub(super) revision: TrustedRevision,
    pub(super) loaded: LoadedSkill,
}

/// Why a skill could not be loaded.
pub(super) enum NotLoaded {
    /// It is not trusted, or its bytes are not the promoted ones.
    Refused(TrustError),
    /// It is trusted, and cannot be loaded.
    Failed(Box<TrustedSkill>, InvokeError),
}

/// Loaded skills.
#[derive(Debug)]
pub(super) struct SkillCache {
    /// None after it was let go; the next skill that is loaded makes another one.
    runtime: Mutex<Option<Arc<Runtime>>>,
    threads: u32,
    entries: Mutex<Entries>,
    /// Held while a skill is loaded. A thread that waits for it then finds what the other one has loaded.
    loading: Mutex<()>,
}

#[derive(Debug, Default)]
struct Entries {
    skills: BTreeMap<SkillName, RunEntry>,
    loaded: u64,
}

#[derive(Debug)]
struct RunEntry {
    /// Its place in the order of loading.
    number: u64,
    skill: Arc<CachedSkill>,
}

impl SkillCache {
    /// An empty cache, and an engine for runs on so many threads.
    pub(super) fn new(shared: &SharedContext<'_>, threads: u32) -> Result<Self, RuntimeError> {
        let (entries, loading) = (Mutex::default(), Mutex::default());
        let skills = Self { runtime: Mutex::default(), threads, entries, loading };
        // At once, although none is loaded yet: a process that can have no engine should say so when it starts.
        skills.runtime(shared.limits)?;
        Ok(skills)
    }

    /// The engine that skills share.
    fn runtime(&self, limits: &Limits) -> Result<Arc<Runtime>, RuntimeError> {
        let mut runtime = lock(&self.runtime);
        if let Some(made) = &*runtime {
            return Ok(Arc::clone(made));
        }
        let made = match Runtime::pooled(limits, self.threads) {
            Err(error @ RuntimeError::Pool(_)) => {
                tracing::warn!("runs are slower than they could be: {error}");
                Runtime::new(limits)?
            }
            made => made?,
        };
        Ok(Arc::clone(runtime.insert(Arc::new(made))))
    }

    /// Lets every skill and the engine go. Whoever still uses one keeps it until then.
    pub(super) fn let_go(&self) {
        // Freed outside of the locks: it takes longer than a look.
        let skills = std::mem::take(&mut lock(&self.entries).skills);
        let runtime = lock(&self.runtime).take();
        drop((skills, runtime));
    }

    /// The skill of a name, if this revision of it is loaded.
    pub(super) fn find(&self, name: &SkillName, revision: &TrustedRevision) -> Option<Arc<CachedSkill>> {
        let entries = lock(&self.entries);
        // The same name with another revision is another skill: its code must not run.
        entries.skills.get(name).map(|entry| &entry.skill).filter(|skill| skill.revision == *revision).cloned()
    }

    /// What is trusted under a name, loaded.
    pub(super) fn load(
        &self,
        context: &RunContext<'_>,
        name: &SkillName,
    ) -> Result<(Arc<CachedSkill>, CodeOrigin), NotLoaded> {
        let find = || {
            let revision = context.ledger.trusted_revision(name);
            let revision = revision.map_err(|error: LedgerError| NotLoaded::Refused(error.into()))?;
            Ok(revision.and_then(|revision| self.find(name, &revision)))
        };
        if let Some(skill) = find()? {
            return Ok((skill, CodeOrigin::Warm));
        }
        let _loading = lock(&self.loading);
        // Again: another thread may have loaded it while this one waited.
        if let Some(skill) = find()? {
            return Ok((skill, CodeOrigin::Warm));
        }
        let shared = &context.shared;
        let skill = registry::load(context.ledger, shared.store, name).map_err(NotLoaded::Refused)?;
        let made = LoadedSkill::make(&skill, shared.loader, shared.limits, |limits| self.engine(shared, limits));
        let (loaded, code) = match made {
            Ok(made) => made,
            Err(error) => return Err(NotLoaded::Failed(Box::new(skill), error)),
        };
        let cached = Arc::new(CachedSkill { revision: skill.trusted_revision().clone(), loaded });
        self.insert(name.clone(), Arc::clone(&cached));
        Ok((cached, code))
    }

    /// The engine for these limits. All skills share one, except those whose promotion narrowed a limit that the engine is
    /// made with.
    fn engine(&self, shared: &SharedContext<'_>, limits: &Limits) -> Result<Arc<Runtime>, RuntimeError> {
        let common = shared.limits;
        // The engine is made with these three. All other limits are set for each run.
        let same = limits.stack_bytes == common.stack_bytes
            && limits.component_bytes == common.component_bytes
            && limits.compile_effort == common.compile_effort;
        if same { self.runtime(common) } else { Runtime::new(limits).map(Arc::new) }
    }

    fn insert(&self, name: SkillName, skill: Arc<CachedSkill>) {
        let mut entries = lock(&self.entries);
        entries.loaded += 1;
        let number = entries.loaded;
        entries.skills.insert(name, RunEntry { number, skill });
        if entries.skills.len() > MOST_SKILLS {
            // A scan of 128 entries, next to a load that takes milliseconds.
            let oldest = entries.skills.iter().min_by_key(|(_, entry)| entry.number).map(|(name, _)| name.clone());
            oldest.and_then(|name| entries.skills.remove(&name));
        }
    }
}
