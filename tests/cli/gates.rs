//! Every gate refuses by itself, all of them report, and each finding says where.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;

use serde_json::Value;

use crate::support::{self, PEEK, WRITE_NOTE, Workspace};

const GATES: [&str; 12] = [
    "lint",
    "policy",
    "compile",
    "reproducible",
    "limits",
    "invariants",
    "test",
    "examples",
    "conformance",
    "replay",
    "coverage",
    "mutation",
];

/// A verification of peek with other sources or examples.
struct Verified {
    workspace: Workspace,
    id: String,
    document: Value,
}

impl Verified {
    /// Exit code 4: these gates failed and no others, and the proposal stays BUILT. Those that need what failed, and the
    /// mutation gate, which is for what passes the rest, are skipped.
    #[track_caller]
    fn failed(source: &str, more: &[&str], files: &[(&str, &str)], expected: &[&str]) -> Self {
        let workspace = Workspace::new();
        for (path, text) in files {
            fs::write(workspace.path().join(path), text).unwrap();
        }
        let id = workspace.propose("peek", "READ_ONLY", PEEK.schema, more);
        workspace.import(&id, &workspace.source("peek", source)).expect(0);
        let document = workspace.json(&["verify-skill", &id]).expect(4).json();
        let gates = document["gates"].as_array().unwrap();
        assert_eq!(gates.iter().map(|gate| gate["gate"].as_str().unwrap()).collect::<Vec<_>>(), GATES, "all report");
        let failed = gates.iter().filter(|gate| gate["status"] == "FAILED").map(|gate| gate["gate"].as_str().unwrap());
        assert_eq!(failed.collect::<Vec<_>>(), expected, "{document:#}");
        assert_eq!(document["status"], "FAILED");
        assert_eq!(document["error"]["kind"], "verification-failed");
        assert_eq!(document["error"]["message"], format!("verification failed: {}", expected.join(", ")));
        assert!(document["error"]["hint"].as_str().unwrap().contains("kavi "), "{document:#}");
        assert_eq!(workspace.status_of(&id), "BUILT");
        workspace.refused(&["promote-skill", &id, "--approved-by", "test", "--yes"], 3);
        Self { workspace, id, document }
    }

    fn findings(&self, gate: &str) -> &[Value] {
        let gates = self.document["gates"].as_array().unwrap();
        gates.iter().find(|found| found["gate"] == gate).unwrap()["findings"].as_array().unwrap()
    }

    /// The report and the lines for people say the same.
    #[track_caller]
    fn says(&self, words: &[&str]) {
        let report = fs::read_to_string(self.document["report"].as_str().unwrap()).unwrap();
        let human = self.workspace.call(&["show", &self.id]).expect(0).stdout;
        for word in words {
            assert!(report.contains(word), "{word}: {report}");
            assert!(human.contains(word), "{word}: {human}");
        }
        // Nothing of a component that did not pass is in the store.
        let store = support::files(&self.workspace.path().join(".kavi"));
        assert!(!store.keys().any(|path| path.contains("components/")), "{store:?}");
    }
}

/// peek with one thing changed.
fn changed(from: &str, to: &str) -> String {
    let source = PEEK.source.replacen(from, to, 1);
    assert_ne!(source, PEEK.source);
    source
}

/// The line that holds this text.
fn line_of(source: &str, text: &str) -> u64 {
    u64::try_from(source.lines().position(|line| line.contains(text)).unwrap()).unwrap() + 1
}

#[test]
fn sources_that_rustfmt_would_write_differently_are_formatted_by_the_forge() {
    let workspace = Workspace::new();
    let source = changed("        text: vault", "        text:    vault");
    let id = workspace.propose("peek", "READ_ONLY", PEEK.schema, &[]);
    let built = workspace.import(&id, &workspace.source("peek", &source)).expect(0).json();
    assert!(built["summary"].as_str().unwrap().contains("rustfmt changed 1 file"), "{built}");
    assert_eq!(fs::read_to_string(workspace.path().join("crates/peek/src/lib.rs")).unwrap(), source, "untouched");
    // The formatted bytes are the snapshot: it is the one of the well formatted source.
    let other = workspace.propose("peek", "READ_ONLY", PEEK.schema, &[]);
    let same = workspace.import(&other, &workspace.source("peek", PEEK.source)).expect(0).json();
    assert_eq!(built["snapshot_sha256"], same["snapshot_sha256"]);
    assert!(!same["summary"].as_str().unwrap().contains("rustfmt"), "{same}");
    workspace.json(&["verify-skill", &id]).expect(0);
}

