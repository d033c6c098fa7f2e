//! One skill over many inputs, in this process.

use std::io::{self, BufRead};

use super::App;
use crate::error::Error;
use crate::invoke::batch::{self, Batch};
use crate::invoke::{InvokeError, RunRequest, RunResult};
use crate::model::{channel::Channel, name::SkillName};

impl App {
    /// Runs a trusted skill over every line of `input`, on so many threads, and gives the answers in the order of the lines.
    ///
    /// # Errors
    /// When not even one thread can begin. What becomes of a line is told to `answer` alone.
    pub fn run_batch(
        &self,
        name: &SkillName,
        threads: u32,
        input: &mut (dyn BufRead + Send),
        answer: &mut (dyn FnMut(u64, Result<RunResult, Error>) -> io::Result<()> + Send),
    ) -> Result<Batch, Error> {
        let recorder = self.recorder()?;
        let resident = self.resident(&recorder, threads)?;
        let template = RunRequest::new(name.clone(), Vec::new(), self.caller(Channel::Cli));
        let mut sink = |number: u64, ran: Result<RunResult, InvokeError>| answer(number, ran.map_err(Error::from));
        Ok(batch::run(&resident, &template, threads, input, &mut sink)?)
    }
}
