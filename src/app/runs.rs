//! Runs of trusted skills.

use super::App;
use crate::error::Error;
use crate::invoke::chain::{self, ChainRan, Terms, Together};
use crate::invoke::replay::{self, Replayed, Which};
use crate::invoke::resident::{Parts, Resident};
use crate::invoke::run::{self, Consent, Disposition, RunResult};
use crate::invoke::{Desk, RunRequest, effects};
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
    pub(super) fn desk(&self) -> Desk<'_> {
        Desk {
            layout: &self.config.layout,
            store: &self.store,
            channels: &self.config.channels,
            hold: self.config.effects.held(),
            steps: &effects::Untold,
            clock: self.clock.as_ref(),
            ids: self.ids.as_ref(),
        }
    }

    pub(super) fn invoker(&self) -> run::Invoker<'_> {
        run::Invoker { ledger: &self.ledger, desk: self.desk(), loader: self.loader(), limits: &self.config.limits }
    }

    /// Where the records of many runs at once go, by an opening of the ledger of its own.
    pub(super) fn recorder(&self) -> Result<Recorder, Error> {
        Recorder::start(Ledger::open(&self.config.layout.ledger(), Create::Never)?)
            .map_err(|source| Error::Io { what: "the thread that writes records".to_owned(), source })
    }

    /// What runs many, on so many threads.
    pub(super) fn resident<'a>(&'a self, journal: &'a Recorder, threads: u32) -> Result<Resident<'a>, Error> {
        let parts = Parts { desk: self.desk(), journal, loader: self.loader(), limits: &self.config.limits };
        Ok(Resident::new(parts, threads)?)
    }

    /// Who works at the command line: the name of the account, else its number.
    pub fn person(&self) -> String {
        let named = self.host.environment.text("USER").map(|name| text::line(name.trim(), 100));
        named.filter(|name| !name.is_empty()).unwrap_or_else(|| format!("uid {}", rustix::process::getuid().as_raw()))
    }

    /// Whoever works at the command line, at this door.
    pub(super) fn caller(&self, channel: Channel) -> Caller {
        Caller { channel, name: self.person() }
    }

    /// Runs a trusted skill for the person at the command line.
    ///
    /// # Errors
    /// When policy says no, it is not trusted, its input is off, it failed, or its files could not be moved into the vault.
    pub fn run(
        &self,
        name: &SkillName,
        input: &[u8],
        (disposition, consent): (Disposition, Consent),
    ) -> Result<RunResult, Error> {
        let caller = self.caller(Channel::Cli);
        Ok(run::run(&self.invoker(), RunRequest { disposition, consent, ..RunRequest::run(name, input, &caller) })?)
    }

    /// Repeats a recorded run, with the component that ran then.
    ///
    /// # Errors
    /// When there is no such run, or its skill is gone or changed. What the replay gave is in the result.
    pub fn replay(&self, id: &IdPrefix, (disposition, consent): (Disposition, Consent)) -> Result<Replayed, Error> {
        let id = self.ledger.execution_by_prefix(id)?.record.execution_id;
        let caller = self.caller(Channel::Cli);
        Ok(replay::replay(&self.invoker(), id, Which::Recorded, (&caller, disposition, consent))?)
    }

    /// Repeats every recorded run of a skill, oldest first, with the component that is trusted now.
    ///
    /// # Errors
    /// When the skill is not trusted, or a record cannot be read.
    pub fn replay_all(&self, name: &SkillName, each: &mut dyn FnMut(Replayed)) -> Result<(), Error> {
        let caller = self.caller(Channel::Cli);
        replay::trusted(&self.ledger, name)?;
        for id in self.ledger.runs_to_replay(name)? {
            let terms = (&caller, Disposition::Show, Consent::None);
            each(replay::replay(&self.invoker(), id, Which::Trusted, terms)?);
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
        most: Option<EffectClass>,
        together: Together,
        (disposition, consent): (Disposition, Consent),
    ) -> Result<ChainRan, Error> {
        let terms = Terms { caller: self.caller(Channel::Chain), consent, most, together, disposition };
        Ok(chain::run(&self.invoker(), chain, &terms)?)
    }
}
