//! `kavi verify-skill`

use clap_complete::engine::ArgValueCompleter;
use serde_json::json;

use super::progress::{Spinner, Stages};
use super::{Context, JsonFlag, views};
use crate::app::Reuse;
use crate::error::Error;
use crate::model::lifecycle::Verdict;

/// Run every gate over the newest build of a proposal.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  kavi verify-skill write_note\n  kavi verify-skill 67e55044 --json")]
pub struct Args {
    /// The proposal: its id, a unique prefix of it, or the name of a skill with one open proposal.
    #[arg(add = ArgValueCompleter::new(super::completions::skills))]
    id: String,
    /// Run every gate, also where nothing changed since it was run.
    #[arg(long)]
    fresh: bool,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let (app, out) = context.open()?;
    let proposal = app.proposals().find_open(&args.id)?;
    let spinner = Spinner::new(&out, Stages::Shown);
    // Before the gates: to install a part of it takes minutes, which must not count as the time of
    // one.
    let toolchain = app.attempts().toolchain()?;
    let reuse = if args.fresh { Reuse::Never } else { Reuse::Allowed };
    let verified = app.attempts().verify(&proposal, &toolchain, reuse)?;
    drop(spinner);
    let verification = &verified.verification;
    let passed = verification.status == Verdict::Passed;
    let mut human = views::gates(&verification.gates);
    human.push_str(&format!("\nreport {}\nconfinement {}\n", verified.report.display(), verification.confinement));
    let short = proposal.id.short();
    let mut machine = views::verification(verification);
    machine["report"] = json!(verified.report);
    if passed {
        human.push_str(&format!(
            "{} {}\nnext: kavi promote-skill {short} --approved-by NAME\n",
            proposal.spec.name, verification.status
        ));
        out.result(&human, &machine);
        return Ok(());
    }
    let failed: Vec<&str> = verification
        .gates
        .iter()
        .filter(|gate| gate.status == Verdict::Failed)
        .map(|gate| gate.gate.as_str())
        .collect();
    let error = Error::Verification {
        message: format!("verification failed: {}", failed.join(", ")),
        hint: format!(
            "see why with `kavi research-skill {}`, then `kavi build-skill {short}` again",
            verification.build_id.short()
        ),
    };
    // The report goes out first. With JSON it is in the same document as the error, so that nothing
    // has to be joined.
    Err(out.failure(&human, &machine, error))
}
