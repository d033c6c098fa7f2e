//! `kavi rollback`

use super::{
    Context, JsonFlag,
    approval::{Decider, DecisionContext},
    views,
};
use crate::error::Error;
use crate::model::name::SkillName;
use clap_complete::engine::ArgValueCompleter;

/// Go back to the trusted revision before the active one.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  kavi rollback write_note --approved-by ada")]
pub struct Args {
    /// The skill.
    #[arg(add = ArgValueCompleter::new(super::completions::skills))]
    name: String,
    #[command(flatten)]
    by: Decider,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let name = SkillName::parse(&args.name).map_err(|error| Error::Usage(error.to_string()))?;
    let DecisionContext { app, out, approver } = args.by.open(context)?;
    let back = app.trust().rollback(&name, &approver)?;
    let revision = back.trust.map(|trust| trust.revision).unwrap_or_default();
    out.result(&format!("{name} is back at revision {revision}"), &views::proposal(&back));
    Ok(())
}
