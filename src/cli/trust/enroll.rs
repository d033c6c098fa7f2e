//! `kavi trust enroll`

use std::path::{Path, PathBuf};

use serde_json::json;

use super::super::{Context, JsonFlag, approval, out::Out};
use super::policy;
use crate::app::{App, Approver, KeySource, NewSigner, Requirement};
use crate::error::Error;

/// The key of a signer.
#[derive(Debug, clap::Args)]
pub struct KeyArgs {
    /// The public key file of an SSH key that exists: ed25519, ecdsa, rsa, or a hardware key (`sk-`).
    #[arg(long, value_name = "FILE.pub", conflicts_with = "new_key")]
    key: Option<PathBuf>,
    /// Have `ssh-keygen` make an Ed25519 key in this file. It asks for a passphrase.
    #[arg(long, value_name = "FILE")]
    new_key: Option<PathBuf>,
    /// Give the new key no passphrase: any program of yours can then sign with it.
    #[arg(long, requires = "new_key")]
    no_passphrase: bool,
    /// The owner of the key loads it with `ssh-add -c`, so that each use is asked about. No signature shows that.
    #[arg(long)]
    confirms: bool,
}

impl KeyArgs {
    /// A signer with this key.
    pub fn signer(&self, principal: &str) -> Result<NewSigner, Error> {
        let key = match (&self.key, &self.new_key) {
            (Some(path), _) => KeySource::Public(path.clone()),
            (None, Some(path)) => {
                KeySource::New { path: path.clone(), passphrase: self.no_passphrase.then(String::new) }
            }
            (None, None) => {
                let todo = "give --key FILE.pub for a key that exists, or --new-key FILE to make one";
                return Err(Error::Usage(format!("no key is named: {todo}")));
            }
        };
        let principal = principal.to_owned();
        Ok(NewSigner { principal, key, valid_after: None, valid_before: None, confirms: self.confirms })
    }
}

/// Enrol your SSH key as the first signer. From then on decisions need a signature.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi trust enroll --key ~/.ssh/id_ed25519.pub --as ada
  kavi trust enroll --new-key ~/.ssh/kavi --as ada
  kavi trust enroll --key ~/.ssh/id_ed25519_sk.pub --as ada --require touch")]
pub struct Args {
    #[command(flatten)]
    key: KeyArgs,
    /// Your name among the signers; else the user who is logged in.
    #[arg(long = "as", value_name = "NAME")]
    name: Option<String>,
    /// What decisions need from then on, where kavi.toml does not say: signed, confirm or touch.
    #[arg(long, value_name = "LEVEL", default_value = "signed", value_parser = requirement)]
    require: Requirement,
    #[command(flatten)]
    pub json: JsonFlag,
}

fn requirement(text: &str) -> Result<Requirement, String> {
    let known = [Requirement::Signed, Requirement::Confirm, Requirement::Touch];
    let found = known.into_iter().find(|requirement| requirement.as_str() == text);
    found.ok_or_else(|| "one of signed, confirm, touch".to_owned())
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let approver = approval::named_or_logged_in(&context, args.name.as_deref())?;
    let new = args.key.signer(approver.as_str())?;
    let (app, out) = context.open()?;
    enroll(&app, &out, &Enrolment { new, require: args.require, approver })
}

/// An enrolment that is asked for.
pub struct Enrolment {
    pub new: NewSigner,
    pub require: Requirement,
    pub approver: Approver,
}

pub fn enroll(app: &App, out: &Out, wanted: &Enrolment) -> Result<(), Error> {
    let policy = app.policy().enroll(&wanted.new, wanted.require, &wanted.approver)?;
    let human = format!(
        "{} is enrolled; decisions are signed from now on\n{}next: add a second signer for the day that the key is lost: `kavi \
         trust signers add NAME --key FILE.pub`",
        wanted.new.principal,
        policy::human(&policy)
    );
    out.result(&human, &json!({ "enrolled": wanted.new.principal, "policy": policy }));
    Ok(())
}

/// Where a key for signatures goes when nobody says it.
pub fn usual_key(home: &Path) -> PathBuf {
    home.join(".ssh/kavi_ed25519")
}