#[test]
fn formatting_opens_no_file_that_a_source_names() {
    let workspace = Workspace::new();
    let secret = workspace.path().join("secret.rs");
    fs::write(&secret, "fn made_up_secret( {").unwrap();
    let source = PEEK.source.replacen("fn run", &format!("#[path = {secret:?}]\nmod other;\n\nfn run"), 1);
    let id = workspace.propose("peek", "READ_ONLY", PEEK.schema, &[]);
    let called = workspace.import(&id, &workspace.source("peek", &source)).expect(0);
    assert!(!format!("{called:?}").contains("made_up_secret"), "{called:?}");
    // What cannot be read as Rust stays as it is, and is refused by a gate.
    let id = workspace.propose("peek", "READ_ONLY", PEEK.schema, &[]);
    let built = workspace.import(&id, &workspace.source("peek", "fn run( {\n")).expect(0).json();
    assert!(built["summary"].as_str().unwrap().contains("rustfmt cannot read `src/lib.rs`"), "{built}");
    workspace.json(&["verify-skill", &id]).expect(4);
}

#[test]
fn a_crate_as_cargo_makes_it_is_imported_with_its_tests() {
    let workspace = Workspace::new();
    let source = PEEK.source.replacen("fn run", "pub fn run", 1).replace("\nstruct ", "\npub struct ");
    let from = workspace.source("peek", &source);
    let test = "use kavi_sdk::json;\nuse kavi_sdk::testing::{call, seed};\nuse peek::run;\n\n#[test]\nfn reads_it_again() {\n    \
                seed(\"b.md\", \"other\");\n    let got = call(run, json!({ \"path\": \"b.md\" })).unwrap();\n    \
                assert_eq!(got, json!({ \"text\": \"other\" }));\n}\n";
    for (path, text) in [
        (
            "Cargo.toml",
            "[package]\nname = \"peek\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n[dependencies]\nkavi-sdk = \"0.1\"\n",
        ),
        (".git/config", "[core]\nfsmonitor = \"touch executed\"\n"),
        (".git/hooks/post-checkout", "#!/bin/sh\ntouch executed\n"),
        (".gitignore", "/target\n"),
        ("README.md", "# peek\n"),
        ("tests/reads.rs", test),
        ("tests/inner.rs", "use peek::Input;\n"),
    ] {
        fs::create_dir_all(from.join(path).parent().unwrap()).unwrap();
        fs::write(from.join(path), text).unwrap();
    }
    let id = workspace.propose("peek", "READ_ONLY", PEEK.schema, &["--required-test", "reads_it_again"]);
    let built = workspace.import(&id, &from).expect(0).json();
    let summary = built["summary"].as_str().unwrap();
    for said in [
        "left aside: .git, .gitignore, README.md",
        "`tests/reads.rs` was taken as `src/tests_reads.rs`",
        "`tests/inner.rs` was left aside: it uses `peek::Input`, and only `run` is public",
    ] {
        assert!(summary.contains(said), "{said}: {summary}");
    }
    workspace.json(&["verify-skill", &id]).expect(0);
}

#[test]
fn the_lint_alone_can_fail() {
    let source = changed(
        "    Ok(Output {\n        text: vault::read(&input.path)?,\n    })\n",
        "    let text = vault::read(&input.path)?.replace(\"a\", \"a\");\n    Ok(Output { text })\n",
    );
    let verified = Verified::failed(&source, &[], &[], &["lint"]);
    let finding = &verified.findings("lint")[0];
    assert_eq!(finding["rule"], "lint/clippy::no_effect_replace");
    assert_eq!(
        (finding["file"].as_str(), finding["line"].as_u64()),
        (Some("src/lib.rs"), Some(line_of(&source, "replace(")))
    );
    verified.says(&["clippy::no_effect_replace"]);
}

