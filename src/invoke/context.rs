//! What runs work with.
//!
//! [`SharedContext`] is the same for all threads of a process. [`RunContext`] adds what belongs to one thread: its connection
//! to the ledger, and the journal for its records. A run, a chain, a replay, an approval and an undo all take a [`RunContext`].
//!
//! Deliberately never: decides or writes anything.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::commit_point::CommitObserver;
use crate::artifacts::Store;
use crate::context::reader::{ContextReader, ContextView};
use crate::history::anchor::HistoryAnchor;
use crate::ledger::{Journal, Ledger, LedgerError, RunStore};
use crate::model::{
    clock_doubt::ClockDoubt,
    id::IdSource,
    layout::Layout,
    limits::Limits,
    secret::{SecretName, SecretStore},
    time::{Clock, Timestamp},
};
use crate::policy::channels::ChannelPolicy;
use crate::runtime::{LinkedFolder, Loader};

/// What all runs of a process share.
#[derive(Debug, Clone, Copy)]
pub struct SharedContext<'a> {
    /// The folders of the workspace.
    pub layout: &'a Layout,
    /// The linked folders of the vault that skills read.
    pub linked: &'a [LinkedFolder],
    /// Where the ledger's checkpoints are signed and kept, for connections of other threads.
    pub anchor: Option<&'a Arc<dyn HistoryAnchor>>,
    /// Components, and files and values by their digest.
    pub store: &'a Store,
    /// What each channel may do.
    pub channels: &'a ChannelPolicy,
    /// Reads charter, policy and capabilities.
    pub governance: &'a ContextReader,
    /// How long a held effect waits for a person.
    pub hold: Duration,
    /// Is told how far a commit is.
    pub observer: &'a dyn CommitObserver,
    /// The time.
    pub clock: &'a dyn Clock,
    /// New ids.
    pub ids: &'a dyn IdSource,
    /// Gives the machine code of a component.
    pub loader: Loader<'a>,
    /// A file with the certificate authorities that the requests of runs trust; none for those that are built in.
    pub roots_file: Option<&'a Path>,
    /// Where the values of secrets are.
    pub secrets: &'a BTreeMap<SecretName, SecretStore>,
    /// What a run may use, unless its promotion narrowed it.
    pub limits: &'a Limits,
}

/// What one run works with.
#[derive(Debug, Clone, Copy)]
pub struct RunContext<'a> {
    /// What it shares with the other runs of the process.
    pub shared: SharedContext<'a>,
    /// What may run, what ran, and what it changed: this thread's connection to the ledger, or another store.
    pub ledger: &'a dyn RunStore,
    /// Where records are written: the ledger itself, or a recorder that writes those of many threads together.
    pub journal: &'a dyn Journal,
}

impl RunContext<'_> {
    /// What holds about agents now.
    pub fn governance(&self) -> ContextView {
        self.shared.governance.read(self.ledger, self.shared.clock.moment())
    }

    /// Why the clock is not to be believed, if it is not.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn clock_doubt(&self) -> Result<Option<ClockDoubt>, LedgerError> {
        Ok(self.shared.clock.doubt(self.ledger.newest_time()?))
    }

    /// The time by which deadlines are measured. None while the clock is in doubt: then what is held stays held.
    ///
    /// # Errors
    /// [`LedgerError`] when the ledger cannot be read.
    pub fn deadline_time(&self) -> Result<Option<Timestamp>, LedgerError> {
        Ok(self.clock_doubt()?.is_none().then(|| self.shared.clock.now()))
    }
}

impl<'a> SharedContext<'a> {
    /// The context of runs that write their records into the ledger themselves.
    pub fn with_ledger(self, ledger: &'a Ledger) -> RunContext<'a> {
        RunContext { shared: self, ledger, journal: ledger }
    }
}
