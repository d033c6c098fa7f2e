//! Runs of trusted skills.

use super::App;
use crate::error::Error;
use crate::invoke::Wish;
use crate::invoke::chain::{self, ChainRan, Terms, Together};
use crate::invoke::replay::{self, Replayed, Which};
use crate::invoke::run::{self, Consent, Ran, Then};
use crate::model::{
    chain::Chain,
    door::{Asked, Door},
    effect::EffectClass,
    id::IdPrefix,
    name::SkillName,
};

impl App {
    /// Whoever works at the command line, at this door.
    pub(super) fn asked(&self, door: Door) -> Asked {
        Asked { door, by: self.person() }
    }

    /// Runs a trusted skill for the person at the command line.
    ///
    /// # Errors
    /// When policy says no, it is not trusted, its input is off, it failed, or its files could not be moved into the vault.
    pub fn run(&self, name: &SkillName, input: &[u8], (then, consent): (Then, Consent)) -> Result<Ran, Error> {
        let asked = self.asked(Door::Cli);
        Ok(run::run(&self.invoker(), Wish { then, consent, ..Wish::run(name, input, &asked) })?)
    }

    /// Repeats a recorded run, with the component that ran then.
    ///
    /// # Errors
    /// When there is no such run, or its skill is gone or changed. What the replay gave is in the result.
    pub fn replay(&self, id: &IdPrefix, (then, consent): (Then, Consent)) -> Result<Replayed, Error> {
        let id = self.ledger.execution_by_prefix(id)?.record.execution_id;
        let asked = self.asked(Door::Cli);
        Ok(replay::replay(&self.invoker(), id, Which::Recorded, (&asked, then, consent))?)
    }

    /// Repeats every recorded run of a skill, oldest first, with the component that is trusted now.
    ///
    /// # Errors
    /// When the skill is not trusted, or a record cannot be read.
    pub fn replay_all(&self, name: &SkillName, each: &mut dyn FnMut(Replayed)) -> Result<(), Error> {
        let asked = self.asked(Door::Cli);
        for id in self.ledger.runs_to_replay(name)? {
            let terms = (&asked, Then::Show, Consent::None);
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
        (then, consent): (Then, Consent),
    ) -> Result<ChainRan, Error> {
        let terms = Terms { asked: self.asked(Door::Chain), consent, most, together, then };
        Ok(chain::run(&self.invoker(), chain, &terms)?)
    }
}
