//! Reverify: today's gates over a trusted revision.
//!
//! Guarantees: every gate runs, and none of its results is reused or reusable. Trust stays as it
//! is; the findings are for a person. Deliberately never: revokes, promotes, or writes a component.

use super::context::{CheckedSources, with_context};
use super::error::VerifyError;
use super::gate::{GATES, GATES_VERSION};
use super::scheduler::{self, Schedule};
use crate::forge::context::ForgeContext;
use crate::forge::record::{AffectedViews, record};
use crate::forge::toolchain::Toolchain;
use crate::ledger::{Proposal, Reverification};
use crate::model::{id::VerificationId, lifecycle::Verdict};

/// Runs today's gates over a trusted revision, and records what they find.
///
/// # Errors
/// [`VerifyError`] when the proposal was never trusted, or a gate could not do its work.
pub fn reverify(
    forge: &ForgeContext<'_>,
    proposal: &Proposal,
    toolchain: &Toolchain,
) -> Result<Reverification, VerifyError> {
    let Some(trust) = proposal.trust else {
        return Err(VerifyError::NotTrusted { id: proposal.id.short(), status: proposal.status.to_string() });
    };
    // Its draws follow from its own id, as those of a verification do.
    let (id, started_at) = (VerificationId::new(forge.ids), forge.clock.now());
    let sources = CheckedSources { proposal, snapshot_sha256: trust.snapshot_sha256, toolchain, id, started_at };
    let mut gates = with_context(forge, &sources, |context| {
        // Without a baseline: the revision would only be compared with itself.
        let schedule = Schedule { context, baseline: None, due: &GATES, reused: Verdict::Passed };
        let checked = scheduler::run(&schedule)?;
        // A guest that was ended by a stop looks like one that failed: check before anything is
        // recorded.
        context.check_halted()?;
        Ok(checked.gates)
    })?;
    // They end in any order, on several threads.
    gates.sort_by_key(|gate| GATES.iter().position(|name| *name == gate.name));
    let failed = gates.iter().filter(|gate| gate.verdict == Verdict::Failed);
    let passes = |name: &&str| gates.iter().any(|gate| gate.name == *name && gate.verdict == Verdict::Passed);
    let reverification = Reverification {
        id,
        proposal_id: proposal.id,
        gates_version: GATES_VERSION,
        status: if GATES.iter().all(passes) { Verdict::Passed } else { Verdict::Failed },
        findings: failed.flat_map(|gate| gate.findings.clone()).collect(),
        created_at: started_at,
    };
    record(forge, &proposal.spec.name, AffectedViews::Index, |ledger| ledger.insert_reverification(&reverification))?;
    Ok(reverification)
}
