//! `kavi replay`

use serde_json::{Value, json};

use super::{Context, JsonFlag, out::Out};
use crate::app::{Consent, Difference, Disposition, Replayed, RunFiles};
use crate::error::Error;
use crate::model::{id::IdPrefix, name::SkillName, text};

/// Repeat a recorded run with the input, clock and seed that it had, and compare. Commits nothing unless told to.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi replay --execution-id 3f9a2c1b
  kavi replay --execution-id 3f9a2c1b --commit
  kavi replay --skill search_notes --all --json

A replay reads the vault of today, which may differ from the recorded run.
--all repeats every recorded run of a skill with the revision that is trusted
now, including runs of earlier revisions. The exit code is 5 when anything
differs.")]
#[command(group(clap::ArgGroup::new("what").required(true).args(["execution_id", "skill"])))]
pub struct Args {
    /// The run: its id, or a unique prefix of it.
    #[arg(long, value_name = "ID")]
    execution_id: Option<String>,
    /// Every recorded run of this skill.
    #[arg(long, value_name = "NAME", requires = "all")]
    skill: Option<String>,
    /// Confirm that all of them are meant.
    #[arg(long, requires = "skill")]
    all: bool,
    /// Commit the files of the replay, as those of any run.
    #[arg(long, conflicts_with = "all")]
    commit: bool,
    /// Approve in advance what policy would hold for a person.
    #[arg(long, short, requires = "commit")]
    yes: bool,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let usage = |error: &dyn std::fmt::Display| Error::Usage(error.to_string());
    let (app, out) = context.open()?;
    if let Some(name) = &args.skill {
        let name = SkillName::parse(name).map_err(|error| usage(&error))?;
        let (mut all, mut differ) = (Vec::new(), 0_usize);
        app.runs().replay_all(&name, &mut |replayed| {
            differ += usize::from(!replayed.differences.is_empty());
            out.remark(&line(&replayed));
            all.push(machine(&replayed));
        })?;
        let human = format!("{} of {} runs gave the same again\n", all.len() - differ, all.len());
        let document = json!({ "skill_name": name, "runs": all.len(), "differ": differ, "replays": all });
        return end(&out, &human, &document, differ);
    }
    let id = args.execution_id.as_deref().unwrap_or_default();
    let id = IdPrefix::parse(id).map_err(|error| usage(&error))?;
    let disposition = if args.commit { Disposition::Commit } else { Disposition::Show };
    let consent = if args.yes { Consent::Given } else { Consent::None };
    let replayed = app.runs().replay(&id, disposition, consent)?;
    let mut human = line(&replayed) + "\n";
    replayed.differences.iter().for_each(|difference| human.push_str(&describe(difference)));
    end(&out, &human, &machine(&replayed), usize::from(!replayed.differences.is_empty()))
}

fn end(out: &Out, human: &str, document: &Value, differ: usize) -> Result<(), Error> {
    if differ == 0 {
        out.result(human, document);
        return Ok(());
    }
    let what =
        if differ == 1 { "1 run gave something else".to_owned() } else { format!("{differ} runs gave something else") };
    Err(out.failure(human, document, Error::Differs(what)))
}

fn line(replayed: &Replayed) -> String {
    let original = &replayed.original;
    let verdict = if replayed.differences.is_empty() { "same" } else { "DIFFERS" };
    let revision = original.revision.map(|revision| format!("@{revision}")).unwrap_or_default();
    let (id, name) = (original.execution_id.short(), &original.skill_name);
    format!("{verdict:<7}  {id} {name}{revision}  (replay {}){}", replayed.id.short(), files(replayed))
}

/// What became of the replay's files, where they were to be committed.
fn files(replayed: &Replayed) -> String {
    let Ok(ran) = &replayed.ran else { return String::new() };
    match &ran.files {
        RunFiles::Held(commit, _) => format!(", held: kavi effects approve {}", commit.id.short()),
        RunFiles::Committed if ran.record.commit_id.is_some() => ", committed".to_owned(),
        _ => String::new(),
    }
}

fn describe(difference: &Difference) -> String {
    match difference {
        Difference::Outcome { recorded, now } => {
            format!("recorded: {}\nnow:      {}\n", text::line(recorded, 1_000), text::line(now, 1_000))
        }
        Difference::Output { diff } => diff.clone(),
        Difference::File { path, recorded, now } => {
            format!("{}: recorded {recorded}, now {now}\n", text::line(path.as_str(), 1_000))
        }
    }
}

fn machine(replayed: &Replayed) -> Value {
    let (success, error) = match &replayed.ran {
        Ok(_) => (true, None),
        Err(error) => (false, Some(text::block(&format!("{}: {error}", error.kind()), 4_000))),
    };
    json!({
        "original": replayed.original.execution_id,
        "skill_name": replayed.original.skill_name,
        "recorded_revision": replayed.original.revision,
        "execution_id": replayed.id,
        "same": replayed.differences.is_empty(),
        "success": success,
        "error_now": error,
        "output": replayed.ran.as_ref().ok().map(|ran| &ran.output),
        "effects": replayed.ran.as_ref().map_or(&[][..], |ran| ran.record.effects.as_slice()),
        "differences": replayed.differences,
        "held": match replayed.ran.as_ref().map(|ran| &ran.files) {
            Ok(RunFiles::Held(commit, _)) => json!({ "id": commit.id, "expires_at": commit.expires_at }),
            _ => Value::Null,
        },
    })
}
