//! The checks of `kavi doctor`. Each check says how to fix what it finds.
//!
//! Deliberately never: changes anything, except the note of when the last full check was.

use serde::Serialize;

use super::cache::CacheService;
use super::coding_agent;
use super::history::HistoryService;
use super::open_workspace::{OpenWorkspace, with_leftover_folders};
use crate::artifacts::{self, ReadError};
use crate::cage::CageReport;
use crate::forge::toolchain;
use crate::invoke::effects;
use crate::model::{commit::Commit, execution::SecondWall, switch::Switch, time::Timestamp};
use crate::registry;
use crate::runtime::{RunError, second_wall};

/// The result of a check, from best to worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// Nothing is wrong.
    Ok,
    /// Works, but a part is missing.
    Warn,
    /// An operation will be refused.
    Fail,
}

/// How much of the ledger is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckDepth {
    /// What takes a moment.
    Usual,
    /// Every page, row and index.
    Full,
}

/// One check.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// What was checked.
    pub name: String,
    /// The result.
    pub health: Health,
    /// What was found.
    pub found: String,
    /// How to fix it; empty when nothing is wrong.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub mend: String,
}

impl Check {
    fn ok(name: &str, found: impl Into<String>) -> Self {
        Self { name: name.to_owned(), health: Health::Ok, found: found.into(), mend: String::new() }
    }

    fn bad(name: &str, health: Health, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { name: name.to_owned(), health, found: found.into(), mend: mend.into() }
    }
}

/// Checks the ledger, its derived files, every trusted component, the vault, the cage, the toolchain and the coding agent.
pub(super) fn check(workspace: &OpenWorkspace, depth: CheckDepth) -> Vec<Check> {
    let mut checks = vec![check_ledger(workspace, depth), check_clock(workspace), check_registry(workspace)];
    // Each check stands by itself. One that fails must not keep the person from seeing the others.
    checks.push(check_history(workspace));
    checks.extend(check_context_store(workspace));
    checks.extend(check_skills(workspace));
    checks.push(check_switch(workspace));
    checks.extend(check_effects(workspace));
    checks.push(check_vault(workspace));
    checks.extend(check_linked(workspace));
    checks.push(check_leftovers(workspace));
    checks.push(check_cache(workspace));
    checks.push(check_cage(&workspace.cage.probe()));
    checks.push(check_second_wall(second_wall::probe()));
    checks.push(check_toolchain(workspace));
    checks.push(check_agent(workspace));
    checks
}

fn check_ledger(workspace: &OpenWorkspace, depth: CheckDepth) -> Check {
    let noted = workspace.config.layout.last_full_check();
    let checked = match depth {
        CheckDepth::Usual => workspace.ledger.check_decisive(),
        CheckDepth::Full => workspace.ledger.check_fully(),
    };
    if let Err(error) = checked {
        return Check::bad("ledger", Health::Fail, error.to_string(), "restore it from a backup");
    }
    if depth == CheckDepth::Full {
        let now = workspace.clock.now();
        // Outside of the ledger: a ledger cannot vouch for itself, and a check must not write into
        // what it checks.
        let written = artifacts::write_durably(&workspace.config.layout.root, &noted, format!("{now}\n").as_bytes());
        let unnoted = |error: artifacts::ArtifactError| format!("sound; checked in full, but not noted: {error}");
        return Check::ok("ledger", written.map_or_else(unnoted, |()| "sound; checked in full just now".to_owned()));
    }
    let last = artifacts::read_once(&noted).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let last = last.and_then(|text| Timestamp::parse(text.trim()).ok());
    let last = last.map_or("never".to_owned(), |at| format!("at {at}"));
    Check::ok("ledger", format!("what decides is sound; last checked in full: {last} (`kavi doctor --full`)"))
}

fn check_clock(workspace: &OpenWorkspace) -> Check {
    match workspace.run_context().clock_doubt() {
        Ok(Some(doubt)) => Check::bad(
            "clock",
            Health::Warn,
            format!("{doubt}: nothing that is held expires, and nothing old is removed"),
            "set the clock; if it is right now, remove `.kavi/machine-start`, or wait until it is later than that record",
        ),
        Ok(None) => Check::ok("clock", format!("{}, not in doubt", workspace.clock.now())),
        Err(error) => Check::bad("clock", Health::Fail, error.to_string(), "see the ledger's check"),
    }
}

