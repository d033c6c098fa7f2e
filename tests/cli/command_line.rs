//! The command line: what it takes, what it refuses, how it says so, and where it finds its workspace.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::process::Stdio;

use serde_json::json;

use crate::{
    deciding,
    support::{self, Called, PEEK, Workspace, feed},
};

/// Every verb with its aliases, and the least that it takes.
pub const VERBS: &[(&str, &[&str])] = &[
    ("demo", &[]),
    ("init", &[]),
    ("new", &[]),
    ("add", &[]),
    ("propose-skill", &["propose"]),
    ("build-skill", &["build"]),
    ("research-skill", &["research"]),
    ("forge", &[]),
    ("verify-skill", &["verify"]),
    ("reverify", &[]),
    ("check", &[]),
    ("check-invariants", &[]),
    ("promote-skill", &["promote"]),
    ("reject", &[]),
    ("rollback", &[]),
    ("revoke", &[]),
    ("stop", &[]),
    ("resume", &[]),
    ("list-skills", &["list", "skills"]),
    ("run-skill", &["run"]),
    ("consume-chain", &["chain"]),
    ("record", &[]),
    ("replay", &[]),
    ("consume-skill", &[]),
    ("tail-executions", &["tail"]),
    ("session", &[]),
    ("export-executions", &[]),
    ("prune", &[]),
    ("effects", &[]),
    ("mcp", &[]),
    ("inbox", &[]),
    ("notify", &[]),
    ("undo", &[]),
    ("show", &[]),
    ("diff", &[]),
    ("guidance", &[]),
    ("export-skill", &[]),
    ("import", &[]),
    ("outcomes", &[]),
    ("outcome", &[]),
    ("improve", &[]),
    ("status", &[]),
    ("doctor", &[]),
    ("audit", &[]),
    ("trust", &[]),
    ("witness", &[]),
    ("backup", &[]),
    ("restore", &[]),
    ("proof", &[]),
    ("check-proof", &[]),
    ("charter", &[]),
    ("policy", &[]),
    ("capability", &[]),
    ("context", &[]),
    ("rebuild", &[]),
    ("config", &[]),
    ("completions", &[]),
    ("man", &[]),
    ("setup", &[]),
    ("secret", &[]),
    ("cache", &[]),
];

fn words(text: &str) -> Vec<&str> {
    text.split(' ').filter(|word| !word.is_empty()).collect()
}

/// A proposal that is fine but for what the test changes.
pub fn proposal<'a>(name: &'a str, class: &'a str, schema: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["propose-skill", "--name", name, "--desc", "Does something", "--side-effect", class];
    args.extend(["--io-schema-json", schema]);
    args.extend(more);
    args
}

#[test]
fn what_is_typed_wrong_is_a_usage_error() {
    let workspace = Workspace::new();
    for args in [
        &["nonsense"][..],
        &["show"],
        &["show", "a", "b"],
        &["status", "--nonsense"],
        &["run-skill", "x"],
        &["--workspace"],
        &["new", "Not A Name"],
        &["new", "../x"],
        &["rollback", "Not A Name", "--approved-by", "x"],
        &["revoke", "x@0x1", "--why", "x", "--approved-by", "x"],
        &["revoke", "x@", "--why", "x", "--approved-by", "x"],
        &["run-skill", "x", "--json", "@nowhere.json"],
        &["show", "no-such-thing"],
        &["show", "ffff"],
        &["verify-skill", "ffffffff"],
        &["rollback", "nothing", "--approved-by", "x"],
        &["revoke", "nothing", "--why", "x", "--approved-by", "x"],
        &["revoke", "nothing@3", "--why", "x", "--approved-by", "x"],
    ] {
        let error = workspace.refused(args, 2);
        assert_eq!(error["kind"], "usage", "{args:?}");
    }
    // No verb at all: the help, as an error.
    let nothing = workspace.call(&[]).expect(2);
    assert!(nothing.stdout.is_empty() && nothing.stderr.contains("Usage"), "{nothing:?}");
    // A format that does not exist is told to people: nobody knows what else to speak.
    workspace.call(&["status", "--output", "yaml"]).expect(2);
}

#[test]
fn every_verb_has_examples_and_its_aliases_mean_the_same() {
    let workspace = Workspace::new();
    for (verb, aliases) in VERBS {
        let help = workspace.call(&[verb, "--help"]).expect(0);
        assert!(help.stdout.contains("Example"), "{verb} has no example");
        assert!(help.stdout.contains(&format!("kavi {verb}")), "{verb}: the example is of another verb");
        assert!(help.stderr.is_empty());
        for alias in *aliases {
            assert_eq!(workspace.call(&[alias, "--help"]).expect(0).stdout, help.stdout, "{alias}");
        }
    }
    let help = workspace.call(&["--help"]).expect(0).stdout;
    for (verb, aliases) in VERBS {
        let line = help.lines().find(|line| words(line).first() == Some(verb));
        let line = line.unwrap_or_else(|| panic!("{verb} is not in the help"));
        assert!(aliases.iter().all(|alias| line.contains(alias) || help.contains(alias)), "{line}");
    }
    assert!(help.contains("Examples:") && help.contains("Exit codes:"));
    let listed = help.lines().skip_while(|line| !line.starts_with("Commands:")).skip(1);
    let listed =
        listed.take_while(|line| !line.is_empty()).filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    assert_eq!(listed.count(), VERBS.len() + 1, "a verb is missing from this test (one line is clap's own help)");
    assert_eq!(workspace.call(&["-V"]).expect(0).stdout.trim(), format!("kavi {}", env!("CARGO_PKG_VERSION")));
}

