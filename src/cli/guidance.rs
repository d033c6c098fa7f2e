//! `kavi guidance`

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::{Value, json};

use super::{
    Context, JsonFlag,
    approval::{Decider, DecisionContext},
    input, views,
};
use crate::app::{GuidanceChange, GuidanceDecision, GuidanceHistory, GuidanceRevision};
use crate::error::Error;
use crate::model::text;

/// The guidance of a trusted skill: Markdown that says how and when an agent should use it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi guidance show write_note
  kavi guidance edit write_note --from note.md --why 'name the folder'
  kavi guidance history write_note --json
  kavi guidance diff write_note --from 1
  kavi guidance rollback write_note --why 'agents failed more often'
  kavi guidance import ~/.claude/skills/write-note

Each change is a new revision, and no revision is ever removed. Agents see
the published one as a resource of `kavi mcp`.")]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Print a revision.
    Show(ShowArgs),
    /// Publish a text as the next revision.
    Edit(EditArgs),
    /// List revisions and decisions.
    History(HistoryArgs),
    /// Show how two revisions differ.
    Diff(DiffArgs),
    /// Publish an earlier revision again.
    Rollback(RollbackArgs),
    /// Publish the guidance of folders with a SKILL.md.
    Import(ImportArgs),
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// The skill.
    name: String,
    /// The revision. Default: the published one.
    #[arg(long, value_name = "NUMBER")]
    revision: Option<u32>,
    #[command(flatten)]
    json: JsonFlag,
}

#[derive(Debug, clap::Args)]
struct EditArgs {
    /// The skill.
    name: String,
    /// The Markdown file; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    from: String,
    /// Why; recorded.
    #[arg(long, value_name = "TEXT")]
    why: String,
    #[command(flatten)]
    by: Decider,
    #[command(flatten)]
    json: JsonFlag,
}

#[derive(Debug, clap::Args)]
struct HistoryArgs {
    /// The skill.
    name: String,
    #[command(flatten)]
    json: JsonFlag,
}

#[derive(Debug, clap::Args)]
struct DiffArgs {
    /// The skill.
    name: String,
    /// The older revision. Default: the one that was published before.
    #[arg(long, value_name = "NUMBER")]
    from: Option<u32>,
    /// The newer revision. Default: the published one.
    #[arg(long, value_name = "NUMBER")]
    to: Option<u32>,
    #[command(flatten)]
    json: JsonFlag,
}

#[derive(Debug, clap::Args)]
struct RollbackArgs {
    /// The skill.
    name: String,
    /// The revision. Default: the one that was published before.
    revision: Option<u32>,
    /// Why; recorded.
    #[arg(long, value_name = "TEXT")]
    why: String,
    #[command(flatten)]
    by: Decider,
    #[command(flatten)]
    json: JsonFlag,
}

#[derive(Debug, clap::Args)]
struct ImportArgs {
    /// The folders, each with a SKILL.md that names a trusted skill.
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,
    #[command(flatten)]
    by: Decider,
    #[command(flatten)]
    json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    match &args.verb {
        Verb::Show(args) => show(context, args),
        Verb::Edit(args) => edit(context, args),
        Verb::History(args) => history(context, args),
        Verb::Diff(args) => diff(context, args),
        Verb::Rollback(args) => rollback(context, args),
        Verb::Import(args) => import(context, args),
    }
}

fn machine(revision: &GuidanceRevision) -> Value {
    json!({
        "skill": revision.skill,
        "revision": revision.number,
        "sha256": revision.body.sha256(),
        "origin": revision.origin,
        "author": revision.author,
        "created_at": revision.created_at,
        "text": revision.body.as_str(),
    })
}

fn show(context: Context, args: &ShowArgs) -> Result<(), Error> {
    let (app, out) = context.open()?;
    let revision = app.guidance().revision(&args.name, args.revision)?;
    out.result(revision.body.as_str(), &machine(&revision));
    Ok(())
}

