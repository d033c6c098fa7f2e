//! Small notes that public reports and vaults led to, read by the skills that come with Kavi as Obsidian reads them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::support::Workspace;
use crate::support::shipped::fresh;

/// A note, and tags with whether Obsidian says that it has them.
const TAGS: [(&str, &[(&str, bool)]); 14] = [
    ("> [!note]\n> ```css\n> color: #t01x;\n> #t01y\n> ```\n", &[("t01x", false), ("t01y", false)]),
    ("````md\n```\n#t03x\n```\n````\n#t03y\n", &[("t03x", false), ("t03y", true)]),
    ("a <!-- #t05x --> b\n\n<!--\n#t05y\n-->\n#t05z\n", &[("t05x", false), ("t05y", false), ("t05z", true)]),
    (
        "---\n{\n  \"tags\": [\"t06x\", \"a/t06y\"],\n  \"publish\": false\n}\n---\ntext\n",
        &[("t06x", true), ("a/t06y", true)],
    ),
    ("---\ntags:\n  - t08x\n\n  - t08y\n---\n", &[("t08x", true), ("t08y", true)]),
    ("---\ntags: null\n---\n", &[("null", false)]),
    ("#⭐ #⏳/wait #⏰\n", &[("⭐", true), ("⏳/wait", true), ("⏰", true)]),
    ("#น้ำ #हिन्दी\n", &[("น้ำ", true), ("हिन्दी", true)]),
    ("see [[Some note #t15x]] and [here](<My note.md #t15y>)\n", &[("t15x", false), ("t15y", false)]),
    ("Text.\n\n    #t16x in an indented block\n\nEnd.\n", &[("t16x", false)]),
    ("```#t18x``` and #t18y\n\n#t18z\n", &[("t18x", false), ("t18y", true), ("t18z", true)]),
    ("`a\n#t19x b`\n", &[("t19x", false)]),
    ("#2031/07\n", &[("2031/07", true), ("2031", true)]),
    ("$$\n#t21x\n$$\n%% #t21y %% #t21z\n", &[("t21x", false), ("t21y", false), ("t21z", true)]),
];

/// A note, a sentence that its summary has, and a text that it has not.
const SUMMARIES: [(&str, &str, &str); 5] = [
    (
        "> [!tip]\n> ```sh\n> remove the old cache folder now please.\n> ```\n\nBeds need water.\n",
        "Beds need water.",
        "remove the old",
    ),
    ("<!--\nThe hidden remark has words.\n-->\nBeds need water.\n", "Beds need water.", "hidden remark"),
    ("````md\n```\ninner code words.\n```\n````\nBeds need water.\n", "Beds need water.", "inner code"),
    ("```one line of code``` is inline.\n\nBeds need water.\n", "Beds need water.", "no such text"),
    ("One is here. <!-- hidden remark --> Two is here.\n", "Two is here.", "hidden remark"),
];

fn workspace() -> &'static Workspace {
    static SHARED: OnceLock<Workspace> = OnceLock::new();
    SHARED.get_or_init(|| {
        let workspace = fresh();
        for (at, (text, _)) in TAGS.iter().enumerate() {
            put(&workspace, format!("tags/{at}.md").as_bytes(), text.as_bytes());
        }
        for (at, (text, ..)) in SUMMARIES.iter().enumerate() {
            put(&workspace, format!("sums/{at}.md").as_bytes(), text.as_bytes());
        }
        for name in NAMES.iter().map(|name| name.as_bytes()).chain([LONG.as_bytes(), NO_UTF8]) {
            put(&workspace, &[b"names/", name].concat(), b"qqnames #qqnames\n");
        }
        put(&workspace, &[b"names/", "d/".repeat(20).as_bytes(), b"deep.md"].concat(), b"qqnames #qqnames\n");
        put(&workspace, b"zero/good.md", b"good zebrafishq note #ztagq\n");
        put(&workspace, b"zero/nul.md", b"bad zebrafishq \0\0 note #ztagq\n");
        let utf16: Vec<u8> = "\u{feff}zebrafishq #ztagq".encode_utf16().flat_map(u16::to_le_bytes).collect();
        put(&workspace, b"zero/utf16.md", &utf16);
        for (name, text) in
            [("hi", "हिन्दी भाषा"), ("hi2", "हिन दी"), ("star", "Rated ⭐ today"), ("nfd", "cafe\u{301}")]
        {
            put(&workspace, format!("words/{name}.md").as_bytes(), text.as_bytes());
        }
        workspace
    })
}

const NAMES: [&str; 5] = ["🗂\u{fe0f} a.md", "❤\u{fe0f} folder/c.md", "👩\u{200d}💻.md", "می\u{200c}خواهم.md", " g.md"];
const LONG: &str = concat!(
    "長長長長長長長長長長長長長長長長長長長長長長長長長長長長長長長長長長長",
    "長長長長長長長長長長長長長長長長長長長長長長長長長長長長長長長長長長長.md"
);
const NO_UTF8: &[u8] = b"h\xff.md";

