//! `kavi forge`

use clap_complete::engine::ArgValueCompleter;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::build::BuilderArgs;
use super::progress::{Spinner, Stages};
use super::research::LookArgs;
use super::{Context, JsonFlag, research, views};
use crate::app::{Approver, Builder, RetryEnd, RetryOptions, RetryReport, RetryStep};
use crate::error::{Error, Violation};
use crate::model::lifecycle::Verdict;

/// Build, verify, diagnose failures and build again, until the proposal is VERIFIED. Never promotes.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi forge 67e55044
  kavi forge write_note --attempts 5 --advise
  kavi forge write_note --builder import --from skills/write_note

Exit codes: 0 VERIFIED, 3 a person must review before the next attempt,
4 the last attempt did not pass the gates, 1 it failed before the gates.")]
pub struct Args {
    /// The proposal: its id, a unique prefix of it, or the name of a skill with one open proposal.
    #[arg(add = ArgValueCompleter::new(super::completions::skills))]
    id: String,
    /// Most attempts. An import gives the same sources each time and has one.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=20))]
    attempts: u32,
    #[command(flatten)]
    builder: BuilderArgs,
    #[command(flatten)]
    look: LookArgs,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let cwd: PathBuf = context.host.cwd.clone();
    let (app, out) = context.open()?;
    let proposal = app.proposals().find_open(&args.id)?;
    let builder = args.builder.choose(&app, &cwd)?;
    // A name is parsed before an attempt begins, because an attempt cannot be taken back.
    let by = args.builder.acknowledge.as_deref().map(Approver::parse).transpose()?;
    // The same folder gives the same sources again, so a second attempt cannot end in another way.
    let attempts = if matches!(builder, Builder::Import(_)) { 1 } else { args.attempts };
    let options = RetryOptions { builder: &builder, attempts, by: by.as_ref(), diagnosis: args.look.look() };
    let spinner = Spinner::new(&out, Stages::Kept);
    let forged = app.attempts().forge_until_verified(proposal.id, &options)?;
    // Its line is erased here. Later it would stay between the lines of the result.
    drop(spinner);
    let id = proposal.id.short();
    let human: String = forged.steps.iter().map(line).collect();
    let machine = document(&forged);
    match error(&forged, &id) {
        None => {
            let next = format!("{human}VERIFIED\nnext: kavi promote-skill {id} --approved-by NAME\n");
            out.result(&next, &machine);
            Ok(())
        }
        Some(error) => Err(out.failure(&human, &machine, error)),
    }
}

fn line(step: &RetryStep) -> String {
    match step {
        RetryStep::Built(attempt) => {
            let build = &attempt.build;
            format!("attempt {}: {}: {}\n", build.attempt_number, build.status, build.summary)
        }
        RetryStep::Verified(verified) => {
            let gates = verified.verification.gates.iter().filter(|gate| gate.status == Verdict::Failed);
            let failed = views::list(gates.map(|gate| gate.gate.clone()));
            format!("verification: {}, failed gates: {failed}\n", verified.verification.status)
        }
        RetryStep::Researched(found) => research::human(found),
    }
}

fn document(forged: &RetryReport) -> Value {
    let step = |step: &RetryStep| match step {
        RetryStep::Built(attempt) => json!({ "step": "build", "build": views::build(&attempt.build) }),
        RetryStep::Verified(verified) => {
            json!({ "step": "verify", "verification": views::verification(&verified.verification) })
        }
        RetryStep::Researched(found) => json!({ "step": "research", "research": research::document(found) }),
    };
    let (end, escalations) = match &forged.end {
        RetryEnd::Verified => ("verified", &[][..]),
        RetryEnd::Escalated(escalations) => ("escalated", escalations.as_slice()),
        RetryEnd::BuildFailed => ("build-failed", &[][..]),
        RetryEnd::VerificationFailed => ("verification-failed", &[][..]),
    };
    json!({ "end": end, "escalations": escalations, "steps": forged.steps.iter().map(step).collect::<Vec<_>>() })
}

/// What a loop that did not end VERIFIED fails with.
fn error(forged: &RetryReport, id: &str) -> Option<Error> {
    let again = format!("see `kavi show {id}`, then `kavi forge {id}` again");
    match &forged.end {
        RetryEnd::Verified => None,
        RetryEnd::Escalated(escalations) => {
            Some(Error::Escalated { id: id.to_owned(), escalations: escalations.clone() })
        }
        RetryEnd::VerificationFailed => {
            Some(Error::Verification { message: "the last attempt did not pass the gates".to_owned(), hint: again })
        }
        RetryEnd::BuildFailed => Some(Error::Attempt {
            message: "the last attempt failed".to_owned(),
            hint: again,
            violation: Violation::No,
        }),
    }
}