fn check_history(workspace: &OpenWorkspace) -> Check {
    let status = match (HistoryService { workspace }).status() {
        Ok(status) => status,
        Err(error) => return Check::bad("history", Health::Fail, error.to_string(), "run `kavi audit`"),
    };
    if let Some(refused) = status.refused {
        let mend = "run `kavi audit`; put the newest copy back, or `kavi trust adopt --why TEXT`";
        return Check::bad("history", Health::Fail, refused, mend);
    }
    let head = status.head.map_or_else(|| "no head".to_owned(), |head| format!("head at {head}"));
    let audited = status.audited.map_or_else(|| "never audited".to_owned(), |at| format!("audited at {at}"));
    let mut found =
        format!("{} events, {} signed, {head} in {}, {audited}", status.events, status.signed, status.anchor);
    if let Some(cosigned) = &status.cosigned {
        let events = cosigned.events.map_or_else(|| "nothing".to_owned(), |events| format!("{events} events"));
        found.push_str(&format!(", witness {} cosigned {events}", cosigned.witness));
        // A warning: the newest events may have come while the witness was away. One that saw
        // another history fails the audit.
        if cosigned.events < Some(status.signed) {
            return Check::bad("history", Health::Warn, found, "start the witness, then run `kavi audit`");
        }
    }
    match status.head {
        Some(_) => Check::ok("history", found),
        None => {
            Check::bad("history", Health::Warn, found, "set KAVI_STATE_DIR or HOME to a folder outside of the vault")
        }
    }
}

/// Only where it is another one than the ledger.
fn check_context_store(workspace: &OpenWorkspace) -> Option<Check> {
    let name = "context store";
    let mend = "see docs/OPERATING.md; `kavi context publish` writes what the history decided";
    let asked = workspace.context.store_counter().map_err(|error| error.to_string());
    Some(match (asked, workspace.governance().governance) {
        (Ok(None), _) => return None,
        (Ok(Some(counter)), Ok(_)) => Check::ok(name, format!("as the history decided, at change {counter}")),
        (Ok(Some(_)), Err(unread)) => Check::bad(name, Health::Fail, unread.to_string(), mend),
        (Err(error), _) => Check::bad(name, Health::Fail, error, mend),
    })
}

fn check_registry(workspace: &OpenWorkspace) -> Check {
    let derived = workspace.ledger.all_trusted().map_err(|error| error.to_string());
    let derived = derived.and_then(|trusted| registry::render(&trusted).map_err(|error| error.to_string()));
    let path = workspace.config.layout.registry();
    match (derived, artifacts::read_once(&path)) {
        (Err(error), _) => Check::bad("registry", Health::Fail, error, "see the ledger's check"),
        // Only a warning otherwise: nothing reads this file to decide anything.
        (Ok(text), Ok(bytes)) if bytes == text.as_bytes() => Check::ok("registry", "as the ledger says"),
        (Ok(_), Ok(_)) => Check::bad("registry", Health::Warn, "was edited or is old", "run `kavi rebuild`"),
        (Ok(_), Err(ReadError::Missing)) => Check::bad("registry", Health::Warn, "is missing", "run `kavi rebuild`"),
        (Ok(_), Err(_)) => Check::bad("registry", Health::Warn, "cannot be read", "remove it and run `kavi rebuild`"),
    }
}

fn check_skills(workspace: &OpenWorkspace) -> Vec<Check> {
    let trusted = match workspace.ledger.all_trusted() {
        Ok(trusted) => trusted,
        Err(error) => return vec![Check::bad("skills", Health::Fail, error.to_string(), "see the ledger's check")],
    };
    // The way that a run takes, so that the check finds what a run would find.
    let load = |name| registry::load(&workspace.ledger, &workspace.store, name);
    let bad: Vec<Check> = trusted
        .iter()
        .filter_map(|proposal| load(&proposal.spec.name).err().map(|error| (proposal, error)))
        .map(|(proposal, error)| {
            let name = &proposal.spec.name;
            let mend = format!("`kavi rollback {name}`, or verify and promote it again");
            Check::bad(&format!("skill {name}"), Health::Fail, error.to_string(), mend)
        })
        .collect();
    let good = trusted.len() - bad.len();
    let mut checks = vec![Check::ok("skills", format!("{good} trusted with the bytes that were promoted"))];
    checks.extend(bad);
    checks
}

fn check_switch(workspace: &OpenWorkspace) -> Check {
    match workspace.ledger.switch() {
        Switch::Running(event) => Check::ok("switch", format!("running since {} by {}", event.at, event.by)),
        Switch::Stopped(stopped) => {
            Check::bad("switch", Health::Fail, stopped.to_string(), "run `kavi resume` when things may run again")
        }
    }
}

fn check_effects(workspace: &OpenWorkspace) -> Vec<Check> {
    let ledger = &workspace.ledger;
    // Both are what a person would decide about or a crash left, so both are compared with their
    // records.
    let both = ledger.pending_commits().and_then(|pending| Ok((pending, ledger.held_commits()?)));
    let (pending, held) = match both {
        Ok(both) => both,
        Err(error) => return vec![Check::bad("runs", Health::Fail, error.to_string(), "see the ledger's check")],
    };
    let mut checks = vec![match pending.is_empty() {
        true => Check::ok("runs", "no files on their way into the vault"),
        false => {
            let found = format!("{} effects whose files are not all in the vault", pending.len());
            Check::bad("runs", Health::Warn, found, "run `kavi status`, which finishes them")
        }
    }];
    let recorded =
        |commit: &Commit| effects::check_recorded(ledger, commit).err().map(|error| (commit.id.short(), error));
    checks.extend(pending.iter().chain(&held).filter_map(recorded).map(|(id, error)| {
        let mend =
            format!("restore the ledger from a backup; or `kavi effects abandon {id}`, `kavi effects reject {id}`");
        Check::bad(&format!("effect {id}"), Health::Fail, error.to_string(), mend)
    }));
    checks
}

