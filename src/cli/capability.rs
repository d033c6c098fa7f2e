//! `kavi capability`

use serde_json::{Value, json};

use super::{
    Context, JsonFlag,
    approval::{Decider, DecisionContext},
    views,
};
use crate::app::CapabilityEntry;
use crate::error::Error;
use crate::model::text;

/// Grant and revoke what actors may do with Kavi. What a skill may touch is in its specification.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi capability list agent
  kavi capability check agent:kora run_skill
  kavi capability revoke agent run_skill --approved-by ada
  kavi capability grant agent:kora run_skill

Actors are person, chain, agent, agent:NAME and background. NAME is what a
client calls itself. An entry for it comes before one for every agent.")]
pub struct Args {
    #[command(subcommand)]
    verb: CapabilityVerb,
}

#[derive(Debug, clap::Subcommand)]
enum CapabilityVerb {
    /// List every capability, and whether an actor has it.
    List(ListArgs),
    /// Grant a capability to an actor.
    Grant(GrantArgs),
    /// Deny a capability to an actor.
    Revoke(GrantArgs),
    /// Say whether an actor has a capability. What is unknown is denied.
    Check(CheckArgs),
}

#[derive(Debug, clap::Args)]
struct ListArgs {
    /// The actor.
    #[arg(default_value = "agent")]
    actor: String,
    #[command(flatten)]
    json: JsonFlag,
}

#[derive(Debug, clap::Args)]
struct GrantArgs {
    /// The actor.
    actor: String,
    /// The capability.
    capability: String,
    #[command(flatten)]
    by: Decider,
    #[command(flatten)]
    json: JsonFlag,
}

#[derive(Debug, clap::Args)]
struct CheckArgs {
    /// The actor.
    actor: String,
    /// The capability.
    capability: String,
    #[command(flatten)]
    json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    match &args.verb {
        CapabilityVerb::List(args) => list(context, args),
        CapabilityVerb::Grant(args) => set(context, args, true),
        CapabilityVerb::Revoke(args) => set(context, args, false),
        CapabilityVerb::Check(args) => check(context, args),
    }
}

fn word(granted: bool) -> &'static str {
    if granted { "granted" } else { "denied" }
}

fn list(context: Context, args: &ListArgs) -> Result<(), Error> {
    let (app, out) = context.open_to_look()?;
    let entries = app.context().capabilities(&args.actor)?;
    let granted = entries.iter().filter(|entry| entry.grant.granted).count();
    let row = |entry: &CapabilityEntry| {
        let source = entry.grant.source.as_str();
        [entry.name, word(entry.grant.granted), source, entry.group, entry.doc].map(str::to_owned).to_vec()
    };
    let mut human = views::table(&["capability", "", "from", "group", "meaning"], entries.iter().map(row).collect());
    human.push_str(&format!("\n{} has {granted} of {}\n", text::line(&args.actor, 100), entries.len()));
    let one = |entry: &CapabilityEntry| {
        json!({
            "capability": entry.name,
            "group": entry.group,
            "granted": entry.grant.granted,
            "from": entry.grant.source.as_str(),
            "doc": entry.doc,
        })
    };
    let all: Vec<Value> = entries.iter().map(one).collect();
    out.result(&human, &json!({ "actor": args.actor, "granted": granted, "of": entries.len(), "capabilities": all }));
    Ok(())
}

fn set(context: Context, args: &GrantArgs, granted: bool) -> Result<(), Error> {
    let DecisionContext { app, out, approver } = args.by.open(context)?;
    app.context().set_capability(&args.actor, &args.capability, granted, &approver)?;
    let human = format!("{} is {} to {}\n", args.capability, word(granted), text::line(&args.actor, 100));
    let machine = json!({
        "actor": args.actor,
        "capability": args.capability,
        "granted": granted,
        "set_by": approver.as_str(),
    });
    out.result(&human, &machine);
    Ok(())
}

fn check(context: Context, args: &CheckArgs) -> Result<(), Error> {
    let (app, out) = context.open_to_look()?;
    let grant = app.context().check_capability(&args.actor, &args.capability)?;
    let machine = json!({
        "actor": args.actor,
        "capability": args.capability,
        "granted": grant.granted,
        "from": grant.source.as_str(),
    });
    let human = format!("{} ({})\n", word(grant.granted), grant.source.as_str());
    match grant.granted {
        true => out.result(&human, &machine),
        false => {
            let (actor, capability) = (text::line(&args.actor, 100), text::line(&args.capability, 100));
            return Err(out.failure(&human, &machine, Error::Refused(format!("{actor} does not have {capability}"))));
        }
    }
    Ok(())
}
