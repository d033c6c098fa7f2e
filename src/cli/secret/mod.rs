//! `kavi secret`: one file for each of its verbs.

mod check;
mod list;

use super::Context;
use crate::error::Error;

/// List secrets, or check that one can be read. No value is ever shown.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  kavi secret list\n  kavi secret check EXAMPLE_TOKEN --json")]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    List(list::Args),
    Check(check::Args),
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    match &args.verb {
        Verb::List(args) => list::run(context, args),
        Verb::Check(args) => check::run(context, args),
    }
}
