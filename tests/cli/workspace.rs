//! What a builder left is looked at by Kavi's own walk, and nothing of it is taken unless all of it may be.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::{self, PEEK, Workspace};

/// One proposal, and crates that are imported for it.
struct Bench {
    workspace: Workspace,
    id: String,
}

impl Bench {
    fn new() -> Self {
        let workspace = Workspace::new();
        let id = workspace.propose("peek", "READ_ONLY", PEEK.schema, &[]);
        Self { workspace, id }
    }
}

fn put(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) {
    fs::create_dir_all(path.as_ref().parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn what_stands_beside_a_persons_sources_is_left_where_it_is() {
    let bench = Bench::new();
    let from = bench.workspace.source("peek", PEEK.source);
    put(
        from.join("Cargo.toml"),
        "[package]\nname = \"peek\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[dependencies]\nkavi-sdk = \"*\"\n",
    );
    for ignored in ["Cargo.lock", "target/debug/peek", ".gitignore", "README.md"] {
        put(from.join(ignored), "whatever");
    }
    put(from.join("src/text/words.rs"), "//! Words.\n");
    let built = bench.workspace.import(&bench.id, &from).expect(0).json();
    assert!(built["summary"].as_str().unwrap().contains("2 files"), "{built}");
}

#[test]
fn a_manifest_names_what_it_asks_too_much() {
    let bench = Bench::new();
    let head = "[package]\nname = \"peek\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";
    let more = "[dependencies]\nkavi-sdk = \"*\"\nserde_json = \"1\"\nrand = \"0.9\"\n[features]\nx = []\n";
    let from = bench.workspace.source("peek", PEEK.source);
    put(from.join("Cargo.toml"), format!("{head}{more}"));
    let built = bench.workspace.import(&bench.id, &from).expect(3).json();
    for named in ["rand", "features"] {
        let found = |finding: &Value| finding["message"].as_str().unwrap().contains(named);
        assert!(built["findings"].as_array().unwrap().iter().any(found), "{named}: {built}");
    }
}

#[test]
fn everything_that_is_wrong_is_listed_at_once() {
    let bench = Bench::new();
    let plant = |from: &Path| {
        put(from.join("build.rs"), "fn main() {}");
        put(from.join("src/notes.md"), "");
        symlink("/etc/passwd", from.join("src/a.rs")).unwrap();
    };
    // The attempts with their findings are kept, and after three the next one waits for a person.
    plant(&bench.workspace.source("peek", PEEK.source));
    let build = ["build-skill", bench.id.as_str(), "--from", "crates/peek"];
    let human = bench.workspace.call(&build).expect(3);
    assert!(human.stdout.contains("build.rs: workspace/outside"), "{human:?}");
    assert!(human.stderr.contains("error: attempt 1 failed (GATE_VIOLATION)"), "{human:?}");
    for _ in 0..2 {
        bench.workspace.call(&build).expect(3);
    }
    let error = bench.workspace.refused(&build, 3);
    assert!(error["message"].as_str().unwrap().contains("REPEATED_FAILURE"), "{error}");
    assert!(error["hint"].as_str().unwrap().contains("--acknowledge"), "{error}");
    bench.workspace.refused(&[&build[..], &["--acknowledge", " "]].concat(), 2);
    bench.workspace.json(&[&build[..], &["--acknowledge", "ada"]].concat()).expect(3);
    let shown = bench.workspace.show(&bench.id);
    assert_eq!(shown["builds"].as_array().unwrap().len(), 4);
    assert_eq!(shown["acknowledgements"][0]["build_id"], shown["builds"][3]["id"]);
    assert_eq!(shown["builds"][1]["parent_build_id"], shown["builds"][0]["id"]);
    assert_eq!(shown["builds"][0]["findings"].as_array().unwrap().len(), 3);
}

#[test]
fn a_name_cannot_draw_on_the_terminal() {
    let bench = Bench::new();
    let from = bench.workspace.source("peek", PEEK.source);
    put(from.join("src/\u{1b}[2J\u{202e}x.rs"), "");
    let human = bench.workspace.call(&["build-skill", &bench.id, "--from", "crates/peek"]).expect(3);
    let shown = bench.workspace.call(&["show", &bench.id]).expect(0);
    for text in [human.stdout, human.stderr, shown.stdout] {
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text:?}");
    }
}

#[test]
fn a_folder_that_is_not_there_is_a_slip_of_the_pen() {
    let bench = Bench::new();
    fs::write(bench.workspace.path().join("file"), "").unwrap();
    for args in [
        ["build-skill", bench.id.as_str(), "--from", "nowhere"],
        ["build-skill", &bench.id, "--from", "file"],
        ["build-skill", &bench.id, "--builder", "import"],
    ] {
        bench.workspace.refused(&args, 2);
    }
    bench.workspace.refused(&["build-skill", &bench.id, "--builder", "claude", "--from", "file"], 2);
    bench.workspace.refused(&["build-skill", &bench.id, "--builder", "nobody"], 2);
    bench.workspace.refused(&["build-skill", &bench.id, "--from", "file", "--timeout", "0"], 2);
    bench.workspace.refused(&["build-skill", "nothing", "--from", "file"], 2);
}

#[test]
fn without_invoking_packet_and_workspace_are_written_and_nothing_else_happens() {
    let bench = Bench::new();
    // No builder has to be there for it, and no key.
    let made = bench.workspace.json(&["build-skill", &bench.id, "--no-invoke"]).expect(0).json();
    assert_eq!((&made["status"], &made["builder"]), (&json!("STARTED"), &json!("claude")));
    let folder = Path::new(made["workspace"].as_str().unwrap());
    assert_eq!(
        support::files(folder).into_keys().collect::<Vec<_>>(),
        ["PACKET.md", "SDK.md", "src"],
        "the builder's workspace has the packet, the guide and a place for sources"
    );
    let packet = fs::read(folder.join("PACKET.md")).unwrap();
    assert_eq!(made["packet_sha256"], kavi::model::digest::Digest::of(&packet).to_string());
    let text = String::from_utf8(packet).unwrap();
    assert!(text.contains("made by a test") && text.contains("READ_ONLY"));
    assert!(!text.contains(bench.workspace.path().to_str().unwrap()), "a packet names no path of this machine");
    assert_eq!(bench.workspace.status_of(&bench.id), "PROPOSED");
    bench.workspace.refused(&["verify-skill", &bench.id], 3);

    // A person writes there, and imports a copy.
    fs::write(folder.join("src/lib.rs"), PEEK.source).unwrap();
    let copied = bench.workspace.path().join("copied");
    support::copy(&folder.join("src"), &copied.join("src"));
    let built = bench.workspace.import(&bench.id, &copied).expect(0).json();
    assert_eq!(built["attempt_number"], 2);
    let shown = bench.workspace.show(&bench.id);
    assert_eq!(shown["builds"][0]["status"], "FAILED", "an open attempt is closed by the next");
}
