//! Help pages. A global option is hidden where it has no effect; it is accepted there all the same.

use std::ffi::OsString;

use clap::{Arg, Command};

/// Verbs that use no workspace, or make their own.
const WITHOUT_WORKSPACE: &[&str] = &["check", "completions", "demo", "init", "man", "restore", "setup"];

/// Verbs that neither build, compile nor run anything, and report nothing about the sandbox.
const WITHOUT_TOOLS: &[&str] = &[
    "backup",
    "cache",
    "completions",
    "config",
    "effects",
    "export-executions",
    "export-skill",
    "guidance",
    "improve",
    "init",
    "list-skills",
    "man",
    "new",
    "outcome",
    "outcomes",
    "propose-skill",
    "prune",
    "restore",
    "resume",
    "revoke",
    "rollback",
    "session",
    "setup",
    "show",
    "stop",
    "tail-executions",
    "undo",
];

/// The help page that these arguments ask for, in the form in which clap gives it.
pub fn page(mut command: Command, args: &[OsString], shown: clap::Error) -> clap::Error {
    for (option, verbs) in [("workspace", WITHOUT_WORKSPACE), ("unconfined", WITHOUT_TOOLS)] {
        let Some(option) = command.get_arguments().find(|arg| arg.get_id() == option).cloned() else { continue };
        for verb in verbs {
            // A verb that has an option of this name already does not inherit it.
            command = command.mut_subcommand(verb, |verb| verb.arg(hidden(&option)));
        }
    }
    command.try_get_matches_from(args).err().unwrap_or(shown)
}

fn hidden(option: &Arg) -> Arg {
    option.clone().hide(true)
}
