//! `kavi revoke`

use super::{Context, JsonFlag, approval::Decider, views};
use crate::error::Error;

/// Revoke the trust in a revision permanently.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi revoke write_note --why 'writes outside its folder' --approved-by ada
  kavi revoke write_note@2 --why 'superseded by a fix' --approved-by ada")]
pub struct Args {
    /// The skill (its active revision), or NAME@REVISION.
    #[arg(value_name = "NAME[@REVISION]")]
    name: String,
    /// Why; recorded.
    #[arg(long)]
    why: String,
    #[command(flatten)]
    by: Decider,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let approver = args.by.approver(&context)?;
    let (app, out) = context.open()?;
    let revoked = app.trust().revoke(&args.name, &approver, &args.why)?;
    let (name, revision) = (&revoked.spec.name, revoked.trust.map(|trust| trust.revision).unwrap_or_default());
    let next = match app.trust().can_roll_back(name)? {
        true => format!("next: `kavi rollback {name}` for the revision before it, or promote another"),
        false => format!("no revision came before it: propose another, or see `kavi show {name}`"),
    };
    out.result(&format!("{name} revision {revision} is REVOKED\n{next}"), &views::proposal(&revoked));
    Ok(())
}