fn edit(context: Context, args: &EditArgs) -> Result<(), Error> {
    let from = if args.from == "-" { "-".to_owned() } else { format!("@{}", args.from) };
    let text = input::read_input(&context.host.cwd, &from)?;
    let DecisionContext { app, out, approver } = args.by.open(context)?;
    let change = app.guidance().edit(&args.name, &text, &args.why, &approver)?;
    out.result(&changed(&change), &machine_change(&change));
    Ok(())
}

fn changed(change: &GuidanceChange) -> String {
    let GuidanceRevision { skill, number, .. } = &change.revision;
    format!("{}revision {number} of the guidance of {skill} is published\n", change.diff)
}

fn machine_change(change: &GuidanceChange) -> Value {
    let mut machine = machine(&change.revision);
    machine["diff"] = json!(change.diff);
    machine
}

fn history(context: Context, args: &HistoryArgs) -> Result<(), Error> {
    let (app, out) = context.open()?;
    let GuidanceHistory { revisions, decisions } = app.guidance().history(&args.name)?;
    let row = |decision: &GuidanceDecision| {
        let previous = decision.previous.map_or("-".to_owned(), |number| number.to_string());
        vec![
            decision.at.to_string(),
            decision.step.to_string(),
            decision.published.to_string(),
            previous,
            text::line(&decision.by, 100),
            text::line(&decision.why, 200),
        ]
    };
    let human =
        views::table(&["decided", "step", "published", "before", "by", "why"], decisions.iter().map(row).collect());
    let decision = |decision: &GuidanceDecision| {
        json!({
            "at": decision.at, "step": decision.step, "published": decision.published,
            "previous": decision.previous, "by": decision.by, "why": decision.why,
        })
    };
    let newest = decisions.last();
    let machine = json!({
        "skill": args.name,
        "published": newest.map(|newest| newest.published),
        "previous": newest.and_then(|newest| newest.previous),
        "revisions": revisions.iter().map(machine).collect::<Vec<_>>(),
        "decisions": decisions.iter().map(decision).collect::<Vec<_>>(),
    });
    out.result(&human, &machine);
    Ok(())
}

fn diff(context: Context, args: &DiffArgs) -> Result<(), Error> {
    let (app, out) = context.open()?;
    let diff = app.guidance().diff(&args.name, args.from, args.to)?;
    out.result(&diff, &json!({ "skill": args.name, "diff": diff }));
    Ok(())
}

fn rollback(context: Context, args: &RollbackArgs) -> Result<(), Error> {
    let DecisionContext { app, out, approver } = args.by.open(context)?;
    let change = app.guidance().roll_back(&args.name, args.revision, &args.why, &approver)?;
    out.result(&changed(&change), &machine_change(&change));
    Ok(())
}

fn import(context: Context, args: &ImportArgs) -> Result<(), Error> {
    let DecisionContext { app, out, approver } = args.by.open(context)?;
    let (mut human, mut imported, mut failed) = (String::new(), Vec::new(), Vec::new());
    let mut worst = None;
    for folder in &args.folders {
        let shown = text::line(&folder.to_string_lossy(), 400);
        match app.guidance().import(folder, &approver) {
            Ok(revision) => {
                human.push_str(&format!("{shown}: revision {} of {}\n", revision.number, revision.skill));
                imported.push(machine(&revision));
            }
            // One folder that cannot be read does not keep the others out.
            Err(error) => {
                human.push_str(&format!("{shown}: not imported: {error}\n"));
                failed.push(json!({ "folder": shown, "kind": error.kind().as_str(), "message": error.to_string() }));
                worst = worst.or(Some(error));
            }
        }
    }
    let machine = json!({ "imported": imported, "failed": failed });
    match worst {
        None => {
            out.result(&human, &machine);
            Ok(())
        }
        Some(error) => Err(out.failure(&human, &machine, error)),
    }
}