fn put(workspace: &Workspace, path: &[u8], bytes: &[u8]) {
    let place = workspace.vault("").join(OsStr::from_bytes(path));
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::write(place, bytes).unwrap();
}

#[track_caller]
fn output(skill: &str, input: Value) -> Value {
    workspace().run(skill, input).expect(0).json()["output"].take()
}

fn paths(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|item| item["path"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn tags_are_those_of_obsidian() {
    let mut wrong = Vec::new();
    for (at, (text, tags)) in TAGS.iter().enumerate() {
        for (tag, expected) in *tags {
            let found = output("read_notes_by_tag", json!({ "tag": tag, "folder": "tags" }));
            if paths(&found["notes"]).contains(&format!("tags/{at}.md")) != *expected {
                wrong.push(format!("{text:?}: {tag}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn summaries_have_what_is_said_and_nothing_hidden() {
    for (at, (text, expected, hidden)) in SUMMARIES.iter().enumerate() {
        let path = format!("sums/{at}.md");
        let summary = output("summarize_note", json!({ "path": path, "max_sentences": 20 }));
        let summary = summary["summary"].as_str().unwrap();
        assert!(summary.contains(expected) && !summary.contains(hidden), "{text:?}: {summary}");
    }
}

#[test]
fn no_name_makes_a_note_invisible() {
    let found = output("search_notes", json!({ "query": "qqnames", "folder": "names", "top_k": 50 }));
    let found_paths = paths(&found["hits"]);
    for name in NAMES.iter().chain([&LONG, &r"h\xFF.md"]) {
        assert!(found_paths.contains(&format!("names/{name}")), "{name}: {found_paths:?}");
    }
    assert!(found_paths.contains(&format!("names/{}deep.md", "d/".repeat(20))), "{found_paths:?}");
    assert_eq!(found["skipped"], 0);
    let read = output("summarize_note", json!({ "path": r"names/h\xFF.md" }));
    assert_eq!(read["title"], r"h\xFF");
    let tagged = output("read_notes_by_tag", json!({ "tag": "qqnames", "folder": "names" }));
    assert_eq!(tagged["total"], NAMES.len() + 3);
}

#[test]
fn a_note_that_is_no_text_ends_no_search() {
    let unread = json!([{ "path": "zero/utf16.md", "reason": "`zero/utf16.md` is UTF-16 text; save it as UTF-8" }]);
    let found = output("search_notes", json!({ "query": "zebrafishq", "folder": "zero" }));
    assert_eq!(paths(&found["hits"]).len(), 2);
    assert_eq!((&found["skipped"], &found["unread"]), (&json!(1), &unread));
    let found = output("read_notes_by_tag", json!({ "tag": "ztagq", "folder": "zero" }));
    assert_eq!((&found["total"], &found["skipped"], &found["unread"]), (&json!(2), &json!(1), &unread));
}

#[test]
fn words_are_found_in_every_script_and_form() {
    let found = |query: &str| paths(&output("search_notes", json!({ "query": query, "folder": "words" }))["hits"]);
    assert_eq!(found("हिन्दी"), ["words/hi.md"]);
    assert_eq!(found("⭐"), ["words/star.md"]);
    assert_eq!(found("caf\u{e9}"), ["words/nfd.md"]);
    assert_eq!(found("CAFE\u{301}"), ["words/nfd.md"]);
}

#[test]
fn arguments_are_taken_as_models_send_them_and_recorded_as_given() {
    let given = json!({ "query": "qqnames", "folder": "names", "top_k": "2", "offset": null });
    let ran = workspace().run("search_notes", given.clone()).expect(0).json();
    assert_eq!(ran["output"]["hits"].as_array().map(Vec::len), Some(2));
    assert_eq!(ran["output"]["next_offset"], 2);
    let id = ran["execution_id"].as_str().unwrap();
    let replayed = workspace().json(&["replay", "--execution-id", id]).expect(0).json();
    assert_eq!(replayed["output"], ran["output"], "{replayed}");
    let record = "SELECT json_object('given', json(input_json), 'taken', json_extract(said_json, '$.coerced'))
                  FROM executions WHERE execution_id = ?1";
    let record: String = workspace().ledger().query_row(record, [id], |row| row.get(0)).unwrap();
    let record: Value = serde_json::from_str(&record).unwrap();
    let coerced = json!([{ "at": "/offset", "taken": null }, { "at": "/top_k", "taken": 2 }]);
    assert_eq!(record, json!({ "given": given, "taken": coerced }));
    // Where there is a doubt, nothing is taken for anything.
    workspace().run("search_notes", json!({ "query": "x", "top_k": "two" })).expect(2);
    // A person was told before they trusted it.
    let shown = workspace().call(&["show", "search_notes"]).expect(0);
    assert!(shown.stdout.contains("takes \"5\" for 5"), "{shown:?}");
}
