//! What every verb prints, for people and for machines, word by word. `INSTA_UPDATE=always cargo test --test cli output`
//! writes the snapshots again; look at the difference before it is committed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::Path;

use crate::support::{self, Called, PEEK, kavi};

/// For whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reader {
    Person,
    Machine,
}

/// A folder in which a whole story takes place.
struct Story {
    folder: tempfile::TempDir,
    reader: Reader,
}

impl Story {
    fn new(reader: Reader) -> Self {
        Self { folder: support::folder(), reader }
    }

    /// The workspace.
    fn root(&self) -> std::path::PathBuf {
        self.folder.path().join("notes")
    }

    fn put(&self, path: &str, text: &str) {
        let path = self.root().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// One command, as it is typed and what it says.
    #[track_caller]
    fn tell(&self, name: &str, code: i32, args: &[&str]) -> Called {
        let folder = if self.root().exists() { self.root() } else { self.folder.path().to_owned() };
        let mut command = kavi(&folder);
        command.args(args).env("KAVI_STATE_DIR", self.folder.path().join("state"));
        if self.reader == Reader::Machine {
            command.args(["--output", "json"]);
        }
        let called: Called = command.output().unwrap().into();
        assert_eq!(called.code, code, "{args:?}: {called:?}");
        let quoted =
            args.iter().map(|arg| if arg.contains([' ', '{', '"']) { format!("'{arg}'") } else { (*arg).to_owned() });
        // Gates work at the same time: the order in which they begin is anybody's, and so is the number that each gets.
        let lines =
            called.stderr.lines().map(|line| match line.strip_prefix("· ").and_then(|gate| gate.split_once(' ')) {
                Some((number, gate)) if number.contains('/') => format!("· {gate}"),
                _ => line.to_owned(),
            });
        let (mut stderr, rest): (Vec<String>, Vec<String>) = lines.partition(|line| line.starts_with("· "));
        stderr.sort_unstable();
        stderr.extend(rest);
        let shown = format!(
            "$ kavi {}\n{}{}exit code {code}\n",
            quoted.collect::<Vec<_>>().join(" "),
            called.stdout,
            stderr.iter().map(|line| format!("2> {line}\n")).collect::<String>(),
        );
        let who = if self.reader == Reader::Machine { "json" } else { "human" };
        settings(self.folder.path()).bind(|| insta::assert_snapshot!(format!("{name}.{who}"), shown));
        called
    }
}

/// What differs from run to run and from machine to machine has a name in its place.
fn settings(folder: &Path) -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    let real = folder.canonicalize().unwrap();
    for (pattern, name) in [
        (real.to_str().unwrap(), "[folder]"),
        (folder.to_str().unwrap(), "[folder]"),
        (r"kavi/[0-9a-f]{32}\+[0-9a-f]{8}\+[A-Za-z0-9+/=]+", "[key]"),
        (r"\b[0-9a-f]{32}\b", "[workspace]"),
        // A checkpoint comes with the time as well.
        (r"\d+ events, \d+ signed, head at \d+", "[n] events, [n] signed, head at [n]"),
        (r#""(events|signed|head)": \d+"#, r#""$1": "[n]""#),
        (r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "[id]"),
        (r"\b[0-9a-f]{64}\b", "[sha256]"),
        (r"\b[0-9a-f]{12}\b", "[digest]"),
        (r"\b[0-9a-f]{8}\b", "[short]"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[time]"),
        (r"rustc \d[^\n\x22]*", "[toolchain]"),
        (r"\b\d+ ms\b", "[n] ms"),
        (r#""duration_ms": \d+"#, r#""duration_ms": "[n]""#),
        (r#""component_bytes": \d+"#, r#""component_bytes": "[n]""#),
        (r#""bytes": \d+"#, r#""bytes": "[n]""#),
        (r"\b\d+ bytes\b", "[n] bytes"),
        (r"(?:own cage|bubblewrap|unconfined)[^\n\x22]*", "[cage]"),
        (r#"(?s)"cage": \{.*?\n  \}"#, r#""cage": "[cage]""#),
        (r"(?m)^cage          .*$", "cage          [cage]"),
        (r"landlock \d+", "landlock [n]"),
        (r"\buid \d+\b", "[asker]"),
        (r#""(cpu_us|wall_us|memory_bytes)": \d+"#, r#""$1": "[n]""#),
    ] {
        settings.add_filter(pattern, name);
    }
    settings
}

/// From an empty folder to a skill that was trusted and is not any more.
fn the_whole_way(reader: Reader) {
    let story = Story::new(reader);
    story.tell("init", 0, &["init", "notes"]);
    story.tell("init_again", 0, &["init"]);
    story.tell("list_nothing", 0, &["list-skills"]);
    story.tell("new", 0, &["new", "tidy_inbox"]);
    story.put(
        "case.json",
        r#"{"name":"says it","input":{"path":"a.md"},"vault":{"a.md":"text"},"expect":{"ok":{"text":"text"}}}"#,
    );
    let propose = ["propose-skill", "--name", "peek", "--desc", "Reads a note", "--side-effect", "READ_ONLY"];
    let schema = ["--io-schema-json", PEEK.schema, "--example", "case.json"];
    story.tell("propose", 0, &[&propose[..], &schema].concat());
    let odd = PEEK
        .source
        .replacen("        text: vault", "        text:    vault", 1)
        .replace("{ \"text\": \"text\" }", "{ \"text\": \"odd\" }");
    story.put("peek/src/lib.rs", &odd);
    story.put("peek/build.rs", "fn main() {}\n");
    story.tell("build_violation", 3, &["build-skill", "peek", "--from", "peek"]);
    fs::remove_file(story.root().join("peek/build.rs")).unwrap();
    story.tell("build", 0, &["build-skill", "peek", "--from", "peek"]);
    story.tell("verify_failed", 4, &["verify-skill", "peek"]);
    story.tell("promote_too_early", 3, &["promote-skill", "peek", "--approved-by", "Ada Lovelace", "--yes"]);
    story.put("peek/src/lib.rs", PEEK.source);
    story.tell("build_again", 0, &["build-skill", "peek", "--from", "peek"]);
    story.tell("verify", 0, &["verify-skill", "peek"]);
    story.tell("check_invariants", 0, &["check-invariants", "peek"]);
    story.tell("promote_nobody_there", 3, &["promote-skill", "peek", "--approved-by", "Ada Lovelace"]);
    story.tell("promote", 0, &["promote-skill", "peek", "--approved-by", "Ada Lovelace", "--yes"]);
    story.tell("list", 0, &["list-skills"]);
    story.put("vault_out/a.md", "text\n");
    story.tell("run", 0, &["run-skill", "peek", "--json", r#"{"path":"a.md"}"#]);
    story.tell("run_skill_error", 5, &["run-skill", "peek", "--json", r#"{"path":"b.md"}"#]);
    story.tell("run_bad_input", 2, &["run-skill", "peek", "--json", r#"{"path":5}"#]);
    story.tell("show", 0, &["show", "peek"]);
    story.tell("show_all", 0, &["show", "peek", "--all"]);
    story.tell("cache_status", 0, &["cache", "status"]);
    story.tell("cache_clear", 0, &["cache", "clear"]);
    story.tell("status", 0, &["status"]);
    fs::remove_file(story.root().join("registry.yaml")).unwrap();
    story.tell("rebuild", 0, &["rebuild"]);
    story.tell("rollback_nothing_before", 2, &["rollback", "peek", "--approved-by", "Ada Lovelace"]);
    story.tell("revoke", 0, &["revoke", "peek", "--why", "reads too much", "--approved-by", "Ada Lovelace"]);
    story.tell("run_revoked", 3, &["run-skill", "peek", "--json", r#"{"path":"a.md"}"#]);
    story.tell("list_all", 0, &["list-skills", "--all"]);
}

#[test]
fn the_whole_way_for_people() {
    the_whole_way(Reader::Person);
}

#[test]
fn the_whole_way_for_machines() {
    the_whole_way(Reader::Machine);
}

/// What goes wrong before there is anything to go wrong with.
fn errors(reader: Reader) {
    let story = Story::new(reader);
    story.tell("error_no_workspace", 2, &["status"]);
    story.tell("error_usage", 2, &["show"]);
    fs::create_dir(story.root()).unwrap();
    kavi(&story.root()).arg("init").env("KAVI_STATE_DIR", story.folder.path().join("state")).output().unwrap();
    story.tell("error_unknown_skill", 2, &["run-skill", "nothing", "--json", "{}"]);
    let propose = ["propose-skill", "--name", "peek", "--desc", "Reads a note", "--side-effect", "READ_ONLY"];
    story.tell(
        "error_schema",
        2,
        &[&propose[..], &["--io-schema-json", r#"{"input":{"a":"sting"},"output":{"a":"str"}}"#]].concat(),
    );
    story.put("kavi.toml", "valut = \"x\"\n");
    story.tell("error_setting", 2, &["status"]);
    story.put("kavi.toml", "");
    // What the log has of a ledger would be read from there.
    fs::remove_file(story.root().join(".kavi/ledger.db-wal")).unwrap();
    story.put(".kavi/ledger.db", "this is no ledger, and it is longer than the header of one, which has a hundred bytes in all\n\n\n\n\n\n\n\n\n");
    story.tell("error_ledger", 70, &["status"]);
}

#[test]
fn errors_for_people() {
    errors(Reader::Person);
}

#[test]
fn errors_for_machines() {
    errors(Reader::Machine);
}
