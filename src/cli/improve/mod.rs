//! `kavi improve`

mod code;
mod evidence;
mod order;
mod shadow;

pub use order::{machine as order, table as orders};

use clap::Subcommand;
use serde_json::{Value, json};

use super::{
    Context, JsonFlag,
    approval::{Approval, Decider, DecisionContext, Question},
    views,
};
use crate::app::{
    Candidate, CandidateReport, Improvement, ImprovementStatus, PairSummary, PassReport, SkippedCandidate, SteppedBack,
    UnreadableSkill,
};
use crate::error::Error;
use crate::model::text;

/// Find trusted skills that do badly, and improve their guidance or code. Nothing is published without you.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi improve --dry-run
  kavi improve evidence 3f9a2c1b
  kavi improve run
  kavi improve status --json
  kavi improve publish 3 --approved-by ada
  kavi improve reject 3 --why 'too vague'

A pass asks the model of [advice] in kavi.toml for a new text of each
candidate. It sends the published text, counts, and broken rules of the
schema. Of a run it sends the text that you released, and nothing else. An
answer that passes the checks waits for `kavi improve publish`.

A candidate by its code is proposed again, with the runs that you released
with --expect as examples. A proposal that passes every gate waits for
`kavi promote-skill`.")]
pub struct Args {
    /// Only list the candidates, with reasons. No model is asked.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    json: JsonFlag,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Evidence(evidence::Args),
    Order(order::Args),
    Shadow(shadow::Args),
    /// Make one pass.
    Run(RunArgs),
    /// List the attempts.
    Status(StatusArgs),
    /// Publish what an attempt brought, after a look at it.
    Publish(PublishArgs),
    /// Reject what an attempt brought.
    Reject(RejectArgs),
}

#[derive(Debug, clap::Args)]
struct RunArgs {
    #[command(flatten)]
    json: JsonFlag,
}

#[derive(Debug, clap::Args)]
struct StatusArgs {
    #[command(flatten)]
    json: JsonFlag,
}

#[derive(Debug, clap::Args)]
struct PublishArgs {
    /// The attempt.
    number: u32,
    #[command(flatten)]
    approval: Approval,
    #[command(flatten)]
    json: JsonFlag,
}

#[derive(Debug, clap::Args)]
struct RejectArgs {
    /// The attempt.
    number: u32,
    /// Why; recorded, and a part of the next question to the model.
    #[arg(long, value_name = "TEXT")]
    why: String,
    #[command(flatten)]
    by: Decider,
    #[command(flatten)]
    json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    match &args.verb {
        None if args.dry_run => dry_run(context),
        None => Err(Error::Usage(
            "give `evidence`, `order`, `shadow`, `run`, `status`, `publish` or `reject`, or --dry-run".to_owned(),
        )),
        Some(_) if args.dry_run => Err(Error::Usage("--dry-run goes with no other verb".to_owned())),
        Some(Verb::Evidence(args)) => evidence::run(context, args),
        Some(Verb::Order(args)) => order::run(context, args),
        Some(Verb::Shadow(args)) => shadow::run(context, args),
        Some(Verb::Run(_)) => pass(context),
        Some(Verb::Status(_)) => status(context),
        Some(Verb::Publish(args)) => publish(context, args),
        Some(Verb::Reject(args)) => reject(context, args),
    }
}

fn unreadable(skills: &[UnreadableSkill]) -> (String, Vec<Value>) {
    let line = |it: &UnreadableSkill| format!("{} cannot be looked at: {}\n", it.skill, it.error);
    let value = |it: &UnreadableSkill| json!({ "skill": it.skill, "message": it.error.to_string() });
    (skills.iter().map(line).collect(), skills.iter().map(value).collect())
}

fn dry_run(context: Context) -> Result<(), Error> {
    let (app, out) = context.open()?;
    let CandidateReport { candidates, healthy, unreadable: odd } = app.improve().candidates()?;
    let (odd_lines, odd) = unreadable(&odd);
    let line = |it: &Candidate| {
        let part = serde_json::to_value(it.part).unwrap_or_default();
        format!("{} {} revision {}: {}\n", it.skill, part.as_str().unwrap_or_default(), it.revision, it.why)
    };
    let mut human: String = candidates.iter().map(line).collect();
    if candidates.is_empty() {
        human.push_str("no skill has evidence against it\n");
    }
    human.push_str(&odd_lines);
    out.result(&human, &json!({ "candidates": candidates, "healthy": healthy, "unreadable": odd }));
    Ok(())
}

fn machine(it: &Improvement) -> Value {
    json!({
        "number": it.number, "skill": it.skill, "revision": it.revision, "attempt": it.attempt, "state": it.state,
        "e_value": it.e_value, "model": it.details.model, "why": it.why, "decided_by": it.details.decided_by,
        "created_at": it.created_at, "changed_at": it.changed_at,
    })
}

fn with_pairs(it: &Improvement, pairs: &PairSummary) -> Value {
    let mut machine = machine(it);
    machine["pairs"] = json!(pairs);
    machine
}

fn row(it: &Improvement) -> Vec<String> {
    vec![
        it.number.to_string(),
        it.skill.to_string(),
        it.revision.to_string(),
        it.state.to_string(),
        format!("{:.1}", it.e_value),
        it.created_at.to_string(),
        text::line(it.why.as_deref().unwrap_or_default(), 120),
    ]
}

fn table<'i>(all: impl Iterator<Item = &'i Improvement>) -> String {
    views::table(&["attempt", "skill", "from", "state", "e-value", "begun", "why"], all.map(row).collect())
}

