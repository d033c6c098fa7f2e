//! A pass of `kavi improve run`, killed at each system call that changes a file or speaks with the model, and made again.
//!
//! The method is that of `kills`. The scripted model counts: no question is asked twice, by whichever of the passes.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::OnceLock;

use serde_json::json;

use crate::improve::{GOOD, advised_by, failing, pass, published, released, uses};
use crate::kills::{CALLS, count, text, traced};
use crate::support::openai_api::{Answer, OpenAiApi};
use crate::support::{self, Workspace};

/// What goes to the model and comes from it.
const SPOKEN: [&str; 6] = ["connect", "sendto", "recvfrom", "writev", "sendmsg", "recvmsg"];

/// A workspace, and the model that a pass in it asks.
struct Case {
    name: &'static str,
    workspace: fn() -> Workspace,
    model: fn() -> OpenAiApi,
}

/// The questions so far, each as its body.
fn questions(api: &OpenAiApi) -> Vec<String> {
    let asked = api.requests().into_iter().filter(|request| request.method == "POST");
    asked.map(|request| request.body.to_string()).collect()
}

/// What a pass leaves: states, and how the pairs ended.
fn left(workspace: &Workspace) -> Vec<String> {
    let ledger = workspace.ledger();
    let attempts = "SELECT json_array(number, skill_name, state, answer) FROM improvements ORDER BY number";
    let mut left = support::strings(&ledger, attempts);
    left.extend(
        workspace.rows().into_iter().filter(|(table, _)| table == "table guidance_pairs").map(|(_, rows)| rows),
    );
    left
}

fn state(workspace: &Workspace) -> String {
    support::strings(&workspace.ledger(), "SELECT state FROM improvements ORDER BY number").join(",")
}

/// Kills a pass once, and makes two more. Gives whether it was killed, and the state of the attempt.
fn kill_once(case: &Case, call: &str, number: usize) -> (bool, String) {
    let what = format!("{}: killed at {call} {number}", case.name);
    let (workspace, api) = ((case.workspace)(), (case.model)());
    advised_by(&workspace, &api);
    let inject = format!("inject={call}:signal=KILL:when={number}");
    let args = text(&["improve", "run"]);
    let options = ["-e", &format!("trace={call}"), "-e", &inject];
    let killed = !traced(&workspace, &options, &args).status().unwrap().success();
    let report = pass(&workspace);
    let asked = questions(&api);
    let different: BTreeSet<&String> = asked.iter().collect();
    assert_eq!(different.len(), asked.len(), "{what}: a question was asked twice");
    let state = state(&workspace);
    assert!(["CANDIDATE", "LOST"].contains(&state.as_str()), "{what}: {state}: {report:#}");
    assert!(killed || state == "CANDIDATE", "{what}: {state}");
    assert_eq!(published(&workspace)["revision"], 1, "{what}: a pass publishes nothing");
    // One more pass finds nothing to do.
    let before = left(&workspace);
    let again = pass(&workspace);
    assert_eq!(
        (&again["attempts"], &again["resumed"], &again["pairs"]),
        (&json!([]), &json!([]), &json!(0)),
        "{what}: {again:#}"
    );
    assert_eq!((left(&workspace), questions(&api).len()), (before, asked.len()), "{what}");
    let audit = workspace.json(&["audit"]).stdout;
    // The test itself changed the times of the runs.
    let of_the_pass = ["improvements/", "guidance_pairs", "guidance"];
    assert!(of_the_pass.iter().all(|table| !audit.contains(table)), "{what}: {audit}");
    (killed, state)
}

fn one_attempt() -> Workspace {
    static ONCE: OnceLock<PathBuf> = OnceLock::new();
    Workspace::made_once(&ONCE, "kills-attempt", failing)
}

fn with_pairs() -> Workspace {
    static ONCE: OnceLock<PathBuf> = OnceLock::new();
    Workspace::made_once(&ONCE, "kills-pairs", released)
}

#[test]
#[ignore = "a longer tier: needs strace, and some minutes"]
fn each_step_of_a_pass_is_killed_and_asks_no_second_time() {
    let cases = [
        Case { name: "attempt", workspace: one_attempt, model: || OpenAiApi::start(Answer::says(GOOD)).unwrap() },
        Case { name: "pairs", workspace: with_pairs, model: || uses("{\"path\":7}", "{\"path\":\"a.md\"}") },
    ];
    for case in &cases {
        let (workspace, api) = ((case.workspace)(), (case.model)());
        advised_by(&workspace, &api);
        let set: BTreeSet<&str> = CALLS.iter().copied().chain(SPOKEN).collect();
        let set = format!("trace={}", set.into_iter().collect::<Vec<_>>().join(","));
        let status = traced(&workspace, &["-e", &set], &text(&["improve", "run"])).status().expect("strace");
        assert!(status.success() && state(&workspace) == "CANDIDATE", "{}: {}", case.name, state(&workspace));
        let (counts, mut kills, mut lost) = (count(&workspace), 0, 0);
        for (call, most) in &counts {
            for number in 1..=*most {
                let (killed, state) = kill_once(case, call, number);
                kills += usize::from(killed);
                lost += usize::from(state == "LOST");
            }
        }
        println!("{}: {counts:?}: {kills} kills, {lost} attempts lost, asked twice 0, published 0", case.name);
        assert!(kills > 10 && lost < kills, "{}: {kills} kills, {lost} lost", case.name);
    }
}
