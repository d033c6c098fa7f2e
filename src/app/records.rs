//! Records of runs: made, looked at, followed, handed on, and drawn as sessions.

use std::time::Duration;

use super::App;
use crate::artifacts::Kind;
use crate::error::Error;
use crate::invoke::prune::{self, Swept};
use crate::invoke::{Consent, Disposition, RunRequest, RunResult, run};
use crate::ledger::{DataVersion, ExecutionRow, LedgerError, Pruned, RecordFilter, RecordTail};
use crate::model::{
    channel::Channel,
    execution::StoredValue,
    id::{ExecutionId, IdPrefix},
    json,
    name::SkillName,
    session::{self, Placed},
    time::{Day, Moment, Timestamp},
};

/// How many new records are looked at in one go.
const NEWS: u32 = 256;

/// Where somebody who waits for new records has come to.
#[derive(Debug)]
pub struct Following {
    opened: DataVersion,
    /// As the ledger was when there was nothing more.
    rest: Option<DataVersion>,
    seen: i64,
}

/// What became of a run that was asked for, and its record.
#[derive(Debug)]
pub struct Consumed {
    /// Its record, as the ledger has it; none where nothing may run, so that none was made.
    pub row: Option<ExecutionRow>,
    /// The run itself.
    pub ran: Result<RunResult, Error>,
}

/// What becomes of inputs and outputs that are too large for a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Large {
    /// Only where they are kept is said.
    Named,
    /// They are put in their place.
    Inline,
}

/// Which session is meant.
#[derive(Debug, Clone)]
pub enum Session {
    /// That of a run.
    Of(IdPrefix),
    /// That of the newest run.
    Latest,
    /// All of a day, as far as they are of that day.
    During(Day),
}

impl App {
    /// The time that is meant now.
    pub fn meant(&self, moment: Moment) -> Timestamp {
        moment.seen_from(self.clock.now())
    }

    /// The time so long ago.
    pub fn ago(&self, span: Duration) -> Timestamp {
        self.clock.now().before(span)
    }

    /// The newest of these records.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn tail(&self, filter: &RecordFilter, most: u32) -> Result<RecordTail, Error> {
        Ok(self.ledger.tail(filter, most)?)
    }

    /// Waits for what comes after these.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn follow(&self, tail: &RecordTail) -> Result<Following, Error> {
        Ok(Following { opened: self.ledger.data_version()?, rest: None, seen: tail.seen })
    }

    /// Records that were written since the last time, in the order in which they were; none when nothing happened, which costs
    /// next to nothing to find out. There may be more when there are some.
    ///
    /// # Errors
    /// When the ledger cannot be read, or another one was put in its place.
    pub fn news(&self, following: &mut Following, filter: &RecordFilter) -> Result<Vec<ExecutionRow>, Error> {
        // The generation first: what changes between the two is looked for again the next time.
        let now = self.ledger.data_version()?;
        if !now.same_file(&following.opened) {
            return Err(LedgerError::Damaged("another file was put in its place".to_owned()).into());
        }
        if following.rest == Some(now) {
            return Ok(Vec::new());
        }
        let RecordTail { rows, seen } = self.ledger.written_after(filter, following.seen, NEWS)?;
        (following.seen, following.rest) = (seen, rows.is_empty().then_some(now));
        Ok(rows)
    }

    /// Runs a trusted skill for the person at the command line, and gives its record, also that of a failure.
    ///
    /// # Errors
    /// When a record that was written cannot be read.
    pub fn consume(
        &self,
        name: SkillName,
        input: Vec<u8>,
        disposition: Disposition,
        consent: Consent,
    ) -> Result<Consumed, Error> {
        let id = ExecutionId::new(self.ids.as_ref());
        let request = RunRequest::new(name, input, self.caller(Channel::Cli));
        let request = RunRequest { disposition, consent, id: Some(id), ..request };
        let ran = run::run(&self.run_context(), &request).map_err(Error::from);
        match (self.ledger.execution(id), ran) {
            (Ok(row), ran) => Ok(Consumed { row: Some(row), ran }),
            // Before there was anything to record, or because it could not be: the run itself says so.
            (Err(_), Err(error)) => Ok(Consumed { row: None, ran: Err(error) }),
            (Err(error), Ok(_)) => Err(error.into()),
        }
    }

    /// Gives each of these records, oldest first, and how many they were.
    ///
    /// # Errors
    /// When the ledger or a value cannot be read, and whatever `each` says.
    pub fn export(
        &self,
        filter: &RecordFilter,
        large: Large,
        each: &mut dyn FnMut(&ExecutionRow) -> Result<(), Error>,
    ) -> Result<u64, Error> {
        self.ledger.each_execution(filter, |row| match large {
            Large::Named => each(&row),
            Large::Inline => each(&self.whole(row)?),
        })
    }

    /// A record with what is too large for it in its place.
    ///
    /// # Errors
    /// When a value is missing from the store, or was changed there.
    pub fn whole(&self, mut row: ExecutionRow) -> Result<ExecutionRow, Error> {
        let record = &mut row.record;
        if let Some(stored) = record.input_stored {
            record.input_json = self.stored(stored)?;
        }
        if let Some(stored) = record.output_stored {
            record.output_json = Some(self.stored(stored)?);
        }
        Ok(row)
    }

    fn stored(&self, value: StoredValue) -> Result<serde_json::Value, Error> {
        let bytes = self.store.get(Kind::Value, value.sha256)?;
        let unreadable = |error| LedgerError::BadValue(format!("value {}: {error}", value.sha256.short()));
        Ok(json::parse_kept(&bytes).map_err(unreadable)?)
    }

    /// The runs of a session, each below the one that it follows from.
    ///
    /// # Errors
    /// When there is no such run, or the ledger cannot be read.
    pub fn session(&self, filter: &Session) -> Result<Vec<Placed>, Error> {
        let entries = match filter {
            Session::Of(prefix) => self.ledger.session(self.ledger.execution_by_prefix(prefix)?.record.execution_id)?,
            Session::Latest => self.ledger.session(self.ledger.newest_execution()?)?,
            Session::During(day) => self.ledger.entries_during(day.start(), day.end())?,
        };
        Ok(session::trees(entries))
    }

    /// How much a prune would throw away now.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn would_prune(&self, older_than: Timestamp) -> Result<Pruned, Error> {
        Ok(self.ledger.would_prune(older_than)?)
    }

    /// Throws away what started before `older_than`, but for what newer records need, and the files that only it referred to.
    ///
    /// # Errors
    /// When the ledger cannot be written, or a file cannot be removed.
    pub fn prune(&self, older_than: Timestamp, by: &str) -> Result<(Pruned, Swept), Error> {
        Ok(prune::prune(&self.run_context(), older_than, by)?)
    }
}
