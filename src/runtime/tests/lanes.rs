//! Runs that share a thread, and engines that set memory aside.

use std::sync::Arc;

use crate::model::{
    execution::SecondWall,
    lifecycle::ProposalStatus,
    switch::{Halt, Revoked, Watch},
};

use super::*;

/// A skill may run until it is looked at.
#[derive(Debug)]
struct Ends;

impl Watch for Ends {
    fn look(&self) -> Result<(), Halt> {
        Err(Revoked { status: ProposalStatus::Revoked }.into())
    }
}

fn request<'a>(
    vault: Option<&'a FolderHandle>,
    limits: &'a Limits,
    capabilities: &'a SkillCapabilities,
) -> GuestRequest<'a> {
    GuestRequest {
        input: "x",
        capabilities,
        vault,
        linked: &[],
        out: None,
        http: None,
        determinism: determinism(1),
        limits,
        watch: &Unwatched,
    }
}

fn unwatched() -> Arc<dyn Watch + Send> {
    Arc::new(Unwatched)
}

#[test]
fn runs_that_reach_the_same_share_a_thread_that_reaches_no_more() {
    let (folders, limits) = (Folders::new(), tight());
    let path = folders.vault("");
    let (vault, other) = (opened(&path), opened(&folders.out("")));
    let echo = skills::ECHO.compile();
    for (key, vault) in [(LaneKey::Nothing, None), (LaneKey::Vault(path.clone(), Vec::new()), Some(&vault))] {
        let walls = Lane::keep(&key, |lane| {
            let run = || echo.run_on(lane, &request(vault, &limits, &READER), &unwatched()).unwrap();
            let walls: Vec<_> = (0..3).map(|_| run().observed.second_wall).collect();
            assert!(std::fs::read("/etc/passwd").is_err());
            assert_eq!(std::fs::read(folders.vault("a.md")).is_ok(), vault.is_some());
            assert!(std::fs::write(folders.vault("new.md"), "x").is_err());
            walls
        });
        assert!(walls.unwrap().iter().all(|wall| matches!(wall, Some(SecondWall::Landlock(_)))));
    }
    assert!(std::fs::read("/etc/passwd").is_ok(), "the thread that kept them is free");
    // Nothing else is let on it: another vault, none, or a folder to write.
    Lane::keep(&LaneKey::Vault(path.clone(), Vec::new()), |lane| {
        let refused = |request: &GuestRequest<'_>| match echo.run_on(lane, request, &unwatched()) {
            Err(RunFailure { error: RunError::SecondWall(_), .. }) => {}
            other => panic!("{other:?}"),
        };
        refused(&request(Some(&other), &limits, &READER));
        refused(&request(None, &limits, &READER));
        refused(&GuestRequest { out: Some(&other), ..request(Some(&vault), &limits, &WRITER) });
        assert!(echo.run_on(lane, &request(Some(&vault), &limits, &READER), &unwatched()).is_ok());
    })
    .unwrap();
}

#[test]
fn what_runs_on_a_shared_thread_is_ended_and_the_next_is_not() {
    let limits = Limits { wall_ms: 60_000, cpu_ms: 60_000, ..Limits::default() };
    let (forever, echo) = (skills::FOREVER_SKILL.compile(), skills::ECHO.compile());
    Lane::keep(&LaneKey::Nothing, |lane| {
        let ends: Arc<dyn Watch + Send> = Arc::new(Ends);
        let ended = forever.run_on(lane, &request(None, &limits, &PURE), &ends);
        assert!(matches!(&ended, Err(RunFailure { error: RunError::Revoked(_), .. })), "{ended:?}");
        assert!(echo.run_on(lane, &request(None, &limits, &PURE), &unwatched()).is_ok());
        let limits = Limits { cpu_ms: 50, ..limits.clone() };
        let ended = forever.run_on(lane, &request(None, &limits, &PURE), &unwatched());
        assert!(
            matches!(&ended, Err(RunFailure { error: RunError::Timeout { limit: "cpu_ms", value: 50 }, .. })),
            "{ended:?}"
        );
        assert!(echo.run_on(lane, &request(None, &limits, &PURE), &unwatched()).is_ok());
    })
    .unwrap();
    let panicked = Lane::keep(&LaneKey::Nothing, |_| panic!("a bug"));
    assert!(matches!(panicked, Err(RunError::Host(_))));
}

#[test]
fn memory_that_is_set_aside_changes_no_machine_code_and_no_limit() {
    let limits = Limits::default();
    let pooled = Runtime::pooled(&limits, 2).unwrap();
    assert_eq!(pooled.engine_id(), RUNTIME.engine_id());
    let load = |skill: &skills::WatSkill<'_>| pooled.load(&machine_code(&skill.bytes()).unwrap()).unwrap();
    let (echo, dirty) = (load(&skills::ECHO), load(&skills::DIRTY));
    for _ in 0..20 {
        assert_eq!(echo.run(&request(None, &limits, &PURE)).unwrap().result.as_deref(), Ok("x"));
        // It says what it finds before it leaves something: a memory that came back used would say more.
        assert_eq!(dirty.run(&request(None, &limits, &PURE)).unwrap().result.as_deref(), Ok("\0"));
    }
    let little = Limits { memory_bytes: 1 << 20, ..Limits::default() };
    let ended = echo.run(&request(None, &little, &PURE));
    assert!(
        matches!(&ended, Err(RunFailure { error: RunError::LimitExceeded { limit: "memory_bytes", .. }, .. })),
        "{ended:?}"
    );
    assert!(matches!(Runtime::pooled(&Limits { memories: 1 << 30, ..limits }, 16), Err(RuntimeError::Pool(_))));
}
