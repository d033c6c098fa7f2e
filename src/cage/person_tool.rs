//! Programs of the person's own, such as `ssh-keygen`, which need their keys and their terminal.
//!
//! Guarantees: the program gets these variables and no others, and its output is read up to a limit. Deliberately never: runs
//! something that a model wrote, or anything inside of a tree that one wrote. Those go through a [`super::Cage`].

use std::ffi::OsString;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::sync::uninterrupted;

/// Most output that is read, in bytes.
const MOST_OUTPUT: u64 = 64 << 10;

/// A program of the person's own, about to be run.
#[derive(Debug)]
pub struct PersonTool<'a> {
    /// The program.
    pub program: &'a Path,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// All of its environment.
    pub vars: &'a [(String, OsString)],
    /// Its standard input.
    pub input: &'a [u8],
}

/// How a program of the person's ended.
#[derive(Debug)]
pub struct PersonToolEnd {
    /// Whether it says that it succeeded.
    pub success: bool,
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error.
    pub stderr: String,
}

impl PersonTool<'_> {
    /// Runs it to its end. It may ask for a passphrase on the terminal.
    ///
    /// # Errors
    /// When it cannot be started or read.
    pub fn run(&self) -> io::Result<PersonToolEnd> {
        let mut command = Command::new(self.program);
        command.args(&self.args).env_clear().envs(self.vars.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = uninterrupted(|| command.spawn())?;
        // It need not read what it is given: its end says more than a broken pipe.
        let fed = child.stdin.take().map(|mut stdin| stdin.write_all(self.input));
        drop(fed);
        let mut stdout = Vec::new();
        if let Some(out) = child.stdout.take() {
            out.take(MOST_OUTPUT).read_to_end(&mut stdout)?;
        }
        let mut stderr = Vec::new();
        if let Some(out) = child.stderr.take() {
            out.take(MOST_OUTPUT).read_to_end(&mut stderr)?;
        }
        let status = child.wait()?;
        let stderr = String::from_utf8_lossy(&stderr).into_owned();
        Ok(PersonToolEnd { success: status.success(), stdout, stderr })
    }
}
