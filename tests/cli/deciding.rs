//! What a person decides about a proposal: which one is meant, and a no that reaches whoever proposed it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use serde_json::{Value, json};

use crate::support::mcp::client::Client;
use crate::support::{Called, PEEK, Workspace, feed};

/// A specification that an agent proposes under the name of a person's.
fn wider() -> Value {
    json!({
        "name": "peek",
        "description": "Reads a note",
        "why": "I read notes often",
        "side_effect_class": "FILE_WRITE",
        "paths": ["Inbox/AI"],
        "io": { "input": { "path": "str" }, "output": { "text": "str" } },
    })
}

fn propose(client: &mut Client, spec: Value) -> Value {
    client.call("propose_skill", spec)["result"]["structuredContent"].take()
}

#[test]
fn a_name_of_several_open_proposals_is_refused_with_a_list_of_them() {
    let workspace = Workspace::new();
    let mine = workspace.built(&PEEK);
    // With one open proposal the name is enough.
    let verified = workspace.json(&["verify-skill", "peek"]).expect(0).json();
    assert_eq!(verified["proposal_id"], mine);
    let mut client = Client::open(&workspace, "2025-11-25", json!({}));
    let theirs = propose(&mut client, wider())["proposal"].as_str().unwrap().to_owned();
    client.close();
    for args in [
        &["build-skill", "peek", "--from", "crates/peek"][..],
        &["verify-skill", "peek"],
        &["check-invariants", "peek"],
        &["forge", "peek", "--from", "crates/peek"],
        &["promote-skill", "peek", "--approved-by", "ada", "--yes"],
        &["reject", "peek", "--why", "no", "--approved-by", "ada"],
    ] {
        let error = workspace.refused(args, 2);
        let message = error["message"].as_str().unwrap();
        for said in
            ["`peek` has 2 open proposals", &mine[..8], &theirs[..8], "READ_ONLY", "FILE_WRITE", "tester through mcp"]
        {
            assert!(message.contains(said), "{args:?}: {said}: {message}");
        }
        let listed = error["proposals"].as_array().unwrap();
        assert_eq!((&listed[0]["id"], &listed[1]["id"]), (&json!(mine), &json!(theirs)), "{error}");
        assert_eq!((&listed[0]["asker"], &listed[1]["asker"]["by"]), (&Value::Null, &json!("tester")), "{error}");
        assert!(error["hint"].as_str().unwrap().contains("kavi reject ID"), "{error}");
    }
    // Its id says which one is meant, and after the other one is gone the name does again.
    workspace.json(&["verify-skill", &mine]).expect(0);
    workspace.json(&["reject", &theirs, "--why", "peek only reads", "--approved-by", "ada"]).expect(0);
    workspace.json(&["promote-skill", "peek", "--approved-by", "ada", "--yes"]).expect(0);
    assert_eq!(workspace.status_of(&mine), "TRUSTED");
}

#[test]
fn a_rejected_proposal_is_never_built_verified_or_promoted() {
    let workspace = Workspace::new();
    let id = workspace.verified(&PEEK);
    let error = workspace.refused(&["reject", &id, "--why", " ", "--approved-by", "ada"], 2);
    assert!(error["message"].as_str().unwrap().contains("a rejection needs a reason"), "{error}");
    let rejected = workspace.json(&["reject", &id, "--why", "too wide", "--approved-by", "ada"]).expect(0).json();
    assert_eq!((&rejected["status"], &rejected["rejected_by"]), (&json!("REJECTED"), &json!("ada")));
    let shown = workspace.show(&id);
    assert_eq!((&shown["rejection"]["by"], &shown["rejection"]["why"]), (&json!("ada"), &json!("too wide")));
    let human = workspace.call(&["show", &id]).expect(0).stdout;
    assert!(human.contains("REJECT by ada\n  | too wide\n"), "{human}");
    for args in [
        &["build-skill", "peek", "--from", "crates/peek"][..],
        &["verify-skill", "peek"],
        &["promote-skill", "peek", "--approved-by", "ada", "--yes"],
        &["reject", "peek", "--why", "again", "--approved-by", "ada"],
    ] {
        let error = workspace.refused(args, 3);
        assert!(error["message"].as_str().unwrap().contains("REJECTED"), "{args:?}: {error}");
    }
    // What is trusted is revoked, not rejected.
    let trusted = workspace.trust(&PEEK);
    let error = workspace.refused(&["reject", &trusted, "--why", "no", "--approved-by", "ada"], 3);
    assert!(error["message"].as_str().unwrap().contains("TRUSTED"), "{error}");
}

#[test]
fn an_agent_that_repeats_itself_makes_one_proposal_and_learns_of_its_rejection() {
    let workspace = Workspace::new();
    let mut client = Client::open(&workspace, "2025-11-25", json!({}));
    let first = propose(&mut client, wider());
    let id = first["proposal"].as_str().unwrap().to_owned();
    assert_eq!(first["proposed_times"], 1, "{first}");
    let mut again = wider();
    again["why"] = json!("I still read notes often");
    let second = propose(&mut client, again);
    assert_eq!((&second["proposal"], &second["proposed_times"]), (&json!(id), &json!(2)), "{second}");
    assert_eq!(workspace.count("SELECT count(*) FROM skill_proposals"), 1);
    assert_eq!(workspace.show(&id)["times"], 2);
    // Another specification is another proposal.
    let mut other = wider();
    other["description"] = json!("Reads a note and more");
    let other = propose(&mut client, other);
    assert!(other["proposal"] != json!(id) && other["proposed_times"] == 1, "{other}");
    workspace.json(&["reject", &id, "--why", "search_notes does this", "--approved-by", "ada"]).expect(0);
    let third = propose(&mut client, wider());
    assert_eq!((&third["proposal"], &third["status"]), (&json!(id), &json!("REJECTED")), "{third}");
    assert_eq!(
        (&third["rejected"], &third["proposed_times"]),
        (&json!("search_notes does this"), &json!(3)),
        "{third}"
    );
    let state = client.call("skill_status", json!({ "key": id }))["result"]["structuredContent"].take();
    assert_eq!(
        (&state["status"], &state["rejected"]),
        (&json!("REJECTED"), &json!("search_notes does this")),
        "{state}"
    );
    client.close();
}

