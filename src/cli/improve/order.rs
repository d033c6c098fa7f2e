//! `kavi improve order`

use serde_json::{Value, json};

use super::super::{
    Context, JsonFlag,
    approval::{Approval, DecisionContext, Question},
    views,
};
use crate::app::{OrderExpiry, StepBackOrder};
use crate::error::Error;
use crate::model::{text, time::Moment};

/// Order that the guidance of a skill may step back to a revision by itself, once.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi improve order write_note --to 1 --until 30d --approved-by ada
  kavi improve order write_note --to 1 --until 2027-01-31
  kavi improve order write_note --withdraw

Without an order nothing is published without you. Under one, a pass publishes
that revision again when there is evidence (an e-value of 20) that uses of the
published one succeed less often. Then the order is used up. `kavi inbox` and
`kavi improve status` say so. An order lasts 90 days at most.")]
pub struct Args {
    /// The skill.
    name: String,
    /// The revision of the guidance.
    #[arg(long, value_name = "REVISION", required_unless_present = "withdraw")]
    to: Option<u32>,
    /// When the order expires: a time, a day (its first moment, in UTC), or how long from now, such as 30d.
    #[arg(long, value_name = "TIME", required_unless_present = "withdraw")]
    until: Option<Moment>,
    /// Withdraw the newest order of the skill.
    #[arg(long, conflicts_with_all = ["to", "until"])]
    withdraw: bool,
    #[command(flatten)]
    approval: Approval,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let DecisionContext { app, out, approver } = args.approval.open(context)?;
    let (Some(to), Some(until)) = (args.to, args.until) else {
        let number = app.improve().withdraw_order(&args.name, &approver)?;
        let machine = json!({ "skill": args.name, "order": number, "withdrawn_by": approver.as_str() });
        out.result(&format!("standing order {number} is withdrawn\n"), &machine);
        return Ok(());
    };
    let until = match until {
        Moment::At(time) => OrderExpiry::At(time),
        Moment::Ago(span) => OrderExpiry::After(span),
    };
    let question = Question {
        instead: "give --yes after you have read `kavi guidance show NAME --revision REVISION`",
        asks: "May a pass publish this text again, once?",
        otherwise: "nothing was ordered",
    };
    args.approval.ask(&out, &question, || {
        let text = app.guidance().revision(&args.name, Some(to))?;
        out.say(&format!("revision {to} of the guidance of {}\n\n{}", text.skill, text.body.as_str()));
        Ok(())
    })?;
    let order = app.improve().order(&args.name, to, until, &approver)?;
    let human = format!(
        "standing order {}: the guidance of {} may step back to revision {} once, until {}\n",
        order.number, order.skill, order.to, order.until
    );
    out.result(&human, &machine(&order));
    Ok(())
}

pub fn table(all: &[StepBackOrder]) -> String {
    let row = |it: &StepBackOrder| {
        vec![
            it.number.to_string(),
            it.skill.to_string(),
            it.to.to_string(),
            it.until.to_string(),
            text::line(&it.by, 100),
            ended(it),
        ]
    };
    views::table(&["order", "skill", "to", "until", "by", "ended"], all.iter().map(row).collect())
}

fn ended(order: &StepBackOrder) -> String {
    match &order.end {
        None => "-".to_owned(),
        Some(end) => match end.e_value {
            Some(e_value) => format!("used at {}, e-value {e_value:.1}", end.at),
            None => format!("withdrawn at {} by {}", end.at, text::line(&end.by, 100)),
        },
    }
}

pub fn machine(order: &StepBackOrder) -> Value {
    let end = order.end.as_ref().map(|end| {
        let how = if end.e_value.is_some() { "used" } else { "withdrawn" };
        json!({ "how": how, "e_value": end.e_value, "by": end.by, "at": end.at })
    });
    json!({
        "number": order.number, "skill": order.skill, "to": order.to, "until": order.until, "by": order.by,
        "created_at": order.at, "end": end,
    })
}
