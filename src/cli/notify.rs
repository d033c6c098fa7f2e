//! `kavi notify`

use serde_json::{Value, json};

use super::{Context, JsonFlag, views};
use crate::app::{NoticeKind, NotifyStatus};
use crate::error::Error;
use crate::model::text;

/// Show, allow or start the command that tells you what waits.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  kavi notify
  kavi notify --allow
  kavi notify --send

`command` in the table [notify] of kavi.toml starts when a change is held, a
proposal is ready, a held change expires within an hour, or something is wrong.
Runs, verifications and `kavi mcp` start it. `--send` is for a timer.")]
pub struct Args {
    /// Let exactly this command start from now on. Asks first.
    #[arg(long)]
    allow: bool,
    /// Start the command now, if there is something new to tell.
    #[arg(long, conflicts_with = "allow")]
    send: bool,
    /// Allow it without being asked.
    #[arg(long, requires = "allow")]
    yes: bool,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let (app, out) = context.open()?;
    let service = app.notify();
    let mut status = service.status()?;
    if args.allow {
        if !args.yes {
            out.person_or("give --yes")?;
            out.remark(&format!("this command of kavi.toml will start: {}", command(&status)));
            out.agreed("Let it start?", "the command was not allowed")?;
        }
        service.allow()?;
        status.allowed = true;
    }
    let told = if args.send {
        if !status.allowed {
            return Err(Error::Refused(not_allowed(&status)));
        }
        service.send()?
    } else {
        Vec::new()
    };
    out.result(&human(&status, &told), &machine(&status, &told));
    Ok(())
}

/// Why the command does not start.
fn not_allowed(status: &NotifyStatus) -> String {
    match status.command.is_empty() {
        true => "there is no command: set `command` in the table [notify] of kavi.toml".to_owned(),
        false => "nobody allowed this command for this workspace: `kavi notify --allow`".to_owned(),
    }
}

fn command(status: &NotifyStatus) -> String {
    text::line(&json!(status.command).to_string(), 1_000)
}

fn human(status: &NotifyStatus, told: &[(NoticeKind, usize)]) -> String {
    let mut rows = vec![("command", command(status))];
    rows.push(("allowed", if status.allowed { "yes".to_owned() } else { format!("no: {}", not_allowed(status)) }));
    let counts = |kind: NoticeKind| status.waiting.iter().filter(|notice| notice.kind == kind).count();
    rows.extend(NoticeKind::ALL.map(|kind| (kind.as_str(), counts(kind).to_string())));
    let told = views::list(told.iter().map(|(kind, count)| format!("{} {count}", kind.as_str())));
    rows.push(("told now", told));
    views::facts(&rows)
}

fn machine(status: &NotifyStatus, told: &[(NoticeKind, usize)]) -> Value {
    let told: Vec<Value> = told.iter().map(|(kind, count)| json!({ "kind": kind, "count": count })).collect();
    json!({ "command": status.command, "allowed": status.allowed, "waiting": status.waiting, "told": told })
}
