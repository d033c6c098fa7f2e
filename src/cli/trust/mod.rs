//! `kavi trust`

mod adopt;
mod approval;
pub(super) mod enroll;
mod head;
mod policy;
mod rotate;
mod signers;

use clap::Subcommand;

use super::Context;
use crate::error::Error;

/// What decisions need and who may sign them, and the anchor of the history outside of the workspace.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi trust enroll --key ~/.ssh/id_ed25519.pub --as ada
  kavi trust signers list
  kavi trust policy --apply --approved-by ada
  kavi trust adopt --why 'restored from the backup of Monday' --approved-by ada")]
pub struct Args {
    #[command(subcommand)]
    verb: TrustVerb,
}

#[derive(Debug, Subcommand)]
enum TrustVerb {
    Adopt(adopt::Args),
    Head(head::Args),
    RotateKey(rotate::Args),
    Enroll(enroll::Args),
    Signers(signers::Args),
    Policy(policy::Args),
    Approval(approval::Args),
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    match &args.verb {
        TrustVerb::Adopt(args) => adopt::run(context, args),
        TrustVerb::Head(args) => head::run(context, args),
        TrustVerb::RotateKey(args) => rotate::run(context, args),
        TrustVerb::Enroll(args) => enroll::run(context, args),
        TrustVerb::Signers(args) => signers::run(context, args),
        TrustVerb::Policy(args) => policy::run(context, args),
        TrustVerb::Approval(args) => approval::run(context, args),
    }
}
