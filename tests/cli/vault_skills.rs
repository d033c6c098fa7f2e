//! The skills that come with Kavi: each goes through the whole forge from the files beside it, and then works on a vault as
//! somebody could have it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::collections::BTreeSet;
use std::fs;
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::engine;
use crate::support::shipped::{fresh, skill};
use crate::support::vault::{Facts, NEEDLE, SECRET, WIDE_NEEDLE, generate};
use crate::support::{self, Workspace, files};

const SEED: u64 = 20_260_102;
const NOTES: usize = 2_000;

/// All of them TRUSTED, and a vault of 2,000 notes, for skills that only read.
fn with_vault() -> &'static (Workspace, Facts) {
    static SHARED: OnceLock<(Workspace, Facts)> = OnceLock::new();
    SHARED.get_or_init(|| {
        let workspace = fresh();
        let outside = workspace.path().join("outside");
        let facts = generate(&workspace.vault(""), &outside, SEED, NOTES);
        (workspace, facts)
    })
}

/// What a skill answers.
#[track_caller]
fn output(workspace: &Workspace, skill: &str, input: Value) -> Value {
    let called = workspace.run(skill, input).expect(0);
    assert!(!called.stdout.contains(SECRET), "{called:?}");
    called.json()["output"].take()
}

fn paths(found: &Value) -> BTreeSet<String> {
    found.as_array().unwrap().iter().map(|item| item["path"].as_str().unwrap().to_owned()).collect()
}

/// What is said of links.
fn unread(paths: &[&str]) -> Value {
    let reason = "it is a link or a device, which is not followed";
    paths.iter().map(|path| json!({ "path": path, "reason": reason })).collect()
}

fn text_of(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| '?'));
    }
    text
}

#[test]
fn a_seed_gives_the_same_vault_and_another_one_another() {
    let folder = support::folder();
    let make = |name: &str, seed: u64| {
        let vault = folder.path().join(name);
        let facts = generate(&vault, &folder.path().join("outside"), seed, 150);
        (facts, files(&vault))
    };
    let first = make("a", 1);
    assert_eq!(first, make("b", 1));
    assert_ne!(first.1, make("c", 2).1);
    assert_eq!(first.0.notes.len(), 150);
    let sizes = || first.0.notes.values();
    assert!(sizes().any(|size| *size == 0) && sizes().any(|size| *size > 2 << 20));
    let read = |path: &String| fs::read(folder.path().join("a").join(path)).unwrap();
    let texts: Vec<Vec<u8>> = first.0.notes.keys().map(read).collect();
    assert!(texts.iter().any(|bytes| std::str::from_utf8(bytes).is_err()));
    for part in ["\r\n", "\u{feff}", "---\n", "東", "🎉", "[[", "```"] {
        assert!(texts.iter().any(|bytes| text_of(bytes).contains(part)), "{part:?}");
    }
    assert_eq!(first.0.links, 4);
}

#[test]
fn every_skill_that_is_shipped_becomes_trusted_and_runs() {
    let workspace = fresh();
    let note = json!({ "path": "Inbox/AI/hello.md", "title": "Hello", "body": "The tea is green. #tea" });
    assert_eq!(output(&workspace, "write_note", note)["written_path"], "Inbox/AI/hello.md");
    let day = output(&workspace, "create_daily_note", json!({}));
    assert_eq!(day["created"], true);
    let again = output(&workspace, "create_daily_note", json!({}));
    // Between the two it may have become tomorrow.
    assert!(again["created"] == false || again["path"] != day["path"], "{again}");
    let path = day["path"].as_str().unwrap();
    assert_eq!(fs::read_to_string(workspace.vault(path)).unwrap(), format!("# {}\n", day["date"].as_str().unwrap()));
    let tagged = output(&workspace, "read_notes_by_tag", json!({ "tag": "tea" }));
    assert_eq!(paths(&tagged["notes"]), ["Inbox/AI/hello.md".to_owned()].into());
    let found = output(&workspace, "search_notes", json!({ "query": "green tea" }));
    assert_eq!(found["hits"][0]["path"], "Inbox/AI/hello.md");
    let summary = output(&workspace, "summarize_note", json!({ "path": "Inbox/AI/hello.md", "max_sentences": 1 }));
    assert_eq!(summary["summary"], "- The tea is green.\n");
    let edit = json!({ "path": "Inbox/AI/hello.md", "action": "add_to_property", "key": "tags", "value": "drinks" });
    let edited = output(&workspace, "edit_note", edit);
    let read = output(&workspace, "read_note", json!({ "path": "Inbox/AI/hello.md" }));
    assert_eq!(read["notes"][0]["sha256"], edited["sha256"]);
    let text = "---\ntags:\n  - drinks\n---\n# Hello\n\nThe tea is green. #tea\n";
    assert_eq!(read["notes"][0]["text"], text);
    let listed = output(&workspace, "list_notes", json!({ "tag": "drinks" }));
    assert_eq!(paths(&listed["items"]), ["Inbox/AI/hello.md".to_owned()].into());
}

