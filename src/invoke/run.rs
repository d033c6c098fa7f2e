//! One run of a trusted skill: ledger → open once → hash → code → input → guest → output → record → vault.

use std::sync::Arc;

use super::draft::{Books, Draft, Place, Subject};
use super::effects;
use super::ready::Ready;
use super::wish::{Desk, Wish};
use crate::ledger::{Footing, Ledger};
use crate::model::limits::Limits;
use crate::registry;
use crate::runtime::{Loader, Runtime};

pub use super::error::InvokeError;
pub use super::wish::{Consent, Files, Ran, Then};

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
pub(super) fn not_run(invoker: &Invoker<'_>, wish: Wish<'_>, error: InvokeError) -> InvokeError {
    let books = Books { desk: invoker.desk, journal: invoker.ledger };
    match invoker.ledger.trusted(wish.name) {
        Ok(trusted) => Draft::new(books, wish).not_run(trusted.as_ref(), error),
        Err(broken) => broken.into(),
    }
}

/// Runs a skill by name.
///
/// # Errors
/// [`InvokeError`]. Whatever was asked for while things may run leaves a record of its failure.
pub fn run(invoker: &Invoker<'_>, wish: Wish<'_>) -> Result<Ran, InvokeError> {
    let Invoker { ledger, desk, loader, limits } = *invoker;
    // First of all, also before what a crash left is finished: a stop is for everything.
    let permit = ledger.permit()?;
    effects::recover(desk.ground(), ledger)?;
    let mut draft = Draft::new(Books { desk, journal: ledger }, wish);
    let skill = match registry::load(ledger, desk.store, wish.name) {
        Ok(skill) => skill,
        Err(error) => return Err(draft.refused(error)),
    };
    let subject = Subject::from(&skill);
    let footing = Footing { permit, revision: Some(skill.proposal_id()) };
    let attempt = draft.input().and_then(|()| {
        let engine = |limits: &Limits| Runtime::new(limits).map(Arc::new);
        let (ready, code) = Ready::make(&skill, loader, limits, engine)?;
        draft.attempt(&ready, code, Place::ThreadOfItsOwn(ledger, footing))
    });
    draft.finish(&subject, (ledger, footing), attempt)
}
