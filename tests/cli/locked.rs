//! Another process has the ledger's write lock: each verb waits, and then says so in its own words.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::thread;

use crate::each_verb::{self, Needs, speaks_plainly};
use crate::support::Workspace;

/// Calls every verb at one time, because each that writes waits for ten seconds.
fn call_all(lock: &str, check: impl Fn(&each_verb::Call, &crate::support::Called) + Sync) {
    let workspace = Workspace::trusted();
    each_verb::prepare(&workspace);
    let (stops, calls): (Vec<_>, Vec<_>) =
        each_verb::calls(&workspace).into_iter().partition(|call| call.args[0] == "stop");
    let other = workspace.ledger();
    other.execute_batch(lock).unwrap();
    let (here, check) = (&workspace, &check);
    thread::scope(|scope| {
        for call in &calls {
            scope.spawn(move || {
                let args: Vec<&str> = call.args.iter().map(String::as_str).collect();
                let called = here.json(&args);
                speaks_plainly(&called, &args.join(" "));
                check(call, &called);
            });
        }
    });
    // The last one, because its mark stops all others.
    for call in &stops {
        let args: Vec<&str> = call.args.iter().map(String::as_str).collect();
        let called = here.json(&args);
        speaks_plainly(&called, "stop");
        assert!(called.stdout.contains("everything is stopped until `kavi resume`"), "{called:?}");
    }
    other.execute_batch("COMMIT").unwrap();
    drop(other);
    workspace.json(&["status"]).expect(0);
}

#[test]
fn a_locked_ledger_is_never_reported_in_raw_words() {
    call_all("BEGIN IMMEDIATE", |call, called| match call.needs {
        Needs::Writes => {
            let text = called.stdout.clone() + &called.stderr;
            assert!(called.code != 0 && text.contains("locked for too long"), "{:?}: {called:?}", call.args);
        }
        // Readers read on. What they would note beside the ledger is not part of it.
        Needs::Reads => assert!(called.code != 1 || !called.stdout.is_empty(), "{:?}: {called:?}", call.args),
    });
}

#[test]
fn a_ledger_that_somebody_has_for_themselves_is_reported_too() {
    call_all("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; SELECT count(*) FROM executions", |call, called| {
        let text = called.stdout.clone() + &called.stderr;
        let waited = text.contains("locked for too long");
        assert!(called.code == 0 || waited, "{:?}: {called:?}", call.args);
    });
}
