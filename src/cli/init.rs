//! `kavi init`

use std::path::PathBuf;

use serde_json::json;

use super::trust::enroll::{self, Enrolment};
use super::{Context, JsonFlag, approval};
use crate::app::{App, InitRequest, KeySource, NewSigner, Requirement, Walls};
use crate::error::Error;

/// Make a workspace: kavi.toml, a vault, a place for skills, the ledger. Never replaces a file.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  kavi init\n  kavi init notes\n  kavi init work --vault ~/Notes\n  kavi init notes --json"
)]
pub struct Args {
    /// The folder; made when it is missing.
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// A vault that exists. Nothing is made in it or beside it.
    #[arg(long, value_name = "DIR")]
    vault: Option<PathBuf>,
    /// Have decisions signed from the start: enrols an SSH key of yours.
    #[arg(long)]
    signed: bool,
    /// The public key file to enrol; else `~/.ssh/kavi_ed25519.pub`, which `ssh-keygen` makes when it is missing.
    #[arg(long, value_name = "FILE.pub", requires = "signed")]
    key: Option<PathBuf>,
    /// Your name among the signers; else the user who is logged in.
    #[arg(long = "as", value_name = "NAME", requires = "signed")]
    name: Option<String>,
    #[command(flatten)]
    pub json: JsonFlag,
}

/// Who is enrolled, with which key.
fn enrolment(context: &Context, args: &Args) -> Result<Enrolment, Error> {
    let approver = approval::named_or_logged_in(context, args.name.as_deref())?;
    let key = match &args.key {
        Some(path) => KeySource::Public(path.clone()),
        None => {
            let home = context.host.environment.get("HOME").map(PathBuf::from);
            let home = home.ok_or_else(|| Error::Usage("HOME is not set: give --key FILE.pub".to_owned()))?;
            let path = enroll::usual_key(&home);
            let public = path.with_extension("pub");
            if public.exists() { KeySource::Public(public) } else { KeySource::New { path, passphrase: None } }
        }
    };
    let principal = approver.as_str().to_owned();
    let new = NewSigner { principal, key, valid_after: None, valid_before: None, confirms: false };
    Ok(Enrolment { new, require: Requirement::Signed, approver })
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    // Before anything is made: a workspace that was to be signed must not be left unsigned for want of a name.
    let enrolment = args.signed.then(|| enrolment(&context, args)).transpose()?;
    let wanted = InitRequest { folder: &args.dir, vault: args.vault.as_deref(), signed: args.signed };
    let made = App::init(&context.host, &wanted)?;
    if let Some(enrolment) = enrolment {
        let (root, out) = (made.root.clone(), context.out.clone());
        let app = App::open(context.host, Some(&root), Walls::AsConfigured)?;
        return enroll::enroll(&app, &out, &enrolment);
    }
    let written: Vec<String> =
        made.written.iter().map(|path| path.strip_prefix(&made.root).unwrap_or(path).display().to_string()).collect();
    let human = match written.as_slice() {
        [] => format!("{} is a workspace already; nothing was missing", made.root.display()),
        written => format!(
            "workspace {}\nwrote {}\ndecisions need a name and no signature: any process of yours can promote in your name; `kavi \
             trust enroll` changes that\nnext: kavi propose-skill --help, or kavi new NAME for a skill of your own",
            made.root.display(),
            written.join(", ")
        ),
    };
    context.out.result(&human, &json!({ "workspace": made.root, "written": written }));
    Ok(())
}
