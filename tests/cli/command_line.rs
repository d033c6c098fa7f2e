//! The command line: what it takes, what it refuses, how it says so, and where it finds its workspace.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::support::{self, Called, NOTE_SCHEMA, PEEK, Workspace, feed, kavi};

/// Every verb with its aliases, and the least that it takes.
const VERBS: [(&str, &[&str]); 34] = [
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
    ("check-invariants", &[]),
    ("promote-skill", &["promote"]),
    ("rollback", &[]),
    ("revoke", &[]),
    ("stop", &[]),
    ("resume", &[]),
    ("list-skills", &["list", "skills"]),
    ("run-skill", &["run"]),
    ("consume-chain", &["chain"]),
    ("replay", &[]),
    ("consume-skill", &[]),
    ("tail-executions", &["tail"]),
    ("session", &[]),
    ("export-executions", &[]),
    ("prune", &[]),
    ("effects", &[]),
    ("mcp", &[]),
    ("undo", &[]),
    ("show", &[]),
    ("status", &[]),
    ("doctor", &[]),
    ("rebuild", &[]),
    ("setup", &[]),
    ("cache", &[]),
];

fn words(text: &str) -> Vec<&str> {
    text.split(' ').filter(|word| !word.is_empty()).collect()
}

/// A proposal that is fine but for what the test changes.
fn proposal<'a>(name: &'a str, class: &'a str, schema: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut args = vec!["propose-skill", "--name", name, "--desc", "Does something", "--side-effect", class];
    args.extend(["--io-schema-json", schema]);
    args.extend(more);
    args
}

#[test]
fn names_and_classes_that_cannot_be_are_refused() {
    let workspace = Workspace::new();
    for name in
        ["", "Write", "1a", "_a", "a-b", "a b", "../x", "a/b", "fn", "con", "kavi", "ünote", "a\n", &"a".repeat(65)]
    {
        let error = workspace.refused(&proposal(name, "READ_ONLY", PEEK.schema, &[]), 2);
        assert_eq!(error["kind"], "usage", "{name:?}");
        assert!(error["hint"].as_str().unwrap().contains("nothing was written"), "{name:?}");
    }
    for class in ["", "WRITE", "file_write", "READ_ONLY ", "ADMIN", "READ_ONLY,FILE_WRITE"] {
        let error = workspace.refused(&proposal("x", class, PEEK.schema, &["--path", "Inbox"]), 2);
        assert!(error["message"].as_str().unwrap().contains("not a side-effect class"), "{class:?}: {error}");
    }
    let desc =
        |text: &str| ["propose-skill", "--name", "x", "--desc", text, "--side-effect", "READ_ONLY"].map(str::to_owned);
    for text in ["", "   ", "a\u{200b}b", "a\u{1b}[31mb", &"x".repeat(2_001)] {
        let owned = desc(text);
        let mut args: Vec<&str> = owned.iter().map(String::as_str).collect();
        args.extend(["--io-schema-json", PEEK.schema]);
        workspace.refused(&args, 2);
    }
}

