//! `kavi session`

use serde_json::{Value, json};

use super::tail::{error, revision};
use super::{Context, JsonFlag};
use crate::app::SessionSelector;
use crate::error::Error;
use crate::model::{
    id::IdPrefix,
    lifecycle::Purpose,
    session::{RunEntry, RunNode},
    time::Day,
};

/// Show runs as a tree: each below the run that it follows from, such as a step of a chain or a replay.
#[derive(Debug, clap::Args)]
#[command(
    group = clap::ArgGroup::new("which").required(true).args(["execution_id", "latest", "day"]),
    after_help = "\
Examples:
  kavi session --latest
  kavi session --execution-id 3f9a2c1b --json
  kavi session --day 2026-11-20

The tree begins with the first recorded run that the given one follows from.
✓ succeeded, ? has pending files, ✗ failed or its files are not in the vault.
Times are UTC."
)]
pub struct Args {
    /// The session of this run: its id, or a unique prefix of it.
    #[arg(long, value_name = "ID")]
    execution_id: Option<String>,
    /// The session of the newest run.
    #[arg(long)]
    latest: bool,
    /// The runs of a day, in all their sessions.
    #[arg(long, value_name = "DATE")]
    day: Option<Day>,
    #[command(flatten)]
    pub json: JsonFlag,
}

/// Levels that are drawn. What is deeper says so.
const MOST_LEVELS: usize = 24;

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let which = match (&args.execution_id, args.day) {
        (Some(id), _) => SessionSelector::Of(IdPrefix::parse(id).map_err(|error| Error::Usage(error.to_string()))?),
        (None, Some(day)) => SessionSelector::During(day),
        (None, None) => SessionSelector::Latest,
    };
    let (app, out) = context.open()?;
    let placed = app.records().session(&which)?;
    let human = match placed.is_empty() {
        true => "no runs are on record for that day\n".to_owned(),
        false => draw(&placed),
    };
    out.result(&human, &json!({ "executions": placed.iter().map(machine).collect::<Vec<_>>() }));
    Ok(())
}

fn machine(placed: &RunNode) -> Value {
    let mut machine = json!(placed.entry);
    machine["depth"] = json!(placed.depth);
    machine["duration_ms"] = json!(placed.entry.millis());
    machine
}

fn draw(placed: &[RunNode]) -> String {
    let mut out = String::new();
    // Whether each run above the next line, from the second level on, is the last one side by side.
    let mut above: Vec<bool> = Vec::new();
    for RunNode { entry, depth, last } in placed {
        // The last run was deeper, or beside this one. Its line ends here.
        above.truncate(depth.saturating_sub(1));
        let over = above.iter().take(MOST_LEVELS).map(|last| if *last { "   " } else { "│  " });
        out.extend(over);
        match *depth {
            0 => {}
            1..=MOST_LEVELS => out.push_str(if *last { "└─ " } else { "├─ " }),
            deeper => out.push_str(&format!("… level {deeper}: ")),
        }
        if *depth > 0 {
            above.push(*last);
        }
        out.push_str(&line(entry));
        out.push('\n');
    }
    out
}

fn line(entry: &RunEntry) -> String {
    let ended = entry.ended();
    let mark = match ended {
        "ok" => "✓",
        "held" | "pending" => "?",
        _ => "✗",
    };
    let started = entry.started_at.to_string();
    let time = started.get(11..19).unwrap_or(&started);
    let mut line = format!("{mark} {} {time}  {}  {} ms", entry.execution_id.short(), revision(entry), entry.millis());
    match entry.purpose {
        Purpose::Run => {}
        Purpose::DryRun => line.push_str("  dry run"),
        Purpose::Replay => line.push_str("  replay"),
    }
    match &entry.error {
        Some(_) => line.push_str(&format!("  {}", error(entry))),
        None if ended == "ok" => {}
        None => line.push_str(&format!("  {ended}")),
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::session;

    #[test]
    fn the_tree_is_drawn_level_by_level_and_no_wider_than_it_must() -> Result<(), Box<dyn std::error::Error>> {
        let id = |number: usize| format!("{number:08x}-0000-4000-8000-000000000000");
        let entry = |number: usize,
                     parent: Option<usize>,
                     error: Option<&str>|
         -> Result<RunEntry, Box<dyn std::error::Error>> {
            let started = format!("2026-11-20T08:{:02}:{:02}.000Z", number / 60, number % 60);
            Ok(RunEntry {
                execution_id: crate::model::id::ExecutionId::parse(&id(number))?,
                parent_execution_id: parent
                    .map(|parent| crate::model::id::ExecutionId::parse(&id(parent)))
                    .transpose()?,
                skill_name: crate::model::name::SkillName::parse("note")?,
                revision: Some(2),
                purpose: if number == 4 { Purpose::Replay } else { Purpose::Run },
                channel: crate::model::channel::Channel::Chain,
                success: error.is_none(),
                error: error.map(str::to_owned),
                commit_state: (number == 3).then_some(crate::model::lifecycle::CommitState::Held),
                undone: false,
                started_at: crate::model::time::Timestamp::parse(&started)?,
                finished_at: crate::model::time::Timestamp::parse(&started)?.after(std::time::Duration::from_millis(7)),
            })
        };
        let hostile = format!("Kind: \u{1b}[2J\u{202e}{}", "x".repeat(100));
        let few = [
            (0, None, None),
            (1, Some(0), None),
            (2, Some(1), Some(hostile.as_str())),
            (3, Some(1), None),
            (4, Some(0), None),
            (5, None, None),
        ];
        let few = few.into_iter().map(|(number, parent, error)| entry(number, parent, error));
        let drawn = draw(&session::trees(few.collect::<Result<_, _>>()?));
        let cut = format!("Kind: \\u{{1b}}[2J\\u{{202e}}{}…", "x".repeat(69));
        assert_eq!(
            drawn,
            format!(
                "✓ 00000000 08:00:00  note@2  7 ms\n\
                 ├─ ✓ 00000001 08:00:01  note@2  7 ms\n\
                 │  ├─ ✗ 00000002 08:00:02  note@2  7 ms  {cut}\n\
                 │  └─ ? 00000003 08:00:03  note@2  7 ms  held\n\
                 └─ ✓ 00000004 08:00:04  note@2  7 ms  replay\n\
                 ✓ 00000005 08:00:05  note@2  7 ms\n"
            )
        );
        let deep = (0..1_000_usize).map(|number| entry(number, number.checked_sub(1), None));
        let drawn = draw(&session::trees(deep.collect::<Result<_, _>>()?));
        assert!(drawn.lines().all(|line| line.chars().count() < 130));
        assert!(drawn.lines().last().is_some_and(|line| line.contains("… level 999: ✓ 000003e7")), "{drawn}");
        Ok(())
    }
}
