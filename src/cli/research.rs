//! `kavi research-skill`

use serde_json::{Value, json};

use super::progress::{Spinner, Stages};
use super::{Context, JsonFlag, views};
use crate::app::{Advise, DiagnosisOptions, Research};
use crate::error::Error;
use crate::model::{
    research::{AdviceOutcome, Escalation},
    text,
};

/// Say why the newest attempt failed, and whether a person must look before the next one.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi research-skill 5c1d8f20
  kavi research-skill write_note --hint 'the title may be empty'
  kavi research-skill write_note --advise --json")]
pub struct Args {
    /// The build: its id or a unique prefix of it; or a proposal or skill, for its newest attempt.
    build_id: String,
    #[command(flatten)]
    look: LookArgs,
    #[command(flatten)]
    pub json: JsonFlag,
}

/// How a failure is looked into.
#[derive(Debug, clap::Args)]
pub struct LookArgs {
    /// What the next attempt should know; quoted in its packet.
    #[arg(long, value_name = "TEXT")]
    hint: Option<String>,
    /// Ask the model of [advice] in kavi.toml.
    #[arg(long, overrides_with = "no_advise")]
    advise: bool,
    /// Do not ask a model.
    #[arg(long, overrides_with = "advise")]
    no_advise: bool,
}

impl LookArgs {
    pub fn look(&self) -> DiagnosisOptions<'_> {
        let advise = match (self.advise, self.no_advise) {
            (true, _) => Advise::Yes,
            (false, true) => Advise::No,
            (false, false) => Advise::AsConfigured,
        };
        DiagnosisOptions { hint: self.hint.as_deref(), advise }
    }
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let (app, out) = context.open()?;
    let build = app.attempts().find(&args.build_id)?;
    let spinner = Spinner::new(&out, Stages::Shown);
    let research = app.attempts().research(build.id, args.look.look())?;
    drop(spinner);
    let id = build.proposal_id.short();
    let next = match research.escalations.as_slice() {
        [] => format!("next: kavi build-skill {id}, or kavi forge {id}\n"),
        _ => format!("next: look at it, then kavi build-skill {id} --acknowledge NAME\n"),
    };
    out.result(&format!("{}{next}", human(&research)), &document(&research));
    Ok(())
}

/// What was found out, for people.
pub fn human(research: &Research) -> String {
    let facts = &research.classified.facts;
    let mut out = views::facts(&[
        ("kind", research.classified.kind.to_string()),
        ("decided by", facts.gate.clone().unwrap_or_else(|| "the attempt itself".to_owned())),
        ("failed gates", views::list(facts.failed_gates.iter().cloned())),
        ("advice", advice(&research.advice)),
        ("note", research.note_path.clone()),
    ]);
    facts.findings.iter().for_each(|finding| out.push_str(&views::finding(finding)));
    if let AdviceOutcome::Given { advice, .. } = &research.advice {
        advice.steps.iter().for_each(|step| out.push_str(&format!("  advice: {}\n", text::line(step, 500))));
    }
    out.push_str(&escalations(&research.escalations));
    out
}

fn advice(outcome: &AdviceOutcome) -> String {
    match outcome {
        AdviceOutcome::NotAsked => "not asked for".to_owned(),
        AdviceOutcome::Unreachable { why } | AdviceOutcome::Invalid { why, .. } => format!("none: {why}"),
        AdviceOutcome::Given { model, advice } => format!("by {model}: {}", advice.summary),
    }
}

/// Why a person must look.
pub fn escalations(escalations: &[Escalation]) -> String {
    let line = |escalation: &Escalation| {
        format!("  waits for a person: {}: {}\n", escalation.trigger, text::line(&escalation.why, 500))
    };
    escalations.iter().map(line).collect()
}

/// What was found out, for machines.
pub fn document(research: &Research) -> Value {
    json!({
        "id": research.id,
        "build_id": research.build_id,
        "verification_id": research.verification_id,
        "kind": research.classified.kind,
        "facts": research.classified.facts,
        "hint": research.hint,
        "advice": research.advice,
        "escalations": research.escalations,
        "note": research.note_path,
        "created_at": research.created_at,
    })
}
