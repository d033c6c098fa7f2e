//! Guests that are ended from outside, on the thread that is theirs.

use crate::model::{
    lifecycle::ProposalStatus,
    switch::{Halt, Position, Revoked, Stopped, Turn, Watch},
};

use super::*;

/// Says the same at every look.
#[derive(Debug)]
struct Always(Halt);

impl Watch for Always {
    fn look(&self) -> Result<(), Halt> {
        Err(self.0.clone())
    }
}

fn stopped() -> Stopped {
    let at = Timestamp::parse("2026-11-20T08:30:00Z").unwrap();
    Stopped::By(Turn { number: 2, position: Position::Stopped, by: "ada".into(), why: Some("enough".into()), at })
}

fn run_watched(arguments: &[&str], watch: &dyn Watch) -> TestOutcome {
    let (folders, limits) = (Folders::new(), Limits { wall_ms: 60_000, cpu_ms: 60_000, ..Limits::default() });
    let (vault, out) = (folders.vault(""), folders.out(""));
    let determinism = determinism(1);
    let request = Request {
        input: "",
        grants: &WRITER,
        vault: Some(&vault),
        out: Some(&out),
        determinism,
        limits: &limits,
        watch,
    };
    GUEST.run_test(arguments, &request).unwrap()
}

#[test]
fn a_stop_and_a_revocation_end_every_kind_of_loop() {
    for guest in ["spin", "spin-on-the-clock", "sleep-forever"] {
        let outcome = run_watched(&[guest], &Always(stopped().into()));
        assert!(
            matches!(&outcome.exit, TestExit::Trap(RunError::Stopped(why)) if *why == stopped()),
            "{guest}: {outcome:?}"
        );
        let revoked = Revoked { status: ProposalStatus::Revoked };
        let outcome = run_watched(&[guest], &Always(revoked.into()));
        assert!(
            matches!(&outcome.exit, TestExit::Trap(RunError::Revoked(why)) if *why == revoked),
            "{guest}: {outcome:?}"
        );
        assert_eq!(super::guest(&["fine"]), "fine\n");
    }
}
