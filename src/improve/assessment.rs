//! What all runs of a trusted skill say: counts for its guidance and for its code, with intervals and e-values.
//!
//! Guarantees: a revision starts with nothing, and so does another environment. Failures of an incident are set aside. A failure
//! counts against guidance or code, never against both. Nothing that an agent says is counted.
//!
//! Deliberately never: writes anything.

use std::collections::BTreeMap;

use serde::Serialize;

use super::incident::{self, FailureMark, Incident};
use super::outcome::{self, Afterwards, UseOutcome};
use super::statistics::{UseCounts, WilsonInterval, Z_95};
use crate::ledger::{
    ExecutionRow, GuidanceRevision, ImproveStore, LedgerError, OutcomeOpinion, OutcomeReport, Proposal, RecordFilter,
};
use crate::model::{
    digest::Digest, execution::ExecutionRecord, guidance::Fault, id::ExecutionId, name::SkillName, time::Timestamp,
};

/// The rate below which a revision is a candidate.
pub const PROMISED_RATE: f64 = 0.40;
/// Records that are read at once.
const PAGE: u32 = 512;

/// What the runs of a trusted skill say.
#[derive(Debug, Clone)]
pub struct Assessment {
    /// The skill.
    pub skill: SkillName,
    /// Its published guidance.
    pub guidance: SubjectOutcomes,
    /// The code of its trusted revision.
    pub code: SubjectOutcomes,
    /// What agents say. It decides nothing.
    pub opinions: Vec<OutcomeOpinion>,
}

/// What the runs say about one revision.
#[derive(Debug, Clone)]
pub struct SubjectOutcomes {
    /// Its number.
    pub revision: u32,
    /// The digest of the guidance or the component.
    pub sha256: Digest,
    /// By environment; the one of the newest run last.
    pub environments: Vec<EnvironmentOutcomes>,
    /// Its failures, oldest first.
    pub failures: Vec<FailedUse>,
    /// The incidents among them.
    pub incidents: Vec<Incident>,
}

/// What the runs in one environment say.
#[derive(Debug, Clone, Serialize)]
pub struct EnvironmentOutcomes {
    /// The digest of the environment.
    pub environment: Digest,
    /// The uses that count.
    pub counts: UseCounts,
    /// Failures of incidents, which do not.
    pub set_aside: u32,
}

/// A use that did not go well.
#[derive(Debug, Clone)]
pub struct FailedUse {
    /// The run.
    pub run: ExecutionId,
    /// When.
    pub at: Timestamp,
    /// What it says something about, and who found that.
    pub outcome: UseOutcome,
    /// The error of the record.
    pub error: String,
    /// Whether it is part of an incident.
    pub set_aside: bool,
    environment: Digest,
}

impl EnvironmentOutcomes {
    /// The interval of the rate.
    pub fn wilson(&self) -> WilsonInterval {
        self.counts.wilson(Z_95)
    }

    /// The e-value against the promised rate.
    pub fn e_value(&self) -> f64 {
        self.counts.e_value(PROMISED_RATE)
    }
}

impl SubjectOutcomes {
    /// The counts in the environment of the newest run.
    pub fn current(&self) -> Option<&EnvironmentOutcomes> {
        self.environments.last()
    }
}

/// What a count is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum AssessedPart {
    Guidance,
    Code,
}

/// Reads the records of a trusted skill.
///
/// # Errors
/// [`LedgerError`] when they cannot be read.
pub fn of(
    ledger: &dyn ImproveStore,
    trusted: &Proposal,
    published: &GuidanceRevision,
) -> Result<Assessment, LedgerError> {
    let skill = &trusted.spec.name;
    // By the number of the newest record at that decision, and not by time: a clock that was set
    // back would move runs to another revision.
    let since = ledger.guidance_decisions(skill)?.pop().map_or(0, |decision| decision.after_record);
    let reader = Reader::new(ledger, skill)?;
    let (revision, sha256) = (published.number, published.body.sha256());
    let guidance = reader.read(AssessedPart::Guidance, &[(since, i64::MAX)], |_| true)?.finish(revision, sha256);
    let trust = trusted.trust.ok_or_else(|| LedgerError::NotFound { what: "trusted skill", key: skill.to_string() })?;
    let of_trusted = |record: &ExecutionRecord| record.source_hash == Some(trust.component_sha256);
    let code =
        reader.read(AssessedPart::Code, &[(0, i64::MAX)], of_trusted)?.finish(trust.revision, trust.component_sha256);
    Ok(Assessment { skill: skill.clone(), guidance, code, opinions: ledger.outcome_opinions(skill)? })
}

/// Reads the records of every time in which a revision of the guidance was published.
///
/// # Errors
/// [`LedgerError`] when they cannot be read.
pub fn of_revision(
    ledger: &dyn ImproveStore,
    skill: &SkillName,
    revision: &GuidanceRevision,
) -> Result<SubjectOutcomes, LedgerError> {
    let decisions = ledger.guidance_decisions(skill)?;
    // A revision can be published more than once, after a rollback. Each time is a span of its own.
    let ends = decisions.iter().skip(1).map(|next| next.after_record).chain([i64::MAX]);
    let spans = decisions.iter().zip(ends).filter(|(decision, _)| decision.published == revision.number);
    let spans: Vec<(i64, i64)> = spans.map(|(decision, end)| (decision.after_record, end)).collect();
    let tally = Reader::new(ledger, skill)?.read(AssessedPart::Guidance, &spans, |_| true)?;
    Ok(tally.finish(revision.number, revision.body.sha256()))
}

