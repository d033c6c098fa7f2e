//! `kavi revoke`

use super::{
    Context, JsonFlag,
    approval::{Approval, DecisionContext},
    views,
};
use crate::error::Error;
use crate::model::text;
use clap_complete::engine::ArgValueCompleter;

/// Revoke the trust in a revision permanently.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi revoke write_note --why 'writes outside its folder' --approved-by ada
  kavi revoke write_note@2 --why 'superseded by a fix' --approved-by ada")]
pub struct Args {
    /// The skill (its active revision), or NAME@REVISION.
    #[arg(add = ArgValueCompleter::new(super::completions::skills), value_name = "NAME[@REVISION]")]
    name: String,
    /// Why; recorded.
    #[arg(long)]
    why: String,
    #[command(flatten)]
    approval: Approval,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let DecisionContext { app, out, approver } = args.approval.open(context)?;
    // Where nobody can be asked it is done: to revoke takes something away, and must not wait for a terminal.
    if !args.approval.yes && out.person_or("").is_ok() {
        let question = format!("revoke {} for good?", text::line(&args.name, 100));
        out.agreed(&question, "nothing was revoked")?;
    }
    let revoked = app.trust().revoke(&args.name, &approver, &args.why)?;
    let (name, revision) = (&revoked.spec.name, revoked.trust.map(|trust| trust.revision).unwrap_or_default());
    let next = match app.trust().can_roll_back(name)? {
        true => format!("next: `kavi rollback {name}` for the revision before it, or promote another"),
        false => format!("no revision came before it: propose another, or see `kavi show {name}`"),
    };
    out.result(&format!("{name} revision {revision} is REVOKED\n{next}"), &views::proposal(&revoked));
    Ok(())
}