#[test]
fn the_daily_note_is_of_the_day_in_the_record() {
    let workspace = fresh();
    let run = workspace.run("create_daily_note", json!({ "offset_minutes": 0 })).expect(0).json();
    let id = run["execution_id"].as_str().unwrap();
    let clock: String = workspace
        .ledger()
        .query_row("SELECT clock FROM executions WHERE execution_id = ?1", [id], |row| row.get(0))
        .unwrap();
    assert_eq!(run["output"]["date"], clock[..10]);
}

#[test]
fn a_skill_that_asks_for_the_time_must_say_so() {
    let workspace = Workspace::new();
    let mut spec: Value =
        serde_json::from_slice(&fs::read(skill("create_daily_note").join("spec.json")).unwrap()).unwrap();
    spec["reads_clock"] = json!(false);
    let verify = |spec: &Value| {
        let mut spec = spec.clone();
        if spec["reads_clock"] == false {
            // Without the clock no example may name a time.
            for example in spec["examples"].as_array_mut().unwrap() {
                example.as_object_mut().unwrap().remove("now");
            }
        }
        fs::write(workspace.path().join("spec.json"), spec.to_string()).unwrap();
        let proposed = workspace.json(&["propose-skill", "--spec", "spec.json"]).expect(0).json();
        let id = proposed["id"].as_str().unwrap();
        let from = skill("create_daily_note").display().to_string();
        let build = ["build-skill", id, "--builder", "import", "--from", &from];
        let mut imported = workspace.json(&build);
        if spec["reads_clock"] == true {
            // It may do more than the last one: that is for a person to see first.
            let error = imported.expect(3).json();
            assert!(error["error"]["message"].as_str().unwrap().contains("PERMISSION_WIDENING"), "{error}");
            imported = workspace.json(&[&build[..], &["--acknowledge", "Ada Lovelace"]].concat());
        }
        imported.expect(0);
        (id.to_owned(), workspace.json(&["verify-skill", id]))
    };
    let (_, refused) = verify(&spec);
    assert_eq!(refused.code, 4, "{refused:?}");
    assert!(refused.stdout.contains("policy/clock"), "{refused:?}");
    // The same sources: what the gate said of them before does not stand for another specification.
    spec["reads_clock"] = json!(true);
    let (id, passed) = verify(&spec);
    assert_eq!(passed.code, 0, "{passed:?}");
    let shown = workspace.call(&["show", &id]).expect(0);
    assert!(shown.stdout.contains("asks what time it is"), "{shown:?}");
    spec["reads_clock"] = json!(false);
    assert_eq!(verify(&spec).1.code, 4);
}

