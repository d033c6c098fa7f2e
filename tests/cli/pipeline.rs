//! The way of a skill through the real binary: propose → build → verify → promote → run.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;

use kavi::model::digest::Digest;
use serde_json::{Value, json};

use crate::support::{self, ACT, NOTE_SCHEMA, PEEK, Skill, WRITE_NOTE, Workspace};

/// The outcome of one gate in a verification.
fn gate<'v>(verification: &'v Value, name: &str) -> &'v Value {
    let gates = verification["gates"].as_array().unwrap();
    gates.iter().find(|gate| gate["gate"] == name).unwrap()
}

#[test]
fn a_note_is_written_by_a_promoted_component() {
    let workspace = Workspace::new();
    let id = workspace.trust(&WRITE_NOTE);
    let ran = workspace.note("Inbox/AI/hello.md").expect(0).json();
    assert_eq!(ran["output"]["written_path"], "Inbox/AI/hello.md");
    let note = fs::read_to_string(workspace.vault("Inbox/AI/hello.md")).unwrap();
    assert_eq!(note, "# Title\n\nBody\n");
    assert_eq!(ran["output"]["sha256"], Digest::of(note.as_bytes()).to_string());
    let shown = workspace.show("write_note");
    assert_eq!(shown["id"], id.as_str());
    assert_eq!(shown["status"], "TRUSTED");
    assert_eq!(shown["promotions"][0]["approved_by"], "test");
    assert_eq!(workspace.count("SELECT count(*) FROM executions WHERE success"), 1);
}

#[test]
fn a_skill_that_reads_sees_the_vault_and_one_that_would_write_is_refused() {
    let workspace = Workspace::trusted();
    fs::write(workspace.vault("plan.md"), "the plan").unwrap();
    let read = workspace.run("peek", json!({ "path": "plan.md" })).expect(0).json();
    assert_eq!(read["output"]["text"], "the plan");
    workspace.run("peek", json!({ "path": "../kavi.toml" })).expect(5);

    // The same class, and a write that its tests never reach: what is compiled in is what counts.
    let writes = PEEK.source.replace(
        "    Ok(Output {",
        "    if input.path == \"x\" {\n        vault::write(\"x\", \"\")?;\n    }\n    Ok(Output {",
    );
    let id = workspace.propose("sly", "READ_ONLY", PEEK.schema, &[]);
    workspace.import(&id, &workspace.source("sly", &writes)).expect(0);
    let verification = workspace.json(&["verify-skill", &id]).expect(4).json();
    assert_eq!(gate(&verification, "policy")["status"], "PASSED");
    let findings = gate(&verification, "invariants")["findings"].as_array().unwrap();
    assert_eq!(findings[0]["rule"], "invariants/interface", "{findings:?}");
    assert_eq!(workspace.status_of(&id), "BUILT");
}

#[test]
fn planted_build_files_are_refused_and_never_run() {
    let workspace = Workspace::new();
    let marker = workspace.path().join("executed");
    let touch = format!("fn main() {{ std::fs::write({marker:?}, \"\").unwrap(); }}");
    let wrapper = workspace.path().join("wrapper");
    fs::write(&wrapper, format!("#!/bin/sh\ntouch {}\nexec \"$@\"\n", marker.display())).unwrap();
    let wrapped = format!("[build]\nrustc-wrapper = {wrapper:?}\n[target.wasm32-wasip2]\nrunner = {wrapper:?}\n");
    for (path, text) in [
        ("build.rs", touch.as_str()),
        (".cargo/config.toml", &wrapped),
        ("Cargo.toml", "[package]\nname = \"write_note\"\nversion = \"0.1.0\"\nbuild = \"src/lib.rs\"\n"),
        ("Cargo.toml", "[package]\nname = \"write_note\"\nversion = \"0.1.0\"\n[lib]\nproc-macro = true\n"),
        ("Cargo.toml", "[package]\nname = \"write_note\"\nversion = \"0.1.0\"\n[build-dependencies]\ncc = \"1\"\n"),
        ("rust-toolchain.toml", "[toolchain]\npath = \"/tmp\"\n"),
        ("rustfmt.toml", "edition = \"2024\"\n"),
        (".clippy.toml", "msrv = \"1.0\"\n"),
        ("src/main.rs.sh", "touch executed\n"),
        ("examples/x.rs", touch.as_str()),
    ] {
        let from = workspace.source("write_note", WRITE_NOTE.source);
        fs::create_dir_all(from.join(path).parent().unwrap()).unwrap();
        fs::write(from.join(path), text).unwrap();
        let id = workspace.propose("write_note", "FILE_WRITE", NOTE_SCHEMA, &["--path", "Inbox/AI"]);
        let built = workspace.import(&id, &from).expect(3).json();
        assert_eq!(built["failure_kind"], "GATE_VIOLATION", "{path}: {built}");
        assert!(built["findings"][0]["rule"].as_str().unwrap().starts_with("workspace/"), "{path}: {built}");
        assert!(!marker.exists(), "{path} was executed");
        workspace.json(&["verify-skill", &id]).expect(3);
        fs::remove_dir_all(from).unwrap();
    }

    // What cargo leaves behind is ignored, and so is whatever somebody put there.
    let from = workspace.source("write_note", WRITE_NOTE.source);
    fs::create_dir_all(from.join("target/debug/build")).unwrap();
    fs::write(from.join("target/debug/build/build-script-build"), "#!/bin/sh\ntouch executed\n").unwrap();
    fs::write(from.join("Cargo.lock"), "version = 4\n[[package]]\nname = \"libc\"\n").unwrap();
    let id = workspace.propose("write_note", "FILE_WRITE", NOTE_SCHEMA, &["--path", "Inbox/AI"]);
    workspace.import(&id, &from).expect(0);
    workspace.json(&["verify-skill", &id]).expect(0);
    assert!(!marker.exists());
}

