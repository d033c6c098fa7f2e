//! `kavi policy`

use serde_json::{Value, json};

use super::{
    Context, JsonFlag,
    approval::{Decider, DecisionContext},
    views,
};
use crate::app::{LayerAnswer, NOT_SEEDED, PolicyDifference, PolicyEntry};
use crate::error::Error;
use crate::model::{effect::EffectClass, id::IdPrefix, text};

/// Set and explain the policy values of this workspace: limits, rules and the kill switch for its agents.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi policy list
  kavi policy get rate_limit_per_minute
  kavi policy set rate_limit_per_minute 60 --approved-by ada
  kavi policy set disabled true
  kavi policy set disabled --unset
  kavi policy set --defaults
  kavi policy explain agent FILE_WRITE
  kavi policy diff 3f9a2c1b

`disabled` stops the agents of this workspace at once; `kavi stop` stops
everything. A limit that is not set does not limit.")]
pub struct Args {
    #[command(subcommand)]
    verb: PolicyVerb,
}

#[derive(Debug, clap::Subcommand)]
enum PolicyVerb {
    /// List every key with its value, range and meaning.
    List(ListArgs),
    /// Show one key.
    Get(GetArgs),
    /// Store a value, or with --unset the default again.
    Set(SetArgs),
    /// Show what every layer answers when an actor runs a skill of a class.
    Explain(ExplainArgs),
    /// Show which values a run was decided under and are others today.
    Diff(DiffArgs),
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    #[command(flatten)]
    json: JsonFlag,
}

#[derive(Debug, clap::Args)]
struct GetArgs {
    /// The key.
    key: String,
    #[command(flatten)]
    json: JsonFlag,
}

#[derive(Debug, clap::Args)]
struct SetArgs {
    /// The key.
    #[arg(required_unless_present = "defaults")]
    key: Option<String>,
    /// The value: JSON, or a bare word for a text.
    #[arg(required_unless_present_any = ["unset", "defaults"])]
    value: Option<String>,
    /// Remove the stored value: the default holds again.
    #[arg(long, conflicts_with = "value")]
    unset: bool,
    /// Store the default of every expected key that has one and is not stored.
    #[arg(long, conflicts_with_all = ["key", "value", "unset"])]
    defaults: bool,
    #[command(flatten)]
    by: Decider,
    #[command(flatten)]
    json: JsonFlag,
}

#[derive(Debug, clap::Args)]
struct ExplainArgs {
    /// Who: person, chain, agent, agent:NAME or background.
    actor: String,
    /// The class of the skill.
    #[arg(value_parser = parse_class)]
    class: EffectClass,
    #[command(flatten)]
    json: JsonFlag,
}

#[derive(Debug, clap::Args)]
struct DiffArgs {
    /// The id of the run, or a unique prefix of it.
    run: String,
    #[command(flatten)]
    json: JsonFlag,
}

fn parse_class(word: &str) -> Result<EffectClass, String> {
    word.parse::<EffectClass>().map_err(|error| error.to_string())
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    match &args.verb {
        PolicyVerb::List(_) => list(context),
        PolicyVerb::Get(args) => get(context, args),
        PolicyVerb::Set(args) => set(context, args),
        PolicyVerb::Explain(args) => explain(context, args),
        PolicyVerb::Diff(args) => diff(context, args),
    }
}

/// A value in one line.
fn shown(value: Option<&Value>, missing: &str) -> String {
    value.map_or_else(|| missing.to_owned(), |value| text::line(&value.to_string(), 200))
}

fn document(entry: &PolicyEntry) -> Value {
    json!({
        "key": entry.name,
        "seeded": entry.stored.is_some(),
        "value": entry.stored.as_ref().or(entry.default.as_ref()),
        "default": entry.default,
        "range": entry.range,
        "doc": entry.doc,
    })
}

