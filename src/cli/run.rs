//! `kavi run-skill`

use super::run_result::{document, remark};
use super::{Context, batch, input::read_input, views};
use crate::app::{Consent, Disposition, RunFiles};
use crate::error::Error;
use crate::model::{name::SkillName, text};
use clap_complete::engine::ArgValueCompleter;

/// Run a trusted skill: check its bytes, validate the input, run it with its capabilities, commit its files.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi run-skill greet --json '{\"who\":\"Ada\"}'
  kavi run-skill write_note --json @note.json
  echo '{\"who\":\"Ada\"}' | kavi run-skill greet --json - --output json
  kavi run-skill greet --batch people.jsonl --output json > greetings.jsonl
  cat people.jsonl | kavi run-skill greet --batch - --jobs 4
  kavi run-skill write_note --batch notes.jsonl --together --hold
  kavi run-skill write_note --json @note.json --dry-run
  kavi run-skill write_note --json @note.json --hold && kavi effects list

With --batch every line of the file is one input of at most 1 MiB. Every line
of the output is the result of the input with the same number. With --output
json it is the document of a single run, or of its error. A line that fails
does not stop the others. The exit code is that of the first failure. Each run
is checked, limited and recorded by itself. With --together their files are
one commit: `kavi effects approve` and `kavi undo` take all of it, and a line
that fails leaves none of it. The last line of the output says what became of
them.")]
pub struct Args {
    /// The skill.
    #[arg(add = ArgValueCompleter::new(super::completions::skills))]
    name: String,
    /// The input: JSON, `@FILE`, or `-` for standard input.
    #[arg(long = "json", value_name = "JSON", allow_hyphen_values = true, required_unless_present = "batch")]
    input: Option<String>,
    /// A file with one input on each line, or `-` for standard input. Results come in the order of the lines.
    #[arg(long, value_name = "FILE", allow_hyphen_values = true, conflicts_with = "input")]
    batch: Option<String>,
    /// Runs at one time, 1 to 16. Default: the number of processors.
    #[arg(long, value_name = "N", requires = "batch", value_parser = clap::value_parser!(u32).range(1..=i64::from(batch::MOST_JOBS)))]
    jobs: Option<u32>,
    /// Commit the files of all lines as one, or none of them.
    #[arg(long, requires = "batch")]
    together: bool,
    /// Print the changes that the run would make in the vault, and make none.
    #[arg(long, conflicts_with = "hold")]
    dry_run: bool,
    /// Hold the changes of the run until a person approves them with `kavi effects approve`.
    #[arg(long)]
    hold: bool,
    /// Approve in advance what policy would hold for a person.
    #[arg(long, short, conflicts_with_all = ["batch", "hold"])]
    yes: bool,
}

/// Most characters of each standard stream that are shown; the record has all that the limits let through.
const MAX_SHOWN: usize = 4_000;

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let name = SkillName::parse(&args.name).map_err(|error| Error::Usage(error.to_string()))?;
    let cwd = context.host.cwd.clone();
    let (app, out) = context.open()?;
    let disposition = match (args.dry_run, args.hold) {
        (true, _) => Disposition::Show,
        (_, true) => Disposition::Hold,
        _ => Disposition::Commit,
    };
    if let Some(file) = &args.batch {
        let batch =
            batch::BatchArgs { cwd: &cwd, skill: &name, file, jobs: args.jobs, disposition, together: args.together };
        return batch::run(&app, &out, batch);
    }
    let input = read_input(&cwd, args.input.as_deref().unwrap_or_default())?;
    let consent = if args.yes { Consent::Given } else { Consent::None };
    let ran = app.runs().run(name, input, disposition, consent)?;
    // To stderr and before the result, so that a pipe gets the output alone.
    for line in &ran.observed.logs {
        out.remark(&views::log_line(&ran.record.skill_name, line));
    }
    for (stream, bytes) in [("stdout", &ran.observed.stdout), ("stderr", &ran.observed.stderr)] {
        // A guest writes what it likes. Escaped, it cannot move the cursor or recolor what Kavi
        // says.
        let said = text::block(&String::from_utf8_lossy(bytes), MAX_SHOWN);
        said.lines().for_each(|line| out.remark(&format!("[{}] {stream}: {line}", ran.record.skill_name)));
    }
    let human = match &ran.files {
        // The difference is what was asked for.
        RunFiles::Shown(diffs) => diffs.iter().map(|diff| diff.text.as_str()).collect(),
        _ => text::block(&format!("{:#}", ran.output), usize::MAX),
    };
    out.result(&human, &document(&ran));
    remark(&out, &ran);
    Ok(())
}