#[test]
fn a_whole_specification_is_taken_from_a_file() {
    let workspace = Workspace::new();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("skills/create_daily_note/spec.json");
    let proposed = workspace.json(&["propose-skill", "--spec", &shipped.to_string_lossy()]).expect(0).json();
    let written: Value = serde_json::from_slice(&fs::read(&shipped).unwrap()).unwrap();
    for member in ["name", "description", "side_effect_class", "paths", "reads_clock", "examples"] {
        assert_eq!(proposed["spec"][member], written[member], "{member}");
    }
    let human = workspace.call(&["propose-skill", "--spec", &shipped.to_string_lossy()]).expect(0);
    assert!(human.stdout.contains("it asks what time it is"), "{human:?}");
    // What a proposal leaves as its artifact is such a file, and means the same.
    let put = |value: &Value| fs::write(workspace.path().join("spec.json"), value.to_string()).unwrap();
    put(&proposed["spec"]);
    let again = workspace.json(&["propose-skill", "--spec", "spec.json"]).expect(0).json();
    assert_eq!(again["spec"], proposed["spec"]);
    assert_eq!(again["spec_sha256"], proposed["spec_sha256"]);

    let without = |member: &str| {
        let mut spec = written.clone();
        spec.as_object_mut().unwrap().remove(member);
        spec
    };
    let with = |member: &str, value: Value| {
        let mut spec = written.clone();
        spec[member] = value;
        spec
    };
    for (spec, why) in [
        (without("name"), "name"),
        (without("io"), "io"),
        (without("paths"), "at least one vault folder"),
        (with("version", json!(1)), "version"),
        (with("v", json!(2)), "its version is 2"),
        (with("side_effect_class", json!("WRITE")), "not a side-effect class"),
        (with("paths", json!(["../x"])), ".."),
        (with("io", json!({ "input": { "a": "str" } })), "output"),
        (with("examples", json!([{ "name": "x", "input": { "a": 1 }, "expect": { "ok": {} } }])), "example `x`"),
        (with("reads_clock", json!("yes")), "boolean"),
        (json!([]), "not a specification"),
    ] {
        put(&spec);
        let error = workspace.refused(&["propose-skill", "--spec", "spec.json"], 2);
        assert!(error["message"].as_str().unwrap().contains(why), "{why}: {error}");
    }
    fs::write(workspace.path().join("spec.json"), r#"{"name":"a","name":"b"}"#).unwrap();
    workspace.refused(&["propose-skill", "--spec", "spec.json"], 2);
    workspace.refused(&["propose-skill", "--spec", "nowhere.json"], 2);
    // Not both: nobody could say which of them holds.
    let both = ["propose-skill", "--spec", "spec.json"];
    for more in [["--name", "x"], ["--desc", "x"], ["--path", "Inbox"], ["--required-test", "x"]] {
        workspace.call(&[&both[..], &more].concat()).expect(2);
    }
    workspace.call(&[&both[..], &["--reads-clock"]].concat()).expect(2);
    workspace.call(&["propose-skill", "--name", "x"]).expect(2);
}

#[test]
fn schemas_that_say_too_little_or_too_much_are_refused() {
    let workspace = Workspace::new();
    let object = |properties: &str| {
        format!(
            r#"{{"input":{{"type":"object","properties":{properties},"required":["a"],"additionalProperties":false}},"output":{{"a":"str"}}}}"#
        )
    };
    for (schema, why) in [
        ("", "invalid JSON"),
        ("nonsense", "invalid JSON"),
        ("{", "invalid JSON"),
        ("[]", ""),
        ("{}", "input"),
        (r#"{"input":{"a":"str"}}"#, "output"),
        (r#"{"input":{"a":"str"},"output":{"a":"str"},"more":{}}"#, "more"),
        (r#"{"input":{"a":"str"},"input":{"a":"str"},"output":{"a":"str"}}"#, "input"),
        (r#"{"input":{"a":"sting"},"output":{"a":"str"}}"#, "sting"),
        // Vacuous: true, an empty schema, an open object, anything at all.
        (r#"{"input":true,"output":{"a":"str"}}"#, ""),
        (r#"{"input":{"a":"str"},"output":{"type":"object"}}"#, "/output"),
        (&object(r#"{"a":{}}"#), "/input"),
        (&object(r#"{"a":true}"#), "/input"),
        (
            r#"{"input":{"type":"object","properties":{"a":{"type":"string"}},"required":["b"],"additionalProperties":false},"output":{"a":"str"}}"#,
            "`b`",
        ),
        // References that lead away from the schema, or round in a circle.
        (&object(r#"{"a":{"$ref":"https://example.com/schema.json"}}"#), "https://example.com"),
        (&object(r#"{"a":{"$ref":"file:///etc/passwd"}}"#), "file:///etc/passwd"),
        (&object(r#"{"a":{"$ref":"other.json#/a"}}"#), "other.json"),
        (&object(r##"{"a":{"$ref":"#"}}"##), ""),
        (&object(r#"{"a":{"type":"string","pattern":"(a+)+$"}}"#).replace("(a+)+$", "["), ""),
        (&object(r#"{"a":{"type":"string","minLength":5,"maxLength":2}}"#), ""),
        (&object(r#"{"a":{"type":"string","unknownKeyword":1}}"#), "unknownKeyword"),
    ] {
        let error = workspace.refused(&proposal("x", "READ_ONLY", schema, &[]), 2);
        assert!(error["message"].as_str().unwrap().contains(why), "{schema}: {error}");
        assert!(error["hint"].as_str().unwrap().contains("--io-schema-json"), "{schema}: {error}");
    }
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    workspace.refused(&proposal("x", "READ_ONLY", &deep, &[]), 2);
    workspace.refused(&proposal("x", "READ_ONLY", "@nowhere.json", &[]), 2);
    fs::write(workspace.path().join("latin.json"), b"{\"input\":\xff}").unwrap();
    workspace.refused(&proposal("x", "READ_ONLY", "@latin.json", &[]), 2);
}

#[test]
fn paths_secrets_and_examples_that_do_not_fit_are_refused() {
    let workspace = Workspace::new();
    for path in [
        "",
        "/",
        "/etc",
        "..",
        "../x",
        "Inbox/../../x",
        "Inbox/./AI",
        ".git",
        "Inbox/.hidden",
        "a\\b",
        "a\nb",
        "Inbox/ ",
        "~/x/\u{202e}",
    ] {
        workspace.refused(&proposal("x", "FILE_WRITE", NOTE_SCHEMA, &["--path", path]), 2);
    }
    workspace.refused(&proposal("x", "FILE_WRITE", NOTE_SCHEMA, &[]), 2);
    for class in ["READ_ONLY", "NETWORK", "SECRET_READ", "MESSAGING", "MONEY"] {
        workspace.refused(&proposal("x", class, NOTE_SCHEMA, &["--path", "Inbox"]), 2);
    }
    let many: Vec<String> = (0..17).map(|n| format!("--path=Folder{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    workspace.refused(&proposal("x", "FILE_WRITE", NOTE_SCHEMA, &many), 2);

    for class in ["READ_ONLY", "FILE_WRITE", "MESSAGING", "MONEY"] {
        let more = ["--required-secrets", "[\"API_TOKEN\"]", "--path=Inbox"];
        let more = if class == "FILE_WRITE" { &more[..] } else { &more[..2] };
        let error = workspace.refused(&proposal("x", class, NOTE_SCHEMA, more), 2);
        assert!(error["message"].as_str().unwrap().contains("gets no secrets"), "{class}: {error}");
    }
    for secrets in ["API_TOKEN", "{}", "[1]", "[\"lower\"]", "[\"A B\"]", "[\"\"]", "[\"A=B\"]", "[\"A\\n\"]"] {
        workspace.refused(&proposal("x", "NETWORK", NOTE_SCHEMA, &["--required-secrets", secrets]), 2);
    }

    let put = |name: &str, text: &str| fs::write(workspace.path().join(name), text).unwrap();
    put("in.json", r#"{"path":"Inbox/AI/a.md","title":"T","body":"B"}"#);
    put("out.json", r#"{"written_path":"Inbox/AI/a.md","sha256":"x"}"#);
    put("off.json", r#"{"path":5}"#);
    put("bad.json", "{");
    put("case.json", r#"{"name":"c","input":{"path":"a","title":"T","body":"B"},"expect":{"err":"no-such-kind"}}"#);
    put(
        "elsewhere.json",
        r#"{"name":"c","input":{"path":"a","title":"T","body":"B"},"expect":{"err":"denied"},"files":{"Projects/a.md":"x"}}"#,
    );
    put(
        "escape.json",
        r#"{"name":"c","input":{"path":"a","title":"T","body":"B"},"vault":{"../a.md":"x"},"expect":{"err":"denied"}}"#,
    );
    put(
        "unknown.json",
        r#"{"name":"c","input":{"path":"a","title":"T","body":"B"},"expect":{"err":"denied"},"surprise":1}"#,
    );
    for example in [
        "nowhere.json=out.json",
        "in.json=nowhere.json",
        "off.json=out.json",
        "in.json=off.json",
        "bad.json=out.json",
        "in.json=bad.json",
        "in.json",
        "case.json",
        "elsewhere.json",
        "escape.json",
        "unknown.json",
    ] {
        workspace.refused(&proposal("x", "FILE_WRITE", NOTE_SCHEMA, &["--path", "Inbox/AI", "--example", example]), 2);
    }
    let good = ["--path", "Inbox/AI", "--example", "in.json=out.json"];
    workspace.json(&proposal("x", "FILE_WRITE", NOTE_SCHEMA, &good)).expect(0);
}

#[test]
fn a_proposal_is_a_spec_on_disk_and_in_the_ledger() {
    let workspace = Workspace::new();
    fs::write(workspace.path().join("schema.json"), NOTE_SCHEMA).unwrap();
    let more = ["--path", "Inbox/AI", "--path", "Projects/Kavi"];
    let made = workspace.json(&proposal("write_note", "FILE_WRITE", "@schema.json", &more)).expect(0).json();
    assert_eq!(made["status"], "PROPOSED");
    assert_eq!(made["spec"]["paths"], json!(["Inbox/AI", "Projects/Kavi"]));
    let path = format!("artifacts_out/write_note/{}/SKILL_SPEC.json", made["id"].as_str().unwrap());
    let bytes = fs::read(workspace.path().join(path)).unwrap();
    assert_eq!(made["spec_sha256"], kavi::model::digest::Digest::of(&bytes).to_string());
    let spec: Value = serde_json::from_slice(&bytes).unwrap();
    assert_eq!(spec, made["spec"]);
    assert_eq!(spec["io"]["input"]["additionalProperties"], false, "the shorthand is written out");
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
        for alias in aliases {
            assert_eq!(workspace.call(&[alias, "--help"]).expect(0).stdout, help.stdout, "{alias}");
        }
    }
    let help = workspace.call(&["--help"]).expect(0).stdout;
    for (verb, aliases) in VERBS {
        let line = help.lines().find(|line| words(line).first() == Some(&verb));
        let line = line.unwrap_or_else(|| panic!("{verb} is not in the help"));
        assert!(aliases.iter().all(|alias| line.contains(alias) || help.contains(alias)), "{line}");
    }
    assert!(help.contains("Examples:") && help.contains("Exit codes:"));
    let listed = help.lines().skip_while(|line| !line.starts_with("Commands:")).skip(1);
    let listed =
        listed.take_while(|line| !line.is_empty()).filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    assert_eq!(listed.count(), VERBS.len() + 1, "a verb is missing from this test (one line is clap's own help)");
    assert_eq!(workspace.call(&["--version"]).expect(0).stdout.trim(), format!("kavi {}", env!("CARGO_PKG_VERSION")));
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
fn the_workspace_is_found_upwards_by_option_and_by_environment() {
    let workspace = Workspace::trusted();
    let root = workspace.path().canonicalize().unwrap();
    let elsewhere = support::folder();
    let found = |mut command: Command| -> String {
        let called: Called = command.args(["status", "--json"]).output().unwrap().into();
        called.expect(0).json()["workspace"].as_str().unwrap().to_owned()
    };
    let expected = root.to_str().unwrap();
    let below = root.join("vault_out/Inbox/AI");
    assert_eq!(found(kavi(&root)), expected);
    assert_eq!(found(kavi(&below)), expected);
    let mut by_option = kavi(elsewhere.path());
    by_option.arg("--workspace").arg(&root);
    assert_eq!(found(by_option), expected);
    let mut relative = kavi(&below);
    relative.args(["--workspace", "../../.."]);
    assert_eq!(found(relative), expected);
    let mut by_environment = kavi(elsewhere.path());
    by_environment.env("KAVI_WORKSPACE", &root);
    assert_eq!(found(by_environment), expected);
    // The option wins over the environment, the environment over the folder.
    let other = Workspace::new();
    let other_root = other.path().canonicalize().unwrap();
    let mut both = kavi(&root);
    both.env("KAVI_WORKSPACE", other.path());
    assert_eq!(found(both), other_root.to_str().unwrap());
    let mut all = kavi(&root);
    all.env("KAVI_WORKSPACE", elsewhere.path()).arg("--workspace").arg(&other_root);
    assert_eq!(found(all), other_root.to_str().unwrap());

    // A relative path of a command is relative to where it is given, not to the workspace.
    fs::write(below.join("input.json"), r#"{"act":"write","path":"Inbox/AI/x.md"}"#).unwrap();
    let called: Called = kavi(&below).args(["run", "act", "--json", "@input.json"]).output().unwrap().into();
    called.expect(0);

    // None: each way says what it looked at, and what to do.
    for (name, value, option) in [("X", "x", None), ("KAVI_WORKSPACE", "nowhere", None), ("X", "x", Some("nowhere"))] {
        let mut command = kavi(elsewhere.path());
        command.env(name, value).args(["status", "--json"]).args(option.map(|path| format!("--workspace={path}")));
        let called: Called = command.output().unwrap().into();
        let error = called.expect(2).json()["error"].take();
        assert!(error["hint"].as_str().unwrap().contains("kavi init"), "{error}");
    }
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
}

#[test]
fn init_completes_and_never_replaces() {
    let folder = support::folder();
    let init = |args: &[&str]| -> Called { kavi(folder.path()).args(args).output().unwrap().into() };
    let first = init(&["init", "notes", "--json"]).expect(0).json();
    let written = first["written"].as_array().unwrap();
    assert!(written.contains(&json!("kavi.toml")) && written.contains(&json!(".kavi/ledger.db")), "{first}");
    let root = folder.path().join("notes");
    for there in [
        "kavi.toml",
        "vault_out/Inbox/AI",
        "skills/Cargo.toml",
        ".kavi/ledger.db",
        "registry.yaml",
        ".kavi/sdk/README.md",
    ] {
        assert!(root.join(there).exists(), "{there}");
    }
    fs::write(root.join("kavi.toml"), "# mine\nvault = \"vault_out\"\n").unwrap();
    fs::write(root.join("skills/rustfmt.toml"), "# mine\n").unwrap();
    fs::remove_dir_all(root.join("vault_out")).unwrap();
    let before = support::files(&root);
    let second = init(&["init", "notes", "--json"]).expect(0).json();
    assert_eq!(second["written"], json!([]));
    assert!(root.join("vault_out/Inbox/AI").is_dir());
    assert_eq!(fs::read_to_string(root.join("kavi.toml")).unwrap(), "# mine\nvault = \"vault_out\"\n");
    let mut after = support::files(&root);
    after.retain(|path, _| !path.starts_with("vault_out"));
    assert!(support::difference(&before, &after).iter().all(|one| one.contains("ledger.db-")));
    // Where a file is in the way, it is left there.
    fs::write(folder.path().join("file"), "mine").unwrap();
    assert_ne!(init(&["init", "file"]).code, 0);
    assert_eq!(fs::read_to_string(folder.path().join("file")).unwrap(), "mine");
}

#[test]
fn init_takes_a_vault_that_exists_and_makes_nothing_in_it() {
    let folder = tempfile::tempdir().unwrap();
    let init = |args: &[&str]| -> Called {
        let mut command = kavi(folder.path());
        command.env("HOME", folder.path()).args(args).output().unwrap().into()
    };
    let notes = folder.path().join("My \"Notes\"");
    fs::create_dir_all(notes.join("Projects")).unwrap();
    fs::write(notes.join("a.md"), "mine").unwrap();
    init(&["init", "work", "--vault", "My \"Notes\""]).expect(0);
    // Once more: nothing is missing.
    assert_eq!(init(&["init", "work", "--json"]).expect(0).json()["written"], json!([]));
    let mut left: Vec<_> = fs::read_dir(&notes).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["Projects", "a.md"]);
    let work = folder.path().join("work");
    assert!(!work.join("vault_out").exists());
    let status = init(&["--workspace", "work", "status", "--json"]).expect(0).json();
    assert_eq!(status["vault"], json!(notes.canonicalize().unwrap()), "{status}");
    // Refused: a vault that is not there, and a workspace that has one already.
    assert_eq!(init(&["init", "other", "--vault", "nowhere"]).code, 2);
    assert_eq!(init(&["init", "work", "--vault", "My \"Notes\""]).code, 2);
    assert!(!folder.path().join("other").exists());
    // In the settings, `~/` is the home folder.
    fs::write(work.join("kavi.toml"), "vault = \"~/My \\\"Notes\\\"\"\n").unwrap();
    let status = init(&["--workspace", "work", "status", "--json"]).expect(0).json();
    assert_eq!(status["vault"], json!(folder.path().join("My \"Notes\"")), "{status}");
}

#[test]
fn settings_that_kavi_does_not_know_are_refused() {
    let workspace = Workspace::trusted();
    let path = workspace.path().join("kavi.toml");
    let honest = fs::read_to_string(&path).unwrap();
    for (text, named) in [
        (format!("valut = \"x\"\n{honest}"), "valut"),
        (honest.replace("\"required\"\n\n", "\"off\"\n\n"), "off"),
        (honest.replace("wall_ms = 10000", "wall_s = 10"), "wall_s"),
        (honest.replace("wall_ms = 10000", "wall_ms = -1"), "wall_ms"),
        (honest.replace("wall_ms = 10000", "wall_ms = \"long\""), "wall_ms"),
        (honest.replace("max_turns = 40", "max_turn = 40"), "max_turn"),
        ("[limits".to_owned(), "kavi.toml"),
    ] {
        assert_ne!(text, honest);
        fs::write(&path, text).unwrap();
        for args in [&["status"][..], &["run-skill", "act", "--json", r#"{"act":"write","path":"Inbox/AI/a.md"}"#]] {
            let error = workspace.refused(args, 2);
            assert!(error["message"].as_str().unwrap().contains(named), "{named}: {error}");
        }
    }
    fs::remove_file(&path).unwrap();
    let error = workspace.refused(&["status"], 2);
    assert!(error["message"].as_str().unwrap().contains("no kavi.toml"), "{error}");
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
    let network = workspace.propose("network", "NETWORK", PEEK.schema, &[]);
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
    // `script` gives the child a terminal; it is part of every Linux that a person works on.
    let promote = |answer: &str| {
        let words = format!("{} promote-skill {id} --approved-by ada", env!("CARGO_BIN_EXE_kavi"));
        let mut command = Command::new("script");
        command
            .args(["-qec", &words, "/dev/null"])
            .current_dir(workspace.path())
            .env("KAVI_STATE_DIR", support::state_folder(workspace.path()))
            .env("KAVI_CACHE_DIR", support::cache());
        feed(command, answer)
    };
    if Command::new("script").arg("--version").output().is_err() {
        return;
    }
    for answer in ["\n", "n\n", "yep\n", "no\n"] {
        let asked = promote(answer);
        assert!(asked.stdout.contains("Trust exactly this?"), "{asked:?}");
        assert!(
            asked.stdout.contains("READ_ONLY") && asked.stdout.contains("sha256 "),
            "what is trusted is shown: {asked:?}"
        );
        assert_eq!((asked.code, workspace.status_of(&id).as_str()), (3, "VERIFIED"), "{answer:?}");
    }
    let asked = promote("yes\n");
    assert_eq!((asked.code, workspace.status_of(&id).as_str()), (0, "TRUSTED"), "{asked:?}");
}

#[test]
fn a_folder_that_is_no_text_is_no_workspace() {
    use std::os::unix::ffi::OsStrExt as _;
    let folder = support::folder();
    let odd = folder.path().join(std::ffi::OsStr::from_bytes(b"notes-\xff"));
    let made = feed(
        {
            let mut command = kavi(folder.path());
            command.arg("init").arg(&odd);
            command
        },
        "",
    );
    assert_eq!(made.code, 2, "{made:?}");
    assert!(made.stderr.contains("is not valid UTF-8"), "{made:?}");
    assert!(!odd.exists(), "nothing was made");
}

#[test]
fn the_ledger_is_its_owners() {
    use std::os::unix::fs::PermissionsExt as _;
    let workspace = Workspace::new();
    let mode = fs::metadata(workspace.path().join(".kavi/ledger.db")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
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

#[test]
fn the_vault_must_not_hold_the_workspace() {
    for vault in [".", "..", "/", ".kavi", ".kavi/store"] {
        let workspace = Workspace::new();
        let file = workspace.path().join("kavi.toml");
        let text = fs::read_to_string(&file).unwrap();
        let other = text.lines().filter(|line| !line.starts_with("vault")).collect::<Vec<_>>().join("\n");
        fs::write(&file, format!("vault = {vault:?}\n{other}\n")).unwrap();
        let error = workspace.refused(&["status"], 2);
        assert!(error["message"].as_str().unwrap().contains("a folder of its own"), "{vault}: {error}");
    }
}

/// Only root can make one.
#[test]
fn a_workspace_of_somebody_else_must_be_named() {
    let workspace = Workspace::new();
    let file = workspace.path().join("kavi.toml");
    if std::os::unix::fs::chown(&file, Some(65_534), None).is_err() {
        return;
    }
    let error = workspace.refused(&["status"], 3);
    assert!(error["message"].as_str().unwrap().contains("another user"), "{error}");
    let named = workspace.path().to_string_lossy().into_owned();
    workspace.call(&["status", "--workspace", &named]).expect(0);
}
