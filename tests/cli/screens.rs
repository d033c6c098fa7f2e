//! What a person sees when they decide, on screens of 80 and of 120 columns. `INSTA_UPDATE=always cargo test --test cli screens`
//! writes the snapshots again; look at the difference before it is committed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::process::Command;

use serde_json::json;

use crate::deciding::asked;
use crate::support::mcp::client::Client;
use crate::support::{Called, PEEK, Workspace, feed};

/// Both widths. What does not fit is laid out anew, and not broken within a word.
const COLUMNS: [usize; 2] = [80, 120];

/// The next revision of [`PEEK`]: a branch that no check reaches, and a change that no test notices.
const NEXT: &str = r#"//! Reads a file of the vault.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    path: String,
    most: Option<usize>,
}

#[derive(Serialize)]
struct Output {
    text: String,
}

fn run(input: Input) -> Result<Output, SkillError> {
    let text = vault::read(&input.path)?;
    let most = input.most.unwrap_or(100);
    if most == 0 {
        return Err(SkillError::invalid_input("`most` is at least 1"));
    }
    if most > 1_000 {
        return Err(SkillError::invalid_input("`most` is at most 1000"));
    }
    let mut lines = Vec::new();
    for line in text.lines() {
        if line.is_empty() {
            continue;
        }
        if line.starts_with('#') {
            lines.push(line.to_uppercase());
        } else {
            lines.push(line.to_owned());
        }
        if lines.len() == most {
            break;
        }
    }
    if lines.len() > 5_000 {
        lines.clear();
    }
    let text = lines.join("\n");
    Ok(Output { text })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::{call, seed, written_paths};

    fn read(most: Option<usize>) -> Result<Value, SkillError> {
        seed("a.md", "one\n\n# two\nthree\n");
        call(run, json!({ "path": "a.md", "most": most }))
    }

    #[test]
    fn reads_the_lines_of_a_file() {
        assert_eq!(read(None), Ok(json!({ "text": "one\n# TWO\nthree" })));
        assert_eq!(read(Some(1_000)), Ok(json!({ "text": "one\n# TWO\nthree" })));
        assert_eq!(read(Some(1)), Ok(json!({ "text": "one" })));
        assert_eq!(read(Some(2)), Ok(json!({ "text": "one\n# TWO" })));
    }

    #[test]
    fn none_and_too_many_are_refused() {
        let least = SkillError::invalid_input("`most` is at least 1");
        assert_eq!(read(Some(0)), Err(least));
        let most = SkillError::invalid_input("`most` is at most 1000");
        assert_eq!(read(Some(1_001)), Err(most));
    }

    #[test]
    fn a_missing_file_is_not_found() {
        let output = call(run, json!({ "path": "nowhere.md" }));
        assert!(matches!(output, Err(SkillError::NotFound(_))));
    }

    #[test]
    fn nothing_is_written() {
        seed("a.md", "text");
        assert!(call(run, json!({ "path": "a.md" })).is_ok());
        assert!(written_paths().is_empty());
    }
}
"#;

/// What differs from run to run has a name of the same width in its place, so that the layout stays.
fn settings() -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for (pattern, name) in [
        (r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", "[id of 36 characters               ]"),
        (r"\b[0-9a-f]{64}\b", "[sha256 of 64 characters                                       ]"),
        (r"\b(67108864)\b", "67_108_864"),
        (r"\b[0-9a-f]{8}\b", "[id    ]"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", "[time of 24 characters ]"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d\b", "[time of minute]"),
        // Which answers a person is asked about is drawn anew for each proposal.
        (r"(?m)(^is this right\?.*\n( {17,}.*\n)*)+", "is this right?   [answers]\n"),
        (r"(Is this right\? given .*?\[yes/no/skip\] )+", "Is this right? [answers] [yes/no/skip] "),
        (r"(?m)(^  examples/asked: .*\n)+", "  examples/asked: [answers]\n"),
        (r"examples  PASSED   \d+", "examples  PASSED   3"),
        (r" *\b\d+ ms\b *", " [n] ms  "),
        (r"\btook *", "took  "),
        (r"confinement  .*", "confinement      [cage]"),
        (r"\b\d+ bytes\b", "[n] bytes"),
        (r"(?m)^(engine|second wall|toolchain) +.*$", "$1  [of this machine]"),
        (r"(?m)^   (wall_ms|cpu_ms|memory_bytes) +\d+ +(\d+)$", "   $1 [n] of $2"),
    ] {
        settings.add_filter(pattern, name);
    }
    settings
}