#[test]
fn json_is_short_for_output_json_where_there_is_no_input() {
    let workspace = Workspace::trusted();
    for args in [&["status"][..], &["list-skills"], &["list-skills", "--all"], &["show", "peek"], &["rebuild"]] {
        let long = workspace.json(args).expect(0).json();
        let short = workspace.call(&[args, &["--json"]].concat()).expect(0).json();
        assert_eq!(short, long, "{args:?}");
    }
    // Also before the verb's own words, and for what fails.
    workspace.call(&["--output", "json", "status"]).expect(0).json();
    let error = workspace.call(&["show", "nothing", "--json"]).expect(2).json();
    assert_eq!(error["error"]["kind"], "usage");
    // Where the verb takes an input, it is the input.
    let human = workspace.call(&["run", "act", "--json", r#"{"act":"write","path":"Inbox/AI/a.md"}"#]).expect(0);
    assert_eq!(human.stdout.trim().replace(['\n', ' '], ""), r#"{"said":"write"}"#);
    assert!(human.stderr.contains("wrote Inbox/AI/a.md"), "{human:?}");
}

#[test]
fn ids_may_be_short_as_long_as_they_are_plain() {
    let workspace = Workspace::trusted();
    let id = workspace.show("peek")["id"].as_str().unwrap().to_owned();
    for key in [&id[..8], &id[..13], &id, "peek", "peek@1"] {
        assert_eq!(workspace.show(key)["id"], id.as_str(), "{key}");
    }
    assert_eq!(workspace.show(&id[..8].to_uppercase().to_lowercase())["name"], "peek");
    workspace.refused(&["show", "peek@2"], 2);
    // A second proposal whose id begins in the same way.
    let twin = format!("{}-0000-4000-8000-000000000000", &id[..8]);
    workspace
        .ledger()
        .execute(
            "INSERT INTO skill_proposals (id, name, description, io_schema_json, side_effect_class, required_secrets_json,
                 spec_json, spec_sha256, status, created_at)
             SELECT ?1, name, description, io_schema_json, side_effect_class, required_secrets_json, spec_json,
                 spec_sha256, 'PROPOSED', created_at FROM skill_proposals WHERE id = ?2",
            [&twin, &id],
        )
        .unwrap();
    for verb in ["show", "verify-skill", "check-invariants"] {
        let error = workspace.refused(&[verb, &id[..8]], 2);
        assert!(error["message"].as_str().unwrap().contains("fits 2 proposals"), "{error}");
        assert!(error["hint"].as_str().unwrap().contains("more digits"), "{error}");
    }
    assert_eq!(workspace.show(&twin[..13])["id"], twin.as_str());
    for odd in ["%", "_", "", "' OR 1=1 --", "*"] {
        workspace.refused(&["show", odd], 2);
    }
}

#[test]
fn an_input_comes_from_the_line_a_file_or_a_pipe() {
    let workspace = Workspace::trusted();
    let input = |path: &str| json!({ "act": "write", "path": path }).to_string();
    let run = |source: &str| {
        let mut command = workspace.command();
        command.args(["run-skill", "act", "--output", "json", "--json", source]);
        command
    };
    fs::write(workspace.path().join("input.json"), input("Inbox/AI/file.md")).unwrap();
    workspace.json(&["run-skill", "act", "--json", "@input.json"]).expect(0);
    feed(run("-"), &input("Inbox/AI/pipe.md")).expect(0);
    feed(run("-"), "").expect(2);
    feed(run("-"), "nonsense").expect(2);
    feed(run("-"), &format!("\u{feff}{}", input("Inbox/AI/bom.md"))).expect(2);
    workspace.call(&["run-skill", "act", "--json", "@"]).expect(2);
    workspace.call(&["run-skill", "act", "--json", "-nonsense"]).expect(2);
    let written: Vec<String> = support::files(&workspace.vault("Inbox/AI")).into_keys().collect();
    assert_eq!(written, ["file.md", "pipe.md"]);
}

#[test]
fn a_reader_that_goes_away_is_no_crash() {
    let workspace = Workspace::trusted();
    for args in
        [&["show", "write_note"][..], &["--help"], &["list-skills", "--all", "--json"], &["show", "nothing", "--json"]]
    {
        let mut child = workspace.command().args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let called: Called = child.wait_with_output().unwrap().into();
        assert!(matches!(called.code, 0 | 2), "{args:?}: {called:?}");
        assert!(!called.stderr.contains("panicked"), "{called:?}");
    }
    // Not even when nobody reads what goes wrong.
    let mut child = workspace.command().args(["show", "nothing"]).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(2));
}

#[test]
fn every_refusal_names_the_next_command() {
    let workspace = Workspace::trusted();
    let id = workspace.propose("proposed", "READ_ONLY", PEEK.schema, &[]);
    let from = workspace.source("bad", "fn run() {}\n");
    fs::write(from.join("build.rs"), "fn main() {}\n").unwrap();
    let network = workspace.propose("network", "MESSAGING", PEEK.schema, &[]);
    workspace.json(&["revoke", "peek", "--why", "a test", "--approved-by", "test"]).expect(0);
    fs::write(workspace.component("write_note"), "changed").unwrap();
    let from = from.display().to_string();
    for args in [
        &["run-skill", "nothing", "--json", "{}"][..],
        &["run-skill", "proposed", "--json", "{}"],
        &["run-skill", "peek", "--json", "{}"],
        &["run-skill", "write_note", "--json", "{}"],
        &["run-skill", "act", "--json", "nonsense"],
        &["run-skill", "act", "--json", "{}"],
        &["verify-skill", &id],
        &["check-invariants", &id],
        &["promote-skill", &id, "--approved-by", "test", "--yes"],
        &["promote-skill", "act", "--approved-by", "test", "--yes"],
        &["build-skill", "act", "--from", "."],
        &["build-skill", &id, "--from", &from],
        &["build-skill", &network],
        &["rollback", "act", "--approved-by", "test"],
        &["rollback", "peek", "--approved-by", "test"],
        &["revoke", "peek", "--why", "again", "--approved-by", "test"],
        &["revoke", "act@7", "--why", "no such", "--approved-by", "test"],
        &["revoke", "act", "--why", " ", "--approved-by", "test"],
        &["show", "nothing"],
        &["new", "Bad Name"],
        &["propose-skill", "--name", "Bad Name", "--desc", "x", "--side-effect", "READ_ONLY", "--io-schema-json", "{}"],
    ] {
        let called = workspace.json(args);
        assert!([2, 3, 6].contains(&called.code), "{args:?}: {called:?}");
        let error = called.json()["error"].take();
        let said = format!("{} {}", error["message"].as_str().unwrap(), error["hint"].as_str().unwrap_or_default());
        let names_one =
            ["`kavi ", "--", "NAME", "kavi.toml", "use a lower-case letter"].iter().any(|word| said.contains(word));
        assert!(names_one, "{args:?} says nothing of what to do: {error}");
    }
}

#[test]
fn a_question_is_asked_on_a_terminal_and_only_yes_is_yes() {
    let workspace = Workspace::new();
    let id = workspace.verified(&PEEK);
    let judged = "skip\n".repeat(deciding::asked(&workspace, &id));
    let promote = |answer: &str| {
        let args = ["promote-skill", id.as_str(), "--approved-by", "ada"];
        deciding::typed(&workspace, &args, 1_000, &format!("{judged}{answer}"))
    };
    for answer in ["\n", "n\n", "yep\n", "no\n"] {
        let Some(asked) = promote(answer) else { return };
        assert!(asked.stdout.contains("Trust exactly this?"), "{asked:?}");
        assert!(
            asked.stdout.contains("READ_ONLY") && asked.stdout.contains("sha256"),
            "what is trusted is shown: {asked:?}"
        );
        assert_eq!((asked.code, workspace.status_of(&id).as_str()), (3, "VERIFIED"), "{answer:?}");
    }
    let asked = promote("yes\n").unwrap();
    assert_eq!((asked.code, workspace.status_of(&id).as_str()), (0, "TRUSTED"), "{asked:?}");
}

#[test]
fn what_a_killed_verification_left_is_swept() {
    let workspace = Workspace::new();
    let id = workspace.built(&PEEK);
    let scratch = workspace.path().join(".kavi/scratch");
    let (old, young) = (scratch.join("verify-old"), scratch.join("verify-young"));
    for folder in [&old, &young] {
        fs::create_dir_all(folder).unwrap();
    }
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3 * 24 * 60 * 60);
    fs::File::open(&old).unwrap().set_modified(long_ago).unwrap();
    workspace.json(&["verify-skill", &id]).expect(0);
    assert_eq!((old.exists(), young.exists()), (false, true));
}

#[test]
fn a_result_that_cannot_be_printed_is_a_failure() {
    let workspace = Workspace::new();
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let called = workspace.command().args(["status", "--json"]).stdout(full).output().unwrap();
    assert_eq!(called.status.code(), Some(1), "{called:?}");
}
