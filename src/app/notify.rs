//! Tells a person who is not looking that something waits: starts the command of `[notify]`.
//!
//! Guarantees: its arguments are those of kavi.toml, and its environment has a kind, a count and the workspace, never a word of a
//! skill or an agent. It starts only after a person allowed exactly this command for this workspace: a folder from elsewhere
//! starts no program. What was told is not told again.
//!
//! Deliberately never: waits for the command, or fails the work that it tells about.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Seek as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::io::retry_on_intr;

use super::open_workspace::{OpenWorkspace, state_folder};
use crate::artifacts;
use crate::error::Error;
use crate::improve::incident::{self, FailureMark};
use crate::invoke::pending_approval;
use crate::ledger::{ExecutionRow, LedgerAccess, OutcomeFilter, RecordFilter};
use crate::model::{
    digest::Digest,
    lifecycle::ProposalStatus,
    notice::{self, Notice, NoticeKind},
    switch::SwitchState,
};
use crate::sync::uninterrupted;

/// The lines of what was told, below the workspace's locks.
const TOLD: &str = "notified";
/// The folder of the commands that were allowed, below the user's state folder.
const ALLOWED: &str = "notify";
/// Failures within this time are looked at for incidents.
const RECENT: Duration = Duration::from_hours(1);
/// Most failures that are looked at.
const MOST_FAILURES: u32 = 1_000;
/// What the command gets of Kavi's environment: what a desktop or a mailer needs, and no key.
const PASSED_ON: [&str; 7] =
    ["DBUS_SESSION_BUS_ADDRESS", "DISPLAY", "HOME", "PATH", "USER", "WAYLAND_DISPLAY", "XDG_RUNTIME_DIR"];

/// The command of `[notify]`, and what it would tell.
#[derive(Debug)]
pub struct NotifyStatus {
    /// The command with its arguments. Empty: none.
    pub command: Vec<String>,
    /// Whether a person allowed exactly this command for this workspace.
    pub allowed: bool,
    /// What waits for a person now, told or not.
    pub waiting: BTreeSet<Notice>,
}

/// Notices of one workspace.
#[derive(Debug, Clone, Copy)]
pub struct NotifyService<'a> {
    pub(super) workspace: &'a OpenWorkspace,
}