#[test]
fn a_search_finds_what_is_there_and_ranks_as_native_code_does() {
    let (workspace, facts) = with_vault();
    let found = output(workspace, "search_notes", json!({ "query": NEEDLE, "top_k": 50 }));
    assert_eq!(paths(&found["hits"]), facts.needles);
    assert_eq!((&found["notes"], &found["skipped"]), (&json!(facts.notes.len()), &json!(facts.links)));
    let wide = output(workspace, "search_notes", json!({ "query": WIDE_NEEDLE, "top_k": 50 }));
    assert_eq!(paths(&wide["hits"]), facts.wide_needles);
    assert_eq!(
        output(workspace, "search_notes", json!({ "query": "canary", "folder": "Projects" })),
        json!({ "hits": [], "total": 0, "notes": facts.notes.keys().filter(|path| path.starts_with("Projects/")).count(), "skipped": 2,
            "unread": unread(&["Projects/inside", "Projects/outside"]) })
    );

    let query = format!("Brel 会議 garden {NEEDLE} ☕");
    let mut search = engine::Search::new(engine::Query::parse(&query).unwrap());
    let text = |path: &str| text_of(&fs::read(workspace.vault(path)).unwrap());
    facts.notes.keys().for_each(|path| search.add(path, &text(path)));
    assert_eq!(facts.notes.len(), NOTES);
    let found = output(workspace, "search_notes", json!({ "query": query, "top_k": 50 }));
    let native = search.best(50);
    assert_eq!(native.len(), 50);
    for (hit, native) in found["hits"].as_array().unwrap().iter().zip(&native) {
        assert_eq!(hit["path"], native.path);
        assert!((hit["score"].as_f64().unwrap() - native.score).abs() < 0.000_2, "{hit}: {native:?}");
        // What is shown stands there, byte for byte.
        let text = text(&native.path);
        let piece = |of: &Value| {
            let at = |end: &str| usize::try_from(of[end].as_u64().unwrap()).unwrap();
            text[at("start")..at("end")].to_owned()
        };
        assert_eq!(hit["snippet"]["text"], piece(&hit["snippet"]));
        for place in hit["matches"].as_array().unwrap() {
            let word = piece(place).to_lowercase();
            assert!(query.to_lowercase().contains(&word), "{word}");
        }
    }
}

#[test]
fn tags_are_those_that_were_put_there() {
    let (workspace, facts) = with_vault();
    for tag in ["project", "Project/KAVI", "todo", "日記", "café", "y2026", "people"] {
        let expected = facts.tagged(&tag.to_lowercase());
        assert!(expected.len() > 50, "{tag}");
        let mut found = BTreeSet::new();
        let mut offset = json!(0);
        while !offset.is_null() {
            let page = output(workspace, "read_notes_by_tag", json!({ "tag": tag, "limit": 100, "offset": offset }));
            assert_eq!((&page["total"], &page["skipped"]), (&json!(expected.len()), &json!(facts.links)), "{tag}");
            found.extend(paths(&page["notes"]));
            offset = page["next_offset"].clone();
        }
        assert_eq!(found, expected, "{tag}");
    }
    for none in ["no-tag", "created", "kavi"] {
        assert_eq!(output(workspace, "read_notes_by_tag", json!({ "tag": none }))["total"], 0, "{none}");
    }
}

#[test]
fn every_note_can_be_summed_up_in_its_own_words() {
    let (workspace, facts) = with_vault();
    let line = |path: &String| format!("{}\n", json!({ "path": path, "max_sentences": 2, "style": "paragraph" }));
    let lines = workspace.path().join("lines.jsonl");
    // Each third note, and those of an unusual size.
    let is_chosen = |at: usize, size: usize| at.is_multiple_of(3) || !(4..1 << 20).contains(&size);
    let numbered = facts.notes.iter().enumerate().filter(|(at, (_, size))| is_chosen(*at, **size));
    let chosen: Vec<(&String, &usize)> = numbered.map(|(_, note)| note).collect();
    fs::write(&lines, chosen.iter().map(|(path, _)| line(path)).collect::<String>()).unwrap();
    let batch = ["run-skill", "summarize_note", "--batch", "lines.jsonl", "--jobs", "2"];
    let called = workspace.json(&batch).expect(0);
    assert!(!called.stdout.contains(SECRET));
    let answers: Vec<Value> = called.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(answers.len() > NOTES / 3);
    for ((path, size), answer) in chosen.iter().zip(&answers) {
        let output = &answer["output"];
        assert_eq!(output["truncated"], json!(**size > 256 * 1024), "{path}: {answer}");
        let (chosen, of) = (output["sentences"].as_u64().unwrap(), output["of"].as_u64().unwrap());
        assert_eq!(chosen, of.min(2), "{path}");
        assert!(**size < 400 || of > 0, "{path}");
        // A sentence begins as it does in the note, whatever white space there is.
        let dense = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
        let note = dense(&text_of(&fs::read(workspace.vault(path)).unwrap()));
        let begins: String = dense(output["summary"].as_str().unwrap()).chars().take(12).collect();
        assert!(note.contains(&begins), "{path}: {answer}");
    }
    // A link is not followed, whatever it leads to.
    for link in ["Journal/secret.md", "Projects/outside/secret.md", "dangling.md", "Projects/inside/x.md"] {
        let refused = workspace.run("summarize_note", json!({ "path": link })).expect(5);
        assert!(!refused.stdout.contains(SECRET), "{refused:?}");
    }
}
