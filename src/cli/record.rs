//! `kavi record`

use std::io::Write as _;
use std::path::PathBuf;

use clap_complete::engine::ArgValueCompleter;
use serde_json::json;

use super::{Context, capabilities, export, input::read_input};
use crate::error::Error;
use crate::model::{name::SkillName, spec::SkillSpec, text};

/// Run a trusted skill once with its real hosts, and make an example of it: input, exchanges and output.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi record http_get_json --json '{\"url\":\"https://api.example.com/v1/items\"}'
  kavi record http_get_json --json @input.json --case items --out items.json
  kavi propose-skill --name fetch … --example items.json

The result is a golden case, for `--example` or for `examples` of a spec. It
has what the skill sent and got, and no value of a secret. Nothing that the run
writes is committed. Look at the case before you share it: what a server sent
is in it.")]
pub struct Args {
    /// The skill.
    #[arg(add = ArgValueCompleter::new(super::completions::skills))]
    name: String,
    /// The input: JSON, `@FILE`, or `-` for standard input.
    #[arg(long = "json", value_name = "JSON", allow_hyphen_values = true)]
    input: String,
    /// The name of the case in reports.
    #[arg(long, value_name = "TEXT", default_value = "recorded")]
    case: String,
    /// A new file. Else the case is the result.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Do not ask.
    #[arg(long, short)]
    yes: bool,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let name = SkillName::parse(&args.name).map_err(|error| Error::Usage(error.to_string()))?;
    let cwd = context.host.cwd.clone();
    let input = read_input(&cwd, &args.input)?;
    // Before the run: a request that was made cannot be taken back.
    let file = args.out.as_ref().map(|path| export::new_file(cwd.join(path))).transpose()?;
    let (app, out) = context.open()?;
    let spec = app.runs().recordable(&name)?;
    if !args.yes {
        out.person_or(&format!("look at `kavi show {name}`, then give --yes"))?;
        out.remark(&question(&spec, &input));
        out.agreed("Make these requests now?", "nothing was requested")?;
    }
    let recorded = app.runs().record_case(&spec, input, &args.case)?;
    let case = json!(recorded.case);
    let text = format!("{case:#}\n");
    if let Some(what) = recorded.looks_like {
        tracing::warn!("the case has something that looks like {what}: look at it before anybody else sees it");
    }
    let mut machine = json!({ "execution_id": recorded.run, "case": case, "file": args.out });
    machine["looks_like"] = json!(recorded.looks_like);
    if recorded.read_vault {
        out.remark("the skill could read the vault: add the files that it read to `vault` of the case");
    }
    let exchanges = recorded.case.exchanges.len();
    let signatures = match recorded.case.signatures.len() {
        0 => String::new(),
        some => format!(" and {some} signatures"),
    };
    out.remark(&format!("recorded {exchanges} exchanges{signatures} (run {})", recorded.run.short()));
    match file {
        None => out.result(&text::block(&text, usize::MAX), &machine),
        Some(mut file) => {
            let path = file.path().to_owned();
            let broken = |source| Error::Io { what: path.display().to_string(), source };
            file.write_all(text.as_bytes()).map_err(broken)?;
            file.keep().map_err(broken)?;
            let shown = text::line(&path.to_string_lossy(), 4_000);
            out.result(&format!("wrote {shown}\nnext: kavi propose-skill --example {shown} …\n"), &machine);
        }
    }
    Ok(())
}

/// What a person agrees to.
fn question(spec: &SkillSpec, input: &[u8]) -> String {
    let input = text::line(&String::from_utf8_lossy(input), 2_000);
    format!("`{}` runs with the input {input}\n{}", spec.name, capabilities::sentence(spec))
}
