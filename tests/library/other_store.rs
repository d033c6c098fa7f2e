//! A run needs no SQLite: the same run, commit and undo over a store in memory.
#![allow(clippy::unwrap_used)]

use std::cell::RefCell;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use kavi::artifacts::Store;
use kavi::cage::{Cage, Confinement};
use kavi::context::reader::ContextReader;
use kavi::invoke::{InvokeError, NoObserver, RunContext, RunRequest, SharedContext, run, undo};
use kavi::ledger::{
    ChangeStore, Create, Deadlines, Decided, ExecutionRow, ExecutionStore, Journal, Ledger, LedgerError, Proposal,
    Pruned, RunAuthorization, Settled, TrustStore,
};
use kavi::model::channel::{Caller, Channel};
use kavi::model::commit::{Commit, VaultChange};
use kavi::model::digest::Digest;
use kavi::model::exchange::CallBudget;
use kavi::model::execution::ExecutionRecord;
use kavi::model::id::{CommitId, ExecutionId, IdPrefix, RandomIds};
use kavi::model::lifecycle::{CommitState, ProposalStatus};
use kavi::model::name::SkillName;
use kavi::model::switch::{Halt, Revoked, Stopped, Unwatched, Watch};
use kavi::model::time::{Clock, SystemClock, Timestamp};
use kavi::runtime::{CodeCache, Loader, import_table_version};
use kavi::workspace::{Config, Environment};

use crate::support::{self, Workspace};

/// A store in memory.
#[derive(Debug, Default)]
struct MemoryStore {
    trusted: RefCell<Vec<Proposal>>,
    records: RefCell<Vec<ExecutionRecord>>,
    commits: RefCell<Vec<Commit>>,
}

impl MemoryStore {
    fn row(&self, record: &ExecutionRecord) -> ExecutionRow {
        let state = record.commit_id.and_then(|id| self.commit(id).ok()).map(|commit| commit.state);
        let undone = record.commit_id.is_some_and(|id| self.undo_of(id).is_ok_and(|undo| undo.is_some()));
        ExecutionRow { record: record.clone(), commit_state: state, undone }
    }

    fn find_commit(&self, fits: impl Fn(&Commit) -> bool) -> Result<Commit, LedgerError> {
        self.commits.borrow().iter().find(|commit| fits(commit)).cloned().ok_or_else(|| missing("effect"))
    }

    fn in_state(&self, state: CommitState) -> Vec<Commit> {
        self.commits.borrow().iter().filter(|commit| commit.state == state).cloned().collect()
    }

    /// Changes the commit with this id, if it has this state.
    fn step(&self, id: CommitId, from: CommitState, step: impl FnOnce(&mut Commit)) -> Result<(), LedgerError> {
        let mut commits = self.commits.borrow_mut();
        let commit = commits.iter_mut().find(|commit| commit.id == id && commit.state == from);
        commit.map(step).ok_or_else(|| missing("effect in this state"))
    }

    fn check_all(&self, authorizations: &[RunAuthorization]) -> Result<(), LedgerError> {
        let mut all = authorizations.iter();
        all.try_for_each(|held| self.check_authorization(*held)).map_err(|halt| LedgerError::Halted(Box::new(halt)))
    }
}

fn missing(what: &'static str) -> LedgerError {
    LedgerError::NotFound { what, key: "in memory".to_owned() }
}

impl TrustStore for MemoryStore {
    fn authorize(&self) -> Result<RunAuthorization, Stopped> {
        Ok(RunAuthorization::under_event(1))
    }

    fn check_authorization(&self, authorization: RunAuthorization) -> Result<(), Halt> {
        let trusted = self.trusted.borrow();
        let is_trusted = |revision| trusted.iter().any(|proposal| proposal.id == revision);
        match authorization.revision().is_none_or(is_trusted) {
            true => Ok(()),
            false => Err(Revoked { status: ProposalStatus::Revoked }.into()),
        }
    }

    fn watch(&self, _: RunAuthorization) -> Box<dyn Watch + Send> {
        Box::new(Unwatched)
    }

    fn trusted(&self, name: &SkillName) -> Result<Option<Proposal>, LedgerError> {
        Ok(self.trusted.borrow().iter().find(|proposal| proposal.spec.name == *name).cloned())
    }

    fn proposals_named(&self, name: &SkillName) -> Result<Vec<Proposal>, LedgerError> {
        Ok(TrustStore::trusted(self, name)?.into_iter().collect())
    }

