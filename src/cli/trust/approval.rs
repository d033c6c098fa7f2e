//! `kavi trust approval`

use std::path::PathBuf;

use serde_json::json;

use super::super::{Context, JsonFlag};
use crate::app::{ApprovedDecision, EventKind, signed_kind};
use crate::error::Error;

/// Write the signature over a decision as files, for `ssh-keygen -Y verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi trust approval write_note --to approval
  kavi trust approval --decision resume --to approval")]
pub struct Args {
    /// The skill (its newest revision), NAME@REVISION, or the id of a proposal.
    #[arg(value_name = "NAME[@REVISION]", required_unless_present = "decision")]
    name: Option<String>,
    /// The newest decision of a kind that people sign, such as `resume` or `charter`.
    #[arg(long, value_name = "KIND", value_parser = signed_kind, conflicts_with = "name")]
    decision: Option<EventKind>,
    /// The folder for the files. None of them is replaced.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let (app, out) = context.open()?;
    let exported = match (args.decision, &args.name) {
        (Some(kind), _) => app.policy().export_approval(ApprovedDecision::Newest(kind), &args.to)?,
        (None, Some(name)) => {
            let proposal = app.proposals().find(name)?;
            app.policy().export_approval(ApprovedDecision::Trust(&proposal), &args.to)?
        }
        (None, None) => return Err(Error::Usage("name a skill, or a decision with --decision KIND".to_owned())),
    };
    let (who, level) = (&exported.approved.principal, exported.approved.level.as_str());
    let files: Vec<String> = exported.files.iter().map(|path| path.display().to_string()).collect();
    let human = format!(
        "signed by {who} with {}, level {level}\nwrote {}\ncheck it: ssh-keygen -Y verify -f allowed_signers -I {who} -n {} -s \
         statement.json.sig < statement.json",
        exported.approved.fingerprint,
        files.join(", "),
        exported.namespace,
    );
    let machine = json!({ "signer": who, "key": exported.approved.fingerprint, "level": level,
        "namespace": exported.namespace, "files": files });
    out.result(&human, &machine);
    Ok(())
}
