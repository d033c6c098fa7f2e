//! Who decides, and whether that person is asked first: what the verbs that decide something take alike.
//!
//! Guarantees: what is decided is on record under a name. Nobody is asked without a terminal, or after `--yes`.
//!
//! Deliberately never: decides, or prints by itself.

use super::{Context, out::Out};
use crate::app::{App, Approver};
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

    /// Opens the workspace for a decision of whoever decides.
    pub fn open(&self, context: Context) -> Result<DecisionContext, Error> {
        // First, so that a name that is no name is refused where nothing was opened.
        let approver = self.approver(&context)?;
        let (app, out) = context.open()?;
        Ok(DecisionContext { app, out, approver })
    }
}

/// What a verb needs that records a decision.
pub struct DecisionContext {
    pub app: App,
    pub out: Out,
    pub approver: Approver,
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

/// A question to the person who decides.
pub struct Question<'a> {
    /// What to do where nobody can be asked.
    pub instead: &'a str,
    /// What the person is asked.
    pub asks: &'a str,
    /// What did not happen, if the answer is no.
    pub otherwise: &'a str,
}

impl Approval {
    /// Opens the workspace for a decision of whoever decides.
    pub fn open(&self, context: Context) -> Result<DecisionContext, Error> {
        self.by.open(context)
    }

    /// Says what the decision is about, and asks about it unless the person gave `--yes`.
    ///
    /// # Errors
    /// As [`Approval::ask`].
    pub fn ask_or_say(&self, out: &Out, question: &Question<'_>, about: &str) -> Result<(), Error> {
        if self.yes {
            out.say(about);
        }
        self.ask(out, question, || {
            out.say(about);
            Ok(())
        })
    }

    /// Shows what the decision is about and asks, unless the person gave `--yes`.
    ///
    /// # Errors
    /// [`Error::Refused`] when nobody can be asked, or the answer is no.
    pub fn ask(
        &self,
        out: &Out,
        question: &Question<'_>,
        show: impl FnOnce() -> Result<(), Error>,
    ) -> Result<(), Error> {
        if self.yes {
            return Ok(());
        }
        // Before anything is shown: a script gets the hint alone.
        out.person_or(question.instead)?;
        show()?;
        out.agreed(question.asks, question.otherwise)
    }
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
