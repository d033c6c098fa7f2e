//! `kavi rollback`

use super::{Context, JsonFlag, views};
use crate::app::Approver;
use crate::error::Error;
use crate::model::name::SkillName;

/// Go back to the trusted revision before the active one.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  kavi rollback write_note --approved-by ada")]
pub struct Args {
    /// The skill.
    name: String,
    /// Who decides; recorded.
    #[arg(long, value_name = "NAME")]
    approved_by: Option<String>,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let approver = decider(&context, args.approved_by.as_deref())?;
    let name = SkillName::parse(&args.name).map_err(|error| Error::Usage(error.to_string()))?;
    let (app, out) = context.open()?;
    let back = app.rollback(&name, &approver)?;
    let revision = back.trust.map(|trust| trust.revision).unwrap_or_default();
    out.result(&format!("{name} is back at revision {revision}"), &views::proposal(&back));
    Ok(())
}

/// Who decides: as named, else the user who is logged in.
pub fn decider(context: &Context, named: Option<&str>) -> Result<Approver, Error> {
    named_or_logged_in(context, named, "--approved-by")
}

/// The same for a verb that takes the name with `option`.
pub fn named_or_logged_in(context: &Context, named: Option<&str>, option: &str) -> Result<Approver, Error> {
    let user = context.host.environment.text("USER");
    let name = named.map(str::to_owned).or(user);
    let name = name.ok_or_else(|| Error::Usage(format!("nobody is named as deciding: give {option} NAME")))?;
    Ok(Approver::parse(&name)?)
}
