//! `kavi improve evidence`

use serde_json::json;

use super::super::{
    Context, JsonFlag,
    approval::{Decider, DecisionContext},
    input,
};
use crate::error::Error;
use crate::model::{
    digest::Digest,
    example::Expectation,
    json::{self, JsonLimits},
};

/// Show the exact text of a run, and release it to the model of [advice] and to the forge.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi improve evidence 3f9a2c1b
  kavi improve evidence 3f9a2c1b --release SHA256 --approved-by ada
  kavi improve evidence 3f9a2c1b --expect '{\"words\":2}'
  kavi improve evidence 3f9a2c1b --expect-error invalid-input --release SHA256

Without --release nothing leaves. With --expect the run becomes an example
that the next attempt at the code must pass; its vault is empty.")]
pub struct Args {
    /// The run: its id, or a unique prefix of it.
    run: String,
    /// The output that should have come of it: JSON, @FILE, or - for standard input.
    #[arg(long, value_name = "JSON", conflicts_with = "expect_error")]
    expect: Option<String>,
    /// The kind of error that should have come of it.
    #[arg(long, value_name = "KIND", value_parser = ["invalid-input", "not-found", "denied", "failed"])]
    expect_error: Option<String>,
    /// Release the text with this digest, which is shown with it.
    #[arg(long, value_name = "SHA256")]
    release: Option<String>,
    #[command(flatten)]
    by: Decider,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let named = args.release.as_deref().map(Digest::parse).transpose();
    let named = named.map_err(|error| Error::Usage(format!("--release: {error}")))?;
    let expect = expectation(&context, args)?;
    let DecisionContext { app, out, approver } = args.by.open(context)?;
    let draft = app.improve().evidence(&args.run, expect)?;
    let (run, text, sha256) = (draft.evidence.run, draft.text.as_str(), draft.text.sha256());
    if let Some(named) = named {
        app.improve().release(&draft, named, &approver)?;
    }
    let is_released = named.is_some() || draft.is_released;
    let said = match is_released {
        true => format!("the text of run {} is released\n", run.short()),
        false => format!("nothing is released; to release exactly this text: --release {sha256}\n"),
    };
    let machine = json!({
        "execution_id": run, "skill": draft.evidence.skill, "text": text, "sha256": sha256, "released": is_released,
    });
    out.result(&format!("{text}\nsha256 {sha256}\n{said}"), &machine);
    Ok(())
}

fn expectation(context: &Context, args: &Args) -> Result<Option<Expectation>, Error> {
    if let Some(kind) = &args.expect_error {
        let kind = serde_json::from_value(json!(kind));
        return Ok(Some(Expectation::Err(kind.map_err(|error| Error::Usage(error.to_string()))?)));
    }
    let Some(expect) = &args.expect else { return Ok(None) };
    let bytes = input::read_input(&context.host.cwd, expect)?;
    let output = json::parse(&bytes, JsonLimits::default());
    Ok(Some(Expectation::Ok(output.map_err(|error| Error::Usage(format!("--expect: {error}")))?)))
}
