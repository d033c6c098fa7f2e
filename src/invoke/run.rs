//! One run of a trusted skill: ledger → open once → hash → code → input → guest → output → record → vault.

use std::sync::Arc;

use super::effects;
use super::invocation::{Books, Invocation, Place, Subject};
use super::loaded_skill::LoadedSkill;
use super::request::{Desk, RunRequest};
use crate::ledger::Ledger;
use crate::model::limits::Limits;
use crate::registry;
use crate::runtime::{Loader, Runtime};

pub use super::error::InvokeError;
pub use super::request::{Consent, Disposition, Files, RunResult};

/// What a run works with.
#[derive(Debug, Clone, Copy)]
pub struct Invoker<'a> {
    /// The truth.
    pub ledger: &'a Ledger,
    /// What it is named, timed and judged with.
    pub desk: Desk<'a>,
    /// What gives a component's machine code.
    pub loader: Loader<'a>,
    /// What a run may use, where its promotion did not narrow it.
    pub limits: &'a Limits,
}

/// Records that a skill was not run, and why.
pub(super) fn not_run(invoker: &Invoker<'_>, request: RunRequest<'_>, error: InvokeError) -> InvokeError {
    let books = Books { desk: invoker.desk, journal: invoker.ledger };
    match invoker.ledger.trusted(request.name) {
        Ok(trusted) => Invocation::new(books, request).not_run(trusted.as_ref(), error),
        Err(broken) => broken.into(),
    }
}

/// Runs a skill by name.
///
/// # Errors
/// [`InvokeError`]. Whatever was asked for while things may run leaves a record of its failure.
pub fn run(invoker: &Invoker<'_>, request: RunRequest<'_>) -> Result<RunResult, InvokeError> {
    let Invoker { ledger, desk, loader, limits } = *invoker;
    // First of all, also before what a crash left is finished: a stop is for everything.
    let authorized = ledger.authorize()?;
    effects::recover(desk.ground(), ledger)?;
    let mut invocation = Invocation::new(Books { desk, journal: ledger }, request);
    let skill = match registry::load(ledger, desk.store, request.name) {
        Ok(skill) => skill,
        Err(error) => return Err(invocation.refused(error)),
    };
    let subject = Subject::from(&skill);
    let authorization = authorized.for_revision(skill.proposal_id());
    let attempt = invocation.input().and_then(|()| {
        let engine = |limits: &Limits| Runtime::new(limits).map(Arc::new);
        let (loaded, code) = LoadedSkill::make(&skill, loader, limits, engine)?;
        invocation.attempt(&loaded, code, Place::ThreadOfItsOwn(ledger, authorization))
    });
    invocation.finish(&subject, (ledger, authorization), attempt)
}
