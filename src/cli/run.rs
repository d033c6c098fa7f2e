//! `kavi run-skill`

use std::io::Read as _;
use std::path::Path;

use serde_json::json;

use super::{Context, batch, out::Out};
use crate::app::{Consent, Disposition, RunFiles, RunResult};
use crate::error::Error;
use crate::model::{name::SkillName, text};

/// Run a trusted skill: check its bytes, validate the input, run it with the grants of its class, commit its files.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi run-skill write_note --json '{\"path\":\"Inbox/AI/hello.md\",\"title\":\"Hello\",\"body\":\"World\"}'
  kavi run-skill write_note --json @note.json
  echo '{…}' | kavi run-skill write_note --json - --output json
  kavi run-skill write_note --batch notes.jsonl --output json > results.jsonl
  produce | kavi run-skill write_note --batch - --jobs 4 --output json
  kavi run-skill write_note --json @note.json --dry-run
  kavi run-skill write_note --json @note.json --hold && kavi effects list

With --batch every line of the file is an input of its own, 1 MiB at most, and every line of the output is what became of
the line with the same number: the document that a single run gives with --output json, or that of its error.
A line that fails does not stop the others; the exit code is that of the first one that failed. Each run is checked,
limited and recorded as if it were the only one; a stop or a revocation ends those that run.")]
pub struct Args {
    /// The skill.
    name: String,
    /// The input: JSON, `@FILE`, or `-` for standard input.
    #[arg(long = "json", value_name = "JSON", allow_hyphen_values = true, required_unless_present = "batch")]
    input: Option<String>,
    /// Many inputs, one on each line: a file, or `-` for standard input. Answers come in the order of the lines.
    #[arg(long, value_name = "FILE", allow_hyphen_values = true, conflicts_with = "input")]
    batch: Option<String>,
    /// Runs at one time, 1 to 16; as many as there are processors if not given.
    #[arg(long, value_name = "N", requires = "batch", value_parser = clap::value_parser!(u32).range(1..=i64::from(batch::MOST_JOBS)))]
    jobs: Option<u32>,
    /// Print the difference that the run would make in the vault, and make none.
    #[arg(long, conflicts_with_all = ["batch", "hold"])]
    dry_run: bool,
    /// Keep what the run would change until a person approves it with `kavi effects approve`.
    #[arg(long, conflicts_with = "batch")]
    hold: bool,
    /// Where policy asks for a person's word: this is it.
    #[arg(long, short, conflicts_with_all = ["batch", "hold"])]
    yes: bool,
}

/// Longest input that is read; the limit of a run is smaller.
const MAX_INPUT: u64 = 16 << 20;

/// Most characters of each standard stream that are shown; the record has all that the limits let through.
const MAX_SHOWN: usize = 4_000;

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let name = SkillName::parse(&args.name).map_err(|error| Error::Usage(error.to_string()))?;
    let cwd = context.host.cwd.clone();
    let (app, out) = context.open()?;
    if let Some(file) = &args.batch {
        return batch::run((&app, &out), &cwd, &name, (file, args.jobs));
    }
    let input = read_input(&cwd, args.input.as_deref().unwrap_or_default())?;
    let disposition = match (args.dry_run, args.hold) {
        (true, _) => Disposition::Show,
        (_, true) => Disposition::Hold,
        _ => Disposition::Commit,
    };
    let consent = if args.yes { Consent::Given } else { Consent::None };
    let ran = app.runs().run(name, input, disposition, consent)?;
    for line in &ran.observed.logs {
        out.remark(&format!("{} {}", line.level.as_str(), text::line(&line.message, 2_000)));
    }
    for (stream, bytes) in [("stdout", &ran.observed.stdout), ("stderr", &ran.observed.stderr)] {
        let said = text::block(&String::from_utf8_lossy(bytes), MAX_SHOWN);
        said.lines().for_each(|line| out.remark(&format!("{stream} {line}")));
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

/// What became of the files, for people.
pub fn remark(out: &Out, ran: &RunResult) {
    let written: Vec<&str> = ran.record.effects.iter().map(|effect| effect.path.as_str()).collect();
    let written = written.join(", ");
    match &ran.files {
        RunFiles::Committed if written.is_empty() => {}
        RunFiles::Committed if ran.record.commit_id.is_none() => out.remark(&format!("{written} is as it was")),
        RunFiles::Committed => out.remark(&format!("wrote {written} (run {})", ran.record.execution_id.short())),
        RunFiles::Held(commit, _) => {
            let id = commit.id.short();
            out.remark(&format!("held: {written}\nnext: kavi effects show {id}, then kavi effects approve {id} or kavi effects reject {id}"));
        }
        RunFiles::Shown(diffs) if diffs.is_empty() => out.remark("nothing would change"),
        RunFiles::Shown(_) | RunFiles::Deferred(_) => out.remark("nothing was changed"),
    }
}

/// A run, for machines.
pub fn document(ran: &RunResult) -> serde_json::Value {
    let logs = ran.observed.logs.iter().map(|line| json!({ "level": line.level.as_str(), "message": line.message }));
    let mut machine = json!(ran.record);
    machine["output"] = json!(ran.output);
    match &ran.files {
        RunFiles::Held(commit, diffs) => {
            machine["held"] = json!({ "id": commit.id, "expires_at": commit.expires_at });
            machine["diffs"] = json!(diffs);
        }
        RunFiles::Shown(diffs) => machine["diffs"] = json!(diffs),
        RunFiles::Committed | RunFiles::Deferred(_) => {}
    }
    machine["code"] = json!(ran.code);
    machine["logs"] = logs.collect();
    machine
}

/// What `--json` says: the text itself, a file, or standard input.
pub fn read_input(cwd: &Path, text: &str) -> Result<Vec<u8>, Error> {
    let stdin_broke = |source| Error::Io { what: "standard input".to_owned(), source };
    let mut bytes = Vec::new();
    if text == "-" {
        let stdin = std::io::stdin().lock();
        stdin.take(MAX_INPUT).read_to_end(&mut bytes).map_err(stdin_broke)?;
    } else if let Some(file) = text.strip_prefix('@') {
        let path = cwd.join(file);
        let name = path.display().to_string();
        let unreadable = |source| Error::Usage(format!("{name}: {source}"));
        let file = std::fs::File::open(&path).map_err(unreadable)?;
        file.take(MAX_INPUT).read_to_end(&mut bytes).map_err(unreadable)?;
    } else {
        bytes = text.as_bytes().to_vec();
    }
    Ok(bytes)
}
