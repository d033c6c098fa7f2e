//! Everything that waits for a person, in one place.
//!
//! Guarantees: it is read from the ledger alone, and says the same as the lists of its parts. Deliberately never: decides
//! anything, or hides what was shown before; only failures are counted since the last look.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::effects::{EffectService, HeldChange};
use super::open_workspace::OpenWorkspace;
use crate::artifacts;
use crate::error::Error;
use crate::ledger::{ExecutionRow, OpenProposal, OutcomeFilter, RecordFilter, StepBackOrder};
use crate::model::{lifecycle::ProposalStatus, time::Timestamp};

/// Failures before the first look that are shown.
const FIRST_LOOK: Duration = Duration::from_hours(24);
/// Most failures that are read.
const MOST_FAILURES: u32 = 1_000;

/// What waits for a person.
#[derive(Debug)]
pub struct Inbox {
    /// Changes that are held.
    pub held: Vec<HeldChange>,
    /// Proposals that passed verification.
    pub ready: Vec<OpenProposal>,
    /// Proposals of agents that did not.
    pub proposed: Vec<OpenProposal>,
    /// Standing orders that were used since `since`: a guidance stepped back.
    pub stepped_back: Vec<StepBackOrder>,
    /// Runs that failed since `since`, oldest first.
    pub failures: Vec<ExecutionRow>,
    /// The last look, or a day ago.
    pub since: Timestamp,
}

impl Inbox {
    /// How many things wait, failures included.
    pub fn count(&self) -> usize {
        self.held.len() + self.ready.len() + self.proposed.len() + self.stepped_back.len() + self.failures.len()
    }
}

/// Reads the inbox. `since` takes the place of the last look.
pub(super) fn read(workspace: &OpenWorkspace, since: Option<Timestamp>) -> Result<Inbox, Error> {
    let since = since.unwrap_or_else(|| last_look(workspace));
    let filter = RecordFilter { outcome: OutcomeFilter::Failed, since: Some(since), ..RecordFilter::default() };
    let open = workspace.ledger.open_proposals(None)?;
    let (ready, open): (Vec<_>, Vec<_>) =
        open.into_iter().partition(|open| open.proposal.status == ProposalStatus::Verified);
    let mut stepped_back = workspace.ledger.step_back_orders()?;
    stepped_back.retain(|it| it.end.as_ref().is_some_and(|end| end.e_value.is_some() && end.at >= since));
    Ok(Inbox {
        stepped_back,
        held: (EffectService { workspace }).held_changes()?,
        ready,
        proposed: open.into_iter().filter(|open| open.source.is_some()).collect(),
        failures: workspace.ledger.tail(&filter, MOST_FAILURES)?.rows,
        since,
    })
}

/// Notes that a person looked. In a workspace that can only be read, nothing is noted.
pub(super) fn looked(workspace: &OpenWorkspace) {
    let layout = &workspace.config.layout;
    let time = UNIX_EPOCH + Duration::from_millis(workspace.clock.now().as_millis().unsigned_abs());
    if let Ok(mark) = artifacts::open_lock(&layout.root, &layout.locks().join(MARK)) {
        // Longer than nothing: an empty file was made just now, by a look that was interrupted.
        let _ = mark.set_len(1).and_then(|()| mark.set_modified(time));
    }
}

/// The file whose time is that of the last look.
const MARK: &str = "inbox";

fn last_look(workspace: &OpenWorkspace) -> Timestamp {
    let path = workspace.config.layout.locks().join(MARK);
    let looked = std::fs::symlink_metadata(path).ok().filter(|meta| meta.is_file() && meta.len() > 0);
    let since_epoch = |time: SystemTime| i64::try_from(time.duration_since(UNIX_EPOCH).ok()?.as_millis()).ok();
    let looked = looked.and_then(|meta| since_epoch(meta.modified().ok()?));
    let looked = looked.and_then(|millis| Timestamp::from_millis(millis).ok());
    looked.unwrap_or_else(|| workspace.clock.now().before(FIRST_LOOK))
}
