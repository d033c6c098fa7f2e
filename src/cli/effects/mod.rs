//! `kavi effects`: one file for each of its verbs.

mod abandon;
mod approve;
mod list;
mod reject;
mod render;
mod selection;
mod show;

use super::Context;
use crate::error::Error;

pub use render::{diffs, held, table, what_happens};

/// Review pending vault changes: list, show, approve or reject them.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi effects list
  kavi effects show 3f9a2c1b
  kavi effects approve 3f9a2c1b --approved-by ada
  kavi effects approve --skill write_note --approved-by ada
  kavi effects reject 3f9a2c1b --why 'wrong folder'
  kavi effects reject --all --why 'not today'

Changes are held by `run-skill --hold`, and where [policy] in kavi.toml says
\"ask\". They have the id of their run, and expire after `held_hours` of
kavi.toml.")]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    List(list::Args),
    Show(show::Args),
    Approve(approve::Args),
    Reject(reject::Args),
    Abandon(abandon::Args),
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    match &args.verb {
        Verb::List(args) => list::run(context, args),
        Verb::Show(args) => show::run(context, args),
        Verb::Approve(args) => approve::run(context, args),
        Verb::Reject(args) => reject::run(context, args),
        Verb::Abandon(args) => abandon::run(context, args),
    }
}
