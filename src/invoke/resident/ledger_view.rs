//! What one thread of a resident knows of the ledger, over a connection of its own.
//!
//! To ask the ledger before every run would cost more than the run. So the answers are kept, together with the state of the
//! ledger that they belong to, and every run first asks whether the ledger has changed. A [`ChangeDetector`] can say that without
//! reading the database; where there is none, the [`DataVersion`] says it, which takes one read.
//!
//! Guarantees: an answer is used only while nothing has been committed to the ledger since, except by this process's own
//! records. Deliberately never: decides trust.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::skill_cache::{CachedSkill, SkillCache};
use crate::invoke::context::SharedContext;
use crate::invoke::error::InvokeError;
use crate::invoke::loaded_skill::LoadedSkill;
use crate::ledger::{ChangeDetector, Create, DataVersion, Journal, Ledger, LedgerError, OwnCommits, RunAuthorization};
use crate::model::{governance::GovernanceMark, layout::Layout, name::SkillName, switch::Watch};
use crate::runtime::{LaneKey, LinkedFolder};

/// A loaded skill that the ledger calls trusted now.
#[derive(Debug, Clone)]
pub(super) struct CurrentSkill {
    skill: Arc<CachedSkill>,
    pub(super) authorization: RunAuthorization,
    /// Stops its runs when the switch is turned or the trust ends.
    pub(super) watch: Arc<dyn Watch + Send>,
    /// The same for those of agents, which also end when the agents of the workspace are stopped.
    pub(super) agent_watch: Arc<dyn Watch + Send>,
    /// What its runs reach, if they can share a lane.
    pub(super) reaches: Option<LaneKey>,
}

impl CurrentSkill {
    pub(super) fn loaded(&self) -> &LoadedSkill {
        &self.skill.loaded
    }
}

/// One thread's view of the ledger.
#[derive(Debug)]
pub(super) struct LedgerView<'r> {
    ledger: Ledger,
    opened: DataVersion,
    layout: &'r Layout,
    linked: &'r [LinkedFolder],
    skills: &'r SkillCache,
    /// The records of this process, which change no answer.
    own_commits: Option<&'r OwnCommits>,
    change_detector: Option<ChangeDetector>,
    /// The state of the ledger that the answers below belong to; none when they may be out of date.
    at: Option<DataVersion>,
    authorized: Option<RunAuthorization>,
    /// The change counter of charter, policy and capabilities, and the kill switch.
    governance_mark: Option<GovernanceMark>,
    pending_commits: bool,
    current: BTreeMap<SkillName, CurrentSkill>,
}

impl<'r> LedgerView<'r> {
    pub(super) fn open(
        shared: &SharedContext<'r>,
        journal: &'r dyn Journal,
        skills: &'r SkillCache,
    ) -> Result<Self, LedgerError> {
        let ledger = Ledger::open(&shared.layout.ledger(), Create::Never)?;
        let ledger = match shared.anchor {
            Some(anchor) => ledger.with_anchor(Arc::clone(anchor)),
            None => ledger,
        };
        let opened = ledger.data_version()?;
        let change_detector = ledger.change_detector();
        Ok(Self {
            ledger,
            opened,
            layout: shared.layout,
            linked: shared.linked,
            skills,
            own_commits: journal.own_commits(),
            change_detector,
            at: None,
            authorized: None,
            governance_mark: None,
            pending_commits: true,
            current: BTreeMap::new(),
        })
    }

    pub(super) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Whether the ledger is still the file that was opened. Another file in its place says nothing about trust.
    pub(super) fn check_file(&self) -> Result<DataVersion, LedgerError> {
        let now = self.ledger.data_version()?;
        match now.same_file(&self.opened) {
            true => Ok(now),
            false => Err(LedgerError::Damaged("another file was put in its place".to_owned())),
        }
    }

    /// The change counter of charter, policy and capabilities, and the kill switch, as they were when the ledger was last found
    /// unchanged. Read from the ledger where that is not known.
    pub(super) fn governance_mark(&self) -> Result<GovernanceMark, LedgerError> {
        self.governance_mark.filter(|_| self.at.is_some()).map_or_else(|| self.ledger.governance_mark(), Ok)
    }

    /// The answers may be out of date: the next use reads them again.
    pub(super) fn forget(&mut self) {
        self.at = None;
    }

    /// Lets all loaded skills go. The next use finds them again, or loads them.
    pub(super) fn let_go(&mut self) {
        self.forget();
        self.current.clear();
    }

    /// Reads the answers again, if the ledger has changed.
    fn refresh(&mut self) -> Result<RunAuthorization, InvokeError> {
        let known = self.authorized.filter(|_| self.at.is_some());
        // The detector and the version are asked before the answers are read. A commit in between makes the answers newer
        // than the version they are kept under, so the next use reads them once more. The other order could keep old answers
        // under a new version for good.
        let unchanged = self.change_detector.as_mut().map(|detector| detector.unchanged_except(self.own_commits));
        if let (Some(true), Some(authorized)) = (unchanged, known) {
            return Ok(authorized);
        }
        let now = self.check_file()?;
        // Without a detector the version decides. With one it does not: the detector also reports the mark of a stop, a file
        // beside the ledger, which does not change the version.
        if let (None, Some(authorized)) = (unchanged, known.filter(|_| self.at == Some(now))) {
            return Ok(authorized);
        }
        // While the answers are read an error may end this function: nothing half-read may count as known then.
        self.forget();
        self.current.clear();
        let authorized = self.ledger.authorize()?;
        self.pending_commits = self.ledger.any_pending_commits()?;
        self.governance_mark = Some(self.ledger.governance_mark()?);
        (self.authorized, self.at) = (Some(authorized), Some(now));
        Ok(authorized)
    }

    /// The trusted revision of a name, if it is loaded.
    pub(super) fn current(&mut self, name: &SkillName) -> Result<Option<&CurrentSkill>, InvokeError> {
        let authorized = self.refresh()?;
        if !self.current.contains_key(name) {
            let revision = self.ledger.trusted_revision(name)?;
            let Some(skill) = revision.and_then(|revision| self.skills.find(name, &revision)) else {
                return Ok(None);
            };
            let authorization = authorized.for_revision(skill.revision.id);
            let watch = Arc::new(self.ledger.watch(authorization));
            let agent_watch = Arc::new(self.ledger.watch(authorization.for_agent()));
            let reaches = skill.loaded.reaches(self.layout, self.linked);
            self.current.insert(name.clone(), CurrentSkill { skill, authorization, watch, agent_watch, reaches });
        }
        Ok(self.current.get(name))
    }

    /// The same, if it may run on a lane that reaches `reaches`.
    pub(super) fn current_on_lane(&mut self, name: &SkillName, reaches: &LaneKey) -> Option<CurrentSkill> {
        let skill = self.current(name).ok().flatten()?.clone();
        (skill.reaches.as_ref() == Some(reaches) && !self.must_recover(reaches)).then_some(skill)
    }

    /// Whether a commit that a crash left PENDING must be finished first: a run that reads the vault must not see half of it.
    pub(super) fn must_recover(&self, reaches: &LaneKey) -> bool {
        self.pending_commits && *reaches != LaneKey::Nothing
    }
}