#[test]
fn what_does_not_compile_fails_wherever_it_is_compiled() {
    let source = changed("vault::read(&input.path)?", "vault::read(&input.path)? + 1");
    let verified = Verified::failed(&source, &[], &[], &["lint", "compile", "test"]);
    let finding = &verified.findings("compile")[0];
    assert!(finding["rule"].as_str().unwrap().starts_with("compile/"), "{finding}");
    assert_eq!(
        (finding["file"].as_str(), finding["line"].as_u64()),
        (Some("src/lib.rs"), Some(line_of(&source, "+ 1")))
    );
    assert_eq!(verified.findings("invariants")[0]["rule"], "invariants/skipped");
    verified.says(&["compile/"]);
}

#[test]
fn a_test_alone_can_fail() {
    let source = changed("\"text\": \"text\"", "\"text\": \"other\"");
    let verified = Verified::failed(&source, &[], &[], &["test"]);
    let finding = &verified.findings("test")[0];
    assert_eq!(finding["test"], "tests::reads_a_file");
    assert_eq!(finding["file"], "src/lib.rs");
    assert_eq!(finding["line"], line_of(&source, "assert_eq!(output"));
    verified.says(&["tests::reads_a_file"]);
}

#[test]
fn the_policy_alone_can_fail() {
    let source = changed(
        "    Ok(Output {",
        "    if std::env::var(&input.path).is_ok() {\n        log::info(\"there is one\");\n    }\n    Ok(Output {",
    );
    let verified = Verified::failed(&source, &[], &[], &["policy"]);
    let finding = &verified.findings("policy")[0];
    assert!(finding["rule"].as_str().unwrap().starts_with("policy/"), "{finding}");
    assert_eq!(
        (finding["file"].as_str(), finding["line"].as_u64()),
        (Some("src/lib.rs"), Some(line_of(&source, "std::env")))
    );
    verified.says(&["std::env::var"]);
}

/// A file that a source names is read by the compiler, before anything of it runs. So nothing of
/// such a source is compiled, linted or tested, and nothing of the file gets into a report.
#[test]
fn what_is_unsafe_to_compile_reaches_no_tool() {
    let workspace = Workspace::new();
    let leak = "    const LEAK: &[u8] = include_bytes!(\"/proc/cmdline\");\n\n    #[test]\n    fn leaks() {\n        \
                panic!(\"{}\", String::from_utf8_lossy(LEAK));\n    }\n}\n";
    let source = format!("{}\n{leak}", PEEK.source.trim_end().strip_suffix('}').unwrap());
    let id = workspace.propose("peek", "READ_ONLY", PEEK.schema, &[]);
    workspace.import(&id, &workspace.source("peek", &source)).expect(0);
    let called = workspace.json(&["verify-skill", &id]).expect(4);
    let command_line = fs::read_to_string("/proc/cmdline").unwrap();
    assert!(!called.stdout.contains(command_line.trim()), "{called:?}");
    for gate in called.json()["gates"].as_array().unwrap() {
        let expected = if gate["gate"] == "policy" { "FAILED" } else { "SKIPPED" };
        assert_eq!(gate["status"], expected, "{gate:#}");
    }
    // Not even when the policy gate's own result is reused, and not for one gate alone.
    let again = workspace.json(&["verify-skill", &id]).expect(4).json();
    let statuses: Vec<&str> =
        again["gates"].as_array().unwrap().iter().map(|gate| gate["status"].as_str().unwrap()).collect();
    assert_eq!(statuses.iter().filter(|status| **status == "SKIPPED").count(), GATES.len() - 1, "{again:#}");
    let alone = workspace.json(&["check-invariants", &id]).expect(4).json();
    assert!(alone["findings"][0]["rule"].as_str().unwrap().starts_with("policy/"), "{alone:#}");
}

