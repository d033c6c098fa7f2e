//! The official conformance suite, over HTTP: each check that it makes of a server passes, or stands in a list with the reason why it
//! is not about a server whose tools are skills.
//!
//! It calls tools by names of its own. Those that a skill could have are there, beside the five skills that come with Kavi.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::support;
use crate::support::Workspace;
use crate::support::guests::{guest, stored};
use crate::support::mcp::http_client::Served;
use crate::support::mcp::install;
use crate::support::shipped;

/// The version that this was written against.
const SUITE: &str = "@modelcontextprotocol/conformance@0.2.0-alpha.12";

const MEDIA: &str = "a skill answers with JSON, which is shown as text: never images, sound or files";
const PROMPTS: &str = "the prompts are the server's own, not those of the suite";
const RESOURCES: &str = "the resources are what was promoted and what is on record, not those of the suite";
const QUESTIONS: &str = "a skill asks nothing: policy has one question, of one kind and with a name of its own";
const MODEL: &str = "the client's model is never asked for anything";
const LOGS: &str = "what a skill logs stands in its record, not in the client";
const SUBSCRIBED: &str = "no resource changes while it is there, so none can be subscribed to";
const TASKS: &str = "an extension that is not offered: a call has its deadline, and tells its progress meanwhile";
const CHANGES: &str =
    "no tool changes the list of tools: a person promotes; that it is told is tested with other clients";
const SCHEMA: &str = "a schema of the suite's own, with keywords that a skill's schema cannot have";
const HEADERS: &str = "no skill has its arguments in headers of HTTP";
const RESUMED: &str = "the suite has a tool that closes its own stream; a skill has no stream";

/// What does not apply in every revision that has it: a scenario, or `scenario:check`.
const NEVER: &[(&str, &str)] = &[
    ("tools-call-image", MEDIA),
    ("tools-call-audio", MEDIA),
    ("tools-call-embedded-resource", MEDIA),
    ("tools-call-mixed-content", MEDIA),
    ("prompts-get-simple", PROMPTS),
    ("prompts-get-with-args", PROMPTS),
    ("prompts-get-embedded-resource", PROMPTS),
    ("prompts-get-with-image", PROMPTS),
    ("resources-read-text", RESOURCES),
    ("resources-read-binary", RESOURCES),
    ("resources-templates-read", RESOURCES),
    ("json-schema-2020-12", SCHEMA),
];

/// What does not apply of the revisions with an opening.
const LEGACY: &[(&str, &str)] = &[
    ("logging-set-level", LOGS),
    ("tools-call-with-logging", LOGS),
    ("tools-call-sampling", MODEL),
    ("tools-call-elicitation", QUESTIONS),
    ("elicitation-sep1034-defaults", QUESTIONS),
    ("elicitation-sep1330-enums", QUESTIONS),
    ("resources-subscribe", SUBSCRIBED),
    ("resources-unsubscribe", SUBSCRIBED),
    ("server-sse-polling:server-sse-disconnect-resume", RESUMED),
];

/// What does not apply of the revision without one.
const MODERN: &[(&str, &str)] = &[
    ("server-stateless:sep-2575-server-rejects-undeclared-capability", MODEL),
    ("server-stateless:sep-2575-missing-capability-http-400", MODEL),
    ("server-stateless:sep-2575-server-sends-tools-list-changed-on-subscription", CHANGES),
    ("input-required-result-basic-elicitation", QUESTIONS),
    ("input-required-result-basic-sampling", MODEL),
    ("input-required-result-basic-list-roots", QUESTIONS),
    ("input-required-result-request-state", QUESTIONS),
    ("input-required-result-multiple-input-requests", QUESTIONS),
    ("input-required-result-multi-round", QUESTIONS),
    ("input-required-result-non-tool-request", PROMPTS),
    ("input-required-result-capability-check", MODEL),
    ("input-required-result-ignore-extra-params", QUESTIONS),
    ("http-custom-header-server-validation", HEADERS),
    ("tasks-lifecycle", TASKS),
    ("tasks-capability-negotiation", TASKS),
    ("tasks-wire-fields", TASKS),
    ("tasks-request-state-removal", TASKS),
    ("tasks-mrtr-input", TASKS),
    ("tasks-request-headers", TASKS),
    ("tasks-dispatch-and-envelope", TASKS),
    ("tasks-required-task-error", TASKS),
    ("tasks-mrtr-composition", TASKS),
];

