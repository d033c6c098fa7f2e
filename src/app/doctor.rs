//! A look at everything that a workspace stands on. Each check says how to mend what it finds.

use serde::Serialize;

use super::App;
use crate::artifacts::{self, ReadError};
use crate::cage::CageReport;
use crate::forge::toolchain;
use crate::model::{execution::SecondWall, switch::Switch};
use crate::registry;
use crate::runtime::{RunError, second_wall};

/// How a check came out. The whole is as bad as its worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// As it should be.
    Ok,
    /// Works, with something missing.
    Warn,
    /// Something will be refused.
    Fail,
}

/// One check.
#[derive(Debug, Clone, Serialize)]
pub struct Check {
    /// What was looked at.
    pub name: String,
    /// How it came out.
    pub health: Health,
    /// What was found.
    pub found: String,
    /// How to mend it; empty when there is nothing to mend.
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

impl App {
    /// Looks at the ledger, what is derived from it, every trusted component, the vault, the cage, the toolchain and the
    /// coding agent. Changes nothing.
    pub fn doctor(&self) -> Vec<Check> {
        let mut checks = vec![self.check_ledger(), self.check_registry()];
        checks.extend(self.check_skills());
        checks.push(self.check_switch());
        checks.push(self.check_effects());
        checks.push(self.check_vault());
        checks.push(self.check_cache());
        checks.push(check_cage(&self.cage.probe()));
        checks.push(check_second_wall(second_wall::probe()));
        checks.push(self.check_toolchain());
        checks.push(self.check_agent());
        checks
    }

    fn check_ledger(&self) -> Check {
        match self.ledger.check_integrity() {
            Ok(()) => Check::ok("ledger", "sound"),
            Err(error) => Check::bad("ledger", Health::Fail, error.to_string(), "restore it from a backup"),
        }
    }

    fn check_registry(&self) -> Check {
        let derived = self.ledger.all_trusted().map_err(|error| error.to_string());
        let derived = derived.and_then(|trusted| registry::render(&trusted).map_err(|error| error.to_string()));
        let path = self.config.layout.registry();
        match (derived, artifacts::read_once(&path)) {
            (Err(error), _) => Check::bad("registry", Health::Fail, error, "see the ledger's check"),
            (Ok(text), Ok(bytes)) if bytes == text.as_bytes() => Check::ok("registry", "as the ledger says"),
            (Ok(_), Ok(_)) => Check::bad("registry", Health::Warn, "was edited or is old", "run `kavi rebuild`"),
            (Ok(_), Err(ReadError::Missing)) => {
                Check::bad("registry", Health::Warn, "is missing", "run `kavi rebuild`")
            }
            (Ok(_), Err(_)) => {
                Check::bad("registry", Health::Warn, "cannot be read", "remove it and run `kavi rebuild`")
            }
        }
    }

    fn check_skills(&self) -> Vec<Check> {
        let trusted = match self.ledger.all_trusted() {
            Ok(trusted) => trusted,
            Err(error) => return vec![Check::bad("skills", Health::Fail, error.to_string(), "see the ledger's check")],
        };
        let load = |name| registry::load(&self.ledger, &self.store, name);
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

    fn check_switch(&self) -> Check {
        match self.ledger.switch() {
            Switch::Running(event) => Check::ok("switch", format!("running since {} by {}", event.at, event.by)),
            Switch::Stopped(stopped) => {
                Check::bad("switch", Health::Fail, stopped.to_string(), "run `kavi resume` when things may run again")
            }
        }
    }

    fn check_effects(&self) -> Check {
        match self.ledger.pending_commits() {
            Ok(pending) if pending.is_empty() => Check::ok("runs", "no files on their way into the vault"),
            Ok(pending) => {
                let found = format!("{} effects whose files are not all in the vault", pending.len());
                Check::bad("runs", Health::Warn, found, "run `kavi status`, which finishes them")
            }
            Err(error) => Check::bad("runs", Health::Fail, error.to_string(), "see the ledger's check"),
        }
    }

    fn check_vault(&self) -> Check {
        let vault = &self.config.layout.vault;
        match std::fs::metadata(vault) {
            Ok(meta) if meta.is_dir() && !meta.permissions().readonly() => {
                Check::ok("vault", vault.display().to_string())
            }
            Ok(_) => {
                Check::bad("vault", Health::Fail, "is not a folder that can be written", "see `vault` in kavi.toml")
            }
            Err(error) => Check::bad("vault", Health::Fail, error.to_string(), "see `vault` in kavi.toml"),
        }
    }

    fn check_cache(&self) -> Check {
        let name = "code cache";
        let mend = "run `kavi cache clear`; what is run next is compiled again";
        match self.cache_status() {
            Ok(status) if !status.trouble.is_empty() => Check::bad(name, Health::Warn, status.trouble, mend),
            Ok(status) if status.foreign + status.leftovers > 0 => {
                let found = format!("{} foreign entries, {} leftovers", status.foreign, status.leftovers);
                Check::bad(name, Health::Warn, found, mend)
            }
            Ok(status) => Check::ok(name, format!("{} of {} entries would be used", status.valid, status.entries)),
            Err(error) => Check::bad(name, Health::Warn, error.to_string(), "see [limits] in kavi.toml"),
        }
    }

    fn check_toolchain(&self) -> Check {
        let found = self.host.tools().and_then(|tools| Ok(toolchain::look(&self.cage, &tools)?));
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

    fn check_agent(&self) -> Check {
        match self.claude(None) {
            Ok(_) => Check::ok("coding agent", "program and key are there"),
            Err(error) => {
                let mend = "only needed for `--builder claude`; see [builder] in kavi.toml";
                Check::bad("coding agent", Health::Warn, error.to_string(), mend)
            }
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