#[test]
fn numbers_of_an_example_count_by_their_value() {
    let source = "//! Halves a number.\n\nuse kavi_sdk::prelude::*;\n\n#[derive(Deserialize)]\nstruct Input {\n    n: f64,\n}\n\n\
                  #[derive(Serialize)]\nstruct Output {\n    half: f64,\n}\n\nfn run(input: Input) -> Result<Output, SkillError> {\n    \
                  Ok(Output {\n        half: input.n / 2.0,\n    })\n}\n\nkavi_sdk::export_skill!(run);\n\n#[cfg(test)]\nmod tests {\n    \
                  use super::*;\n    use kavi_sdk::testing::call;\n\n    fn half(n: f64) -> f64 {\n        \
                  call(run, json!({ \"n\": n })).unwrap()[\"half\"].as_f64().unwrap()\n    }\n\n    \
                  #[test]\n    fn halves_four() {\n        assert_eq!(half(4.0), 2.0);\n    }\n\n    \
                  #[test]\n    fn halves_one() {\n        assert_eq!(half(1.0), 0.5);\n    }\n\n    \
                  #[test]\n    fn halves_less() {\n        assert_eq!(half(-3.0), -1.5);\n    }\n}\n";
    let workspace = Workspace::new();
    let example = r#"{"name":"four","input":{"n":4},"expect":{"ok":{"half":2}}}"#;
    fs::write(workspace.path().join("four.json"), example).unwrap();
    let schema = r#"{"input":{"n":"float"},"output":{"half":"float"}}"#;
    let id = workspace.propose("halve", "READ_ONLY", schema, &["--example=four.json"]);
    workspace.import(&id, &workspace.source("halve", source)).expect(0);
    let document = workspace.json(&["verify-skill", &id]).expect(0).json();
    assert_eq!(document["status"], "PASSED", "{document:#}");
}

#[test]
fn without_a_cage_what_the_scan_refused_is_not_compiled() {
    let workspace = Workspace::new();
    let secret = workspace.path().join("secret.txt");
    fs::write(&secret, "made-up-secret").unwrap();
    let source = PEEK.source.replacen("fn run", &format!("const LEAK: u32 = include!({secret:?});\n\nfn run"), 1);
    let id = workspace.propose("peek", "READ_ONLY", PEEK.schema, &[]);
    workspace.import(&id, &workspace.source("peek", &source)).expect(0);
    let called = workspace.json(&["verify-skill", &id, "--unconfined"]).expect(4);
    assert!(!called.stdout.contains("made-up-secret"), "{called:?}");
    let document = called.json();
    assert!(document["confinement"].as_str().unwrap().contains("UNCONFINED"), "{document:#}");
    for gate in document["gates"].as_array().unwrap() {
        let expected = if gate["gate"] == "policy" { "FAILED" } else { "SKIPPED" };
        assert_eq!(gate["status"], expected, "{gate:#}");
    }
    let alone = workspace.json(&["check-invariants", &id, "--unconfined"]).expect(4);
    assert!(!alone.stdout.contains("made-up-secret"), "{alone:?}");
    let rule = alone.json()["findings"][0]["rule"].as_str().unwrap().to_owned();
    assert!(rule.starts_with("policy/"), "{rule}");
}

