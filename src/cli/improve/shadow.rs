//! `kavi improve shadow`

use serde_json::{Value, json};

use super::super::{
    Context, JsonFlag,
    approval::{Approval, DecisionContext, Question},
    views,
};
use crate::app::ShadowOrder;
use crate::error::Error;
use crate::model::text;

/// Let the candidate for the code of a skill repeat the next calls, beside the trusted revision.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi improve shadow write_note --calls 20
  kavi improve shadow write_note --calls 20 --yes --approved-by ada

The candidate is the component of the attempt that waits for you. Each pass
repeats the calls that came since the last one. The candidate reads the vault,
and nothing that it writes, answers or logs is kept: `kavi improve status`
shows how many calls succeed or fail now. A skill with hosts or secrets is
refused.")]
pub struct Args {
    /// The skill.
    name: String,
    /// How many calls.
    #[arg(long, value_name = "N", default_value_t = 20)]
    calls: u32,
    #[command(flatten)]
    approval: Approval,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let DecisionContext { app, out, approver } = args.approval.open(context)?;
    let review = app.improve().shadow_review(&args.name, args.calls)?;
    let shown = format!(
        "the next {} calls of {} are repeated with the component of proposal {}\nsha256 {}\n",
        review.calls,
        review.attempt.skill,
        review.proposal.id.short(),
        review.component,
    );
    let question = Question {
        instead: "give --yes after you have read `kavi diff PROPOSAL`",
        asks: "May this component, which nobody promoted, meet these calls?",
        otherwise: "nothing is repeated",
    };
    args.approval.ask_or_say(&out, &question, &shown)?;
    let order = app.improve().shadow(&review, &approver)?;
    let human = format!("shadow {}: `kavi improve run` repeats them, `kavi improve status` shows them\n", order.number);
    out.result(&human, &machine(&order));
    Ok(())
}

pub fn table(all: &[ShadowOrder]) -> String {
    let row = |it: &ShadowOrder| {
        let flips = it.flips();
        vec![
            it.number.to_string(),
            it.skill.to_string(),
            it.proposal.short(),
            format!("{} of {}", it.runs.len(), it.calls),
            format!("+{} -{} ={}", flips.gains, flips.losses, flips.same),
            text::line(&it.by, 100),
        ]
    };
    views::table(&["shadow", "skill", "proposal", "calls", "flips", "by"], all.iter().map(row).collect())
}

pub fn machine(order: &ShadowOrder) -> Value {
    let run = |run: &crate::app::ShadowRun| {
        json!({
            "execution_id": run.execution, "flip": run.flip, "trusted_sha256": run.trusted,
            "candidate_sha256": run.candidate,
        })
    };
    json!({
        "number": order.number, "skill": order.skill, "proposal_id": order.proposal,
        "component_sha256": order.component, "calls": order.calls, "flips": order.flips(), "by": order.by,
        "created_at": order.at, "runs": order.runs.iter().map(run).collect::<Vec<_>>(),
    })
}
