//! `kavi outcomes`, and `kavi outcome`

use clap::ValueEnum;
use serde_json::{Value, json};

use super::{
    Context, JsonFlag,
    approval::{Decider, DecisionContext},
    views,
};
use crate::app::{Assessment, EnvironmentOutcomes, FailedUse, PersonsWord, SubjectOutcomes};
use crate::error::Error;
use crate::model::{
    guidance::{Fault, UseVerdict},
    text,
};

/// Most failures that are shown.
const MOST_SHOWN: usize = 10;

/// Show how often a trusted skill is used with success, and what its failures say.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi outcomes write_note
  kavi outcomes write_note --json

A wrong input counts against the guidance, a crash or a wrong output against
the code. What a stop, a policy or a missing note caused counts against
neither. An e-value of 20 is evidence that fewer than 40 % of uses succeed,
whenever somebody looks. Opinions of agents are shown and never count.")]
pub struct Args {
    /// The skill.
    name: String,
    #[command(flatten)]
    pub json: JsonFlag,
}

/// Say how a run went. Your word counts before everything that Kavi found.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi outcome 3f9a2c1b bad --fault guidance --why 'not what I asked for'
  kavi outcome 3f9a2c1b ok --why 'that note was meant to be missing'")]
pub struct WordArgs {
    /// The run: its id, or a unique prefix of it.
    run: String,
    /// How it went.
    verdict: VerdictArg,
    /// What that says something about.
    #[arg(long, value_enum, default_value_t = FaultArg::Neither)]
    fault: FaultArg,
    /// Why; recorded.
    #[arg(long, value_name = "TEXT")]
    why: String,
    #[command(flatten)]
    by: Decider,
    #[command(flatten)]
    pub json: JsonFlag,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum VerdictArg {
    /// Well.
    Ok,
    /// Not well, though it may have succeeded.
    Bad,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum FaultArg {
    /// The agent used the skill wrongly.
    Guidance,
    /// The skill did the wrong thing.
    Code,
    /// Neither.
    Neither,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let (app, out) = context.open()?;
    let assessment = app.guidance().outcomes(&args.name)?;
    out.result(&human(&assessment), &machine(&assessment));
    Ok(())
}

pub fn report(context: Context, args: &WordArgs) -> Result<(), Error> {
    let DecisionContext { app, out, approver } = args.by.open(context)?;
    let verdict = match args.verdict {
        VerdictArg::Ok => UseVerdict::Ok,
        VerdictArg::Bad => UseVerdict::Bad,
    };
    let fault = match args.fault {
        FaultArg::Guidance => Fault::Guidance,
        FaultArg::Code => Fault::Code,
        FaultArg::Neither => Fault::Neither,
    };
    let run = app.guidance().report(&args.run, &PersonsWord { verdict, fault, why: &args.why }, &approver)?;
    let human = format!("run {} counts as {verdict} ({fault})\n", run.short());
    out.result(&human, &json!({ "execution_id": run, "verdict": verdict, "fault": fault, "by": approver.as_str() }));
    Ok(())
}

fn human(assessment: &Assessment) -> String {
    let mut out = format!("{}\n", assessment.skill);
    for (what, subject) in [("guidance", &assessment.guidance), ("code", &assessment.code)] {
        out.push_str(&format!("  {what} revision {}: {}\n", subject.revision, counts(subject)));
        for incident in &subject.incidents {
            let (count, what) = (incident.failures.len(), text::line(&incident.fingerprint, 100));
            out.push_str(&format!("    an incident since {}, set aside: {count} failures, {what}\n", incident.since));
        }
    }
    let failures = failures(assessment);
    if !failures.is_empty() {
        let row = |failure: &&FailedUse| {
            vec![
                failure.run.short(),
                failure.at.to_string(),
                failure.outcome.fault.to_string(),
                text::line(&failure.error, 120),
            ]
        };
        let rows = failures.iter().map(row).collect();
        out.push_str(&format!("last failures\n{}", views::table(&["run", "started", "against", "error"], rows)));
    }
    if !assessment.opinions.is_empty() {
        out.push_str(&format!("opinions of agents, which do not count: {}\n", assessment.opinions.len()));
    }
    out
}

fn counts(subject: &SubjectOutcomes) -> String {
    let Some(current) = subject.current() else { return "not used yet".to_owned() };
    let EnvironmentOutcomes { counts, .. } = current;
    let rate = counts.rate().map_or("-".to_owned(), |rate| format!("{rate:.2}"));
    let wilson = current.wilson();
    format!(
        "{} ok, {} failed, rate {rate} (95 %: {:.2} to {:.2}), e-value {:.2}",
        counts.ok,
        counts.failed,
        wilson.low,
        wilson.high,
        current.e_value(),
    )
}

/// The newest failures of both, newest first.
fn failures(assessment: &Assessment) -> Vec<&FailedUse> {
    let mut all: Vec<&FailedUse> = assessment.guidance.failures.iter().chain(&assessment.code.failures).collect();
    all.sort_by_key(|failure| std::cmp::Reverse(failure.at));
    all.truncate(MOST_SHOWN);
    all
}

fn machine(assessment: &Assessment) -> Value {
    let failure = |failure: &&FailedUse| {
        json!({
            "execution_id": failure.run, "at": failure.at, "fault": failure.outcome.fault,
            "source": failure.outcome.source, "error": failure.error, "set_aside": failure.set_aside,
        })
    };
    let opinions = assessment.opinions.iter().map(|opinion| {
        json!({
            "execution_id": opinion.run, "verdict": opinion.verdict, "by": opinion.by, "why": opinion.why,
            "at": opinion.at,
        })
    });
    json!({
        "skill": assessment.skill,
        "guidance": subject(&assessment.guidance),
        "code": subject(&assessment.code),
        "failures": failures(assessment).iter().map(failure).collect::<Vec<_>>(),
        "opinions": opinions.collect::<Vec<_>>(),
    })
}

fn subject(subject: &SubjectOutcomes) -> Value {
    let environment = |environment: &EnvironmentOutcomes| {
        json!({
            "environment": environment.environment,
            "ok": environment.counts.ok,
            "failed": environment.counts.failed,
            "set_aside": environment.set_aside,
            "rate": environment.counts.rate(),
            "wilson": environment.wilson(),
            "e_value": environment.e_value(),
        })
    };
    let incidents = subject.incidents.iter().map(|incident| {
        json!({ "since": incident.since, "failures": incident.failures.len(), "fingerprint": incident.fingerprint })
    });
    json!({
        "revision": subject.revision,
        "sha256": subject.sha256,
        "current": subject.current().map(environment),
        "environments": subject.environments.iter().map(environment).collect::<Vec<_>>(),
        "incidents": incidents.collect::<Vec<_>>(),
    })
}
