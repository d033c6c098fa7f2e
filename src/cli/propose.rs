//! `kavi propose-skill`

use std::path::Path;

use serde_json::{Value, json};

use super::{Context, JsonFlag, capabilities, views};
use crate::app::{ExampleText, ProposalRequest};
use crate::error::Error;
use crate::model::spec::SkillSpec;

/// Propose a skill: its name, what it does, what it may touch, its input and output.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi propose-skill --name greet --desc 'Greets' --side-effect READ_ONLY \\
      --io-schema-json '{\"input\":{\"who\":\"str\"},\"output\":{\"greeting\":\"str\"}}'
  kavi propose-skill --name keep --desc 'Keeps a text' \\
      --side-effect FILE_WRITE --path Inbox/AI --example in.json=out.json \\
      --io-schema-json '{\"input\":{\"text\":\"str\"},\"output\":{\"path\":\"str\"}}'
  kavi propose-skill --name fetch --desc 'Fetches' --side-effect NETWORK \\
      --host 'GET https://api.example.com/v1/**' \\
      --io-schema-json '{\"input\":{\"url\":\"str\"},\"output\":{\"body\":\"str\"}}'
  kavi propose-skill --spec skills/search_notes/spec.json
  kavi propose-skill --from keep@1 --path Inbox --desc 'Keeps a text'

A shorthand of a schema names each field and its type: str, int, float, bool,
list[T], dict[str,T], or an object of the same kind. `?` after a type makes the
field optional.")]
pub struct Args {
    /// A file with the whole specification: {name, description, side_effect_class, io, paths, examples, …}, as in
    /// SKILL_SPEC.json. It takes the place of all other options.
    #[arg(long, value_name = "FILE", conflicts_with_all = PARTS)]
    spec: Option<String>,
    /// Begin with the specification of this skill or proposal. The other options change it.
    #[arg(long, value_name = "NAME[@REVISION]", conflicts_with_all = NOT_CHANGED)]
    from: Option<String>,
    /// The skill's name: lower-case letters, digits and `_`, 64 at most.
    #[arg(long, required_unless_present_any = ["spec", "from"])]
    name: Option<String>,
    /// What it does, for people and agents.
    #[arg(long, required_unless_present_any = ["spec", "from"])]
    desc: Option<String>,
    /// READ_ONLY, FILE_WRITE, NETWORK, SECRET_READ, MESSAGING or MONEY.
    #[arg(long, value_name = "CLASS", required_unless_present_any = ["spec", "from"])]
    side_effect: Option<String>,
    /// `{"input": …, "output": …}`, each a JSON Schema or a shorthand like {"title":"str"}; `@FILE` reads a file.
    #[arg(long, value_name = "JSON", required_unless_present_any = ["spec", "from"])]
    io_schema_json: Option<String>,
    /// Names of the secrets it needs, as a JSON list.
    #[arg(long, value_name = "JSON", default_value = "[]")]
    required_secrets: String,
    /// A vault folder it may write below; may be given several times.
    #[arg(long = "path", value_name = "FOLDER")]
    paths: Vec<String>,
    /// A host it may reach: `METHOD https://HOST[:PORT]/PATH/**`, then limits like `calls_per_run=3`; may be given several
    /// times.
    #[arg(long = "host", value_name = "RULE")]
    hosts: Vec<String>,
    /// A host of a rule that may have a private address, and that address: `localhost:8443 -> 127.0.0.1`.
    #[arg(long, value_name = "HOST:PORT -> ADDRESS")]
    allow_private: Vec<String>,
    /// What it reads, `vault` or `nothing`. Without this it is the vault, or nothing where a host is named.
    #[arg(long, value_name = "WHAT", default_value = "", hide_default_value = true)]
    reads: String,
    /// A secret that is put into its requests: `NAME https://HOST PLACE`. PLACE is bearer, basic:USER, header:NAME,
    /// json:/POINTER or query:NAME. With hmac-sha256 or sign-ed25519 it signs, and the skill reaches that host alone.
    #[arg(long = "secret", value_name = "BINDING")]
    secrets: Vec<String>,
    /// The skill reads the clock.
    #[arg(long)]
    reads_clock: bool,
    /// The skill removes files below its folders.
    #[arg(long)]
    removes_files: bool,
    /// An example that must hold: IN.json=OUT.json, or one file with a golden case {name, input, vault, now, expect, files,
    /// removed}.
    #[arg(long = "example", value_name = "IN=OUT")]
    examples: Vec<String>,
    /// The name of a test that the skill must have; may be given several times.
    #[arg(long = "required-test", value_name = "NAME")]
    required_tests: Vec<String>,
    #[command(flatten)]
    pub json: JsonFlag,
}

