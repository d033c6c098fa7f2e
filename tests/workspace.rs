//! What a builder left is looked at by Kavi's own walk, and nothing of it is taken unless all of it may be.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "support/kavi.rs"]
mod support;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::{Value, json};
use support::{PEEK, Workspace};

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

    /// The findings about a crate to which something was done: refused with exit code 3, and nothing was taken.
    #[track_caller]
    fn refused(&self, what: &str, plant: impl FnOnce(&Path)) -> Vec<(String, String)> {
        let from = self.workspace.source("peek", PEEK.source);
        plant(&from);
        // A proposal of its own: after three violations in a row the next attempt waits for a person.
        let id = self.workspace.propose("peek", "READ_ONLY", PEEK.schema, &[]);
        let built = self.workspace.import(&id, &from).expect(3).json();
        fs::remove_dir_all(&from).unwrap();
        assert_eq!(built["status"], "FAILED", "{what}");
        assert_eq!(built["failure_kind"], "GATE_VIOLATION", "{what}");
        assert_eq!(built["snapshot_sha256"], Value::Null, "{what}");
        assert_eq!(built["error"]["kind"], "refused", "{what}");
        assert!(built["error"]["hint"].as_str().unwrap().contains("kavi research-skill"), "{what}");
        let text = |finding: &Value, key: &str| finding[key].as_str().unwrap_or_default().to_owned();
        let findings: Vec<(String, String)> = built["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|found| (text(found, "rule"), text(found, "file")))
            .collect();
        assert!(!findings.is_empty(), "{what}");
        assert_eq!(self.workspace.status_of(&id), "PROPOSED", "{what}");
        let store = support::files(&self.workspace.path().join(".kavi"));
        assert!(!store.keys().any(|path| path.starts_with("store/") && path.contains("sources/")), "{what}: {store:?}");
        self.workspace.refused(&["verify-skill", &id], 3);
        findings
    }
}