    fn skill_names(&self) -> Result<Vec<SkillName>, LedgerError> {
        Ok(self.trusted.borrow().iter().map(|proposal| proposal.spec.name.clone()).collect())
    }
}

impl ExecutionStore for MemoryStore {
    fn execution(&self, id: ExecutionId) -> Result<ExecutionRow, LedgerError> {
        self.execution_by_prefix(&IdPrefix::parse(&id.to_string()).unwrap())
    }

    fn execution_by_prefix(&self, prefix: &IdPrefix) -> Result<ExecutionRow, LedgerError> {
        let records = self.records.borrow();
        let found = records.iter().find(|record| record.execution_id.to_string().starts_with(prefix.as_str()));
        found.map(|record| self.row(record)).ok_or_else(|| missing("run"))
    }

    fn runs_of(&self, commit: CommitId) -> Result<Vec<ExecutionRow>, LedgerError> {
        let records = self.records.borrow();
        Ok(records.iter().filter(|record| record.commit_id == Some(commit)).map(|record| self.row(record)).collect())
    }

    fn call_budget<'c>(&self, _: &SkillName, _: &'c dyn Clock) -> Box<dyn CallBudget + 'c> {
        unreachable!("no skill of this test reaches a host")
    }

    fn newest_time(&self) -> Result<Option<Timestamp>, LedgerError> {
        Ok(self.records.borrow().last().map(|record| record.finished_at))
    }

    fn prune(&self, older_than: Timestamp, _: Decided<'_>) -> Result<Pruned, LedgerError> {
        let mut records = self.records.borrow_mut();
        let before = records.len();
        records.retain(|record| record.started_at >= older_than);
        Ok(Pruned { executions: (before - records.len()) as u64, commits: 0 })
    }

    fn kept_files(&self, file: &mut dyn FnMut(Digest), _: &mut dyn FnMut(Digest)) -> Result<(), LedgerError> {
        for change in self.commits.borrow().iter().flat_map(|commit| &commit.changes) {
            change.before().into_iter().chain(change.after()).for_each(&mut *file);
        }
        Ok(())
    }
}

impl ChangeStore for MemoryStore {
    fn commit(&self, id: CommitId) -> Result<Commit, LedgerError> {
        self.find_commit(|commit| commit.id == id)
    }

    fn commit_by_prefix(&self, prefix: &IdPrefix) -> Result<Commit, LedgerError> {
        self.find_commit(|commit| commit.id.to_string().starts_with(prefix.as_str()))
    }

    fn any_pending_commits(&self) -> Result<bool, LedgerError> {
        Ok(!self.in_state(CommitState::Pending).is_empty())
    }

    fn pending_commits(&self) -> Result<Vec<Commit>, LedgerError> {
        Ok(self.in_state(CommitState::Pending))
    }

    fn held_commits(&self) -> Result<Vec<Commit>, LedgerError> {
        Ok(self.in_state(CommitState::Held))
    }

    fn undo_of(&self, id: CommitId) -> Result<Option<Commit>, LedgerError> {
        let holds = |commit: &&Commit| matches!(commit.state, CommitState::Pending | CommitState::Applied);
        Ok(self.commits.borrow().iter().filter(holds).find(|commit| commit.undoes == Some(id)).cloned())
    }

    fn was_made_without_a_look(&self, _: CommitId) -> Result<bool, LedgerError> {
        Ok(false)
    }

    fn settled_up_to(&self) -> Result<u64, LedgerError> {
        Ok(self.in_state(CommitState::Applied).len() as u64)
    }

    fn recent_change(&self, fits: &dyn Fn(&VaultChange) -> bool) -> Result<Option<(u64, VaultChange)>, LedgerError> {
        let applied = self.in_state(CommitState::Applied);
        let mut newest = applied.iter().enumerate().rev();
        let found = |(at, commit): (usize, &Commit)| {
            let change = commit.changes.iter().find(|change| fits(change))?;
            Some((at as u64 + 1, change.clone()))
        };
        Ok(newest.find_map(found))
    }

    fn commit_difference(&self, _: CommitId) -> Result<Option<String>, LedgerError> {
        // It has one copy of each commit and no history beside it.
        Ok(None)
    }

    fn insert_commit(
        &self,
        commit: &Commit,
        _: &[ExecutionId],
        authorizations: &[RunAuthorization],
    ) -> Result<(), LedgerError> {
        self.check_all(authorizations)?;
        self.commits.borrow_mut().push(commit.clone());
        Ok(())
    }

