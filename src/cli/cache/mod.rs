//! `kavi cache`: one file for each of its verbs.

mod clear;
mod status;

use super::Context;
use crate::error::Error;

/// Show or delete the machine code of skills. A run compiles again what is missing.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  kavi cache status\n  kavi cache clear --json")]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    Status(status::Args),
    Clear(clear::Args),
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    match &args.verb {
        Verb::Status(args) => status::run(context, args),
        Verb::Clear(args) => clear::run(context, args),
    }
}
