//! A workspace at a glance.

use super::history::{HistoryService, HistoryStatus};
use super::inbox::{self, Inbox};
use super::open_workspace::OpenWorkspace;
use crate::cage::CageReport;
use crate::error::Error;
use crate::forge::verify::GATES_VERSION;
use crate::invoke::{InvokeError, effects, pending_approval};
use crate::ledger::{LedgerAccess, LedgerError, Proposal, Reverification};
use crate::model::{
    commit::Commit,
    layout::Layout,
    switch::{Switch, SwitchEvent},
};
use crate::runtime::LinkedFolders;

/// A workspace at a glance.
#[derive(Debug)]
pub struct Status {
    /// Where the files of the workspace are.
    pub layout: Layout,
    /// Where the links of the vault that skills follow lead.
    pub linked: LinkedFolders,
    /// The check of what decisions rest on. `doctor --full` checks the whole ledger.
    pub integrity: Result<(), LedgerError>,
    /// How the history is anchored.
    pub history: HistoryStatus,
    /// Every proposal.
    pub proposals: Vec<Proposal>,
    /// Runs, and failed runs.
    pub executions: (u64, u64),
    /// Vault changes that a crash had interrupted, and how they were finished just now.
    pub recovered: Vec<Commit>,
    /// Vault changes that wait for a person.
    pub held: Vec<Commit>,
    /// What waits for a person.
    pub inbox: Inbox,
    /// The trusted skills whose promotion rests on gates before today's, with their version.
    pub older_gates: Vec<(Proposal, u32)>,
    /// What today's gates found in trusted skills, where they were run.
    pub reverified: Vec<(Proposal, Reverification)>,
    /// The cage of this machine.
    pub cage: CageReport,
    /// Whether anything may run.
    pub switch: Switch,
    /// Every event of the switch; empty when they cannot be read.
    pub turns: Vec<SwitchEvent>,
}

/// Reads the status. Finishes runs that a crash interrupted first.
pub(super) fn read(workspace: &OpenWorkspace) -> Result<Status, Error> {
    let ledger = &workspace.ledger;
    // First, so that the counts below show the state after the recovery.
    let recovered = match ledger.access() {
        LedgerAccess::Full => effects::recover(&workspace.run_context())?.complete().map_err(InvokeError::from)?,
        // Nothing can be finished where nothing can be written.
        LedgerAccess::Look => Vec::new(),
    };
    let trusted = ledger.all_trusted()?;
    let (gates, newest) = (ledger.promoted_gates()?, ledger.newest_reverifications()?);
    let older = |proposal: &Proposal| Some(*gates.get(&proposal.id)?).filter(|version| *version < GATES_VERSION);
    let found = |proposal: &Proposal| newest.get(&proposal.id).cloned();
    Ok(Status {
        older_gates: trusted.iter().filter_map(|it| Some((it.clone(), older(it)?))).collect(),
        reverified: trusted.iter().filter_map(|it| Some((it.clone(), found(it)?))).collect(),
        layout: workspace.config.layout.clone(),
        linked: workspace.linked.clone(),
        integrity: ledger.check_decisive(),
        history: HistoryService { workspace }.status()?,
        proposals: ledger.proposals()?,
        executions: ledger.count_executions()?,
        recovered,
        held: pending_approval::list(&workspace.run_context())?,
        inbox: inbox::read(workspace, None)?,
        cage: workspace.cage.probe(),
        switch: ledger.switch(),
        // When the events cannot be read, the switch itself reports it.
        turns: ledger.switch_turns().unwrap_or_default(),
    })
}
