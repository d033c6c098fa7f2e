//! `kavi tail-executions`

use std::time::Duration;

use serde_json::json;

use super::out::{Out, Reader};
use super::{Context, JsonFlag, screen, views};
use crate::app::{App, ExecutionRow, OutcomeFilter, RecordFilter};
use crate::error::Error;
use crate::model::{name::SkillName, session::RunEntry, text, time::Moment};

/// Show the newest runs, the newest last: what ran, for whom, and how it ended.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi tail-executions
  kavi tail-executions --n 100 --only-failures --since 3d
  kavi tail-executions --skill write_note --json
  kavi tail-executions --follow --output json | jq .error

A time is 2026-11-20T08:30:00Z, 2026-11-20 (its first moment, UTC), or an age:
90m, 2h, 3d, 1w. With --follow every record is one line (with --output json one
JSON document), until the reader closes the pipe.")]
pub struct Args {
    /// At most this many; with --follow only for the first ones.
    #[arg(long, short, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(0..=10_000))]
    n: u32,
    /// Only runs that failed.
    #[arg(long)]
    only_failures: bool,
    /// Only runs of this skill.
    #[arg(long, value_name = "NAME")]
    skill: Option<String>,
    /// Only runs that started then or later.
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,
    /// Continue with the runs that are recorded from now on.
    #[arg(long, short)]
    follow: bool,
    #[command(flatten)]
    pub json: JsonFlag,
}

/// How long it waits before it looks for new records.
const PAUSE: Duration = Duration::from_millis(250);

/// Most characters of an error that are shown.
pub const ERROR: usize = 80;

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let skill = skill(args.skill.as_deref())?;
    let outcome = if args.only_failures { OutcomeFilter::Failed } else { OutcomeFilter::Any };
    let (app, out) = context.open_to_look()?;
    let filter =
        RecordFilter { skill, outcome, since: args.since.map(|since| app.records().meant(since)), until: None };
    if args.follow {
        return follow(&app, &out, &filter, args.n);
    }
    let rows = app.records().newest(&filter, args.n)?.rows;
    let human = match rows.is_empty() {
        true => "no such runs are on record\n".to_owned(),
        false => rows.iter().fold(header() + "\n", |text, row| text + &line(row) + "\n"),
    };
    out.result(&human, &json!({ "executions": rows.iter().map(views::execution).collect::<Vec<_>>() }));
    Ok(())
}

fn follow(app: &App, out: &Out, filter: &RecordFilter, most: u32) -> Result<(), Error> {
    let tail = app.records().newest(filter, most)?;
    // From the number that was read with these rows, so that no record falls between.
    let mut following = app.records().follow(&tail)?;
    out.say(&header());
    let mut rows = tail.rows;
    loop {
        for row in &rows {
            if out.reader(out.line(&line(row), || views::execution(row)))? == Reader::Gone {
                return Ok(());
            }
        }
        rows = app.records().written_since(&mut following, filter)?;
        if rows.is_empty() && out.wait(PAUSE) == Reader::Gone {
            return Ok(());
        }
    }
}

/// The name of a skill that somebody typed.
pub fn skill(name: Option<&str>) -> Result<Option<SkillName>, Error> {
    name.map(SkillName::parse).transpose().map_err(|error| Error::Usage(error.to_string()))
}

fn header() -> String {
    columns(["run", "started", "skill", "for", "ended", "took", "error"])
}

fn columns([run, started, skill, what_for, ended, took, error]: [&str; 7]) -> String {
    let width = screen::width();
    let line = match width {
        // How it ended matters more than the second in which it began, and what it was for.
        Some(..110) => {
            let started = started.get(..16).unwrap_or(started);
            format!("{run:<8}  {started:<16}  {skill:<18}  {ended:<8}  {took:>8}  {error}")
        }
        Some(..140) => {
            let started = started.get(..16).unwrap_or(started);
            format!("{run:<8}  {started:<16}  {skill:<20}  {what_for:<12}  {ended:<8}  {took:>8}  {error}")
        }
        _ => format!("{run:<8}  {started:<24}  {skill:<24}  {what_for:<12}  {ended:<8}  {took:>9}  {error}"),
    };
    screen::cut(line.trim_end(), width)
}

fn line(row: &ExecutionRow) -> String {
    let entry = RunEntry::from(row);
    columns([
        &entry.execution_id.short(),
        &entry.started_at.to_string(),
        &revision(&entry),
        &format!("{}/{}", entry.purpose.as_str().to_ascii_lowercase().replace('_', "-"), entry.channel),
        entry.ended(),
        &format!("{} ms", entry.millis()),
        &error(&entry),
    ])
}

/// Skill and revision.
pub fn revision(entry: &RunEntry) -> String {
    let revision = entry.revision.map(|revision| format!("@{revision}")).unwrap_or_default();
    format!("{}{revision}", entry.skill_name)
}

/// Why it failed, in short. On a screen, where there is little room, without what each error of a skill begins with.
pub fn error(entry: &RunEntry) -> String {
    let Some(error) = &entry.error else { return String::new() };
    let said = error.strip_prefix("SkillError: the skill failed ").filter(|_| screen::width().is_some());
    text::line(said.unwrap_or(error), ERROR)
}