fn pass(context: Context) -> Result<(), Error> {
    let (app, out) = context.open()?;
    let PassReport { resumed, attempts, code, pairs, shadows, stepped_back, skipped, unreadable: odd } =
        app.improve().run()?;
    let (odd_lines, odd) = unreadable(&odd);
    let mut human = String::new();
    stepped_back.iter().for_each(|it| human.push_str(&format!("{}\n", text::line(&it.why, 400))));
    if resumed.is_empty() && attempts.is_empty() && code.is_empty() {
        human.push_str("no attempt was made\n");
    }
    if !resumed.is_empty() || !attempts.is_empty() {
        human.push_str(&table(resumed.iter().chain(&attempts)));
        human.push_str("next: kavi improve publish ATTEMPT for each CANDIDATE\n");
    }
    if !code.is_empty() {
        human.push_str(&code::table(&code));
        human.push_str("next: kavi promote-skill PROPOSAL for each CANDIDATE\n");
    }
    skipped.iter().for_each(|it| human.push_str(&format!("{}: {}\n", it.skill, it.why)));
    human.push_str(&odd_lines);
    if !shadows.is_empty() {
        human.push_str(&shadow::table(&shadows));
    }
    let step = |it: &SteppedBack| json!({ "skill": it.order.skill, "from": it.from, "to": it.order.to, "order": it.order.number, "why": it.why });
    let skip = |it: &SkippedCandidate| json!({ "skill": it.skill, "why": it.why });
    let machine = json!({
        "resumed": resumed.iter().map(machine).collect::<Vec<_>>(),
        "attempts": attempts.iter().map(machine).collect::<Vec<_>>(),
        "code": code.iter().map(code::machine).collect::<Vec<_>>(),
        "pairs": pairs,
        "shadows": shadows.iter().map(shadow::machine).collect::<Vec<_>>(),
        "stepped_back": stepped_back.iter().map(step).collect::<Vec<_>>(),
        "skipped": skipped.iter().map(skip).collect::<Vec<_>>(),
        "unreadable": odd,
    });
    out.result(&human, &machine);
    Ok(())
}

fn status(context: Context) -> Result<(), Error> {
    let (app, out) = context.open()?;
    let ImprovementStatus { guidance, pairs, code, orders, shadows } = app.improve().status()?;
    let mut human = String::new();
    if guidance.is_empty() && code.is_empty() {
        human.push_str("no attempt was made\n");
    }
    if !guidance.is_empty() {
        human.push_str(&table(guidance.iter()));
    }
    if !code.is_empty() {
        human.push_str(&format!("code\n{}", code::table(&code)));
    }
    if !orders.is_empty() {
        human.push_str(&format!("standing orders\n{}", order::table(&orders)));
    }
    if !shadows.is_empty() {
        human.push_str(&format!("live shadows\n{}", shadow::table(&shadows)));
    }
    let machine = json!({
        "improvements": guidance.iter().zip(&pairs).map(|(it, pairs)| with_pairs(it, pairs)).collect::<Vec<_>>(),
        "code": code.iter().map(code::machine).collect::<Vec<_>>(),
        "orders": orders.iter().map(order::machine).collect::<Vec<_>>(),
        "shadows": shadows.iter().map(shadow::machine).collect::<Vec<_>>(),
    });
    out.result(&human, &machine);
    Ok(())
}

/// What pairs say, in words.
fn pairs(found: &PairSummary) -> String {
    let PairSummary { counts, lost, e_value, threshold, verdict, cost } = found;
    if cost.calls == 0 {
        return format!("no pairs were compared (they would need {threshold:.1}): release more runs");
    }
    let verdict = serde_json::to_value(verdict).unwrap_or_default();
    format!(
        "pairs: {} better, {} worse, {} the same, {lost} lost; e-value {e_value:.1} of {threshold:.1}, {}\n{} questions, {} \
         characters sent, {} received",
        counts.gains,
        counts.losses,
        counts.same,
        verdict.as_str().unwrap_or_default(),
        cost.calls,
        cost.sent,
        cost.received,
    )
}

fn publish(context: Context, args: &PublishArgs) -> Result<(), Error> {
    let DecisionContext { app, out, approver } = args.approval.open(context)?;
    let review = app.improve().review(args.number)?;
    let it = &review.improvement;
    let shown = format!(
        "improvement {} of {}, attempt {} within 30 days, by {}\ne-value {:.1} against revision {}; {}\n\n{}",
        it.number,
        it.skill,
        it.attempt,
        text::line(it.details.model.as_deref().unwrap_or("a model"), 100),
        it.e_value,
        it.revision,
        pairs(&review.pairs),
        review.diff,
    );
    let question = Question {
        instead: "give --yes after you have read the difference",
        asks: "Publish this text?",
        otherwise: "nothing was published",
    };
    args.approval.ask_or_say(&out, &question, &shown)?;
    let published = app.improve().publish(&review, &approver)?;
    let human = format!("revision {} of the guidance of {} is published\n", published.number, published.skill);
    let machine = json!({
        "skill": published.skill, "revision": published.number, "sha256": published.body.sha256(),
        "improvement": it.number, "by": approver.as_str(), "diff": review.diff,
        "pairs": review.pairs,
    });
    out.result(&human, &machine);
    Ok(())
}

fn reject(context: Context, args: &RejectArgs) -> Result<(), Error> {
    let DecisionContext { app, out, approver } = args.by.open(context)?;
    let rejected = app.improve().reject(args.number, &args.why, &approver)?;
    out.result(&format!("improvement {} is rejected\n", rejected.number), &machine(&rejected));
    Ok(())
}