impl NotifyService<'_> {
    /// The command, whether it may start, and what waits.
    ///
    /// # Errors
    /// When the ledger cannot be read.
    pub fn status(&self) -> Result<NotifyStatus, Error> {
        let command = self.workspace.config.notify.command.clone();
        Ok(NotifyStatus { command, allowed: self.is_allowed(), waiting: self.waiting()? })
    }

    /// Lets the command of kavi.toml start from now on. Another command needs another word.
    ///
    /// # Errors
    /// When there is no command, or the state folder cannot be written.
    pub fn allow(&self) -> Result<(), Error> {
        let mark = self.mark().ok_or_else(|| {
            Error::Usage("there is no command to allow: set `command` in the table [notify] of kavi.toml".to_owned())
        })?;
        let folder = mark.parent().unwrap_or(&mark);
        uninterrupted(|| std::fs::create_dir_all(folder))
            .map_err(|source| Error::Io { what: folder.display().to_string(), source })?;
        // The file is empty: that it is there says all.
        Ok(artifacts::open_lock(folder, &mark).map(drop)?)
    }

    /// Starts the command once for each kind of notice that is new. What was told is kept.
    ///
    /// # Errors
    /// When the ledger or the list of what was told cannot be read, or the command cannot start.
    pub fn send(&self) -> Result<Vec<(NoticeKind, usize)>, Error> {
        if !self.is_allowed() {
            return Ok(Vec::new());
        }
        let layout = &self.workspace.config.layout;
        let io = |source| Error::Io { what: "the notices".to_owned(), source };
        let path = layout.locks().join(TOLD);
        let mut list = artifacts::open_lock(&layout.root, &path)?;
        // Held until the end: two processes never tell the same thing.
        retry_on_intr(|| flock(&list, FlockOperation::LockExclusive)).map_err(|error| io(error.into()))?;
        let waiting = self.waiting()?;
        let new = notice::untold(&waiting, &told(&path));
        if !new.is_empty() {
            // Kept before the command starts: a command that fails would else be started again by every run.
            keep(&mut list, &waiting).map_err(io)?;
        }
        for (kind, count) in &new {
            self.start(*kind, *count)?;
        }
        Ok(new)
    }

    /// The same for work that must not fail because of it.
    pub(super) fn tell(&self) {
        if self.workspace.config.notify.command.is_empty() || self.workspace.ledger.access() != LedgerAccess::Full {
            return;
        }
        if let Err(error) = self.send() {
            tracing::warn!("the command of [notify] was not started: {error}");
        }
    }

    fn waiting(&self) -> Result<BTreeSet<Notice>, Error> {
        let (workspace, context) = (self.workspace, self.workspace.run_context());
        let mut all = notice::of_held(&pending_approval::list(&context)?, context.deadline_time()?);
        let open = workspace.ledger.open_proposals(None)?.into_iter();
        let ready = open.filter(|open| open.proposal.status == ProposalStatus::Verified);
        all.extend(ready.map(|open| Notice { kind: NoticeKind::Ready, id: open.proposal.id.to_string() }));
        let incident = |id: String| Notice { kind: NoticeKind::Incident, id };
        if let Some(stop) = workspace.ledger.switch_turns()?.last().filter(|turn| turn.position == SwitchState::Stopped)
        {
            all.insert(incident(format!("stop {}", stop.number)));
        }
        let filter = RecordFilter {
            outcome: OutcomeFilter::Failed,
            since: Some(workspace.clock.now().before(RECENT)),
            ..RecordFilter::default()
        };
        let failed = workspace.ledger.tail(&filter, MOST_FAILURES)?.rows;
        let print = |row: &ExecutionRow| {
            let error = row.record.error.as_deref().map(incident::fingerprint).unwrap_or_default();
            format!("{} {error}", row.record.skill_name)
        };
        let prints: Vec<String> = failed.iter().map(print).collect();
        let marks: Vec<FailureMark<'_>> = failed
            .iter()
            .zip(&prints)
            .map(|(row, fingerprint)| FailureMark { at: row.record.started_at, fingerprint })
            .collect();
        let id = |found: &incident::Incident| Digest::of(found.fingerprint.as_bytes()).short();
        all.extend(incident::find(&marks).iter().map(|found| incident(format!("failures {}", id(found)))));
        Ok(all)
    }

    /// The file that says that a person allowed this command for this workspace; none where there is no command.
    fn mark(&self) -> Option<PathBuf> {
        let config = &self.workspace.config;
        let command = Some(&config.notify.command).filter(|command| !command.is_empty())?;
        let bound = serde_json::json!({ "root": config.layout.root, "command": command });
        let folder = state_folder(&self.workspace.host, config)?.join(ALLOWED);
        Some(folder.join(Digest::of(bound.to_string().as_bytes()).to_string()))
    }

    fn is_allowed(&self) -> bool {
        self.mark().is_some_and(|mark| mark.is_file())
    }

    fn start(&self, kind: NoticeKind, count: usize) -> Result<(), Error> {
        let Some((program, arguments)) = self.workspace.config.notify.command.split_first() else { return Ok(()) };
        let environment = &self.workspace.host.environment;
        let mut command = Command::new(program);
        command.args(arguments).current_dir("/").env_clear();
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.envs(PASSED_ON.iter().filter_map(|name| Some((name, environment.get(name)?))));
        command.env("KAVI_NOTICE", kind.as_str()).env("KAVI_NOTICE_COUNT", count.to_string());
        command.env("KAVI_WORKSPACE", &self.workspace.config.layout.root);
        let mut child = command.spawn().map_err(|source| Error::Io { what: format!("`{program}`"), source })?;
        // Nobody waits for it. A server stays longer than it, and would keep its entry in the process table.
        let reap = std::thread::Builder::new().name("notify".to_owned()).spawn(move || child.wait());
        reap.map(drop).map_err(|source| Error::Io { what: "a thread".to_owned(), source })
    }
}

/// The lines of what was told. A list that cannot be read is one that nothing is on: then it is told once more.
fn told(path: &Path) -> BTreeSet<String> {
    let text = artifacts::read_once(path).ok().and_then(|bytes| String::from_utf8(bytes).ok()).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Only what still waits is kept, so that the list cannot grow without end.
fn keep(list: &mut File, waiting: &BTreeSet<Notice>) -> io::Result<()> {
    let text: String = waiting.iter().map(|notice| format!("{notice}\n")).collect();
    list.set_len(0)?;
    list.rewind()?;
    list.write_all(text.as_bytes())
}