/// Whether every test passed. That these say nothing about the skill is another matter.
fn only_hollow(verification: &Value) -> bool {
    gate(verification, "test")["findings"].as_array().unwrap().iter().all(|finding| finding["rule"] == "test/hollow")
}

#[test]
fn tests_of_a_skill_run_in_wasm_under_its_grants() {
    let workspace = Workspace::new();
    let marker = workspace.path().join("executed");
    // The policy gate refuses all of this; the test gate runs it nevertheless, and each assertion holds only in wasm
    // with nothing granted but an empty vault.
    let tests = format!(
        r#"
    #[test]
    fn runs_in_wasm() {{
        assert!(cfg!(target_arch = "wasm32"));
    }}

    #[test]
    fn starts_nothing() {{
        let marker = {marker:?};
        assert!(
            std::process::Command::new("touch")
                .arg(marker)
                .status()
                .is_err()
        );
        assert!(std::fs::write(marker, "").is_err());
    }}

    #[test]
    fn sees_nothing() {{
        assert!(std::fs::read("/etc/passwd").is_err());
        assert!(std::fs::read_dir("/").map_or(true, |mut all| all.next().is_none()));
        assert!(std::env::vars().all(|(name, _)| ["KAVI_SWITCH", "KAVI_MARK"].contains(&name.as_str())));
    }}
}}
"#
    );
    let source = format!("{}{tests}", PEEK.source.trim_end().strip_suffix('}').unwrap());
    let id = workspace.propose("peek", "READ_ONLY", PEEK.schema, &[]);
    workspace.import(&id, &workspace.source("peek", &source)).expect(0);
    let verification = workspace.json(&["verify-skill", &id]).expect(4).json();
    assert!(only_hollow(&verification), "{verification:#}");
    assert_eq!(gate(&verification, "policy")["status"], "FAILED", "{verification:#}");
    assert!(!marker.exists());

    // Under a class that writes, the same test program may make its folders: the class decides, not the source.
    let id = workspace.built(&Skill { class: "READ_ONLY", more: &[], ..ACT });
    let verification = workspace.json(&["verify-skill", &id]).expect(4).json();
    let findings = gate(&verification, "test")["findings"].as_array().unwrap();
    assert!(findings.iter().any(|found| found["rule"].as_str().unwrap().starts_with("test/")), "{verification:#}");
}

