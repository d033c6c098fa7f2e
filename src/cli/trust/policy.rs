//! `kavi trust policy`

use serde_json::json;

use super::super::{
    Context, JsonFlag,
    approval::{Decider, DecisionContext},
};
use crate::app::{Requirement, Signer, TrustPolicy};
use crate::error::Error;

/// Show the policy in force, or put into force what kavi.toml proposes.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  kavi trust policy\n  kavi trust policy --apply --approved-by ada")]
pub struct Args {
    /// Put into force what kavi.toml proposes. A signer signs this once there is one.
    #[arg(long)]
    apply: bool,
    #[command(flatten)]
    by: Decider,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let (app, out) = if args.apply {
        let DecisionContext { app, out, approver } = args.by.open(context)?;
        app.policy().apply_file(&approver)?;
        (app, out)
    } else {
        context.open_to_look()?
    };
    let policy = app.policy().in_force()?;
    let weaker = app.policy().weaker_keys()?;
    let mut text = match &policy {
        Some(policy) => human(policy),
        None => "no policy was put into force: decisions need a name, and kavi.toml counts as it is\n".to_owned(),
    };
    weaker.iter().for_each(|key| text.push_str(&format!("kavi.toml is weaker: `{key}`; nothing runs\n")));
    let pin = app.policy().machine_pin();
    if let Some((path, of_another)) = &pin {
        let whose = if *of_another { "another user's" } else { "your own, so your processes can change it" };
        text.push_str(&format!("signers are pinned in {path} ({whose})\n"));
    }
    let pin = pin.map(|(path, of_another)| json!({ "path": path, "of_another_user": of_another }));
    out.result(text.trim_end(), &json!({ "policy": policy, "weaker": weaker, "pin": pin }));
    Ok(())
}

/// A policy for people.
pub fn human(policy: &TrustPolicy) -> String {
    let kinds = policy.require.entries().map(|(kind, need)| format!("  {kind:<13} {}\n", need.as_str()));
    let mut text = format!("decisions need:\n{}", kinds.concat());
    if policy.require.entries().iter().any(|(_, need)| *need == Requirement::None) {
        text.push_str("  none: any process of yours can decide that in your name\n");
    }
    policy.signers.iter().for_each(|one| text.push_str(&format!("signer: {}\n", signer(one))));
    text
}

/// One signer in a line.
pub fn signer(signer: &Signer) -> String {
    let print = signer.public_key().map(|key| format!("{} {}", key.kind(), key.fingerprint())).unwrap_or_default();
    let from = signer.valid_after.as_ref().map(|at| format!(", from {at}")).unwrap_or_default();
    let until = signer.valid_before.as_ref().map(|at| format!(", until {at}")).unwrap_or_default();
    let confirms = if signer.confirms { ", asked before each use (as they say)" } else { "" };
    format!("{} {print}{from}{until}{confirms}", signer.principal)
}