/// The links of the vault that kavi.toml names.
fn check_linked(workspace: &OpenWorkspace) -> Vec<Check> {
    let mend = "mend the link, or take it out of `follow` in kavi.toml";
    let followed = workspace.linked.folders.iter().map(|linked| {
        Check::ok("linked folder", format!("{} leads to {}, read-only", linked.name, linked.target.display()))
    });
    let broken = workspace.linked.broken.iter().map(|link| {
        Check::bad("linked folder", Health::Warn, format!("{} is not followed: {}", link.name, link.why), mend)
    });
    followed.chain(broken).collect()
}

fn check_vault(workspace: &OpenWorkspace) -> Check {
    let vault = &workspace.config.layout.vault;
    match std::fs::metadata(vault) {
        Ok(meta) if meta.is_dir() && !meta.permissions().readonly() => Check::ok("vault", vault.display().to_string()),
        Ok(_) => Check::bad("vault", Health::Fail, "is not a folder that can be written", "see `vault` in kavi.toml"),
        Err(error) => Check::bad("vault", Health::Fail, error.to_string(), "see `vault` in kavi.toml"),
    }
}

fn check_leftovers(workspace: &OpenWorkspace) -> Check {
    let found = with_leftover_folders(&workspace.host, &workspace.config, |folders| {
        artifacts::leftovers::find(folders, workspace.clock.now())
    });
    if found.is_empty() {
        return Check::ok("leftovers", "nothing that a crash left unfinished");
    }
    let names: Vec<String> = found.iter().map(|path| path.display().to_string()).collect();
    let mend = "the next command within an hour removes them; if not, see that their folders can be written";
    Check::bad("leftovers", Health::Warn, names.join(", "), mend)
}

fn check_cache(workspace: &OpenWorkspace) -> Check {
    let name = "code cache";
    let mend = "run `kavi cache clear`; what is run next is compiled again";
    match (CacheService { workspace }).status() {
        Ok(status) if !status.trouble.is_empty() => Check::bad(name, Health::Warn, status.trouble, mend),
        Ok(status) if status.foreign + status.leftovers > 0 => {
            let found = format!("{} foreign entries, {} leftovers", status.foreign, status.leftovers);
            Check::bad(name, Health::Warn, found, mend)
        }
        Ok(status) => Check::ok(name, format!("{} of {} entries would be used", status.valid, status.entries)),
        Err(error) => Check::bad(name, Health::Warn, error.to_string(), "see [limits] in kavi.toml"),
    }
}

fn check_toolchain(workspace: &OpenWorkspace) -> Check {
    // A stopped workspace is looked at too: asking a compiler for its version runs nothing of an agent.
    let cage = workspace.cage.clone().unwatched();
    let found = workspace.host.tools().and_then(|tools| Ok(toolchain::missing_parts(&cage, &tools)?));
    match found {
        Ok(missing) if missing.is_empty() => Check::ok("toolchain", "complete"),
        Ok(missing) => {
            let found = format!("lacks {}", missing.join(", "));
            Check::bad("toolchain", Health::Warn, found, "run `kavi setup`, or let `kavi verify-skill` do it")
        }
        Err(error) => {
            Check::bad("toolchain", Health::Warn, error.to_string(), "install Rust 1.95 or later with rustup")
        }
    }
}

fn check_agent(workspace: &OpenWorkspace) -> Check {
    match coding_agent::claude(workspace, None) {
        Ok(_) => Check::ok("coding agent", "program and key are there"),
        Err(error) => {
            let mend = "only needed for `--builder claude`; see [builder] in kavi.toml";
            Check::bad("coding agent", Health::Warn, error.to_string(), mend)
        }
    }
}

fn check_second_wall(asked: Result<SecondWall, RunError>) -> Check {
    let newer = "a kernel with Landlock adds a second wall around runs";
    match asked {
        Ok(wall @ SecondWall::Landlock(_)) => Check::ok("second wall", format!("in force around runs: {wall}")),
        Ok(SecondWall::Missing) => {
            Check::bad("second wall", Health::Warn, "not in force: the kernel has no Landlock", newer)
        }
        Err(error) => Check::bad("second wall", Health::Fail, error.to_string(), newer),
    }
}

fn check_cage(report: &CageReport) -> Check {
    match report {
        CageReport::None { .. } => Check::bad(
            "cage",
            Health::Fail,
            report.to_string(),
            "allow unprivileged user namespaces or install bubblewrap; `--unconfined` goes without, and is recorded",
        ),
        CageReport::Own { landlock_abi: None, .. } | CageReport::Bubblewrap { landlock_abi: None, .. } => {
            Check::bad("cage", Health::Warn, report.to_string(), "a kernel with Landlock adds a second wall")
        }
        _ => Check::ok("cage", report.to_string()),
    }
}
