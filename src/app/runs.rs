//! Runs of trusted skills for the person at the command line: one, many, a chain, a replay.

use std::fmt;
use std::io::{self, BufRead};
use std::sync::Arc;

use super::notify::NotifyService;
use super::open_workspace::OpenWorkspace;
use crate::error::Error;
use crate::invoke::batch::{self, Batch, BatchAnswer};
use crate::invoke::chain::{self, ChainFiles, ChainRequest, ChainResult, CommitMode, LeftFiles};
use crate::invoke::replay::{self, ReplayComponent, ReplayRequest, Replayed};
use crate::invoke::{Consent, Disposition, InvokeError, RunRequest, RunResult, run};
use crate::ledger::{Create, ExecutionRow, Ledger};
use crate::model::{
    chain::Chain,
    channel::Channel,
    effect::EffectClass,
    id::{ExecutionId, IdPrefix},
    lifecycle::Purpose,
    name::SkillName,
};
use crate::policy::actor_capability::ActorCapability;

/// The result of a run together with its record.
#[derive(Debug)]
pub struct Consumed {
    /// The record, as the ledger has it; none when the workspace is stopped, because then no record is made.
    pub row: Option<ExecutionRow>,
    /// The run.
    pub ran: Result<RunResult, Error>,
}

/// A skill, and the lines that it is to run over.
pub struct BatchRequest<'a> {
    /// The skill.
    pub skill: &'a SkillName,
    /// What happens to the files.
    pub disposition: Disposition,
    /// How many lines run at one time at most.
    pub threads: u32,
    /// The lines, each the input of a run.
    pub input: &'a mut (dyn BufRead + Send),
    /// Takes the result of each line, in the order of the lines.
    pub answer: &'a mut (dyn FnMut(u64, Result<RunResult, Error>) -> io::Result<()> + Send),
}

impl fmt::Debug for BatchRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchRequest").field("skill", &self.skill).finish_non_exhaustive()
    }
}

/// A batch whose files are one commit.
#[derive(Debug)]
pub struct BatchTogether {
    /// The lines.
    pub batch: Batch,
    /// What happened to the files, if there were any.
    pub files: Option<ChainFiles>,
}

/// The error of a run, with the id of its record if it has one.
fn failed_run(ledger: &Ledger, run: ExecutionId, error: InvokeError) -> Error {
    match ledger.execution(run) {
        Ok(_) => Error::Run { run, source: Box::new(error) },
        Err(_) => error.into(),
    }
}

/// The runs of one workspace.
#[derive(Debug, Clone, Copy)]
pub struct RunService<'a> {
    pub(super) workspace: &'a OpenWorkspace,
}

