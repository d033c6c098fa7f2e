//! The clocks of a run: how long its set-up, its job and its clean-up may take.
//!
//! Guarantees: every part of a run has a deadline, so that no stage blocks its caller for ever. Deliberately never: waits,
//! or ends anything.

use std::time::{Duration, Instant};

use super::error::SetupStep;
use super::job::JobLimits;
use super::outcome::Exit;
use super::wire::StageReport;

/// How long a stage may take to build its walls.
pub(super) const SETUP_TIME: Duration = Duration::from_secs(30);
/// How long a stage may clean up after its job: it may have to give back the owner of every file of a large folder.
const CLEAN_UP_TIME: Duration = Duration::from_secs(120);

/// When each part of a run began.
#[derive(Debug)]
pub(super) struct JobClocks {
    made: Instant,
    pub(super) started: Option<Instant>,
    pub(super) heard: Instant,
    pub(super) ended: Option<Instant>,
}

/// What is over at a deadline.
#[derive(Debug, PartialEq)]
pub(super) enum JobDeadline {
    /// The time of the stage to build its walls.
    SetUp,
    /// The time of the job, which ends like this.
    Job(Exit),
    /// The time of the stage to clean up after the job.
    CleanUp,
}

impl JobDeadline {
    /// What a stage that missed it is reported to have failed at. None when the job is at fault.
    pub(super) fn missed(&self) -> Option<StageReport> {
        let (step, seconds) = match self {
            Self::Job(_) => return None,
            Self::SetUp => (SetupStep::SelfCheck, SETUP_TIME.as_secs()),
            // The job has run, so this is no failure of the set-up.
            Self::CleanUp => (SetupStep::Watch, CLEAN_UP_TIME.as_secs()),
        };
        Some(StageReport::Failed { step, why: format!("it took more than {seconds} s") })
    }
}

impl JobClocks {
    /// The clocks of a stage that is started now.
    pub(super) fn start(now: Instant) -> Self {
        Self { made: now, started: None, heard: now, ended: None }
    }

    /// The next deadline. Every part of a run has one, so that no stage can block its caller for ever.
    pub(super) fn next(&self, limits: &JobLimits) -> Option<(Instant, JobDeadline)> {
        if let Some(ended) = self.ended {
            return Some((ended + CLEAN_UP_TIME, JobDeadline::CleanUp));
        }
        // Set-up that hangs is a fault of the machine, so it has an end of its own and is no limit
        // of the job.
        let Some(started) = self.started else { return Some((self.made + SETUP_TIME, JobDeadline::SetUp)) };
        // An overflow means a limit further away than the clock can count, which is no deadline.
        let wall = started.checked_add(limits.wall).map(|at| (at, JobDeadline::Job(Exit::WallClock)));
        let idle = limits.idle.and_then(|idle| self.heard.checked_add(idle));
        let idle = idle.map(|at| (at, JobDeadline::Job(Exit::Idle)));
        [wall, idle].into_iter().flatten().min_by_key(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_a_run_has_a_deadline() {
        let made = Instant::now();
        let (started, ended) = (made + Duration::from_secs(1), made + Duration::from_secs(2));
        let limits = JobLimits { wall: Duration::from_secs(9), idle: None, ..JobLimits::default() };
        let mut clocks = JobClocks::start(made);
        assert_eq!(clocks.next(&limits), Some((made + SETUP_TIME, JobDeadline::SetUp)));
        clocks.started = Some(started);
        assert_eq!(clocks.next(&limits), Some((started + limits.wall, JobDeadline::Job(Exit::WallClock))));
        clocks.ended = Some(ended);
        assert_eq!(clocks.next(&limits), Some((ended + CLEAN_UP_TIME, JobDeadline::CleanUp)));
    }

    #[test]
    fn a_stage_that_does_not_clean_up_loses_the_result_of_its_job() {
        let missed = JobDeadline::CleanUp.missed();
        assert!(matches!(missed, Some(StageReport::Failed { step: SetupStep::Watch, .. })), "{missed:?}");
        assert!(JobDeadline::Job(Exit::Idle).missed().is_none());
    }
}