struct Reader<'a> {
    ledger: &'a dyn ImproveStore,
    skill: &'a SkillName,
    reports: BTreeMap<ExecutionId, OutcomeReport>,
}

/// The environments in the order of their newest run, and the failures.
#[derive(Default)]
struct Tally {
    environments: Vec<EnvironmentOutcomes>,
    failures: Vec<FailedUse>,
}

impl<'a> Reader<'a> {
    fn new(ledger: &'a dyn ImproveStore, skill: &'a SkillName) -> Result<Self, LedgerError> {
        let reports = ledger.outcome_reports(skill)?.into_iter().map(|report| (report.run, report)).collect();
        Ok(Self { ledger, skill, reports })
    }

    /// The records of some spans, each from after one number up to another.
    fn read(
        &self,
        part: AssessedPart,
        spans: &[(i64, i64)],
        is_about: impl Fn(&ExecutionRecord) -> bool,
    ) -> Result<Tally, LedgerError> {
        let filter = RecordFilter { skill: Some(self.skill.clone()), ..RecordFilter::default() };
        let mut tally = Tally::default();
        for (after, until) in spans {
            let mut seen = *after;
            loop {
                let page = self.ledger.written_between(&filter, seen, *until, PAGE)?;
                if page.rows.is_empty() {
                    break;
                }
                seen = page.seen;
                for row in page.rows.iter().filter(|row| is_about(&row.record)) {
                    tally.add(part, row, self.outcome(row)?);
                }
            }
        }
        Ok(tally)
    }

    fn outcome(&self, row: &ExecutionRow) -> Result<Option<UseOutcome>, LedgerError> {
        let record = &row.record;
        let undone_at = match record.commit_id.filter(|_| row.undone) {
            Some(commit) => self.ledger.undo_of(commit)?.map(|undo| undo.created_at),
            None => None,
        };
        Ok(outcome::of(record, Afterwards { undone_at, report: self.reports.get(&record.execution_id) }))
    }
}

impl Tally {
    fn add(&mut self, part: AssessedPart, row: &ExecutionRow, outcome: Option<UseOutcome>) {
        let Some(outcome) = outcome else { return };
        let charged = match part {
            AssessedPart::Guidance => outcome.fault == Fault::Guidance,
            AssessedPart::Code => outcome.fault == Fault::Code,
        };
        // A failure of the other part is neither a success nor a failure of this one. Counted as
        // either, it would blame or praise what was not at work.
        if !outcome.ok && !charged {
            return;
        }
        let record = &row.record;
        let environment = environment(part, record);
        let known = self.environments.iter().position(|known| known.environment == environment);
        let mut counts = match known {
            // It goes to the end again, so that the last one is that of the newest run.
            Some(place) => self.environments.remove(place),
            None => EnvironmentOutcomes { environment, counts: UseCounts::default(), set_aside: 0 },
        };
        if outcome.ok {
            counts.counts.ok = counts.counts.ok.saturating_add(1);
        } else {
            counts.counts.failed = counts.counts.failed.saturating_add(1);
            let error = record.error.clone().unwrap_or_else(|| "it succeeded, and was not wanted".to_owned());
            let (run, at) = (record.execution_id, record.started_at);
            self.failures.push(FailedUse { run, at, outcome, error, set_aside: false, environment });
        }
        self.environments.push(counts);
    }

    fn finish(mut self, revision: u32, sha256: Digest) -> SubjectOutcomes {
        // Only with all failures at hand: an incident is many alike within a short time, which no
        // single one shows.
        let prints: Vec<String> = self.failures.iter().map(|failure| incident::fingerprint(&failure.error)).collect();
        let marks: Vec<FailureMark<'_>> = self
            .failures
            .iter()
            .zip(&prints)
            .map(|(failure, fingerprint)| FailureMark { at: failure.at, fingerprint })
            .collect();
        let incidents = incident::find(&marks);
        for place in incidents.iter().flat_map(|incident| &incident.failures) {
            let Some(failure) = self.failures.get_mut(*place) else { continue };
            failure.set_aside = true;
            let of_it = self.environments.iter_mut().find(|counts| counts.environment == failure.environment);
            if let Some(counts) = of_it {
                counts.counts.failed = counts.counts.failed.saturating_sub(1);
                counts.set_aside += 1;
            }
        }
        SubjectOutcomes { revision, sha256, environments: self.environments, failures: self.failures, incidents }
    }
}

/// What a count depends on besides its revision. The code is the environment of its guidance; engine, limits and second wall are
/// that of the code.
fn environment(part: AssessedPart, record: &ExecutionRecord) -> Digest {
    let text = match part {
        // A guidance that did badly with one component may do well with the next, so their uses are
        // not added up.
        AssessedPart::Guidance => record.source_hash.map(|digest| digest.to_string()),
        AssessedPart::Code => {
            let limits = record.limits.as_ref().and_then(|limits| serde_json::to_string(limits).ok());
            let wall = record.second_wall.map(|wall| wall.to_string());
            Some([record.engine.clone(), limits, wall].map(Option::unwrap_or_default).join("\n"))
        }
    };
    Digest::of(format!("kavi-environment 1\n{}", text.unwrap_or_default()).as_bytes())
}
