//! `kavi trust signers`

use clap::Subcommand;
use serde_json::json;

use super::super::{
    Context, JsonFlag,
    approval::{Decider, DecisionContext},
};
use super::enroll::KeyArgs;
use super::policy;
use crate::error::Error;
use crate::model::time;

/// Who may sign decisions.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi trust signers list
  kavi trust signers add bob --key bob.pub --valid-before 2027-06-30
  kavi trust signers remove bob")]
pub struct Args {
    #[command(subcommand)]
    verb: SignersVerb,
}

#[derive(Debug, Subcommand)]
enum SignersVerb {
    /// Show who may sign, with their keys.
    List {
        #[command(flatten)]
        json: JsonFlag,
    },
    /// Let another key sign. A signer signs this.
    Add(AddArgs),
    /// Let a key sign no more. What it signed stays signed. A signer signs this.
    Remove(RemoveArgs),
}

#[derive(Debug, clap::Args)]
struct AddArgs {
    /// The name of the signer.
    name: String,
    #[command(flatten)]
    key: KeyArgs,
    /// The day on which the key begins to count, in UTC.
    #[arg(long, value_name = "DATE")]
    valid_after: Option<String>,
    /// The first day on which the key counts no more, in UTC.
    #[arg(long, value_name = "DATE")]
    valid_before: Option<String>,
    #[command(flatten)]
    by: Decider,
    #[command(flatten)]
    json: JsonFlag,
}

#[derive(Debug, clap::Args)]
struct RemoveArgs {
    /// The name of the signer, or the fingerprint of one key.
    who: String,
    #[command(flatten)]
    by: Decider,
    #[command(flatten)]
    json: JsonFlag,
}

/// The start of a day, in the form of the ledger.
fn day(text: Option<&str>) -> Result<Option<String>, Error> {
    let parse = |text: &str| {
        let time = time::Timestamp::parse(&format!("{text}T00:00:00.000Z"));
        time.map(|time| time.to_string()).map_err(|_| Error::Usage(format!("`{text}` is no day: write 2027-06-30")))
    };
    text.map(parse).transpose()
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let (policy, out) = match &args.verb {
        SignersVerb::List { .. } => {
            let (app, out) = context.open_to_look()?;
            (app.policy().in_force()?.unwrap_or_default(), out)
        }
        SignersVerb::Add(args) => {
            let approver = args.by.approver(&context)?;
            let mut new = args.key.signer(&args.name)?;
            new.valid_after = day(args.valid_after.as_deref())?;
            new.valid_before = day(args.valid_before.as_deref())?;
            let (app, out) = context.open()?;
            (app.policy().add_signer(&new, &approver)?, out)
        }
        SignersVerb::Remove(args) => {
            let DecisionContext { app, out, approver } = args.by.open(context)?;
            (app.policy().remove_signer(&args.who, &approver)?, out)
        }
    };
    let rows: Vec<String> = policy.signers.iter().map(policy::signer).collect();
    let human = if rows.is_empty() { "nobody is enrolled: `kavi trust enroll`".to_owned() } else { rows.join("\n") };
    out.result(&human, &json!({ "signers": policy.signers }));
    Ok(())
}