/// Guests that read, under the names of tools that the suite calls.
const READING: &[(&str, &str)] = &[
    ("test_simple_text", "speak"),
    ("test_logging_tool", "speak"),
    ("test_streaming_elicitation", "speak"),
    ("test_error_handling", "abort"),
    ("test_tool_with_progress", "spin"),
];
const NOTHING_IN: &str =
    r#"{"input":{"type":"object","properties":{},"additionalProperties":false},"output":{"text":"str"}}"#;
/// The daily note, which is asked about, under such names.
const ASKING: &[&str] = &["test_input_required_result_elicitation", "test_input_required_result_tampered_state"];

/// The five skills, and those that the suite calls.
fn workspace() -> Workspace {
    let workspace = shipped::fresh();
    let trust = |id: &str, component: &str| {
        let sql =
            "UPDATE skill_proposals SET status = 'TRUSTED', revision = 1, component_sha256 = ?1, snapshot_sha256 = ?1
             WHERE id = ?2";
        assert_eq!(workspace.ledger().execute(sql, [component, id]).unwrap(), 1);
        // The history knows nothing of that, so a person accepts it.
        workspace.adopt();
    };
    for (name, which) in READING {
        let id = workspace.propose(name, "READ_ONLY", NOTHING_IN, &[]);
        trust(&id, &stored(&workspace, &guest(which)));
        // What is promoted was compiled; this was not, and the suite does not wait for long.
        workspace.run(name, json!({}));
    }
    let daily = fs::read(shipped::skill("create_daily_note").join("spec.json")).unwrap();
    let mut spec: Value = serde_json::from_slice(&daily).unwrap();
    let component = workspace.show("create_daily_note")["component_sha256"].as_str().unwrap().to_owned();
    for name in ASKING {
        spec["name"] = json!(name);
        fs::write(workspace.path().join("spec.json"), spec.to_string()).unwrap();
        let proposed = workspace.json(&["propose-skill", "--spec", "spec.json"]).expect(0).json();
        trust(proposed["id"].as_str().unwrap(), &component);
    }
    // One of them runs until it is ended, and is to tell its progress three times.
    let path = workspace.path().join("kavi.toml");
    let toml = fs::read_to_string(&path).unwrap();
    let toml = toml.replace("wall_ms = 10000", "wall_ms = 4500").replace("cpu_ms = 5000", "cpu_ms = 120000");
    fs::write(path, toml).unwrap();
    workspace
}

/// What every scenario that ran said of each check: `scenario:check` with its status and, where there is one, the reason.
type Checks = BTreeMap<String, Vec<(String, String)>>;

/// Runs a part of the suite.
fn run(programs: &Path, served: &Served, what: &[&str]) -> Checks {
    let results = support::folder();
    let bearer = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/support/mcp/bearer.mjs");
    let mut command = Command::new(programs.join("node"));
    command.arg("--import").arg(bearer).arg(programs.join("conformance").canonicalize().unwrap());
    command.args(["server", "--url", &served.url]).args(what).arg("--output-dir").arg(results.path());
    // It ends well only when nothing is left out.
    let output = command.env("KAVI_TEST_TOKEN", &served.token).output().unwrap();
    let mut checks = Checks::new();
    for folder in fs::read_dir(results.path()).unwrap().map(|entry| entry.unwrap()) {
        let name = folder.file_name().into_string().unwrap();
        // server-SCENARIO-TIME
        let scenario = name.strip_prefix("server-").and_then(|name| name.get(..name.len() - 25)).unwrap();
        let made = fs::read(folder.path().join("checks.json")).unwrap();
        for check in serde_json::from_slice::<Vec<Value>>(&made).unwrap() {
            let text = |member: &str| check[member].as_str().unwrap_or_default().to_owned();
            let said = (text("status"), text("errorMessage"));
            checks.entry(format!("{scenario}:{}", text("id"))).or_default().push(said);
        }
    }
    assert!(!checks.is_empty(), "{output:?}");
    checks
}

