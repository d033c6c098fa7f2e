//! Records of runs: listed, followed, exported, grouped into sessions, and pruned.

use std::time::Duration;

use super::open_workspace::OpenWorkspace;
use crate::artifacts::StoredKind;
use crate::error::Error;
use crate::invoke::prune::{self, Swept};
use crate::ledger::{DataVersion, ExecutionRow, LedgerError, Pruned, RecordFilter, RecordTail};
use crate::model::{
    commit::Commit,
    execution::StoredValue,
    id::IdPrefix,
    json,
    session::{self, RunNode},
    time::{Day, Moment, Timestamp},
};
use crate::policy::actor_capability::ActorCapability;

/// Most new records that are read in one query.
const NEW_RECORDS: u32 = 256;

/// The position of a reader that waits for new records.
#[derive(Debug)]
pub struct Following {
    opened: DataVersion,
    /// The version of the ledger in which there was no newer record.
    exhausted: Option<DataVersion>,
    seen: i64,
}

/// How inputs and outputs appear that are too large for a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Large {
    /// As a reference to the store.
    Named,
    /// In full.
    Inline,
}

/// Which session to show.
#[derive(Debug, Clone)]
pub enum SessionSelector {
    /// The session of a run.
    Of(IdPrefix),
    /// The session of the newest run.
    Latest,
    /// The runs of one day, by session.
    During(Day),
}

/// Everything that is known of one run.
#[derive(Debug)]
pub struct RunDossier {
    /// Its record, with input and output in full.
    pub row: ExecutionRow,
    /// The commit that its files are part of.
    pub commit: Option<Commit>,
    /// The commit that undid them.
    pub undo: Option<Commit>,
}

/// The records of one workspace.
#[derive(Debug, Clone, Copy)]
pub struct RecordService<'a> {
    pub(super) workspace: &'a OpenWorkspace,
}

impl RecordService<'_> {
    /// The time that a moment means now.
    pub fn meant(&self, moment: Moment) -> Timestamp {
        moment.seen_from(self.workspace.clock.now())
    }

    /// The time that long ago.
    pub fn ago(&self, span: Duration) -> Timestamp {
        self.workspace.clock.now().before(span)
    }

    /// The newest records that match.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn newest(&self, filter: &RecordFilter, most: u32) -> Result<RecordTail, Error> {
        Ok(self.workspace.ledger.tail(filter, most)?)
    }

    /// Starts to follow the records after these.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn follow(&self, tail: &RecordTail) -> Result<Following, Error> {
        Ok(Following { opened: self.workspace.ledger.data_version()?, exhausted: None, seen: tail.seen })
    }

    /// Records that were written since the last call, in the order of writing. When some are returned, there may be more.
    ///
    /// # Errors
    /// When the ledger cannot be read, or its file was replaced.
    pub fn written_since(&self, following: &mut Following, filter: &RecordFilter) -> Result<Vec<ExecutionRow>, Error> {
        // The version is read before the records: a change in between is then found by the next call.
        let now = self.workspace.ledger.data_version()?;
        // The connection still reads the old file, in which nothing would ever be written again.
        if !now.same_file(&following.opened) {
            return Err(LedgerError::Damaged("another file was put in its place".to_owned()).into());
        }
        // Nobody has committed since the last look, which costs far less than a query.
        if following.exhausted == Some(now) {
            return Ok(Vec::new());
        }
        let RecordTail { rows, seen } = self.workspace.ledger.written_after(filter, following.seen, NEW_RECORDS)?;
        (following.seen, following.exhausted) = (seen, rows.is_empty().then_some(now));
        Ok(rows)
    }

    /// Passes each matching record to `each`, oldest first, and returns their number.
    ///
    /// # Errors
    /// When the ledger or a value cannot be read, or `each` fails.
    pub fn export(
        &self,
        filter: &RecordFilter,
        large: Large,
        each: &mut dyn FnMut(&ExecutionRow) -> Result<(), Error>,
    ) -> Result<u64, Error> {
        self.workspace.ledger.each_execution(filter, |row| match large {
            Large::Named => each(&row),
            Large::Inline => each(&self.expand(row)?),
        })
    }

    /// A record with its stored input and output in full.
    ///
    /// # Errors
    /// When a value is missing from the store, or was changed.
    pub fn expand(&self, mut row: ExecutionRow) -> Result<ExecutionRow, Error> {
        let record = &mut row.record;
        if let Some(stored) = record.input_stored {
            record.input_json = self.stored(stored)?;
        }
        if let Some(stored) = record.output_stored {
            record.output_json = Some(self.stored(stored)?);
        }
        Ok(row)
    }

    /// Everything that is known of a run.
    ///
    /// # Errors
    /// When the ledger cannot be read, or a stored value is missing or was changed.
    pub fn dossier(&self, row: ExecutionRow) -> Result<RunDossier, Error> {
        let ledger = &self.workspace.ledger;
        let commit = row.record.commit_id.map(|id| ledger.commit(id)).transpose()?;
        let undo = row.record.commit_id.map_or(Ok(None), |id| ledger.undo_of(id))?;
        Ok(RunDossier { row: self.expand(row)?, commit, undo })
    }

    fn stored(&self, value: StoredValue) -> Result<serde_json::Value, Error> {
        // Checked against the digest in the record. A value that was edited in the store is an
        // error.
        let bytes = self.workspace.store.get(StoredKind::Value, value.sha256)?;
        let unreadable = |error| LedgerError::BadValue(format!("value {}: {error}", value.sha256.short()));
        Ok(json::parse_kept(&bytes).map_err(unreadable)?)
    }

    /// The runs of a session, each below the run that it follows from.
    ///
    /// # Errors
    /// When there is no such run, or the ledger cannot be read.
    pub fn session(&self, which: &SessionSelector) -> Result<Vec<RunNode>, Error> {
        let entries = match which {
            SessionSelector::Of(prefix) => {
                self.workspace.ledger.session(self.workspace.ledger.execution_by_prefix(prefix)?.record.execution_id)?
            }
            SessionSelector::Latest => self.workspace.ledger.session(self.workspace.ledger.newest_execution()?)?,
            SessionSelector::During(day) => self.workspace.ledger.entries_during(day.start(), day.end())?,
        };
        Ok(session::trees(entries))
    }

    /// What a prune would delete now.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn prune_preview(&self, older_than: Timestamp) -> Result<Pruned, Error> {
        Ok(self.workspace.ledger.would_prune(older_than)?)
    }

    /// Deletes records that started before `older_than`, except those that newer records need, and files that only they used.
    ///
    /// # Errors
    /// When the ledger cannot be written, or a file cannot be removed.
    pub fn prune(&self, older_than: Timestamp, by: &str) -> Result<(Pruned, Swept), Error> {
        self.workspace.allow_person(ActorCapability::PruneRecords)?;
        Ok(prune::prune(&self.workspace.run_context(), older_than, by)?)
    }
}
