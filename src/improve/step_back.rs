//! Steps back under standing orders: a published guidance that is worse than an earlier revision makes way for that one.
//!
//! Guarantees: nothing steps back without an order of a person that names the skill and the revision, and that has neither ended
//! nor expired. A clock that is not believed lets no order be used. The evidence is an e-value against the lower bound of the rate
//! that the earlier revision had, in the same environment.
//!
//! Deliberately never: publishes a text that was not published before.

use std::time::Duration;

use super::assessment::{self, SubjectOutcomes};
use super::guidance::{GuidanceContext, GuidanceError};
use super::statistics::{EVIDENCE, UseCounts, Z_90};
use crate::ledger::{Decided, LedgerError, NewStepBack, Proposal, StepBackOrder};
use crate::model::{approver::Approver, name::SkillName, time::Timestamp};

/// The longest that an order may last.
pub const LONGEST_ORDER: Duration = Duration::from_hours(24 * 90);

/// Why there is no order.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// It would last too long, or has ended already.
    #[error("an order must expire after now, and within 90 days: {0} is neither")]
    Expiry(Timestamp),
    /// The skill.
    #[error(transparent)]
    Guidance(#[from] GuidanceError),
    /// The ledger.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
}

/// A step back that was made.
#[derive(Debug, Clone)]
pub struct SteppedBack {
    /// The order that it was made under.
    pub order: StepBackOrder,
    /// The revision that was published before.
    pub from: u32,
    /// Why, with the figures.
    pub why: String,
}

/// Gives an order.
///
/// # Errors
/// [`OrderError`] when it would last too long, or the revision was never published.
pub fn order(
    context: &GuidanceContext<'_>,
    skill: &str,
    to: u32,
    until: Timestamp,
    approver: &Approver,
) -> Result<StepBackOrder, OrderError> {
    let now = context.clock.now();
    if until <= now || until > now.after(LONGEST_ORDER) {
        return Err(OrderError::Expiry(until));
    }
    let trusted = context.trusted(skill)?;
    context.published(&trusted)?;
    let decided = Decided { by: approver.as_str(), at: now };
    Ok(context.ledger.give_step_back_order(&trusted.spec.name, to, until, decided)?)
}

/// Makes the step back that an order of one skill allows, if there is evidence for it.
///
/// # Errors
/// [`GuidanceError`] when the skill cannot be read.
pub(super) fn step(context: &GuidanceContext<'_>, trusted: &Proposal) -> Result<Option<SteppedBack>, GuidanceError> {
    let (ledger, skill, now) = (context.ledger, &trusted.spec.name, context.clock.now());
    let Some(order) = ledger.open_step_back_order(skill)? else { return Ok(None) };
    // A clock that is in doubt decides nothing: turned back, it would keep an order alive for ever.
    if now >= order.until || now < order.at || context.clock.doubt(ledger.newest_time()?).is_some() {
        return Ok(None);
    }
    let published = context.published(trusted)?;
    // Somebody went back by hand. The order stays: a later revision may still need it.
    if published.number == order.to {
        return Ok(None);
    }
    let current = assessment::of(ledger, trusted, &published)?.guidance;
    let earlier = assessment::of_revision(ledger, skill, &ledger.guidance_revision(skill, order.to)?)?;
    let Some(evidence) = evidence(&current, &earlier) else { return Ok(None) };
    let why = words(skill, &order, published.number, &evidence);
    let step = NewStepBack { order: &order, seen: published.number, e_value: evidence.e_value, why: &why, at: now };
    ledger.step_back(&step)?;
    tracing::warn!("{why}");
    Ok(Some(SteppedBack { from: published.number, order, why }))
}

/// Evidence that a revision is worse than an earlier one.
struct StepBackEvidence {
    e_value: f64,
    uses: UseCounts,
    /// The lower bound of the rate of the earlier revision.
    rate: f64,
}

/// Compares two revisions in the environment of the newest run. None where there is no evidence.
fn evidence(current: &SubjectOutcomes, earlier: &SubjectOutcomes) -> Option<StepBackEvidence> {
    let now = current.current()?;
    let before = earlier.environments.iter().find(|before| before.environment == now.environment)?;
    // The lower bound. What is published must do worse than the earlier revision did at least, and
    // not only worse than a lucky share of its uses.
    let rate = before.counts.wilson(Z_90).low;
    let e_value = now.counts.e_value(rate);
    (e_value >= EVIDENCE).then_some(StepBackEvidence { e_value, uses: now.counts, rate })
}

fn words(skill: &SkillName, order: &StepBackOrder, from: u32, evidence: &StepBackEvidence) -> String {
    let StepBackEvidence { e_value, uses, rate } = evidence;
    format!(
        "the guidance of {skill} stepped back from revision {from} to {}: {} of {} uses succeeded, e-value {e_value:.1} \
         against a rate of {rate:.2}; standing order {} of {} is used up",
        order.to,
        uses.ok,
        uses.total(),
        order.number,
        order.by
    )
}
