//! The skills that come with Kavi, with each of their parameters, on notes as vaults have them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;

use serde_json::{Value, json};

use crate::support::shipped::fresh;
use crate::support::{Workspace, files};

fn put(workspace: &Workspace, path: &str, text: &[u8]) {
    let place = workspace.vault(path);
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::write(place, text).unwrap();
}

fn held(workspace: &Workspace, path: &str) -> Vec<u8> {
    fs::read(workspace.vault(path)).unwrap()
}

#[track_caller]
fn output(workspace: &Workspace, skill: &str, input: Value) -> Value {
    workspace.run(skill, input).expect(0).json()["output"].take()
}

fn paths(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|item| item["path"].as_str().unwrap()).collect()
}

#[test]
fn an_edit_changes_one_place_byte_for_byte() {
    let workspace = fresh();
    let bom = "\u{feff}";
    let fenced = "# A\r\n```\r\n# B\r\n```\r\n\r\n# B\r\nb\r\n";
    let table = "x\n\n| a |\n|---|\n| b |\n\n^t\n\ny\n";
    let cases: Vec<(Vec<u8>, Value, Vec<u8>)> = vec![
        ("one".into(), json!({ "action": "append", "text": "two" }), "one\ntwo\n".into()),
        ("one\r\n".into(), json!({ "action": "append", "text": "two\nthree" }), "one\r\ntwo\r\nthree\r\n".into()),
        (format!("{bom}one").into(), json!({ "action": "prepend", "text": "zero" }), format!("{bom}zero\none").into()),
        (
            format!("{bom}---\r\na: 1\r\n---\r\n").into(),
            json!({ "action": "append", "text": "x" }),
            format!("{bom}---\r\na: 1\r\n---\r\nx\r\n").into(),
        ),
        ("---\na: 1\n---".into(), json!({ "action": "prepend", "text": "x" }), "---\na: 1\n---\nx\n".into()),
        ("".into(), json!({ "action": "append", "text": "x" }), "x\n".into()),
        (
            fenced.into(),
            json!({ "action": "append", "heading": "B", "text": "c" }),
            "# A\r\n```\r\n# B\r\n```\r\n\r\n# B\r\nb\r\nc\r\n".into(),
        ),
        (
            fenced.into(),
            json!({ "action": "prepend", "heading": "A", "text": "c" }),
            "# A\r\nc\r\n```\r\n# B\r\n```\r\n\r\n# B\r\nb\r\n".into(),
        ),
        (
            "## A ##\none\n\n### C\n## B".into(),
            json!({ "action": "replace", "heading": "a", "text": "two\n" }),
            "## A ##\ntwo\n## B".into(),
        ),
        (
            "# A\n## B\nx\n# C\n## B\ny\n".into(),
            json!({ "action": "append", "heading": "C#B", "text": "z" }),
            "# A\n## B\nx\n# C\n## B\ny\nz\n".into(),
        ),
        (
            "## [[Plan]]: *now*\nx\n".into(),
            json!({ "action": "append", "heading": "Plan now", "text": "y" }),
            "## [[Plan]]: *now*\nx\ny\n".into(),
        ),
        (
            "a\n\nb\nc ^id\n\nd\n".into(),
            json!({ "action": "replace", "block": "id", "text": "B ^id" }),
            "a\n\nB ^id\n\nd\n".into(),
        ),
        (table.into(), json!({ "action": "replace", "block": "^t", "text": "z" }), "x\n\nz\n\ny\n".into()),
        (
            ["a \u{e9} b\r\n".as_bytes(), b"\xff c"].concat(),
            json!({ "action": "replace_text", "find": "\u{e9} b\n", "text": "d\n" }),
            [b"a d\r\n".as_slice(), b"\xff c"].concat(),
        ),
        (
            [b"bad \xff\xfe byte\n".as_slice(), b"one\n"].concat(),
            json!({ "action": "append", "text": "two" }),
            [b"bad \xff\xfe byte\n".as_slice(), b"one\ntwo\n"].concat(),
        ),
        (
            "---\nstatus: open # why\ntags: [a]\n---\nx".into(),
            json!({ "action": "set_property", "key": "Status", "value": "done: yes" }),
            "---\nstatus: \"done: yes\" # why\ntags: [a]\n---\nx".into(),
        ),
        (
            "---\ntags:\n- a\n# mine\nlast: 1\n---\n".into(),
            json!({ "action": "add_to_property", "key": "tags", "value": ["b", "a"] }),
            "---\ntags:\n  - a\n  - b\n# mine\nlast: 1\n---\n".into(),
        ),
        (
            "---\r\ntags: a, b\r\n---\r\n".into(),
            json!({ "action": "remove_from_property", "key": "tags", "value": "a" }),
            "---\r\ntags:\r\n  - b\r\n---\r\n".into(),
        ),
        (
            "x\n".into(),
            json!({ "action": "set_property", "key": "a b", "value": [1, true] }),
            "---\na b:\n  - 1\n  - true\n---\nx\n".into(),
        ),
        (
            "---\ntext: |\n  one\n  two\nb: 2\n---\n".into(),
            json!({ "action": "remove_property", "key": "text" }),
            "---\nb: 2\n---\n".into(),
        ),
        (
            "---\na: 1\n---\n".into(),
            json!({ "action": "set_property", "key": "a", "value": "1" }),
            "---\na: \"1\"\n---\n".into(),
        ),
    ];
    let mut wrong = Vec::new();
    for (at, (text, mut input, expected)) in cases.into_iter().enumerate() {
        let path = format!("Notes/{at}.md");
        put(&workspace, &path, &text);
        input["path"] = json!(path);
        let ran = workspace.run("edit_note", input.clone());
        let found = held(&workspace, &path);
        if ran.code != 0 || found != expected {
            wrong.push(format!(
                "{input}: {:?}, not {:?} ({})",
                String::from_utf8_lossy(&found),
                String::from_utf8_lossy(&expected),
                ran.stdout
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn an_edit_that_is_in_doubt_changes_nothing() {
    let workspace = fresh();
    put(&workspace, "Notes/a.md", b"# A\none\n# A\ntwo two\n");
    put(&workspace, "Notes/b.md", b"---\na: [\n---\n");
    let utf16: Vec<u8> = "\u{feff}x".encode_utf16().flat_map(u16::to_le_bytes).collect();
    put(&workspace, "Notes/c.md", &utf16);
    let before = files(&workspace.vault(""));
    for (path, mut input) in [
        ("Notes/a.md", json!({ "action": "append", "heading": "A", "text": "x" })),
        ("Notes/a.md", json!({ "action": "append", "heading": "B", "text": "x" })),
        ("Notes/a.md", json!({ "action": "append", "heading": "A", "block": "b", "text": "x" })),
        ("Notes/a.md", json!({ "action": "replace_text", "find": "two", "text": "x" })),
        ("Notes/a.md", json!({ "action": "replace_text", "find": "three", "text": "x" })),
        ("Notes/a.md", json!({ "action": "append", "text": "x", "expect_sha256": "0".repeat(64) })),
        ("Notes/a.md", json!({ "action": "set_property", "key": "a" })),
        ("Notes/b.md", json!({ "action": "set_property", "key": "a", "value": 1 })),
        ("Notes/c.md", json!({ "action": "append", "text": "x" })),
        ("Notes/none.md", json!({ "action": "append", "text": "x" })),
        ("Notes/a.txt", json!({ "action": "append", "text": "x" })),
        ("../a.md", json!({ "action": "append", "text": "x" })),
    ] {
        input["path"] = json!(path);
        assert_eq!(workspace.run("edit_note", input.clone()).code, 5, "{input}");
    }
    assert_eq!(files(&workspace.vault("")), before);
}

#[test]
fn a_move_takes_every_kind_of_link_along() {
    let workspace = fresh();
    put(&workspace, "Inbox/Plan.md", b"# Plan\n[[Other]] ![](img/p.png) [up](../Notes/a.md#x) [[#Plan]] `[[Other]]`\n");
    put(
        &workspace,
        "Inbox/Other.md",
        b"[[Plan]] [[plan#Plan|the plan]] ![[Plan#^id]] [x](Plan.md) [y](<Plan.md#h> 'T')\n",
    );
    put(&workspace, "Inbox/img/p.png", b"png");
    put(
        &workspace,
        "Notes/a.md",
        "---\nup: \"[[Inbox/Plan|up]]\"\n---\n| t |\n|---|\n| [[Plan\\|p]] |\n\n[r][one] [e](../Inbox/Plan.md) \
         %% [[Plan]] %%\n\n```\n[[Plan]]\n```\n\n[one]: ../Inbox/Plan.md \"T\"\n"
            .as_bytes(),
    );
    let moved = output(&workspace, "move_note", json!({ "path": "Inbox/Plan.md", "to": "Projects/New plan.md" }));
    assert_eq!((&moved["path"], &moved["skipped"]), (&json!("Projects/New plan.md"), &json!(0)), "{moved}");
    assert!(!workspace.vault("Inbox/Plan.md").exists());
    let text = |path: &str| String::from_utf8(held(&workspace, path)).unwrap();
    assert_eq!(
        text("Projects/New plan.md"),
        "# Plan\n[[Other]] ![](../Inbox/img/p.png) [up](../Notes/a.md#x) [[#Plan]] `[[Other]]`\n"
    );
    assert_eq!(
        text("Inbox/Other.md"),
        "[[New plan]] [[New plan#Plan|the plan]] ![[New plan#^id]] [x](../Projects/New%20plan.md) \
         [y](<../Projects/New plan.md#h> 'T')\n"
    );
    assert_eq!(
        text("Notes/a.md"),
        "---\nup: \"[[Projects/New plan|up]]\"\n---\n| t |\n|---|\n| [[New plan\\|p]] |\n\n[r][one] [e](../Projects/New%20plan.md) \
         %% [[Plan]] %%\n\n```\n[[Plan]]\n```\n\n[one]: ../Projects/New%20plan.md \"T\"\n"
    );
    // One name twice: the links that led to the other one still do.
    put(&workspace, "Areas/One.md", b"x\n");
    put(&workspace, "Notes/deep/Two.md", b"[[One]]\n");
    output(&workspace, "move_note", json!({ "path": "Areas/One.md", "to": "Areas/Renamed.md", "update_links": false }));
    assert_eq!(text("Notes/deep/Two.md"), "[[One]]\n");
    for refused in [
        json!({ "path": "Areas/Renamed.md", "to": "Areas/Renamed.md" }),
        json!({ "path": "Areas/Renamed.md", "to": "Notes/a.md" }),
        json!({ "path": "Areas/Renamed.md", "to": "Areas/x.txt" }),
        json!({ "path": "Areas/Renamed.md", "to": "Areas/a#b.md" }),
        json!({ "path": "Areas/none.md", "to": "Areas/x.md" }),
        json!({ "path": "Areas/Renamed.md", "to": "Notes/", "expect_sha256": "0".repeat(64) }),
    ] {
        assert_eq!(workspace.run("move_note", refused.clone()).code, 5, "{refused}");
    }
    let back = output(&workspace, "move_note", json!({ "path": "Areas/Renamed.md", "to": "Notes/" }));
    assert_eq!(back["path"], "Notes/Renamed.md");
}

#[test]
fn a_note_is_read_in_each_of_its_parts() {
    let workspace = fresh();
    let text = "\u{feff}---\na: 1\n---\n# A\none\n## B\ntwo ^id\n\n```\n# C\n```\n";
    put(&workspace, "n/a.md", text.as_bytes());
    put(&workspace, "n/b.MD", b"bee\r\nsecond\r\n");
    put(&workspace, "n/c.md", b"caf\xe9 \0\n");
    let read = |input: Value| output(&workspace, "read_note", input)["notes"].take();
    let one = |input: Value| read(input)[0]["text"].as_str().unwrap().to_owned();
    assert_eq!(one(json!({ "path": "n/a.md" })), text);
    assert_eq!(one(json!({ "path": "n/a.md", "heading": "b" })), "## B\ntwo ^id\n\n```\n# C\n```\n");
    assert_eq!(one(json!({ "path": "n/a.md", "heading": "A#B" })), "## B\ntwo ^id\n\n```\n# C\n```\n");
    assert_eq!(one(json!({ "path": "n/a.md", "block": "id" })), "two ^id\n");
    assert_eq!(one(json!({ "path": "n/b.MD", "lines": { "start": 2, "end": 2 } })), "second\r\n");
    assert_eq!(one(json!({ "path": "n/b.MD", "lines": { "start": 9 } })), "");
    assert_eq!(one(json!({ "path": "n/b.MD", "bytes": { "start": 1, "end": 3 } })), "ee");
    assert_eq!(one(json!({ "path": "n/c.md" })), "caf? ?\n");
    let cut = read(json!({ "path": "n/a.md", "max_bytes": 10 }));
    assert_eq!((&cut[0]["truncated"], &cut[0]["end"], &cut[0]["size"]), (&json!(true), &json!(10), &json!(text.len())));
    let rest = one(json!({ "path": "n/a.md", "bytes": { "start": 10 } }));
    assert_eq!(format!("{}{rest}", cut[0]["text"].as_str().unwrap()), text);
    let several =
        output(&workspace, "read_note", json!({ "paths": ["n/b.MD", "n/none.md", "n/a.md"], "heading": "A" }));
    assert_eq!(paths(&several["notes"]), ["n/a.md"]);
    assert_eq!(paths(&several["unread"]), ["n/b.MD", "n/none.md"]);
    let single = output(&workspace, "read_note", json!({ "paths": "n/b.MD" }));
    assert_eq!(paths(&single["notes"]), ["n/b.MD"], "a single text is taken for a list of one");
    for wrong in [
        json!({}),
        json!({ "path": "n/a.md", "heading": "no" }),
        json!({ "path": "n/a.md", "heading": "A", "block": "id" }),
        json!({ "path": "n/a.txt" }),
        json!({ "path": ".obsidian/a.md" }),
    ] {
        assert!(matches!(workspace.run("read_note", wrong.clone()).code, 2 | 5), "{wrong}");
    }
}

#[test]
fn lists_are_narrowed_down_and_paged() {
    let workspace = fresh();
    put(
        &workspace,
        "a.md",
        "---\ndate: 2026-03-01\nstatus: [Open, old]\ntags: [p/x]\n---\n- [ ] one\n- [x] two\n- [/] three\n".as_bytes(),
    );
    put(
        &workspace,
        "n/b.md",
        b"---\ncreated: 2026-02-01T10:00\nn: 3\n---\n#Idea [[a|A]] ![[a#h]] [[gone]] [x](gone.md) [e](https://a.b)\n",
    );
    put(
        &workspace,
        "n/c.md",
        "cafe\u{301} #idea `- [ ] no`\n\n```\n- [ ] no\n[[gone]]\n```\n> - [ ] quoted\n".as_bytes(),
    );
    put(&workspace, "n/d.txt", b"#idea");
    let list = |input: Value| output(&workspace, "list_notes", input);
    let of = |input: Value| list(input)["items"].take();
    let names = |items: &Value| -> Vec<String> {
        items.as_array().unwrap().iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(paths(&of(json!({}))), ["a.md", "n/b.md", "n/c.md"]);
    assert_eq!(paths(&of(json!({ "folder": "n/" }))), ["n/b.md", "n/c.md"]);
    assert_eq!(paths(&of(json!({ "tag": "#IDEA" }))), ["n/b.md", "n/c.md"]);
    assert_eq!(paths(&of(json!({ "tag": "p" }))), ["a.md"]);
    assert_eq!(paths(&of(json!({ "property": "Status", "value": "open" }))), ["a.md"]);
    assert_eq!(paths(&of(json!({ "property": "n", "value": "3" }))), ["n/b.md"]);
    assert_eq!(paths(&of(json!({ "since": "2026-02-01", "until": "2026-02-28" }))), ["n/b.md"]);
    assert_eq!(paths(&of(json!({ "name": "B" }))), ["n/b.md"]);
    assert_eq!(names(&of(json!({ "what": "tags" }))), ["Idea", "p/x"]);
    assert_eq!(of(json!({ "what": "tags" }))[0]["count"], 2);
    assert_eq!(names(&of(json!({ "what": "properties", "folder": "n" }))), ["created", "n"]);
    assert_eq!(paths(&of(json!({ "what": "backlinks", "path": "a.md" }))), ["n/b.md", "n/b.md"]);
    assert_eq!(names(&of(json!({ "what": "unresolved" }))), ["gone", "gone.md"]);
    assert_eq!(names(&of(json!({ "what": "unresolved", "path": "n/c.md" }))), Vec::<String>::new());
    assert_eq!(names(&of(json!({ "what": "tasks" }))), ["one", "two", "three", "quoted"]);
    assert_eq!(names(&of(json!({ "what": "tasks", "done": false, "folder": "n" }))), ["quoted"]);
    let page = list(json!({ "limit": 1, "offset": "1" }));
    assert_eq!((paths(&page["items"]), &page["total"], &page["next_offset"]), (vec!["n/b.md"], &json!(3), &json!(2)));
    assert!(list(json!({ "offset": 2 }))["next_offset"].is_null());
}

#[test]
fn a_search_is_narrowed_down_by_operators() {
    let workspace = fresh();
    put(&workspace, "a.md", "---\nstatus: Open\n---\ngreen tea and cafe\u{301} #drink/hot\n".as_bytes());
    put(&workspace, "old/b.md", b"tea green, green  tea #drink\n");
    put(&workspace, "old/c d.md", "---\nstatus: done\nn: 2\n---\ncoffee, gr\u{fc}n\n".as_bytes());
    let found = |query: &str| -> Vec<String> {
        let hits = output(&workspace, "search_notes", json!({ "query": query }))["hits"].take();
        let mut found: Vec<String> = paths(&hits).into_iter().map(str::to_owned).collect();
        found.sort();
        found
    };
    for (query, expected) in [
        ("tea", vec!["a.md", "old/b.md"]),
        ("\"green tea\"", vec!["a.md", "old/b.md"]),
        ("\"tea green\"", vec!["old/b.md"]),
        ("tea -\"tea green\"", vec!["a.md"]),
        ("green -path:old", vec!["a.md"]),
        ("tag:drink", vec!["a.md", "old/b.md"]),
        ("tag:#Drink/hot", vec!["a.md"]),
        ("-tag:drink", vec!["old/c d.md"]),
        ("path:\"c d\"", vec!["old/c d.md"]),
        ("[status]", vec!["a.md", "old/c d.md"]),
        ("[status:open] tea", vec!["a.md"]),
        ("[n:2]", vec!["old/c d.md"]),
        ("-[status] green", vec!["old/b.md"]),
        ("caf\u{e9}", vec!["a.md"]),
        ("GRU\u{308}N", vec!["old/c d.md"]),
        ("\"CAF\u{c9}\"", vec!["a.md"]),
        ("tea -tea", vec![]),
    ] {
        assert_eq!(found(query), expected, "{query}");
    }
    let all = output(&workspace, "search_notes", json!({ "query": "tea", "top_k": 1 }));
    assert_eq!((&all["total"], &all["next_offset"]), (&json!(2), &json!(1)));
    let next = output(&workspace, "search_notes", json!({ "query": "tea", "top_k": 1, "offset": 1 }));
    assert_ne!(next["hits"][0]["path"], all["hits"][0]["path"]);
    assert_eq!(workspace.run("search_notes", json!({ "query": "\"\"" })).code, 5);
}

#[test]
fn a_daily_note_is_named_and_filled_as_the_vault_says() {
    let workspace = fresh();
    let settings = json!({ "folder": "Journal", "format": "gggg/[W]ww/YYYY-MM-DD", "template": "Templates/day" });
    put(&workspace, ".obsidian/daily-notes.json", settings.to_string().as_bytes());
    put(&workspace, "Templates/day.md", b"{{title}}|{{Date:YYYY}}|{{date:[Q]Q}}|{{time:x}}|{{other}}\r\n");
    let run = workspace
        .run("create_daily_note", json!({ "zone": "Pacific/Kiritimati", "offset_minutes": null }))
        .expect(0)
        .json();
    let (path, date) = (run["output"]["path"].as_str().unwrap(), run["output"]["date"].as_str().unwrap());
    let parts: Vec<&str> = path.split('/').collect();
    assert_eq!((parts.len(), parts[0], parts[3]), (4, "Journal", &*format!("{date}.md")), "{path}");
    assert!(parts[2].starts_with('W') && parts[2].len() == 3, "{path}");
    let text = String::from_utf8(held(&workspace, path)).unwrap();
    let filled: Vec<&str> = text.split('|').collect();
    assert_eq!((filled[0], filled[1], filled[4]), (date, &date[..4], "{{other}}\r\n"), "{text}");
    assert!(filled[2].starts_with('Q') && filled[3].ends_with("000"), "{text}");
    // The same day again: it is there.
    let again = output(&workspace, "create_daily_note", json!({ "zone": "Pacific/Kiritimati" }));
    assert!(again["created"] == false || again["path"] != path);
    assert_eq!(workspace.run("create_daily_note", json!({ "zone": "Mars/Olympus" })).code, 5);
}