impl RunService<'_> {
    /// Runs a trusted skill.
    ///
    /// # Errors
    /// When policy denies it, it is not trusted, its input is invalid, it failed, or its files could not be committed.
    pub fn run(
        &self,
        name: SkillName,
        input: Vec<u8>,
        disposition: Disposition,
        consent: Consent,
    ) -> Result<RunResult, Error> {
        let id = ExecutionId::new(self.workspace.ids.as_ref());
        let request = RunRequest::new(name, input, self.workspace.caller(Channel::Cli));
        let request = RunRequest { disposition, consent, id: Some(id), ..request };
        let ran = run::run(&self.workspace.run_context(), &request);
        self.tell();
        ran.map_err(|error| failed_run(&self.workspace.ledger, id, error))
    }

    /// Runs a trusted skill and returns its record too, also when it failed.
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
        // Made here, because a failed run returns no record, and its id is the only way to find it.
        let id = ExecutionId::new(self.workspace.ids.as_ref());
        let request = RunRequest::new(name, input, self.workspace.caller(Channel::Cli));
        let request = RunRequest { disposition, consent, id: Some(id), ..request };
        let ran = run::run(&self.workspace.run_context(), &request);
        self.tell();
        let ran = ran.map_err(|error| failed_run(&self.workspace.ledger, id, error));
        match (self.workspace.ledger.execution(id), ran) {
            (Ok(row), ran) => Ok(Consumed { row: Some(row), ran }),
            // The run failed before there was a record, or because none could be written. Its error says which.
            (Err(_), Err(error)) => Ok(Consumed { row: None, ran: Err(error) }),
            (Err(error), Ok(_)) => Err(error.into()),
        }
    }

    /// Runs a trusted skill on every line.
    ///
    /// # Errors
    /// When no thread can start. The result of a line goes to `answer` alone.
    pub fn run_batch(&self, batch: BatchRequest<'_>) -> Result<Batch, Error> {
        let BatchRequest { skill, disposition, threads, input, answer } = batch;
        let request = RunRequest::new(skill.clone(), Vec::new(), self.workspace.caller(Channel::Cli));
        let batch = self.batch(&RunRequest { disposition, ..request }, threads, input, answer)?;
        self.tell();
        Ok(batch)
    }

    /// The same with the files of all lines as one commit: they are held, reach the vault and are undone together. Where a line
    /// fails, none of them is kept.
    ///
    /// # Errors
    /// As [`RunService::run_batch`], and when two lines write the same file, or the files could not be committed.
    pub fn run_batch_together(&self, batch: BatchRequest<'_>) -> Result<BatchTogether, Error> {
        let BatchRequest { skill, disposition, threads, input, answer } = batch;
        let purpose = if disposition == Disposition::Show { Purpose::DryRun } else { Purpose::Run };
        let request = RunRequest::new(skill.clone(), Vec::new(), self.workspace.caller(Channel::Cli));
        let request = RunRequest { disposition: Disposition::Leave, purpose, ..request };
        let decided = chain::batch_disposition(&self.workspace.run_context(), &request, disposition)?;
        let (mut left, mut failed) = (Vec::new(), false);
        let mut take = |number: u64, mut ran: Result<RunResult, Error>| {
            match &mut ran {
                Ok(result) => left.extend(LeftFiles::take(result)),
                Err(_) => failed = true,
            }
            answer(number, ran)
        };
        let batch = self.batch(&request, threads, input, &mut take)?;
        // A line that was not read or not answered is missing as well: the whole is not what was asked for.
        let is_whole = !failed && batch.unread.is_none() && batch.unheard.is_none();
        let files = match is_whole {
            true => chain::commit_files(&self.workspace.run_context(), left, decided),
            false => Ok((!left.is_empty()).then_some(ChainFiles::Dropped)),
        };
        self.tell();
        Ok(BatchTogether { batch, files: files? })
    }

    fn batch(
        &self,
        template: &RunRequest,
        threads: u32,
        input: &mut (dyn BufRead + Send),
        answer: &mut (dyn FnMut(u64, Result<RunResult, Error>) -> io::Result<()> + Send),
    ) -> Result<Batch, Error> {
        let recorder = self.workspace.recorder()?;
        let resident = self.workspace.resident(&recorder, threads)?;
        // Opened with the first failure, for the threads of the batch: the workspace has its own for this thread.
        let (path, mut records) = (self.workspace.config.layout.ledger(), None);
        let mut sink = |BatchAnswer { number, run, ran }: BatchAnswer| {
            let ran = ran.map_err(|error| {
                let records = records.get_or_insert_with(|| Ledger::open(&path, Create::Never).ok());
                match records {
                    Some(ledger) => failed_run(ledger, run, error),
                    None => error.into(),
                }
            });
            answer(number, ran)
        };
        Ok(batch::run(&resident, template, threads, input, &mut sink)?)
    }

    /// Runs a chain.
    ///
    /// # Errors
    /// When the chain is invalid, policy denies it, or its files could not be committed. Failed steps are in the result.
    pub fn run_chain(
        &self,
        chain: &Chain,
        max_class: Option<EffectClass>,
        commit_mode: CommitMode,
        disposition: Disposition,
        consent: Consent,
    ) -> Result<ChainResult, Error> {
        let caller = self.workspace.caller(Channel::Chain);
        let request = ChainRequest { chain, caller, consent, max_class, commit_mode, disposition };
        let ran = chain::run(&self.workspace.run_context(), &request);
        self.tell();
        Ok(ran?)
    }

    fn tell(&self) {
        NotifyService { workspace: self.workspace }.tell();
    }

    /// The error of a step, with the id of its record if it has one.
    pub fn step_error(&self, run: ExecutionId, error: InvokeError) -> Error {
        failed_run(&self.workspace.ledger, run, error)
    }

    /// Repeats a recorded run with the component that ran then.
    ///
    /// # Errors
    /// When there is no such run, or its component is missing or changed. A difference is in the result.
    pub fn replay(&self, id: &IdPrefix, disposition: Disposition, consent: Consent) -> Result<Replayed, Error> {
        self.workspace.allow_person(ActorCapability::ReplayRun)?;
        let request = ReplayRequest {
            execution: self.workspace.ledger.execution_by_prefix(id)?.record.execution_id,
            component: ReplayComponent::Recorded,
            caller: self.workspace.caller(Channel::Cli),
            consent,
            disposition,
        };
        Ok(replay::replay(&self.workspace.run_context(), request)?)
    }

    /// Repeats every recorded run of a skill, oldest first, with the component that is trusted now.
    ///
    /// # Errors
    /// When the skill is not trusted, or a record cannot be read.
    pub fn replay_all(&self, name: &SkillName, each: &mut dyn FnMut(Replayed)) -> Result<(), Error> {
        self.workspace.allow_person(ActorCapability::ReplayRun)?;
        let caller = self.workspace.caller(Channel::Cli);
        // Once before the first one. Otherwise each record would fail with the same error.
        replay::trusted(&self.workspace.ledger, name)?;
        for execution in self.workspace.ledger.runs_to_replay(name)? {
            let request = ReplayRequest {
                execution,
                component: ReplayComponent::Trusted,
                caller: Arc::clone(&caller),
                // Shown and never kept, so nothing needs a person's consent.
                consent: Consent::None,
                disposition: Disposition::Show,
            };
            each(replay::replay(&self.workspace.run_context(), request)?);
        }
        Ok(())
    }
}