/// What a command prints in a pipe that is laid out for a screen, as a snapshot for each width.
#[track_caller]
fn screens(workspace: &Workspace, name: &str, args: &[&str]) {
    for columns in COLUMNS {
        let mut command = workspace.command_with(args);
        let called: Called = command.env("COLUMNS", columns.to_string()).output().unwrap().into();
        let shown = called.expect(0).stdout;
        settings().bind(|| insta::assert_snapshot!(format!("screen_{name}_{columns}"), shown));
    }
}

/// What a person is asked on a terminal, up to their answers, as a snapshot for each width.
fn question(workspace: &Workspace, name: &str, id: &str) {
    let answers = "skip\n".repeat(asked(workspace, id)) + "n\n";
    for columns in COLUMNS {
        let kavi = env!("CARGO_BIN_EXE_kavi");
        // Answers are not repeated on the screen: when they arrive is not the same twice.
        let size = format!("stty -echo rows 1000 cols {columns}; echo BEGIN");
        let line = format!("{size}; exec {kavi} promote-skill {id} --approved-by ada");
        let like = workspace.command();
        let mut script = Command::new("script");
        script.args(["-qec", &line, "/dev/null"]).current_dir(workspace.path()).env_clear();
        script.envs(like.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("NO_COLOR", "1");
        let called = feed(script, &answers);
        assert_eq!(called.code, 3, "{called:?}");
        let shown = called.stdout.replace('\r', "");
        let shown = shown.split_once("BEGIN\n").unwrap_or_else(|| panic!("{shown}")).1;
        settings().bind(|| insta::assert_snapshot!(format!("screen_{name}_{columns}"), shown));
    }
}

#[test]
fn what_is_decided_about_a_skill() {
    let workspace = Workspace::new();
    let first = workspace.verified(&PEEK);
    question(&workspace, "promote_first", &first);
    screens(&workspace, "show_verified", &["show", "peek"]);
    workspace.json(&["promote-skill", &first, "--approved-by", "ada", "--yes"]).expect(0);
    let mut client = Client::open(&workspace, "2025-11-25", json!({}));
    let spec = json!({
        "name": "peek",
        "description": "Reads the beginning of a note",
        "why": "Notes of my user are long, and I only need how they begin. The whole of them fills my context.",
        "side_effect_class": "READ_ONLY",
        "io": { "input": { "path": "str", "most": "int?" }, "output": { "text": "str" } },
    });
    let proposed = client.call("propose_skill", spec)["result"]["structuredContent"].take();
    client.close();
    let id = proposed["proposal"].as_str().unwrap_or_else(|| panic!("{proposed}"));
    screens(&workspace, "inbox_proposed", &["inbox", "--since", "0s"]);
    workspace.import(id, &workspace.source("peek", NEXT)).expect(0);
    screens(&workspace, "diff", &["diff", "peek"]);
    screens(&workspace, "diff_stat", &["diff", "peek", "--stat"]);
    workspace.json(&["verify-skill", id]).expect(0);
    question(&workspace, "promote_next", id);
    screens(&workspace, "show_next", &["show", id]);
}

#[test]
fn what_happened_and_what_waits() {
    let workspace = Workspace::trusted();
    std::fs::write(workspace.vault("Inbox/AI/old.md"), "# Old\n\nA line that stays.\n").unwrap();
    let long = "Inbox/AI/A name that somebody gave a note without thinking of screens.md";
    let note = |path: &str| json!({ "path": path, "title": "Title", "body": "Body\n\nA line that stays." }).to_string();
    workspace.json(&["run-skill", "write_note", "--json", &note("Inbox/AI/new.md")]).expect(0);
    for path in ["Inbox/AI/old.md", long] {
        workspace.json(&["run-skill", "write_note", "--json", &note(path), "--hold"]).expect(0);
    }
    workspace.run("peek", json!({ "path": "Projects/There is no such note in this vault.md" })).expect(5);
    screens(&workspace, "tail", &["tail-executions"]);
    screens(&workspace, "inbox", &["inbox", "--since", "1d"]);
    screens(&workspace, "effects_list", &["effects", "list"]);
    let held = workspace.json(&["effects", "list"]).expect(0).json();
    let held = held["effects"][0]["id"].as_str().unwrap();
    screens(&workspace, "effects_show", &["effects", "show", held]);
    let runs = workspace.json(&["tail-executions", "--only-failures"]).expect(0).json();
    screens(&workspace, "show_run", &["show", runs["executions"][0]["execution_id"].as_str().unwrap()]);
}