/// A command as a person types it: on a terminal of this size, with these lines as answers. None where `script` is missing.
pub fn typed(workspace: &Workspace, args: &[&str], rows: u32, answers: &str) -> Option<Called> {
    if std::process::Command::new("script").arg("--version").output().is_err() {
        println!("skipped: `script` of util-linux is not installed");
        return None;
    }
    let quoted: Vec<String> = args.iter().map(|arg| format!("'{arg}'")).collect();
    let line = format!("stty rows {rows} cols 80; exec {} {}", env!("CARGO_BIN_EXE_kavi"), quoted.join(" "));
    let kavi = workspace.command();
    let mut command = std::process::Command::new("script");
    command.args(["-qec", &line, "/dev/null"]).current_dir(workspace.path()).env_clear();
    command.envs(kavi.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("NO_COLOR", "1");
    Some(feed(command, answers))
}

/// How many answers of the component a person is asked about.
pub fn asked(workspace: &Workspace, id: &str) -> usize {
    let shown = workspace.show(id);
    let gates = shown["verifications"].as_array().unwrap().last().unwrap()["gates"].as_array().unwrap().clone();
    let findings = gates.iter().flat_map(|gate| gate["findings"].as_array().unwrap().clone());
    let asked: Vec<Value> = findings.filter(|finding| finding["rule"] == "examples/asked").collect();
    asked.len()
}

#[test]
fn a_person_sees_the_source_and_judges_each_answer_before_they_promote() {
    let workspace = Workspace::new();
    let id = workspace.verified(&PEEK);
    let asked = asked(&workspace, &id);
    assert!(asked > 0);
    let promote = ["promote-skill", id.as_str(), "--approved-by", "ada"];
    // Nobody promotes what answers wrongly.
    let Some(wrong) = typed(&workspace, &promote, 1_000, "what\nno\n") else { return };
    assert_eq!(wrong.code, 3, "{wrong:?}");
    for said in [
        "Is this right? given ",
        " over a vault with ",
        "an answer is wrong",
        "kavi reject",
        "file src/lib.rs (",
        "    1  ",
        "vault::read",
    ] {
        assert!(wrong.stdout.contains(said), "{said}\n{}", wrong.stdout);
    }
    for said in [
        "proposed by",
        "a person at the command line",
        "imported from a folder, attempt 1",
        "environment: always empty",
    ] {
        assert!(wrong.stdout.contains(said), "{said}\n{}", wrong.stdout);
    }
    // A source that is longer than the screen comes page by page. One that was not read to its end is named.
    let answers = |first: &str| format!("{first}{}", "skip\n".repeat(asked));
    let part = typed(&workspace, &promote, 20, &(answers("q\n") + "n\n")).unwrap();
    assert!(part.code == 3 && part.stdout.contains("NOT all of the source was shown"), "{part:?}");
    let done = typed(&workspace, &promote, 1_000, &(answers("") + "y\n")).unwrap();
    assert!(done.code == 0 && done.stdout.contains("revision 1 is TRUSTED"), "{done:?}");
    assert_eq!(workspace.status_of(&id), "TRUSTED");
}

#[test]
fn a_later_revision_is_shown_as_what_differs() {
    let workspace = Workspace::new();
    workspace.trust(&PEEK);
    let whole = workspace.call(&["show", "peek", "--source"]).expect(0).stdout;
    assert!(whole.starts_with("file src/lib.rs (") && whole.contains("vault::read"), "{whole}");
    let id = workspace.propose(
        "peek",
        "READ_ONLY",
        r#"{"input":{"path":"str","most":"int?"},"output":{"text":"str"}}"#,
        &[],
    );
    // Without accepted sources there is nothing to compare.
    workspace.refused(&["diff", "peek"], 2);
    let more = PEEK.source.replacen("struct Input {", "struct Input {\n    /// The most.\n    most: Option<i64>,", 1);
    assert_ne!(more, PEEK.source);
    workspace.import(&id, &workspace.source("peek", &more)).expect(0);
    let diff = workspace.call(&["diff", "peek"]).expect(0).stdout;
    for said in ["input gains `most`", "+    most: Option<i64>,", "--- a/src/lib.rs\n+++ b/src/lib.rs\n"] {
        assert!(diff.contains(said), "{said}\n{diff}");
    }
    let counted = workspace.call(&["diff", "peek", "--stat"]).expect(0).stdout;
    assert!(
        counted.contains("2 lines added, 0 removed since revision 1") && !counted.contains("Option<i64>"),
        "{counted}"
    );
    let machine = workspace.json(&["diff", "peek"]).expect(0).json();
    assert_eq!(
        (&machine["sources"]["against"]["added"], &machine["sources"]["against"]["revision"]),
        (&json!(2), &json!(1))
    );
    assert!(machine["differences"].as_array().unwrap().contains(&json!("input gains `most`")), "{machine}");
    workspace.refused(&["show", "peek", "--stat"], 2);
}