/// The reasons for which checks are left out, by `scenario` or `scenario:check`.
type Reasons = BTreeMap<&'static str, &'static str>;

/// Why a check may fail, if it may. That each message is what the protocol says is never left out.
fn left_out<'a>(check: &'a str, reasons: &Reasons) -> Option<&'a str> {
    let scenario = check.split(':').next().unwrap();
    let entry = [check, scenario].into_iter().find(|entry| reasons.contains_key(entry));
    entry.filter(|_| !check.ends_with(":wire-schema-valid"))
}

fn is_bad(said: &(String, String)) -> bool {
    said.0 == "FAILURE" || said.0 == "WARNING"
}

/// The checks that should have passed.
fn wrong(checks: &Checks, reasons: &Reasons) -> BTreeMap<String, Vec<(String, String)>> {
    let bad = checks.iter().filter(|(_, said)| said.iter().any(is_bad));
    bad.filter(|(check, _)| left_out(check, reasons).is_none())
        .map(|(check, said)| (check.clone(), said.clone()))
        .collect()
}

/// What a revision requires passes, except for what is in the lists; and all that is there would not.
fn meets(programs: &Path, served: &Served, revision: &str, lists: &[&'static [(&str, &str)]]) {
    let reasons: Reasons = lists.iter().flat_map(|list| list.iter().copied()).collect();
    let mut checks = run(programs, served, &["--requirements", revision]);
    // The suite gives some answers half a second, on whatever machine: what failed is asked once more, by itself.
    let again: BTreeSet<String> =
        wrong(&checks, &reasons).keys().filter_map(|check| check.split(':').next().map(str::to_owned)).collect();
    for scenario in again {
        checks.retain(|check, _| check.split(':').next() != Some(&scenario));
        checks.extend(run(programs, served, &["--scenario", &scenario, "--spec-version", revision]));
    }
    let count = |status: &str| checks.values().flatten().filter(|(found, _)| found == status).count();
    println!("{revision}: {} checks passed, {} do not apply", count("SUCCESS"), count("FAILURE") + count("WARNING"));
    reasons.iter().for_each(|(entry, why)| println!("  {entry}: {why}"));
    let wrong = wrong(&checks, &reasons);
    assert!(wrong.is_empty(), "{revision}: {wrong:#?}");
    let bad = checks.iter().filter(|(_, said)| said.iter().any(is_bad));
    let used: BTreeSet<&str> = bad.filter_map(|(check, _)| left_out(check, &reasons)).collect();
    let idle: Vec<_> = reasons.keys().filter(|entry| !used.contains(**entry)).collect();
    assert!(idle.is_empty(), "{revision}: these pass, or are gone: {idle:?}");
}

#[test]
fn every_requirement_of_the_official_suite_that_applies_is_met() {
    let programs = match install::node("conformance", SUITE) {
        Ok(programs) => programs,
        Err(why) => return install::skipped("the official conformance suite", &why),
    };
    // It says how long an answer may take: no other test runs beside it.
    let _alone = crate::alone();
    let workspace = workspace();
    let served = Served::start(&workspace, &[]);
    meets(&programs, &served, "2026-07-28", &[NEVER, MODERN]);
    meets(&programs, &served, "2025-11-25", &[NEVER, LEGACY]);
    for part in ["enumeration", "manifest"] {
        let skills = run(&programs, &served, &["--scenario", &format!("sep-2640-skills-{part}")]);
        assert!(skills.values().flatten().any(|(status, _)| status == "SUCCESS"), "{skills:#?}");
        assert!(wrong(&skills, &Reasons::new()).is_empty(), "{skills:#?}");
        println!("{part} of skills: {} checks passed", skills.len());
    }
    served.end();
}