#[test]
fn an_example_that_does_not_hold_fails_the_examples_alone() {
    let cases = [
        ("in.json", r#"{"path":"a.md"}"#),
        ("out.json", r#"{"text":"other"}"#),
        (
            "golden.json",
            r#"{"name":"says it","input":{"path":"a.md"},"vault":{"a.md":"text"},"expect":{"ok":{"text":"text"}}}"#,
        ),
        (
            "wrong.json",
            r#"{"name":"differs","input":{"path":"a.md"},"vault":{"a.md":"text"},"expect":{"ok":{"text":"TEXT"}}}"#,
        ),
        ("error.json", r#"{"name":"denied","input":{"path":"a.md"},"expect":{"err":"denied"}}"#),
    ];
    let more =
        ["--example", "in.json=out.json", "--example=golden.json", "--example=wrong.json", "--example=error.json"];
    let verified = Verified::failed(PEEK.source, &more, &cases, &["examples"]);
    let findings = verified.findings("examples");
    let tests: Vec<&str> = findings.iter().map(|finding| finding["test"].as_str().unwrap()).collect();
    assert_eq!(tests, ["in", "differs", "denied"], "{findings:#?}");
    assert!(findings.iter().all(|finding| finding["rule"] == "examples/outcome"));
    let message = |at: usize| findings[at]["message"].as_str().unwrap();
    assert!(message(0).contains("not-found"), "{findings:#?}");
    assert!(message(1).contains("TEXT") && message(1).contains("got"), "{findings:#?}");
    assert!(message(2).contains("denied") && message(2).contains("not-found"), "{findings:#?}");
    verified.says(&["differs", "examples/outcome"]);
    // check-invariants says the same and records nothing.
    let before = verified.workspace.rows();
    let checked = verified.workspace.json(&["check-invariants", &verified.id]).expect(4).json();
    assert_eq!(checked["findings"].as_array().unwrap().len(), 3);
    assert_eq!(checked["passed"], false);
    assert_eq!(verified.workspace.rows(), before);
}

#[test]
fn examples_that_hold_pass_with_their_files() {
    let workspace = Workspace::new();
    let case = r##"{"name":"a note","input":{"path":"Inbox/AI/a.md","title":"T","body":"B"},"expect":{"ok":{"written_path":"Inbox/AI/a.md","sha256":"DIGEST"}},"files":{"Inbox/AI/a.md":"# T\n\nB\n"}}"##;
    let digest = kavi::model::digest::Digest::of(b"# T\n\nB\n").to_string();
    fs::write(workspace.path().join("case.json"), case.replace("DIGEST", &digest)).unwrap();
    fs::write(workspace.path().join("other.json"), case.replace("DIGEST", &digest).replace("# T", "# U")).unwrap();
    let propose = |file: &str| {
        let more = ["--path", "Inbox/AI", "--example", file];
        let id = workspace.propose("write_note", "FILE_WRITE", WRITE_NOTE.schema, &more);
        workspace.import(&id, &workspace.source("write_note", WRITE_NOTE.source)).expect(0);
        id
    };
    workspace.json(&["verify-skill", &propose("case.json")]).expect(0);
    let failed = workspace.json(&["verify-skill", &propose("other.json")]).expect(4).json();
    assert!(failed.to_string().contains("other bytes to `Inbox/AI/a.md`"), "{failed}");
    assert!(!workspace.vault("Inbox/AI/a.md").exists(), "an example runs in a vault of its own");
}

#[test]
fn a_skill_without_tests_is_refused() {
    let source = PEEK.source.split("#[cfg(test)]").next().unwrap().trim_end().to_owned() + "\n";
    let verified = Verified::failed(&source, &[], &[], &["test"]);
    assert!(verified.findings("test")[0]["rule"].as_str().unwrap().starts_with("test/"));
}

#[test]
fn a_test_that_never_ends_is_a_test_that_failed() {
    let workspace = Workspace::new();
    let toml = fs::read_to_string(workspace.path().join("kavi.toml")).unwrap();
    fs::write(workspace.path().join("kavi.toml"), toml.replace("wall_ms = 10000", "wall_ms = 1000")).unwrap();
    let source = changed(
        "        seed(\"a.md\", \"text\");\n        let output",
        "        let mut number = PATHS;\n        while number != 0 {\n            number = number.wrapping_mul(3) | 1;\n        }\n        seed(\"a.md\", \"text\");\n        let output",
    )
    .replace("PATHS", "written_paths().len() | 1");
    let id = workspace.propose("peek", "READ_ONLY", PEEK.schema, &[]);
    workspace.import(&id, &workspace.source("peek", &source)).expect(0);
    let document = workspace.json(&["verify-skill", &id]).expect(4).json();
    assert!(document.to_string().contains("wall_ms"), "{document:#}");
    assert_eq!(workspace.status_of(&id), "BUILT");
}

#[test]
fn what_a_source_says_cannot_draw_on_the_terminal_or_in_the_report() {
    let source = changed("\"text\": \"text\"", "\"text\": \"\\u{1b}[2J\\u{202e}`</code>\"");
    let verified = Verified::failed(&source, &[], &[], &["test"]);
    let human = verified.workspace.call(&["verify-skill", &verified.id]).expect(4);
    let report = fs::read_to_string(verified.document["report"].as_str().unwrap()).unwrap();
    for text in [human.stdout, human.stderr, report] {
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text:?}");
    }
}

#[test]
fn verifying_again_is_another_verification_with_the_same_component() {
    let workspace = Workspace::new();
    let id = workspace.verified(&PEEK);
    let again = workspace.json(&["verify-skill", &id]).expect(0).json();
    let shown = workspace.show(&id);
    let verifications = shown["verifications"].as_array().unwrap();
    assert_eq!(verifications.len(), 2);
    assert_eq!(verifications[0]["component_sha256"], again["component_sha256"]);
    assert_ne!(verifications[0]["id"], again["id"]);
    workspace.refused(&["verify-skill", "nothing"], 2);
    let scratch = workspace.path().join(".kavi/scratch");
    assert_eq!(fs::read_dir(scratch).unwrap().count(), 0, "nothing of a verification is left behind");
}

/// A test that calls twice seeds the second vault anew: what the first call wrote or removed there must not hide it.
#[test]
fn a_seeded_file_replaces_what_a_call_before_it_left() {
    let source = r#"//! Adds to a note, or removes it.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    text: String,
}

#[derive(Serialize)]
struct Output {
    before: String,
}

const NOTE: &str = "Inbox/note.md";

fn run(input: Input) -> Result<Output, SkillError> {
    let before = vault::read(NOTE)?;
    if input.text.is_empty() {
        vault::remove(NOTE)?;
    } else {
        vault::write(NOTE, format!("{before}{}", input.text))?;
    }
    Ok(Output { before })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::{call, removed_paths, seed, written, written_paths};

    fn before(text: &str) -> Value {
        call(run, json!({ "text": text })).unwrap()["before"].clone()
    }

    #[test]
    fn writes_over_what_was_seeded_last() {
        seed(NOTE, "one");
        assert_eq!(before("+"), json!("one"));
        assert_eq!(written(NOTE).as_deref(), Some("one+"));
        seed(NOTE, "two");
        assert_eq!(written_paths(), Vec::<String>::new());
        assert_eq!(before("-"), json!("two"));
        assert_eq!(written(NOTE).as_deref(), Some("two-"));
    }

    #[test]
    fn removes_what_was_seeded_last() {
        seed(NOTE, "one");
        assert_eq!(before(""), json!("one"));
        assert_eq!(removed_paths(), [NOTE]);
        seed(NOTE, "two");
        assert_eq!(removed_paths(), Vec::<String>::new());
        assert_eq!(before("+"), json!("two"));
        assert_eq!(removed_paths(), Vec::<String>::new());
    }

    #[test]
    fn needs_the_note() {
        let got = call(run, json!({ "text": "x" }));
        assert!(matches!(got, Err(SkillError::NotFound(_))), "{got:?}");
    }
}
"#;
    let workspace = Workspace::new();
    let schema = r#"{"input":{"text":"str"},"output":{"before":"str"}}"#;
    let id = workspace.propose("peek", "FILE_WRITE", schema, &["--path", "Inbox", "--removes-files"]);
    workspace.import(&id, &workspace.source("peek", source)).expect(0);
    let document = workspace.json(&["verify-skill", &id]).json();
    let test = document["gates"].as_array().unwrap().iter().find(|gate| gate["gate"] == "test").unwrap();
    assert_eq!(test["status"], "PASSED", "{test:#}");
}
