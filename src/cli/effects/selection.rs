//! Which held changes a decision is about: one by its id, or all that match.

use crate::app::{App, HeldChange};
use crate::error::Error;
use crate::model::id::IdPrefix;

/// The changes that are meant.
#[derive(Debug, clap::Args)]
#[group(id = "which", required = true, multiple = true)]
pub struct Selection {
    /// The effect: its id, or a unique prefix of it.
    #[arg(conflicts_with_all = ["all", "by_caller", "skill"])]
    id: Option<String>,
    /// Every held change.
    #[arg(long, conflicts_with_all = ["by_caller", "skill"])]
    all: bool,
    /// The held changes of runs that this caller asked for.
    #[arg(long = "by", value_name = "CALLER")]
    by_caller: Option<String>,
    /// The held changes of this skill.
    #[arg(long, value_name = "NAME")]
    skill: Option<String>,
}

impl Selection {
    /// The one id, if one was given.
    pub fn id(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The ids of what is selected now, oldest first.
    ///
    /// # Errors
    /// When nothing is held that matches.
    pub fn ids(&self, app: &App) -> Result<Vec<IdPrefix>, Error> {
        let parse = |id: &str| IdPrefix::parse(id).map_err(|error| Error::Usage(error.to_string()));
        if let Some(id) = &self.id {
            return Ok(vec![parse(id)?]);
        }
        let held = app.effects().held_changes()?;
        let ids = held.iter().filter(|held| self.matches(held)).map(|held| parse(&held.commit.id.to_string()));
        let ids = ids.collect::<Result<Vec<_>, _>>()?;
        if ids.is_empty() { Err(Error::Usage("nothing is held that matches".to_owned())) } else { Ok(ids) }
    }

    /// All runs of a change must match: one decision must not take other files along.
    fn matches(&self, held: &HeldChange) -> bool {
        let mut runs = held.runs.iter().map(|row| &row.record);
        !held.runs.is_empty()
            && runs.all(|run| {
                self.by_caller.as_ref().is_none_or(|by| *by == run.caller)
                    && self.skill.as_ref().is_none_or(|skill| *skill == run.skill_name.as_str())
            })
    }
}

/// What a decision about several changes did.
#[derive(Debug, Default)]
pub struct Decisions {
    /// The documents of those that were decided.
    pub done: Vec<serde_json::Value>,
    /// The lines about them, for people.
    pub lines: Vec<String>,
    /// Those that were not, and why.
    pub failed: Vec<(String, Error)>,
}

impl Decisions {
    /// Prints the result. The first failure decides the exit code; the others do not stop.
    pub fn print(self, out: &super::super::out::Out) -> Result<(), Error> {
        let failed = self
            .failed
            .iter()
            .map(|(id, error)| serde_json::json!({ "id": id, "error": super::super::out::describe(error) }));
        let machine = serde_json::json!({ "effects": self.done, "failed": failed.collect::<Vec<_>>() });
        let mut human: String = self.lines.iter().map(|line| format!("{line}\n")).collect();
        self.failed.iter().for_each(|(id, error)| human.push_str(&format!("effect {id}: {error}\n")));
        match self.failed.into_iter().next() {
            Some((_, error)) => Err(out.failure(&human, &machine, error)),
            None => {
                out.result(&human, &machine);
                Ok(())
            }
        }
    }
}
