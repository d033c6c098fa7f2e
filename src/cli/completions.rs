//! `kavi completions`, and the answers to a shell that completes a command line.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::process::ExitCode;
use std::sync::OnceLock;

use clap_complete::CompletionCandidate;
use clap_complete::env::{CompleteEnv, Shells};
use serde_json::json;

use super::{Context, JsonFlag};
use crate::app::{App, Host, Walls};
use crate::error::Error;
use crate::model::{lifecycle::ProposalStatus, text};

/// A shell that completes sets this to its name. The scripts that `kavi completions` prints do.
pub const VARIABLE: &str = "KAVI_COMPLETE";

/// Print the script that completes verbs, options, and the names of skills in a shell.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  eval \"$(kavi completions bash)\"
  kavi completions fish > ~/.config/fish/completions/kavi.fish")]
pub struct Args {
    shell: Shell,
    #[command(flatten)]
    pub json: JsonFlag,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Shell {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
}

impl Shell {
    fn name(self) -> &'static str {
        match self {
            Self::Bash => "bash",
            Self::Elvish => "elvish",
            Self::Fish => "fish",
            Self::Powershell => "powershell",
            Self::Zsh => "zsh",
        }
    }
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let name = args.shell.name();
    let mut script = Vec::new();
    let known = Shells::builtins();
    let shell = known.completer(name).ok_or_else(|| Error::Usage(format!("there are no completions for {name}")))?;
    let io = |source| Error::Io { what: "the completions".to_owned(), source };
    shell.write_registration(VARIABLE, "kavi", "kavi", "kavi", &mut script).map_err(io)?;
    let script = String::from_utf8_lossy(&script);
    context.out.result(&script, &json!({ "shell": name, "script": script }));
    Ok(())
}

/// What a step of the forge is still ahead of.
const OPEN: [ProposalStatus; 3] = [ProposalStatus::Proposed, ProposalStatus::Built, ProposalStatus::Verified];

/// What completers start from. They are functions without parameters of their own.
static HOST: OnceLock<Host> = OnceLock::new();

/// Answers a shell that completes `args`.
pub fn answer(command: fn() -> clap::Command, args: Vec<OsString>, host: Host) -> ExitCode {
    let cwd = host.cwd.clone();
    let _ = HOST.set(host);
    match CompleteEnv::with_factory(command).var(VARIABLE).bin("kavi").completer("kavi").try_complete(args, Some(&cwd))
    {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = error.print();
            ExitCode::from(crate::error::Kind::Usage.exit_code())
        }
    }
}

/// The names of the skills in the workspace, and the ids of its open proposals. None where there is no workspace: a shell that
/// completes has no place for an error.
pub fn skills(typed: &OsStr) -> Vec<CompletionCandidate> {
    let Some(typed) = typed.to_str() else { return Vec::new() };
    let Some(host) = HOST.get() else { return Vec::new() };
    let Ok(app) = App::open_to_look(host.clone(), None, Walls::AsConfigured) else { return Vec::new() };
    let mut found = BTreeMap::new();
    for proposal in app.proposals().all().unwrap_or_default() {
        let about = format!("{}: {}", proposal.status, text::line(&proposal.spec.description, 60));
        // The newest one of a name comes last.
        found.insert(proposal.spec.name.to_string(), about.clone());
        // Ids are many: only where one was begun.
        if OPEN.contains(&proposal.status) && !typed.is_empty() {
            found.insert(proposal.id.short(), format!("{} {about}", proposal.spec.name));
        }
    }
    let fits = found.into_iter().filter(|(name, _)| name.starts_with(typed));
    fits.map(|(name, about)| CompletionCandidate::new(name).help(Some(about.into()))).collect()
}
