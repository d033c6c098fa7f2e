//! One run of a trusted skill: ledger → open once → hash → code → input → guest → output → record → vault.
//!
//! Guarantees: what is not trusted does not run; a request leaves a record, also where nothing ran. Deliberately never: keeps
//! anything for the next run (that is `resident`).

use std::sync::Arc;

use super::context::RunContext;
use super::effects;
use super::error::InvokeError;
use super::invocation::{Invocation, RunThread};
use super::loaded_skill::LoadedSkill;
use super::record::RecordedSkill;
use super::request::RunRequest;
use super::result::RunResult;
use crate::model::limits::Limits;
use crate::registry;
use crate::runtime::Runtime;

/// Runs a skill by its name.
///
/// # Errors
/// [`InvokeError`]. The failure is recorded, unless the workspace is stopped.
pub fn run(context: &RunContext<'_>, request: &RunRequest) -> Result<RunResult, InvokeError> {
    let shared = &context.shared;
    // Before recovery: a stop forbids that too.
    let authorized = context.ledger.authorize()?;
    effects::recover(context)?;
    // Before the skill is known: a request for a skill that is not trusted leaves a record too.
    let mut invocation = Invocation::new(context, request);
    let span = invocation.span();
    let _entered = span.enter();
    let skill = match registry::load(context.ledger, shared.store, &request.skill) {
        Ok(skill) => skill,
        Err(error) => return Err(invocation.refused(error)),
    };
    // The switch as it was before the load. A stop since then ends the run, and its record refuses a success.
    let authorization = authorized.for_revision(skill.proposal_id());
    let attempt = invocation.check_json().and_then(|()| {
        let engine = |limits: &Limits| Runtime::new(limits).map(Arc::new);
        let (loaded, code) = LoadedSkill::make(&skill, shared.loader, shared.limits, engine)?;
        invocation.attempt(&loaded, code, RunThread::New(authorization))
    });
    invocation.finish(&RecordedSkill::from(&skill), authorization, attempt)
}

/// Records that a skill was not run, and why.
pub(super) fn not_run(context: &RunContext<'_>, request: &RunRequest, error: InvokeError) -> InvokeError {
    match context.ledger.trusted(&request.skill) {
        Ok(trusted) => Invocation::new(context, request).not_run(trusted.as_ref(), error),
        Err(worse) => worse.into(),
    }
}
