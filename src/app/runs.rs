//! Runs of trusted skills.

use super::App;
use crate::error::Error;
use crate::invoke::Wish;
use crate::invoke::run::{self, Consent, Ran, Then};
use crate::model::{
    door::{Asked, Door},
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
}
