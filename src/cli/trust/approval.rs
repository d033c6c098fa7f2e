//! `kavi trust approval`

use std::path::PathBuf;

use serde_json::json;

use super::super::{Context, JsonFlag};
use crate::error::Error;

/// Write the signature over a promotion or rollback as files, for `ssh-keygen -Y verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  kavi trust approval write_note --to approval")]
pub struct Args {
    /// The skill (its newest revision), NAME@REVISION, or the id of a proposal.
    #[arg(value_name = "NAME[@REVISION]")]
    name: String,
    /// The folder for the files. None of them is replaced.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let (app, out) = context.open()?;
    let exported = app.policy().export_approval(&app.proposals().find(&args.name)?, &args.to)?;
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