fn put(path: impl AsRef<Path>, bytes: impl AsRef<[u8]>) {
    fs::create_dir_all(path.as_ref().parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

#[test]
fn only_the_allowed_files_are_accepted() {
    let bench = Bench::new();
    for (path, named) in [
        ("build.rs", "build.rs"),
        (".cargo/config.toml", ".cargo"),
        (".git/config", ".git"),
        (".github/workflows/x.yml", ".github"),
        ("rust-toolchain.toml", "rust-toolchain.toml"),
        ("rustfmt.toml", "rustfmt.toml"),
        ("CLAUDE.md", "CLAUDE.md"),
        (".env", ".env"),
        ("tests/more.rs", "tests"),
        ("benches/more.rs", "benches"),
        ("src/notes.md", "src/notes.md"),
        ("src/.hidden.rs", "src/.hidden.rs"),
        ("src/Upper.rs", "src/Upper.rs"),
        ("src/a b.rs", "src/a b.rs"),
        ("src/a/b/c/deep.rs", "src/a/b/c"),
        ("src/libk\u{e4}vi.rs", "src/libkävi.rs"),
        ("PACKET.md", "PACKET.md"),
        ("kavi.toml", "kavi.toml"),
    ] {
        let found = bench.refused(path, |from| put(from.join(path), "// planted\n"));
        assert_eq!(found, [("workspace/outside".to_owned(), named.to_owned())], "{path}");
    }
    let found =
        bench.refused("a name that is no text", |from| put(from.join("src").join(OsStr::from_bytes(b"\xff.rs")), ""));
    assert_eq!(found[0].0, "workspace/name");

    // What stands beside a person's sources is left where it is, and further sources are taken.
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
fn links_and_special_files_are_refused() {
    let bench = Bench::new();
    let outside = bench.workspace.path().join("outside.rs");
    fs::write(&outside, PEEK.source).unwrap();
    let rules = |what: &str, plant: &dyn Fn(&Path)| {
        let found = bench.refused(what, plant);
        found.into_iter().map(|(rule, _)| rule).collect::<Vec<_>>()
    };
    let lib = |from: &Path| from.join("src/lib.rs");
    assert_eq!(rules("a link", &|from| symlink("/etc/passwd", from.join("src/a.rs")).unwrap()), ["workspace/kind"]);
    assert_eq!(rules("a link to a folder", &|from| symlink("/etc", from.join("src/a")).unwrap()), ["workspace/kind"]);
    let swapped = |from: &Path| {
        fs::remove_file(lib(from)).unwrap();
        symlink(&outside, lib(from)).unwrap();
    };
    assert_eq!(rules("the source is a link", &swapped), ["workspace/kind"]);
    let folder = |from: &Path| {
        fs::rename(from.join("src"), from.join("target")).unwrap();
        symlink("target", from.join("src")).unwrap();
    };
    assert_eq!(rules("src is a link", &folder), ["workspace/kind"]);
    let hard = |from: &Path| {
        fs::remove_file(lib(from)).unwrap();
        fs::hard_link(&outside, lib(from)).unwrap();
    };
    assert_eq!(rules("a hard link", &hard), ["workspace/link"]);
    let manifest = |from: &Path| symlink("/etc/passwd", from.join("Cargo.toml")).unwrap();
    assert_eq!(rules("the manifest is a link", &manifest), ["workspace/kind"]);
    let target = |from: &Path| symlink("/", from.join("target")).unwrap();
    assert_eq!(rules("an ignored name is a link", &target), ["workspace/kind"]);
    // Neither of these may make the walk wait for a writer.
    let pipe = |path: &str| {
        let path = path.to_owned();
        move |from: &Path| mknodat(CWD, from.join(&path), FileType::Fifo, Mode::RWXU, 0).unwrap()
    };
    assert_eq!(rules("a pipe", &pipe("src/a.rs")), ["workspace/kind"]);
    assert_eq!(rules("a pipe beside the sources", &pipe("pipe")), ["workspace/kind"]);
    let socket = |from: &Path| drop(std::os::unix::net::UnixListener::bind(from.join("src/s.rs")).unwrap());
    assert_eq!(rules("a socket", &socket), ["workspace/kind"]);
    let set_id = |from: &Path| fs::set_permissions(lib(from), fs::Permissions::from_mode(0o4755)).unwrap();
    assert_eq!(rules("a set-user-id bit", &set_id), ["workspace/mode"]);
    let none = |from: &Path| fs::remove_file(lib(from)).unwrap();
    assert_eq!(rules("no source", &none), ["workspace/missing"]);
    let file_for_folder = |from: &Path| {
        fs::remove_dir_all(from.join("src")).unwrap();
        fs::write(from.join("src"), "").unwrap();
    };
    assert_eq!(rules("src is a file", &file_for_folder)[0], "workspace/kind");
    let folder_for_file = |from: &Path| {
        fs::remove_file(lib(from)).unwrap();
        fs::create_dir(lib(from)).unwrap();
    };
    assert!(rules("lib.rs is a folder", &folder_for_file).contains(&"workspace/kind".to_owned()));
    assert_eq!(fs::read_to_string(&outside).unwrap(), PEEK.source);
}

#[test]
fn sources_have_sizes() {
    let bench = Bench::new();
    let line = "// A line of a source that is much too long.\n";
    let found = bench.refused("one file", |from| put(from.join("src/long.rs"), line.repeat(6_000)));
    assert_eq!(found, [("workspace/size".to_owned(), "src/long.rs".to_owned())]);
    let found = bench.refused("a sparse file", |from| {
        fs::File::create(from.join("src/long.rs")).unwrap().set_len(1 << 40).unwrap();
    });
    assert_eq!(found, [("workspace/size".to_owned(), "src/long.rs".to_owned())]);
    let found = bench.refused("the sum", |from| {
        (0..5).for_each(|n| put(from.join(format!("src/long{n}.rs")), line.repeat(5_000)));
    });
    assert_eq!(found, [("workspace/size".to_owned(), "src".to_owned())]);
    let found = bench.refused("how many", |from| (0..70).for_each(|n| put(from.join(format!("src/f{n}.rs")), line)));
    assert_eq!(found, [("workspace/count".to_owned(), "src".to_owned())]);
    let found = bench
        .refused("a folder without end", |from| (0..1_100).for_each(|n| put(from.join(format!("src/f{n}.rs")), "")));
    assert_eq!(found, [("workspace/count".to_owned(), "src".to_owned())]);
}

#[test]
fn a_manifest_that_asks_for_more_is_refused() {
    let bench = Bench::new();
    let head = "[package]\nname = \"peek\"\nversion = \"0.1.0\"\nedition = \"2024\"\n";
    for (more, named) in [
        ("[dependencies]\nlibc = \"0.2\"\n", "libc"),
        ("[dependencies]\nkavi-sdk = \"*\"\nserde_json = \"1\"\nrand = \"0.9\"\n", "rand"),
        ("[dependencies]\nkavi_sdk = { package = \"evil\", version = \"1\" }\n", "kavi_sdk"),
        ("[build-dependencies]\ncc = \"1\"\n", "build-dependencies"),
        ("[target.'cfg(unix)'.dependencies]\nlibc = \"0.2\"\n", "target"),
        ("[patch.crates-io]\nserde = { path = \"x\" }\n", "patch"),
        ("[features]\nx = []\n", "features"),
        ("[lib]\nproc-macro = true\n", "proc-macro"),
        ("[lib]\npath = \"../elsewhere.rs\"\n", "path"),
        ("[[bin]]\nname = \"x\"\npath = \"src/lib.rs\"\n", "bin"),
        ("links = \"z\"\n", "links"),
        ("build = \"src/lib.rs\"\n", "build"),
    ] {
        let from = bench.workspace.source("peek", PEEK.source);
        put(from.join("Cargo.toml"), format!("{head}{more}"));
        let id = bench.workspace.propose("peek", "READ_ONLY", PEEK.schema, &[]);
        let built = bench.workspace.import(&id, &from).expect(3).json();
        let findings = built["findings"].as_array().unwrap();
        assert!(findings.iter().all(|found| found["rule"] == "workspace/manifest" && found["file"] == "Cargo.toml"));
        let named = |found: &Value| found["message"].as_str().unwrap().contains(named);
        assert!(findings.iter().any(named), "{more}: {findings:?}");
    }
    let found = bench.refused("no TOML", |from| put(from.join("Cargo.toml"), "{}"));
    assert_eq!(found, [("workspace/manifest".to_owned(), "Cargo.toml".to_owned())]);
}

#[test]
fn everything_that_is_wrong_is_listed_at_once() {
    let bench = Bench::new();
    let plant = |from: &Path| {
        put(from.join("build.rs"), "fn main() {}");
        put(from.join("src/notes.md"), "");
        symlink("/etc/passwd", from.join("src/a.rs")).unwrap();
    };
    let found = bench.refused("several things", plant);
    let rules: Vec<&str> = found.iter().map(|(rule, _)| rule.as_str()).collect();
    assert_eq!(rules, ["workspace/outside", "workspace/kind", "workspace/outside"]);

    // For people too. The attempts with their findings are kept, and after three the next one waits for a person.
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