#[test]
fn a_guest_sees_no_environment() {
    let workspace = Workspace::new();
    // The policy gate refuses to ask. The others compile and run it, because asking at run time
    // cannot harm the compiler.
    let tests = r#"
    #[test]
    fn there_is_no_environment() {
        // An instrumented test program is told its switch and its mark, and nothing of the person's.
        assert!(std::env::vars_os().all(|(name, _)| name == "KAVI_SWITCH" || name == "KAVI_MARK"));
        assert!(std::env::var("MADE_UP_TOKEN").is_err());
        assert!(std::env::args().all(|arg| !arg.contains("made-up")));
        assert!(std::env::current_dir().map_or(true, |folder| folder.as_os_str() == "/"));
        let mut line = String::new();
        assert_eq!(std::io::stdin().read_line(&mut line).unwrap_or(0), 0);
    }

    #[test]
    fn there_are_no_arguments_either() {
        assert!(std::env::args_os().all(|arg| arg != "made-up-user"));
    }

    #[test]
    fn a_test_besides() {
        assert!(std::env::var_os("HOME").is_none());
    }
}
"#;
    let source = format!("{}{tests}", PEEK.source.trim_end().strip_suffix('}').unwrap());
    let id = workspace.propose("peek", "READ_ONLY", PEEK.schema, &[]);
    workspace.import(&id, &workspace.source("peek", &source)).expect(0);
    let mut verify = workspace.command();
    verify.args(["verify-skill", &id, "--json"]).env("MADE_UP_TOKEN", "made-up-secret").env("USER", "made-up-user");
    let verification = support::feed(verify, "made-up-secret\n").expect(4).json();
    assert!(only_hollow(&verification), "{verification:#}");
    assert_eq!(gate(&verification, "policy")["status"], "FAILED", "{verification:#}");
}

#[test]
fn every_stage_names_the_same_snapshot_and_component() {
    let workspace = Workspace::trusted();
    let ran = workspace.note("Inbox/AI/a.md").expect(0).json();
    let shown = workspace.show("write_note");
    let (snapshot, component) = (&shown["snapshot_sha256"], &shown["component_sha256"]);
    assert_eq!(&shown["builds"][0]["snapshot_sha256"], snapshot);
    assert_eq!(&shown["verifications"][0]["snapshot_sha256"], snapshot);
    assert_eq!(&shown["verifications"][0]["component_sha256"], component);
    assert_eq!(&shown["promotions"][0]["component_sha256"], component);
    assert_eq!(&ran["source_hash"], component);
    assert_eq!(shown["promotions"][0]["spec_sha256"], shown["spec_sha256"]);

    // And the digests are those of the bytes: of the source that was imported and of the component that ran.
    let source = Digest::of(WRITE_NOTE.source.as_bytes()).to_string();
    assert_eq!(fs::read(workspace.stored("sources", &source)).unwrap(), WRITE_NOTE.source.as_bytes());
    let text = fs::read_to_string(workspace.stored("snapshots", snapshot.as_str().unwrap())).unwrap();
    assert!(text.contains(&source), "{text}");
    let bytes = fs::read(workspace.component("write_note")).unwrap();
    assert_eq!(component, &Digest::of(&bytes).to_string());
}

#[test]
fn a_late_write_to_the_workspace_changes_nothing() {
    let workspace = Workspace::new();
    let from = workspace.source("write_note", WRITE_NOTE.source);
    let id = workspace.propose("write_note", "FILE_WRITE", NOTE_SCHEMA, &["--path", "Inbox/AI"]);
    let built = workspace.import(&id, &from).expect(0).json();
    let late = |text: &str| fs::write(from.join("src/lib.rs"), WRITE_NOTE.source.replace("# {title}", text)).unwrap();

    late("# verified instead {title}");
    let verified = workspace.json(&["verify-skill", &id]).expect(0).json();
    assert_eq!(verified["snapshot_sha256"], built["snapshot_sha256"]);
    late("# promoted instead {title}");
    let promoted = workspace.json(&["promote-skill", &id, "--approved-by", "test", "--yes"]).expect(0).json();
    assert_eq!(promoted["component_sha256"], verified["component_sha256"]);
    late("# run instead {title}");
    workspace.note("Inbox/AI/a.md").expect(0);
    assert_eq!(fs::read_to_string(workspace.vault("Inbox/AI/a.md")).unwrap(), "# Title\n\nBody\n");

    // The workspace of an attempt is gone when the attempt is over: nobody can write there late.
    let builds = workspace.path().join(".kavi/builds");
    assert_eq!(fs::read_dir(builds).unwrap().count(), 0);
    // The same sources give the same bytes in any workspace.
    let other = Workspace::trusted();
    assert_eq!(other.show("write_note")["component_sha256"], verified["component_sha256"]);
}

