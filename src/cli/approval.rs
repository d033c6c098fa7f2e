//! Who decides, and whether that person is asked first: what the verbs that decide something take alike.
//!
//! Guarantees: what is decided is on record under a name. Deliberately never: asks; that is the printer's.

use super::Context;
use crate::app::Approver;
use crate::error::Error;

/// The name of whoever decides.
#[derive(Debug, clap::Args)]
pub struct Decider {
    /// Who decides; recorded.
    #[arg(long, value_name = "NAME")]
    approved_by: Option<String>,
}

impl Decider {
    /// Who decides: as named, else the user who is logged in.
    pub fn approver(&self, context: &Context) -> Result<Approver, Error> {
        named_or_logged_in(context, self.approved_by.as_deref())
    }
}

/// Whoever decides, of verbs that ask first.
#[derive(Debug, clap::Args)]
pub struct Approval {
    #[command(flatten)]
    pub by: Decider,
    /// Do not ask.
    #[arg(long, short)]
    pub yes: bool,
}

/// The person who is named with `option`, else the user who is logged in.
pub fn named_or_logged_in(context: &Context, named: Option<&str>) -> Result<Approver, Error> {
    let name = match named {
        Some(named) => Some(named.to_owned()),
        None => context.host.environment.text("USER")?,
    };
    // A container has no USER. The number of the account is on record then, as for runs.
    let name = name.unwrap_or_else(|| context.host.account_number());
    Ok(Approver::parse(&name)?)
}
