use super::*;
use kavi_sdk::testing::{call, seed};

fn vault() {
    seed(
        "a.md",
        "---\ndate: 2026-01-10\nstatus: Open\ntags: [project/kavi]\n---\n#Idea\n- [ ] one\n- [x] two\n",
    );
    seed(
        "n/b.md",
        "---\ncreated: 2025-12-31T10:00\nstatus: [done, old]\n---\n[[a]] and #idea [[Nowhere]]\n",
    );
    seed(
        "n/c d.md",
        "see [x](../a.md) ![[pic.png]] [y](https://example.org) #2031/07\n",
    );
    seed("n/pic.png", "");
    seed("n/other.txt", "#idea [[a]]");
}

fn list(input: Value) -> Value {
    vault();
    call(run, input).unwrap()
}

/// The paths of what is listed.
fn paths(input: Value) -> Vec<String> {
    let output = list(input);
    let items = output["items"].as_array().unwrap();
    let path = |item: &Value| item["path"].as_str().unwrap().to_owned();
    items.iter().map(path).collect()
}

fn names(input: Value) -> Vec<String> {
    let output = list(input);
    let items = output["items"].as_array().unwrap();
    let name = |item: &Value| {
        let name = item["name"].as_str().unwrap();
        item["count"]
            .as_u64()
            .map_or(name.to_owned(), |count| format!("{name} {count}"))
    };
    items.iter().map(name).collect()
}

#[test]
fn lists_notes_with_tags_and_dates() {
    let expected = json!({
        "total": 3,
        "items": [
            { "path": "a.md", "tags": ["project/kavi", "Idea"], "date": "2026-01-10" },
            { "path": "n/b.md", "tags": ["idea"], "date": "2025-12-31" },
            { "path": "n/c d.md", "tags": ["2031/07"] },
        ],
        "skipped": 0,
    });
    assert_eq!(list(json!({})), expected);
    assert_eq!(list(json!({ "what": "notes" })), expected);
}

#[test]
fn notes_are_filtered() {
    for (input, expected) in [
        (json!({ "folder": "n" }), vec!["n/b.md", "n/c d.md"]),
        (json!({ "tag": "#idea" }), vec!["a.md", "n/b.md"]),
        (json!({ "tag": "project" }), vec!["a.md"]),
        (json!({ "tag": "2031" }), vec!["n/c d.md"]),
        (json!({ "property": "STATUS" }), vec!["a.md", "n/b.md"]),
        (
            json!({ "property": "status", "value": "open" }),
            vec!["a.md"],
        ),
        (
            json!({ "property": "status", "value": "old" }),
            vec!["n/b.md"],
        ),
        (json!({ "property": "status", "value": "ol" }), vec![]),
        (json!({ "name": "C D" }), vec!["n/c d.md"]),
        (json!({ "name": "n" }), vec![]),
        (json!({ "since": "2026-01-10" }), vec!["a.md"]),
        (json!({ "since": "2026-01-11" }), vec![]),
        (json!({ "until": "2025-12-31" }), vec!["n/b.md"]),
        (json!({ "until": "2025-12-30" }), vec![]),
        (
            json!({ "since": "2025-01-01", "tag": "idea", "name": "b" }),
            vec!["n/b.md"],
        ),
    ] {
        assert_eq!(paths(input.clone()), expected, "{input}");
    }
}

#[test]
fn counts_tags_and_properties() {
    assert_eq!(
        names(json!({ "what": "tags" })),
        ["Idea 2", "2031/07 1", "project/kavi 1"]
    );
    assert_eq!(
        names(json!({ "what": "tags", "folder": "n" })),
        ["2031/07 1", "idea 1"]
    );
    assert_eq!(
        names(json!({ "what": "properties" })),
        ["status 2", "created 1", "date 1", "tags 1"]
    );
}

#[test]
fn a_tag_counts_once_in_a_note() {
    seed("x.md", "#t #T #u");
    let output = call(run, json!({ "what": "tags" })).unwrap();
    assert_eq!(
        output["items"],
        json!([{ "name": "t", "count": 1 }, { "name": "u", "count": 1 }])
    );
}

#[test]
fn lists_links() {
    let backlinks = list(json!({ "what": "backlinks", "path": "a.md" }));
    let start = "---\ncreated: 2025-12-31T10:00\nstatus: [done, old]\n---\n".len();
    assert_eq!(
        backlinks["items"],
        json!([
            { "path": "n/b.md", "name": "a", "start": start, "end": start + 5 },
            { "path": "n/c d.md", "name": "../a.md", "start": 4, "end": 16 },
        ])
    );
    assert_eq!(
        paths(json!({ "what": "backlinks", "path": "n/pic.png" })),
        ["n/c d.md"]
    );
    assert_eq!(
        paths(json!({ "what": "backlinks", "path": "n/b.md" })),
        Vec::<String>::new()
    );
    assert_eq!(names(json!({ "what": "unresolved" })), ["Nowhere"]);
    assert_eq!(
        names(json!({ "what": "unresolved", "path": "n/b.md" })),
        ["Nowhere"]
    );
    assert_eq!(
        names(json!({ "what": "unresolved", "path": "a.md" })),
        Vec::<String>::new()
    );
}

#[test]
fn a_note_is_no_backlink_of_itself() {
    seed("x.md", "[[x]] [[#here]]");
    seed("y.md", "[[x]]");
    let output = call(run, json!({ "what": "backlinks", "path": "x.md" })).unwrap();
    assert_eq!(output["total"], 1);
    assert_eq!(output["items"][0]["path"], "y.md");
}

#[test]
fn lists_tasks() {
    assert_eq!(names(json!({ "what": "tasks" })), ["one", "two"]);
    assert_eq!(names(json!({ "what": "tasks", "done": true })), ["two"]);
    let open = list(json!({ "what": "tasks", "done": false }));
    let start = "---\ndate: 2026-01-10\nstatus: Open\ntags: [project/kavi]\n---\n#Idea\n- ".len();
    assert_eq!(
        open["items"],
        json!([{ "path": "a.md", "name": "one", "done": false, "start": start, "end": start + 7 }])
    );
}

#[test]
fn lists_in_pages() {
    let page = list(json!({ "limit": 2 }));
    assert_eq!(
        (page["total"].clone(), page["next_offset"].clone()),
        (json!(3), json!(2))
    );
    assert_eq!(page["items"].as_array().map(Vec::len), Some(2));
    let rest = list(json!({ "limit": 2, "offset": 2 }));
    assert_eq!(rest["items"][0]["path"], "n/c d.md");
    assert_eq!(rest.get("next_offset"), None);
    for number in 0..60 {
        seed(format!("p/{number}.md"), "x");
    }
    assert_eq!(list(json!({ "folder": "p" }))["next_offset"], 50);
}

#[test]
fn refuses_what_makes_no_sense() {
    vault();
    for input in [
        json!({ "tag": "a b" }),
        json!({ "value": "x" }),
        json!({ "since": "yesterday" }),
        json!({ "since": "2026/01/02" }),
        json!({ "until": "2026-1-2" }),
        json!({ "what": "backlinks" }),
        json!({ "what": "nothing" }),
    ] {
        let got = call(run, input.clone());
        assert!(
            matches!(got, Err(SkillError::InvalidInput(_))),
            "{input}: {got:?}"
        );
    }
    for input in [
        json!({ "folder": "no" }),
        json!({ "what": "backlinks", "path": "no.md" }),
    ] {
        let got = call(run, input);
        assert!(matches!(got, Err(SkillError::NotFound(_))), "{got:?}");
    }
}