#[test]
fn nothing_but_a_trusted_skill_runs() {
    let workspace = Workspace::new();
    let run = ["run-skill", "write_note", "--json", r#"{"path":"Inbox/AI/a.md","title":"T","body":"B"}"#];
    assert!(workspace.refused(&run, 2)["message"].as_str().unwrap().contains("there is no skill"));
    let refused = |status: &str| {
        let error = workspace.refused(&run, 3);
        assert!(error["message"].as_str().unwrap().contains(&format!("is {status}")), "{error}");
        assert_eq!(error["kind"], "refused");
    };
    let id = workspace.propose("write_note", "FILE_WRITE", NOTE_SCHEMA, &["--path", "Inbox/AI"]);
    refused("PROPOSED");
    let from = workspace.source("write_note", WRITE_NOTE.source);
    workspace.import(&id, &from).expect(0);
    refused("BUILT");
    workspace.json(&["verify-skill", &id]).expect(0);
    refused("VERIFIED");
    workspace.json(&["promote-skill", &id, "--approved-by", "test", "--yes"]).expect(0);
    workspace.call(&run).expect(0);
    workspace.json(&["revoke", "write_note", "--approved-by", "test", "--why", "a test"]).expect(0);
    refused("REVOKED");
    let _ = fs::remove_file(workspace.vault("Inbox/AI/a.md"));
    // A proposal's id is no name of a skill, however trusted it is.
    workspace.refused(&["run-skill", &id, "--json", "{}"], 2);
}

#[test]
fn an_edited_registry_file_decides_nothing() {
    let workspace = Workspace::trusted();
    let id = workspace.propose("new_one", "READ_ONLY", PEEK.schema, &[]);
    let registry = workspace.path().join("registry.yaml");
    let honest = fs::read_to_string(&registry).unwrap();
    let hash = workspace.show("write_note")["component_sha256"].as_str().unwrap().to_owned();
    let forged = honest.replace(&hash, &"0".repeat(64)).replace("name: act", "name: new_one");
    assert_ne!(forged, honest);
    for text in [forged.as_str(), "skills: []", "not: [yaml", ""] {
        fs::write(&registry, text).unwrap();
        workspace.note("Inbox/AI/a.md").expect(0);
        workspace.act("write", "Inbox/AI/b.md").expect(0);
        workspace.refused(&["run-skill", "new_one", "--json", r#"{"path":"a"}"#], 3);
        assert_eq!(workspace.status_of(&id), "PROPOSED");
        assert_eq!(fs::read_to_string(&registry).unwrap(), text, "nothing but a decision or a rebuild writes it");
    }
    fs::remove_file(&registry).unwrap();
    workspace.note("Inbox/AI/a.md").expect(0);
    workspace.json(&["rebuild"]).expect(0);
    assert_eq!(fs::read_to_string(&registry).unwrap(), honest);
}

#[test]
fn no_step_before_promote_makes_a_skill_trusted() {
    let workspace = Workspace::new();
    let trusted = || {
        let listed = workspace.json(&["list-skills"]).expect(0).json();
        let decisions = workspace.count("SELECT count(*) FROM promotions");
        (listed["skills"].as_array().unwrap().len(), decisions)
    };
    let id = workspace.verified(&ACT);
    assert_eq!(trusted(), (0, 0));
    for args in [
        vec!["verify-skill", id.as_str()],
        vec!["check-invariants", &id],
        vec!["rebuild"],
        vec!["status"],
        vec!["show", &id],
        vec!["list-skills", "--all"],
    ] {
        workspace.json(&args).expect(0);
        assert_eq!(trusted(), (0, 0), "{args:?}");
        assert_eq!(workspace.status_of(&id), "VERIFIED", "{args:?}");
    }
    workspace.act("write", "Inbox/AI/a.md").expect(3);
    assert!(!workspace.vault("Inbox/AI/a.md").exists());

    // What was verified stays what it was: no other sources take its place.
    let from = workspace.source("act", &ACT.source.replace("second", "other")).display().to_string();
    workspace.refused(&["build-skill", &id, "--from", &from], 3);
    assert_eq!(workspace.status_of(&id), "VERIFIED");
}

#[test]
fn promote_needs_a_person_with_a_usable_name() {
    let workspace = Workspace::new();
    let id = workspace.verified(&PEEK);
    let promote = |more: &[&'static str]| [&["promote-skill", id.as_str()], more].concat();
    for nobody in ["", "  ", "a\u{200b}da", "\u{1b}[31mada", "a\nb", "\u{202e}ada"] {
        let error = workspace.refused(&promote(&["--yes", "--approved-by", nobody]), 2);
        assert!(error["message"].as_str().unwrap().contains("is not a usable name"), "{nobody:?}: {error}");
    }
    workspace.refused(&promote(&["--yes", "--approved-by", &*"a".repeat(101).leak()]), 2);
    let error = workspace.refused(&promote(&["--approved-by", "ada"]), 3);
    assert!(error["message"].as_str().unwrap().contains("no terminal to ask a person"), "{error}");
    let piped = support::feed(
        {
            let mut command = workspace.command();
            command.args(promote(&["--approved-by", "ada"]));
            command
        },
        "y\n",
    );
    assert_eq!(piped.code, 3, "a yes from a pipe is nobody's: {piped:?}");
    assert_eq!(workspace.status_of(&id), "VERIFIED");
    workspace.json(&promote(&["--yes", "--approved-by", "  Ada Lovelace "])).expect(0);
    assert_eq!(workspace.show(&id)["promotions"][0]["approved_by"], "Ada Lovelace");
}

#[test]
fn promote_refuses_what_was_not_verified() {
    let workspace = Workspace::new();
    let promote = |id: &str| workspace.refused(&["promote-skill", id, "--approved-by", "test", "--yes"], 3);
    let id = workspace.propose("peek", "READ_ONLY", PEEK.schema, &[]);
    assert!(promote(&id)["message"].as_str().unwrap().contains("PROPOSED"));
    let odd = PEEK.source.replace("    Ok(Output {", "    let _ = std::env::args();\n    Ok(Output {");
    assert_ne!(odd, PEEK.source);
    workspace.import(&id, &workspace.source("peek", &odd)).expect(0);
    assert!(promote(&id)["message"].as_str().unwrap().contains("BUILT"));
    workspace.json(&["verify-skill", &id]).expect(4);
    assert!(promote(&id)["message"].as_str().unwrap().contains("BUILT"));
    assert!(promote(&id)["hint"].as_str().unwrap().contains("kavi verify-skill"));
    let trusted = Workspace::trusted();
    let again = trusted.refused(&["promote-skill", "peek", "--approved-by", "test", "--yes"], 3);
    assert!(again["message"].as_str().unwrap().contains("TRUSTED"), "{again}");
    workspace.refused(&["promote-skill", "nothing_like_it", "--approved-by", "test", "--yes"], 2);
}

#[test]
fn every_stage_leaves_an_artifact_with_its_digest() {
    let workspace = Workspace::trusted();
    let shown = workspace.show("write_note");
    let artifacts = shown["artifacts"].as_array().unwrap();
    let kinds: Vec<&str> = artifacts.iter().map(|artifact| artifact["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["SKILL_SPEC", "BUILD_PACKET", "BUILD_LOG", "PATCH_SUMMARY", "VERIFICATION_REPORT"]);
    for artifact in artifacts {
        let bytes = fs::read(workspace.path().join(artifact["path"].as_str().unwrap())).unwrap();
        assert_eq!(artifact["sha256"], Digest::of(&bytes).to_string(), "{artifact}");
    }
    let recorded = workspace.count("SELECT count(*) FROM artifacts");
    let on_disk = support::files(&workspace.path().join("artifacts_out"));
    let indexes = on_disk.keys().filter(|path| path.ends_with("INDEX.md")).count();
    let written = on_disk.values().filter(|what| *what != "folder").count();
    assert_eq!(i64::try_from(written - indexes).unwrap(), recorded, "a file that no row knows: {on_disk:?}");
    // A run's record is in the ledger, whole: what went in, what came out, and the bytes that were run.
    workspace.note("Inbox/AI/a.md").expect(0);
    assert_eq!(workspace.count("SELECT count(*) FROM executions WHERE length(source_hash) = 64"), 1);
}

#[test]
fn a_stage_without_its_artifact_fails() {
    let workspace = Workspace::new();
    let artifacts = workspace.path().join("artifacts_out");
    let propose = [
        ["propose-skill", "--name", "peek", "--desc", "x"],
        ["--side-effect", "READ_ONLY", "--io-schema-json", PEEK.schema, "--json"],
    ]
    .concat();
    // A file where the skill's folder should be, so that nothing can be written below it, not even by root.
    fs::write(artifacts.join("peek"), "in the way").unwrap();
    let error = workspace.call(&propose).expect(1).json();
    assert!(error["error"]["message"].as_str().unwrap().contains("artifacts_out/peek"), "{error}");
    assert_eq!(workspace.count("SELECT count(*) FROM skill_proposals"), 0);

    fs::remove_file(artifacts.join("peek")).unwrap();
    let id = workspace.call(&propose).expect(0).json()["id"].as_str().unwrap().to_owned();
    let blocked = |step: &dyn Fn() -> support::Called| {
        let (folder, aside) = (artifacts.join("peek").join(&id), artifacts.join("aside"));
        fs::rename(&folder, &aside).unwrap();
        fs::write(&folder, "in the way").unwrap();
        let called = step();
        fs::remove_file(&folder).unwrap();
        fs::rename(&aside, &folder).unwrap();
        called.expect(1);
        workspace.status_of(&id)
    };
    let from = workspace.source("peek", PEEK.source);
    assert_eq!(blocked(&|| workspace.import(&id, &from)), "PROPOSED");
    assert_eq!(workspace.count("SELECT count(*) FROM builds WHERE status = 'SUCCEEDED'"), 0);
    workspace.import(&id, &from).expect(0);
    assert_eq!(blocked(&|| workspace.json(&["verify-skill", &id])), "BUILT");
    assert_eq!(workspace.count("SELECT count(*) FROM verifications"), 0);
    workspace.refused(&["promote-skill", &id, "--approved-by", "test", "--yes"], 3);
    workspace.json(&["verify-skill", &id]).expect(0);
}

#[test]
fn rebuild_gives_back_the_same_bytes() {
    let workspace = Workspace::trusted();
    workspace.note("Inbox/AI/a.md").expect(0);
    let derived = || {
        let all = support::files(workspace.path()).into_iter();
        let wanted = |path: &str| path == "registry.yaml" || path.ends_with("INDEX.md") || path.ends_with("SPEC.json");
        all.filter(|(path, _)| wanted(path)).collect::<Vec<_>>()
    };
    let before = derived();
    assert_eq!(before.len(), 7, "{before:?}");
    let first = workspace.json(&["rebuild"]).expect(0).json();
    assert_eq!(first["written"], json!([]), "nothing was missing");
    for (path, _) in &before {
        fs::remove_file(workspace.path().join(path)).unwrap();
    }
    let second = workspace.json(&["rebuild"]).expect(0).json();
    assert_eq!(second["written"].as_array().unwrap().len(), before.len());
    assert_eq!(derived(), before);
    for (path, _) in &before {
        fs::write(workspace.path().join(path), "edited").unwrap();
    }
    workspace.json(&["rebuild"]).expect(0);
    assert_eq!(derived(), before);
    assert_eq!(workspace.json(&["rebuild"]).expect(0).json()["damaged"], json!([]));
}

#[test]
fn classes_that_are_not_granted_yet_can_be_trusted_and_say_so() {
    let workspace = Workspace::new();
    let message = Skill { name: "fetch", class: "MESSAGING", more: &[], ..PEEK };
    let id = workspace.trust(&message);
    assert_eq!(workspace.status_of(&id), "TRUSTED");
    fs::write(workspace.vault("a.md"), "text").unwrap();
    let error = workspace.run("fetch", json!({ "path": "a.md" })).expect(3).json();
    let message = error["error"]["message"].as_str().unwrap();
    assert!(message.contains("MESSAGING") && message.contains("not granted"), "{message}");
    // The refusal is on the record.
    assert_eq!(workspace.count("SELECT count(*) FROM executions WHERE NOT success AND error LIKE 'NotGranted%'"), 1);
}

#[test]
fn the_demo_shows_the_whole_way_and_leaves_nothing() {
    let folder = support::folder();
    let demo = |args: &[&str]| -> support::Called {
        let mut command = support::kavi(folder.path());
        command.arg("demo").args(args).env("TMPDIR", folder.path()).output().unwrap().into()
    };
    let shown = demo(&[]).expect(0).stdout;
    for word in [
        "propose",
        "build",
        "verify",
        "mutation      PASSED",
        "is TRUSTED",
        "# Hello from Kavi",
        "refused, exit code 3",
    ] {
        assert!(shown.contains(word), "{word}: {shown}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "a throwaway workspace is thrown away");
    let document = demo(&["--keep", "kept", "--json"]).expect(0).json();
    assert_eq!(document["refusal"]["exit_code"], 3);
    assert_eq!(document["note"], "# Hello from Kavi\n\nWritten by a component.\n");
    let note = fs::read_to_string(folder.path().join("kept/vault_out/Inbox/AI/hello.md")).unwrap();
    assert_eq!(document["note"], note);
    demo(&["--keep", "kept"]).expect(3);
}