fn list(context: Context) -> Result<(), Error> {
    let (app, out) = context.open_to_look()?;
    let table = app.context().policy()?;
    let row = |entry: &PolicyEntry| {
        vec![entry.name.clone(), shown(entry.stored.as_ref(), NOT_SEEDED), shown(entry.default.as_ref(), "not set")]
    };
    let mut human = views::table(&["key", "value", "default"], table.entries.iter().map(row).collect());
    let drift = table.drift.warning();
    if let Some(drift) = &drift {
        human.push_str(&format!("\n{drift}\n"));
    }
    let entries: Vec<Value> = table.entries.iter().map(document).collect();
    out.result(&human, &json!({ "policy": entries, "drift": drift }));
    Ok(())
}

fn get(context: Context, args: &GetArgs) -> Result<(), Error> {
    let (app, out) = context.open_to_look()?;
    let entry = app.context().policy_key(&args.key)?;
    let human = views::facts(&[
        ("key", entry.name.clone()),
        ("value", shown(entry.stored.as_ref(), NOT_SEEDED)),
        ("default", shown(entry.default.as_ref(), "not set")),
        ("range", entry.range.clone()),
        ("meaning", entry.doc.to_owned()),
    ]);
    out.result(&human, &document(&entry));
    Ok(())
}

fn set(context: Context, args: &SetArgs) -> Result<(), Error> {
    let DecisionContext { app, out, approver } = args.by.open(context)?;
    let Some(key) = &args.key else {
        let seeded = app.context().seed_policy(&approver)?;
        out.result(&format!("{} keys were seeded with their defaults\n", seeded.len()), &json!({ "seeded": seeded }));
        return Ok(());
    };
    // A bare word is a text, so that `kavi policy set context.charter required` needs no quotes within quotes.
    let value = args.value.as_ref();
    let value = value.map(|word| serde_json::from_str(word).unwrap_or_else(|_| Value::String(word.clone())));
    app.context().set_policy(key, value.as_ref(), &approver)?;
    let human = match &value {
        Some(value) => format!("{key} = {}\n", text::line(&value.to_string(), 200)),
        None => format!("{key} has its default again\n"),
    };
    out.result(&human, &json!({ "key": key, "value": value, "set_by": approver.as_str() }));
    Ok(())
}

fn explain(context: Context, args: &ExplainArgs) -> Result<(), Error> {
    let (app, out) = context.open_to_look()?;
    let (layers, decision) = app.context().explain(&args.actor, args.class)?;
    let row = |answer: &LayerAnswer| {
        vec![answer.layer.as_str().to_owned(), answer.rule.as_str().to_owned(), text::line(&answer.why, 300)]
    };
    let mut human = views::table(&["layer", "answer", "why"], layers.iter().map(row).collect());
    human.push_str(&format!("\nthe strictest holds: {}\n", decision.rule.as_str()));
    let one = |answer: &LayerAnswer| json!({ "layer": answer.layer.as_str(), "answer": answer.rule.as_str(), "why": answer.why });
    let layers: Vec<Value> = layers.iter().map(one).collect();
    let machine = json!({
        "actor": args.actor,
        "class": args.class,
        "layers": layers,
        "answer": decision.rule.as_str(),
        "by": decision.layer.as_str(),
    });
    out.result(&human, &machine);
    Ok(())
}

fn diff(context: Context, args: &DiffArgs) -> Result<(), Error> {
    let prefix = IdPrefix::parse(&args.run).map_err(|error| Error::Usage(error.to_string()))?;
    let (app, out) = context.open_to_look()?;
    let differences = app.context().policy_diff(&prefix)?;
    let row = |it: &PolicyDifference| {
        vec![it.name.clone(), shown(it.then.as_ref(), NOT_SEEDED), shown(it.now.as_ref(), NOT_SEEDED)]
    };
    let human = match differences.as_slice() {
        [] => "the same policy values hold today\n".to_owned(),
        some => views::table(&["key", "then", "today"], some.iter().map(row).collect()),
    };
    let one = |it: &PolicyDifference| json!({ "key": it.name, "then": it.then, "today": it.now });
    out.result(&human, &json!({ "differences": differences.iter().map(one).collect::<Vec<_>>() }));
    Ok(())
}
