use std::sync::Mutex;

use super::*;
use crate::ledger::{Decided, Ledger};
use crate::model::time::Timestamp;
use crate::policy::charter::CharterError;
use crate::sync::lock;

type Tested = Result<(), Box<dyn std::error::Error>>;

/// A store that has what it is given, and may be down.
#[derive(Debug, Default)]
struct FakeStore(Mutex<FakeState>);

#[derive(Debug, Default)]
struct FakeState {
    rows: GovernanceRows,
    counter: u64,
    disabled: bool,
    down: bool,
    published: u32,
}

/// The same, in the hands of a test and of a reader.
#[derive(Debug, Clone, Default)]
struct SharedStore(Arc<FakeStore>);

impl SharedStore {
    fn change(&self, change: impl FnOnce(&mut FakeState)) {
        change(&mut lock(&self.0.0));
    }

    fn ask<T>(&self, answer: impl FnOnce(&mut FakeState) -> T) -> Result<T, GovernanceStoreError> {
        let mut state = lock(&self.0.0);
        match state.down {
            true => Err(GovernanceStoreError::Unusable("it is down".to_owned())),
            false => Ok(answer(&mut state)),
        }
    }
}

impl GovernanceStore for SharedStore {
    fn mark(&self) -> Result<GovernanceMark, GovernanceStoreError> {
        self.ask(|state| GovernanceMark { counter: state.counter, disabled: state.disabled })
    }

    fn rows(&self) -> Result<GovernanceRows, GovernanceStoreError> {
        self.ask(|state| state.rows.clone())
    }

    fn publish(&self, rows: &GovernanceRows) -> Result<(), GovernanceStoreError> {
        self.ask(|state| {
            state.rows = GovernanceRows { pinned: None, charter_problem: None, ..rows.clone() };
            state.counter += 1;
            state.published += 1;
        })
    }
}

fn at(boot_ms: i64) -> Result<ClockMoment, Box<dyn std::error::Error>> {
    Ok(ClockMoment { wall: Timestamp::parse("2026-11-30T00:00:00.000Z")?, boot: 1, boot_ms })
}

fn reader() -> (SharedStore, ContextReader) {
    let store = SharedStore::default();
    (store.clone(), ContextReader::new(false, Some(Box::new(store))))
}

fn set(ledger: &Ledger, key: &str, value: &str) -> Tested {
    let decided = Decided { by: "ada", at: Timestamp::parse("2026-11-30T00:00:00.000Z")? };
    Ok(ledger.set_policy(&[(key.to_owned(), Some(value.to_owned()))], decided)?)
}

#[test]
fn nothing_is_asked_before_the_first_request_and_a_store_that_is_down_denies() -> Tested {
    let ledger = Ledger::in_memory()?;
    let (store, reader) = reader();
    store.change(|state| state.down = true);
    let view = reader.read(&ledger, at(0)?);
    assert!(view.disabled.is_none() && view.governance.is_err_and(|unread| unread.to_string().contains("it is down")));
    // What is kept answers for its minute, and the kill switch stays unread.
    store.change(|state| state.down = false);
    assert!(reader.read(&ledger, at(1_000)?).governance.is_ok());
    store.change(|state| state.down = true);
    let view = reader.read(&ledger, at(60_999)?);
    assert!(view.governance.is_ok() && view.disabled.is_none());
    assert!(reader.read(&ledger, at(61_000)?).governance.is_err());
    Ok(())
}

#[test]
fn what_the_store_has_is_believed_only_when_the_history_decided_it() -> Tested {
    let ledger = Ledger::in_memory()?;
    let (store, reader) = reader();
    set(&ledger, "rate_limit_per_minute", "60")?;
    // The decision is in the history, and its row is not in the store yet.
    let unread = reader.read(&ledger, at(0)?).governance.err().ok_or("it was read")?;
    assert!(matches!(&unread.error, GovernanceReadError::Store(GovernanceStoreError::Differs(_))), "{unread}");
    // A person can mend it, because their capability is read from the history.
    assert!(reader.read_decided(&ledger).governance.is_ok());
    reader.publish(&ledger)?;
    assert!(reader.read(&ledger, at(0)?).governance.is_ok());
    // An edit that nobody decided.
    store.change(|state| {
        state.rows.policy.insert("rate_limit_per_minute".to_owned(), "1000".to_owned());
        state.counter += 1;
    });
    assert!(reader.read(&ledger, at(1)?).governance.is_err());
    Ok(())
}

#[test]
fn a_charter_of_the_store_that_nobody_set_is_an_error_of_integrity() -> Tested {
    let ledger = Ledger::in_memory()?;
    let (store, reader) = reader();
    let row = crate::model::governance::CharterRow {
        version: 1,
        content_md: Some(String::new()),
        content_hash: String::new(),
        sections_json: String::new(),
        set_by: "eve".to_owned(),
        created_at: Timestamp::parse("2026-11-30T00:00:00.000Z")?,
    };
    store.change(|state| state.rows.charters.push(row));
    let governance = reader.read(&ledger, at(0)?).governance.map_err(|unread| unread.to_string())?;
    assert!(matches!(governance.charter, Err(CharterError::RoleCharterIntegrity(_))), "{governance:?}");
    Ok(())
}

#[test]
fn either_switch_stops_and_is_never_kept() -> Tested {
    let ledger = Ledger::in_memory()?;
    let (store, reader) = reader();
    assert_eq!(reader.read(&ledger, at(0)?).disabled, Some(false));
    store.change(|state| state.disabled = true);
    assert_eq!(reader.read(&ledger, at(0)?).disabled, Some(true));
    store.change(|state| state.disabled = false);
    set(&ledger, "disabled", "true")?;
    assert_eq!(reader.read(&ledger, at(0)?).disabled, Some(true));
    Ok(())
}

#[test]
fn a_reader_without_a_store_publishes_nothing() -> Tested {
    let ledger = Ledger::in_memory()?;
    let reader = ContextReader::new(false, None);
    reader.publish(&ledger)?;
    assert!(!reader.has_store() && reader.store_counter()?.is_none());
    let (store, reader) = self::reader();
    reader.publish(&ledger)?;
    assert_eq!(lock(&store.0.0).published, 1);
    Ok(())
}
