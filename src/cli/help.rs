//! Help pages. A global option is hidden where it has no effect; it is accepted there all the same.

use std::ffi::OsString;

use clap::{Arg, Command};

/// The heading of the options that every verb takes.
pub const GLOBAL: &str = "Global options";

/// The text below the list of verbs.
pub const EXAMPLES: &str = "\
Examples:
  # all steps of a skill, in a throwaway workspace
  kavi demo
  # a workspace of your own
  kavi init notes && cd notes
  kavi new greet
  kavi propose-skill --name greet --desc 'Greets' --side-effect READ_ONLY \\
      --io-schema-json '{\"input\":{\"who\":\"str\"},\"output\":{\"greeting\":\"str\"}}'
  kavi build-skill greet --builder import --from skills/greet
  kavi verify-skill greet
  kavi promote-skill greet --approved-by 'Ada Lovelace'
  kavi run-skill greet --json '{\"who\":\"Ada\"}'

KAVI_LOG selects what is logged, for example KAVI_LOG=kavi::forge=debug.
A result longer than the screen is shown in KAVI_PAGER, PAGER or `less`.
KAVI_PAGER=cat turns that off.

Exit codes: 0 done, 1 failed, 2 usage, 3 refused, 4 verification failed,
5 skill failed or hit a limit, 6 a tool or service is missing,
70 an error of Kavi itself or a broken ledger.";

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
