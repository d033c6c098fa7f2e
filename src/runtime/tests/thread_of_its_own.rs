//! Guests that are ended from outside, on the thread that is theirs.

use crate::model::{
    execution::SecondWall,
    lifecycle::ProposalStatus,
    switch::{Halt, Revoked, Stopped, SwitchEvent, SwitchState, Watch},
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
    Stopped::By(SwitchEvent {
        number: 2,
        position: SwitchState::Stopped,
        by: "ada".into(),
        why: Some("enough".into()),
        at,
    })
}

fn run_watched(arguments: &[&str], watch: &dyn Watch) -> TestOutcome {
    let (folders, limits) = (Folders::new(), Limits { wall_ms: 60_000, cpu_ms: 60_000, ..Limits::default() });
    let (vault, out) = (opened(&folders.vault("")), opened(&folders.out("")));
    let determinism = determinism(1);
    let request = GuestRequest {
        input: "",
        capabilities: &WRITER,
        vault: Some(&vault),
        linked: &[],
        out: Some(&out),
        http: None,
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

/// Host code on the thread of a run, after the guest has run there: it stands for whatever a guest finds in the engine.
#[test]
fn around_a_real_guest_the_kernel_lets_nothing_else_be_opened() {
    let (folders, limits) = (Folders::new(), tight());
    let (vault, out) = (folders.vault(""), folders.out(""));
    let (opened_vault, opened_out) = (opened(&vault), opened(&out));
    let (ledger, other) = (folders.0.path().join("ledger.db"), folders.0.path().join("other"));
    std::fs::write(&ledger, "trust").unwrap();
    std::fs::create_dir(&other).unwrap();
    let request = GuestRequest {
        input: "",
        capabilities: &WRITER,
        vault: Some(&opened_vault),
        linked: &[],
        out: Some(&opened_out),
        http: None,
        determinism: determinism(1),
        limits: &limits,
        watch: &Unwatched,
    };
    let compiled = skills::ECHO.compile();
    // Linked by a run that is as any other.
    let outcome = compiled.run(&GuestRequest { input: "x", ..request }).unwrap();
    assert!(matches!(outcome.observed.second_wall, Some(SecondWall::Landlock(_))), "{:?}", outcome.observed);
    let pre = compiled.linked.lock().unwrap().as_ref().unwrap().pre.clone();
    let find = |store: &mut wasmtime::Store<crate::runtime::wall::state::GuestState>,
                instance: wasmtime::component::Instance| {
        instance.get_func(store, "run").ok_or_else(|| wasmtime::Error::msg("no run"))
    };
    let call = |store: &mut wasmtime::Store<crate::runtime::wall::state::GuestState>,
                run: wasmtime::component::Func| {
        let mut said = [wasmtime::component::Val::Bool(false)];
        run.call(&mut *store, &[wasmtime::component::Val::String("from inside".into())], &mut said)?;
        let outside = ["/etc/passwd".as_ref(), ledger.as_path(), Path::new("/proc/self/environ")];
        let read = outside.map(|path| std::fs::read(path).map_err(|error| error.kind()));
        let write = [&ledger, &other.join("a.md"), &vault.join("a.md")];
        let write = write.map(|path| std::fs::write(path, "x").map_err(|error| error.kind()));
        let mine = (std::fs::read_to_string(vault.join("a.md")).ok(), std::fs::write(out.join("b.md"), "b").is_ok());
        Ok((format!("{said:?}"), read, write, mine))
    };
    let kind = request::ComponentKind::Skill;
    let guest = run::Guest { request: &request, kind, command_line: GuestCommand::default(), pre: &pre };
    let run::RunEnd { result, observed } = run::on_its_thread(guest, find, call).unwrap();
    let (said, read, write, mine) = result.unwrap();
    assert!(said.contains("from inside"), "{said}");
    assert_eq!(read, [const { Err(std::io::ErrorKind::PermissionDenied) }; 3]);
    assert_eq!(write, [Err(std::io::ErrorKind::PermissionDenied); 3]);
    assert_eq!(mine, (Some("alpha".into()), true));
    assert_eq!(observed.second_wall, outcome.observed.second_wall);
    // The thread that asked for the run is as free as before.
    assert!(std::fs::read("/etc/passwd").is_ok());
    assert_eq!(std::fs::read_to_string(&ledger).unwrap(), "trust");
}
