//! `kavi propose-skill`

use std::path::Path;

use serde_json::json;

use super::{Context, JsonFlag, views};
use crate::app::{ExampleText, Request};
use crate::error::Error;

/// Propose a skill: its name, what it does, what it may touch, its input and output.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi propose-skill --name write_note --desc 'Writes a note into the inbox' --side-effect FILE_WRITE --path Inbox/AI \\
      --io-schema-json '{\"input\":{\"path\":\"str\",\"title\":\"str\",\"body\":\"str\"},\"output\":{\"written_path\":\"str\",\"sha256\":\"str\"}}'
  kavi propose-skill --name count_words --desc 'Counts words' --side-effect READ_ONLY \\
      --io-schema-json '{\"input\":{\"text\":\"str\"},\"output\":{\"words\":\"int\"}}' --example in.json=out.json")]
pub struct Args {
    /// The skill's name: lower-case letters, digits and `_`, 64 at most.
    #[arg(long)]
    name: String,
    /// What it does, for people and agents.
    #[arg(long)]
    desc: String,
    /// READ_ONLY, FILE_WRITE, NETWORK, SECRET_READ, MESSAGING or MONEY.
    #[arg(long, value_name = "CLASS")]
    side_effect: String,
    /// `{"input": …, "output": …}`, each a JSON Schema or a shorthand like {"title":"str"}; `@FILE` reads a file.
    #[arg(long, value_name = "JSON")]
    io_schema_json: String,
    /// Names of the secrets it needs, as a JSON list.
    #[arg(long, value_name = "JSON", default_value = "[]")]
    required_secrets: String,
    /// A vault folder it may write below; may be given several times.
    #[arg(long = "path", value_name = "FOLDER")]
    paths: Vec<String>,
    /// An example that must hold: IN.json=OUT.json, or one file with a golden case {name, input, vault, expect, files}.
    #[arg(long = "example", value_name = "IN=OUT")]
    examples: Vec<String>,
    /// The name of a test that the skill must have; may be given several times.
    #[arg(long = "required-test", value_name = "NAME")]
    required_tests: Vec<String>,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let cwd = context.host.cwd.clone();
    let io_schema = match args.io_schema_json.strip_prefix('@') {
        Some(file) => read_text(&cwd, file)?,
        None => args.io_schema_json.clone(),
    };
    let request = Request {
        name: args.name.clone(),
        description: args.desc.clone(),
        side_effect: args.side_effect.clone(),
        io_schema,
        required_secrets: args.required_secrets.clone(),
        paths: args.paths.clone(),
        examples: args.examples.iter().map(|text| read_example(&cwd, text)).collect::<Result<_, _>>()?,
        required_tests: args.required_tests.clone(),
    };
    let (app, out) = context.open()?;
    let spec = app.parse_spec(&request)?;
    let proposal = app.propose(&spec)?;
    let short = proposal.id.short();
    let mut human = views::facts(&[
        ("proposal", proposal.id.to_string()),
        ("skill", spec.name.to_string()),
        ("class", spec.side_effect_class.to_string()),
        ("may write below", views::list(spec.paths.iter().map(|path| format!("{path}/")))),
        ("examples", spec.examples.len().to_string()),
        ("status", proposal.status.to_string()),
    ]);
    if let Some(parent) = proposal.parent {
        human.push_str(&format!("follows the trusted revision {}\n", parent.short()));
    }
    if spec.examples.is_empty() {
        human.push_str("without an example (--example), promotion will ask whether what the skill answers is right\n");
    }
    human.push_str(&format!("next: kavi build-skill {short}\n"));
    let mut machine = views::proposal(&proposal);
    machine["spec"] = json!(spec);
    out.result(&human, &machine);
    Ok(())
}

/// `IN=OUT`, or one file with a golden case.
fn read_example(cwd: &Path, text: &str) -> Result<ExampleText, Error> {
    let (input, output) = match text.split_once('=') {
        Some((input, output)) => (input, Some(output)),
        None => (text, None),
    };
    let name = Path::new(input).file_stem().map_or_else(|| text.to_owned(), |stem| stem.to_string_lossy().into_owned());
    Ok(ExampleText {
        name,
        input: read_bytes(cwd, input)?,
        output: output.map(|file| read_bytes(cwd, file)).transpose()?,
    })
}

fn read_bytes(cwd: &Path, file: &str) -> Result<Vec<u8>, Error> {
    let path = cwd.join(file);
    std::fs::read(&path).map_err(|source| Error::Usage(format!("{}: {source}", path.display())))
}

fn read_text(cwd: &Path, file: &str) -> Result<String, Error> {
    String::from_utf8(read_bytes(cwd, file)?).map_err(|_| Error::Usage(format!("{file} is not UTF-8")))
}