    fn settle(&self, id: CommitId, settled: &Settled) -> Result<(), LedgerError> {
        self.step(id, CommitState::Pending, |commit| {
            commit.state = match settled {
                Settled::Applied => CommitState::Applied,
                Settled::Reverted(_) => CommitState::Reverted,
                Settled::Held => CommitState::Held,
            };
        })
    }

    fn approve_commit(
        &self,
        id: CommitId,
        _: Decided<'_>,
        _: Deadlines,
        authorizations: &[RunAuthorization],
    ) -> Result<(), LedgerError> {
        self.check_all(authorizations)?;
        self.step(id, CommitState::Held, |commit| commit.state = CommitState::Pending)
    }

    fn reject_commit(&self, id: CommitId, _: Decided<'_>, _: Deadlines, _: Option<&str>) -> Result<(), LedgerError> {
        self.step(id, CommitState::Held, |commit| commit.state = CommitState::Rejected)
    }
}

impl Journal for MemoryStore {
    fn insert_execution(&self, record: &ExecutionRecord) -> Result<(), LedgerError> {
        self.records.borrow_mut().push(record.clone());
        Ok(())
    }

    fn insert_success(
        &self,
        record: &ExecutionRecord,
        commit: Option<&Commit>,
        authorization: RunAuthorization,
    ) -> Result<(), LedgerError> {
        self.check_all(&[authorization])?;
        self.records.borrow_mut().push(record.clone());
        self.commits.borrow_mut().extend(commit.cloned());
        Ok(())
    }

    fn settle(&self, id: CommitId, settled: &Settled) -> Result<(), LedgerError> {
        ChangeStore::settle(self, id, settled)
    }
}

#[test]
fn a_run_its_commit_and_its_undo_need_no_sqlite() {
    let workspace = Workspace::trusted();
    let config = Config::load(workspace.path(), &Environment::default()).unwrap();
    let (layout, name) = (&config.layout, SkillName::parse("act").unwrap());
    let ledger = Ledger::open(&layout.ledger(), Create::Never).unwrap();
    let trusted = RefCell::new(vec![ledger.trusted(&name).unwrap().unwrap()]);
    drop(ledger);
    // From here on there is no ledger at all.
    fs::rename(layout.ledger(), layout.state().join("gone.db")).unwrap();
    let memory = MemoryStore { trusted, ..MemoryStore::default() };

    let store = Store::open(layout).unwrap();
    let cage = Cage::new(PathBuf::from(env!("CARGO_BIN_EXE_kavi")), Confinement::Required);
    let code = CodeCache::new(layout.code_cache(), Some(support::cache().join("code.key")), import_table_version());
    let shared = SharedContext {
        layout,
        linked: &[],
        anchor: None,
        store: &store,
        channels: &config.channels,
        governance: &ContextReader::default(),
        hold: config.effects.held(),
        observer: &NoObserver,
        clock: &SystemClock,
        ids: &RandomIds,
        loader: Loader { cage: &cage, cache: &code },
        roots_file: None,
        secrets: const { &std::collections::BTreeMap::new() },
        limits: &config.limits,
    };
    let context = RunContext { shared, ledger: &memory, journal: &memory };
    let act = || {
        let caller = Arc::new(Caller { channel: Channel::Cli, name: "test".to_owned() });
        let input = crate::commits::act("write").into_bytes();
        run::run(&context, &RunRequest::new(name.clone(), input, caller))
    };

    let before = crate::commits::vault(&workspace);
    let result = act().unwrap();
    assert_ne!(crate::commits::vault(&workspace), before, "its file is in the vault");
    let states = || memory.commits.borrow().iter().map(|commit| commit.state).collect::<Vec<_>>();
    assert_eq!((memory.records.borrow().len(), states()), (1, vec![CommitState::Applied]));

    let prefix = IdPrefix::parse(&result.record.execution_id.to_string()).unwrap();
    let plan = undo::plan(&context, &prefix).unwrap();
    undo::undo(&context, plan, "test").unwrap();
    assert_eq!(crate::commits::vault(&workspace), before);
    assert_eq!(states(), [CommitState::Applied, CommitState::Applied]);

    // The store decides what may run: nothing is trusted any more.
    memory.trusted.borrow_mut().clear();
    assert!(matches!(act(), Err(InvokeError::Trust(_))));
    assert_eq!(memory.records.borrow().len(), 2, "a refusal is recorded");
    assert!(!layout.ledger().exists());
}
