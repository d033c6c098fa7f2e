//! Proposals: which names, classes, schemas, paths and examples are taken, and why others are refused.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::command_line::proposal;
use crate::support::{NOTE_SCHEMA, PEEK, Workspace};

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

    for class in ["READ_ONLY", "FILE_WRITE", "NETWORK", "MESSAGING", "MONEY"] {
        let more = ["--required-secrets", "[\"API_TOKEN\"]", "--path=Inbox"];
        let more = if class == "FILE_WRITE" { &more[..] } else { &more[..2] };
        let error = workspace.refused(&proposal("x", class, NOTE_SCHEMA, more), 2);
        assert!(error["message"].as_str().unwrap().contains("gets no secrets"), "{class}: {error}");
    }
    for secrets in ["API_TOKEN", "{}", "[1]", "[\"lower\"]", "[\"A B\"]", "[\"\"]", "[\"A=B\"]", "[\"A\\n\"]"] {
        workspace.refused(&proposal("x", "SECRET_READ", NOTE_SCHEMA, &["--required-secrets", secrets]), 2);
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
fn hosts_and_secrets_are_named_one_rule_each_and_shown_as_they_are_granted() {
    let workspace = Workspace::new();
    fn propose<'a>(name: &'a str, class: &'a str, more: &[&'a str]) -> Vec<&'a str> {
        proposal(name, class, NOTE_SCHEMA, more)
    }
    let rule = "GET https://api.example.com/v1/**";
    let network = workspace.json(&propose("fetch", "NETWORK", &["--host", rule])).expect(0).json();
    assert_eq!(network["spec"]["hosts"], json!([rule]));
    // A host takes the vault away, and nothing is stored for a default.
    assert_eq!(network["spec"].get("reads"), None);
    let human = workspace.call(&propose("fetch", "NETWORK", &["--host", rule, "--reads", "vault"])).expect(0).stdout;
    assert!(human.contains(&format!("it reads the whole vault, writes none and reaches {rule}")), "{human}");
    let secret = ["--host", rule, "--secret", "API_TOKEN https://api.example.com header:X-Key"];
    let bound = workspace.json(&propose("bound", "SECRET_READ", &secret)).expect(0).json();
    assert_eq!(bound["spec"]["required_secrets"], json!(["API_TOKEN"]));
    assert_eq!(bound["spec"]["secrets"][0]["place"], "header:x-key");
    let private = ["--host", "GET http://localhost:8080/**", "--allow-private", "localhost:8080 -> 127.0.0.1"];
    workspace.json(&propose("local", "NETWORK", &private)).expect(0);
    for (class, more) in [
        ("NETWORK", &[][..]),
        ("READ_ONLY", &["--host", rule]),
        ("FILE_WRITE", &["--path", "Inbox", "--host", rule]),
        ("NETWORK", &["--host", "GET https://*.com/**"]),
        ("NETWORK", &["--host", "GET http://api.example.com/**"]),
        ("NETWORK", &["--host", "GET https://127.0.0.1/**"]),
        ("NETWORK", &["--host", rule, "--allow-private", "other:443 -> 127.0.0.1"]),
        ("NETWORK", &["--host", rule, "--reads", "everything"]),
        ("NETWORK", &["--host", rule, "--secret", "API_TOKEN https://api.example.com bearer"]),
        ("SECRET_READ", &["--host", rule]),
        ("SECRET_READ", &["--host", rule, "--secret", "API_TOKEN https://evil.example bearer"]),
        ("SECRET_READ", &["--host", rule, "--secret", "API_TOKEN https://api.example.com path:/x"]),
    ] {
        workspace.refused(&propose("x", class, more), 2);
    }
}

#[test]
fn a_proposal_can_begin_with_another_specification() {
    let workspace = Workspace::trusted();
    let proposed = |args: &[&str]| workspace.json(&[&["propose-skill"], args].concat());
    let spec = proposed(&["--from", "write_note@1", "--path", "Inbox", "--desc", "Writes elsewhere"]).expect(0).json();
    let base = workspace.show("write_note@1")["spec"].take();
    let spec = &spec["spec"];
    assert_eq!((spec["description"].as_str(), &spec["paths"]), (Some("Writes elsewhere"), &json!(["Inbox"])));
    for kept in ["name", "side_effect_class", "io", "examples"] {
        assert_eq!(spec[kept], base[kept], "{kept}");
    }
    let schema = r#"{"input":{"text":"str"},"output":{"text":"str"}}"#;
    let renamed = proposed(&["--from", "peek", "--name", "peek_two", "--io-schema-json", schema]).expect(0).json();
    assert_eq!(renamed["spec"]["name"], "peek_two");
    assert!(renamed["spec"]["io"]["input"]["properties"]["text"].is_object(), "{renamed}");
    for refused in [
        &["--from", "nothing_like_it"][..],
        &["--from", "peek", "--spec", "spec.json"],
        &["--from", "peek", "--host", "GET https://api.example.com/**"],
        &["--from", "peek", "--name", "Not A Name"],
        &["--from", "peek", "--io-schema-json", "{"],
    ] {
        proposed(refused).expect(2);
    }
}

#[test]
fn a_new_crate_has_the_types_of_the_open_proposal() {
    let workspace = Workspace::new();
    let schema =
        r#"{"input":{"text":"str","top-k":"int?","of":{"x":"list[float]"}},"output":{"found":"dict[str,int]"}}"#;
    let id = workspace.propose("counted", "READ_ONLY", schema, &[]);
    workspace.call(&["new", "counted"]).expect(0);
    let source = fs::read_to_string(workspace.path().join("skills/counted/src/lib.rs")).unwrap();
    assert!(source.contains("struct InputOf {\n    x: Vec<f64>,\n}"), "{source}");
    assert!(source.contains("#[serde(rename = \"top-k\")]\n    top_k: Option<i64>,"), "{source}");
    workspace.json(&["build-skill", &id, "--from", "skills/counted"]).expect(0);
    // What it is to do is not written: the gates refuse it, and only for that.
    let verification = workspace.json(&["verify-skill", &id]).expect(4).json();
    let compiled = verification["gates"].as_array().unwrap().iter().find(|gate| gate["gate"] == "compile").unwrap();
    assert_eq!(compiled["status"], "PASSED", "{verification:#}");
}