/// What `--from` keeps as it is.
const NOT_CHANGED: [&str; 6] = ["required_secrets", "hosts", "allow_private", "reads", "secrets", "examples"];

/// What `--spec` takes the place of.
const PARTS: [&str; 15] = [
    "from",
    "name",
    "desc",
    "side_effect",
    "io_schema_json",
    "required_secrets",
    "paths",
    "hosts",
    "allow_private",
    "reads",
    "secrets",
    "reads_clock",
    "removes_files",
    "examples",
    "required_tests",
];

/// The specification `base`, as JSON, with what the options change.
fn changed(cwd: &Path, base: &SkillSpec, args: &Args) -> Result<Value, Error> {
    let mut spec = json!(base);
    for (key, value) in [("name", &args.name), ("description", &args.desc), ("side_effect_class", &args.side_effect)] {
        if let Some(value) = value {
            spec[key] = json!(value);
        }
    }
    if let Some(schema) = io_schema(cwd, args)? {
        let schema = serde_json::from_str(&schema);
        spec["io"] = schema.map_err(|error| Error::Usage(format!("--io-schema-json is not JSON: {error}")))?;
    }
    if !args.paths.is_empty() {
        spec["paths"] = json!(args.paths);
    }
    if !args.required_tests.is_empty() {
        spec["required_tests"] = json!(args.required_tests);
    }
    for (key, given) in [("reads_clock", args.reads_clock), ("removes_files", args.removes_files)] {
        if given {
            spec[key] = json!(true);
        }
    }
    Ok(spec)
}

/// The schemas that were given, also from a file.
fn io_schema(cwd: &Path, args: &Args) -> Result<Option<String>, Error> {
    let Some(text) = &args.io_schema_json else { return Ok(None) };
    text.strip_prefix('@').map_or_else(|| Ok(text.clone()), |file| read_text(cwd, file)).map(Some)
}

/// The proposal that the options make up.
fn request(cwd: &Path, args: &Args) -> Result<ProposalRequest, Error> {
    let given = |part: &Option<String>| part.clone().unwrap_or_default();
    let io_schema = io_schema(cwd, args)?.unwrap_or_default();
    Ok(ProposalRequest {
        name: given(&args.name),
        description: given(&args.desc),
        side_effect: given(&args.side_effect),
        io_schema,
        required_secrets: args.required_secrets.clone(),
        paths: args.paths.clone(),
        reads: args.reads.clone(),
        hosts: args.hosts.clone(),
        allow_private: args.allow_private.clone(),
        secrets: args.secrets.clone(),
        reads_clock: args.reads_clock,
        removes_files: args.removes_files,
        examples: args.examples.iter().map(|text| read_example(cwd, text)).collect::<Result<_, _>>()?,
        required_tests: args.required_tests.clone(),
    })
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let cwd = context.host.cwd.clone();
    let file = args.spec.as_deref().map(|file| read_bytes(&cwd, file)).transpose()?;
    let request = request(&cwd, args)?;
    let (app, out) = context.open()?;
    let spec = match (&file, &args.from) {
        (Some(bytes), _) => app.proposals().parse_spec_file(bytes)?,
        (None, Some(base)) => {
            let changed = changed(&cwd, &app.proposals().find(base)?.spec, args)?;
            app.proposals().parse_spec_file(changed.to_string().as_bytes())?
        }
        (None, None) => app.proposals().parse_spec(&request)?,
    };
    let proposal = app.proposals().propose(&spec)?;
    let short = proposal.id.short();
    let mut human = views::facts(&[
        ("proposal", proposal.id.to_string()),
        ("skill", spec.name.to_string()),
        ("class", spec.side_effect_class.to_string()),
        ("may write below", views::list(spec.paths.iter().map(|path| format!("{path}/")))),
        ("may touch", capabilities::sentence(&spec)),
        ("examples", spec.examples.len().to_string()),
        ("status", proposal.status.to_string()),
    ]);
    if spec.reads_clock {
        human.push_str("it asks what time it is\n");
    }
    if spec.removes_files {
        human.push_str("it may remove files below its folders\n");
    }
    if let Some(parent) = proposal.parent {
        human.push_str(&format!("follows the trusted revision {}\n", parent.short()));
    }
    if spec.examples.is_empty() {
        human.push_str("without an example (--example), promotion will ask whether what the skill answers is right\n");
    }
    let alias = spec.name.tool_alias();
    if let Some(alias) = &alias {
        human.push_str(&format!(
            "warning: the name is longer than agents' programs accept; they see the tool {alias}\n"
        ));
    }
    human.push_str(&format!("next: kavi build-skill {short}\n"));
    let mut machine = views::proposal(&proposal);
    machine["tool"] = json!(alias.unwrap_or_else(|| spec.name.to_string()));
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
