//! Runs of trusted skills.

use std::sync::Arc;

use super::App;
use crate::error::Error;
use crate::invoke::chain::{self, ChainRequest, ChainResult, CommitMode};
use crate::invoke::replay::{self, ReplayComponent, ReplayRequest, Replayed};
use crate::invoke::resident::Resident;
use crate::invoke::{Consent, Disposition, NoObserver, RunContext, RunRequest, RunResult, SharedContext, run};
use crate::ledger::{Create, Ledger, Recorder};
use crate::model::{
    chain::Chain,
    channel::{Caller, Channel},
    effect::EffectClass,
    id::IdPrefix,
    name::SkillName,
    text,
};

impl App {
    /// What all runs of this process share.
    pub(super) fn shared_context(&self) -> SharedContext<'_> {
        SharedContext {
            layout: &self.config.layout,
            store: &self.store,
            channels: &self.config.channels,
            hold: self.config.effects.held(),
            observer: &NoObserver,
            clock: self.clock.as_ref(),
            ids: self.ids.as_ref(),
            loader: self.loader(),
            limits: &self.config.limits,
        }
    }

    /// What a run on this thread works with.
    pub(super) fn run_context(&self) -> RunContext<'_> {
        self.shared_context().with_ledger(&self.ledger)
    }

    /// Where the records of many runs at once go, by an opening of the ledger of its own.
    pub(super) fn recorder(&self) -> Result<Recorder, Error> {
        Recorder::start(Ledger::open(&self.config.layout.ledger(), Create::Never)?)
            .map_err(|source| Error::Io { what: "the thread that writes records".to_owned(), source })
    }

    /// What runs many, on so many threads.
    pub(super) fn resident<'a>(&'a self, journal: &'a Recorder, threads: u32) -> Result<Resident<'a>, Error> {
        Ok(Resident::new(self.shared_context(), journal, threads)?)
    }

    /// Who works at the command line: the name of the account, else its number.
    pub fn person(&self) -> String {
        let named = self.host.environment.text("USER").map(|name| text::line(name.trim(), 100));
        named.filter(|name| !name.is_empty()).unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
    }

    /// Whoever works at the command line, at this door.
    pub(super) fn caller(&self, channel: Channel) -> Arc<Caller> {
        Arc::new(Caller { channel, name: self.person() })
    }

    /// Runs a trusted skill for the person at the command line.
    ///
    /// # Errors
    /// When policy says no, it is not trusted, its input does not match, it failed, or its files could not be committed.
    pub fn run(
        &self,
        name: SkillName,
        input: Vec<u8>,
        disposition: Disposition,
        consent: Consent,
    ) -> Result<RunResult, Error> {
        let request = RunRequest::new(name, input, self.caller(Channel::Cli));
        Ok(run::run(&self.run_context(), &RunRequest { disposition, consent, ..request })?)
    }

    /// Repeats a recorded run, with the component that ran then.
    ///
    /// # Errors
    /// When there is no such run, or its skill is gone or changed. What the replay gave is in the result.
    pub fn replay(&self, id: &IdPrefix, disposition: Disposition, consent: Consent) -> Result<Replayed, Error> {
        let request = ReplayRequest {
            execution: self.ledger.execution_by_prefix(id)?.record.execution_id,
            component: ReplayComponent::Recorded,
            caller: self.caller(Channel::Cli),
            consent,
            disposition,
        };
        Ok(replay::replay(&self.run_context(), request)?)
    }

    /// Repeats every recorded run of a skill, oldest first, with the component that is trusted now.
    ///
    /// # Errors
    /// When the skill is not trusted, or a record cannot be read.
    pub fn replay_all(&self, name: &SkillName, each: &mut dyn FnMut(Replayed)) -> Result<(), Error> {
        let caller = self.caller(Channel::Cli);
        replay::trusted(&self.ledger, name)?;
        for execution in self.ledger.runs_to_replay(name)? {
            let request = ReplayRequest {
                execution,
                component: ReplayComponent::Trusted,
                caller: Arc::clone(&caller),
                consent: Consent::None,
                disposition: Disposition::Show,
            };
            each(replay::replay(&self.run_context(), request)?);
        }
        Ok(())
    }

    /// Runs a chain for the person at the command line.
    ///
    /// # Errors
    /// When it can never work, policy says no, or its files could not be committed. What became of a step is in the result.
    pub fn run_chain(
        &self,
        chain: &Chain,
        max_class: Option<EffectClass>,
        commit_mode: CommitMode,
        disposition: Disposition,
        consent: Consent,
    ) -> Result<ChainResult, Error> {
        let caller = self.caller(Channel::Chain);
        let request = ChainRequest { chain, caller, consent, max_class, commit_mode, disposition };
        Ok(chain::run(&self.run_context(), &request)?)
    }
}
