use super::*;
use kavi_sdk::testing::{call, seed};

fn read(input: Value) -> Value {
    call(run, input).unwrap()
}

/// The tags of a text that lie below `t`.
fn found(text: &str) -> Value {
    seed("note.md", text);
    let output = read(json!({ "tag": "t" }));
    output["notes"]
        .get(0)
        .map_or(json!([]), |note| note["tags"].clone())
}

#[test]
fn says_which_notes_have_the_tag() {
    seed("b.md", "---\ntags: [t]\n---\n\nFirst #T/one here.\n");
    seed("a/c.md", "no tag, #other");
    seed("a/b.c.md", "#t");
    let expected = json!({
        "total": 2,
        "notes": [
            { "path": "a/b.c.md", "title": "b.c", "tags": ["t"], "excerpt": "#t" },
            { "path": "b.md", "title": "b", "tags": ["t", "T/one"], "excerpt": "First #T/one here." },
        ],
        "skipped": 0,
    });
    assert_eq!(read(json!({ "tag": " #T " })), expected);
    assert_eq!(read(json!({ "tag": "t/" })), expected);
}

#[test]
fn a_nested_tag_is_found_by_the_one_above() {
    seed("a.md", "#project/kavi/core");
    seed("b.md", "#project");
    seed("c.md", "#projects #pro");
    let paths = |tag: &str| {
        let output = read(json!({ "tag": tag }));
        let notes = output["notes"].as_array().unwrap().clone();
        notes
            .iter()
            .map(|note| note["path"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(paths("project"), ["a.md", "b.md"]);
    assert_eq!(paths("PROJECT/Kavi"), ["a.md"]);
    assert_eq!(paths("kavi"), Vec::<String>::new());
}

#[test]
fn tags_in_the_text() {
    assert_eq!(found("#t at the start"), json!(["t"]));
    assert_eq!(
        found("in #t/ä-ö_1, and\t#t/東京。 #t/🎉!"),
        json!(["t/ä-ö_1", "t/東京", "t/🎉"])
    );
    assert_eq!(found("a line\r\n#t/x\r\n"), json!(["t/x"]));
    assert_eq!(found("#t #T #t/x #T/X"), json!(["t", "t/x"]));
    assert_eq!(found("　#t/e\u{301}"), json!(["t/e\u{301}"]));
    assert_eq!(found("#t/"), json!(["t"]));
    assert_eq!(found("#t.x #tt"), json!(["t"]));
    assert_eq!(
        found(&format!("#t/{}", "x".repeat(198))),
        json!([format!("t/{}", "x".repeat(198))])
    );
}

#[test]
fn what_is_no_tag() {
    for text in [
        "",
        "a#t",
        "https://example.org/#t",
        "[x](#t)",
        "[x](<My note.md #t>)",
        "[[Note #t]]",
        "$a #t b$",
        "a <!-- #t --> %% #t %%",
        "    #t",
        "> ```\n> #t\n> ```",
        "[[#t]]",
        "# t",
        "##t",
        "\\#t",
        "&#t",
        "`#t`",
        "`a #t b`",
        "``a ` #t``",
        "a ``` #t ` #t ```",
        "```\n#t\n```",
        "~~~ x\n#t\n```\n#t\n~~~",
        "   ```rust\n #t",
        "---\ntitle: t\n---\n",
        "---\nx: [t]\n---\n",
    ] {
        assert_eq!(found(text), json!([]), "{text:?}");
    }
    assert_eq!(found(&format!("#t/{}", "x".repeat(199))), json!([]));
    assert_eq!(found("` #t"), json!(["t"]));
    assert_eq!(found("`` ` #t"), json!(["t"]));
    assert_eq!(found("`x` #t/a `y` #t/b"), json!(["t/a", "t/b"]));
    assert_eq!(found("```\ncode\n```\n#t/after"), json!(["t/after"]));
    assert_eq!(found("``x``\n#t/after"), json!(["t/after"]));
}

#[test]
fn tags_in_the_front_matter() {
    for front in [
        "tags: [t/a, \"t/b\"]",
        "tags:\n  - t/a\n  - 't/b'",
        "tags:\n- t/a\n- t/b\nother: t/c",
        "tags: t/a, t/b",
        "tags: t/a t/b # t/c",
        "Tags: \"#t/a, #t/b\"",
        "tag: t/a\ntags: t/b",
        "tags: [t/a,\n  t/b\n]\nmore: t/c",
        "title: t/c\ntags: [t/a, t/b\nbroken",
        "tags: [t/a, t?x, t/b]\n t/c: x",
    ] {
        for end in ["---", "..."] {
            let text = format!("\u{feff}---\n{front}\n{end}\nText.");
            assert_eq!(found(&text), json!(["t/a", "t/b"]), "{text:?}");
        }
        let windows = format!("---\n{front}\n---\n").replace('\n', "\r\n");
        assert_eq!(found(&windows), json!(["t/a", "t/b"]), "{windows:?}");
    }
}

#[test]
fn front_matter_that_is_not_closed_is_text() {
    assert_eq!(found("---\ntags: [t/a]\n#t/b\n"), json!(["t/b"]));
    assert_eq!(found("x\n---\ntags: [t/a]\n---\n"), json!([]));
    assert_eq!(found("----\ntags: [t/a]\n---\n"), json!([]));
}

#[test]
fn a_number_has_tags_below_it() {
    seed("a.md", "#2031/07 and #2032");
    seed("b.md", "---\ntags: [2031]\n---\n#2031");
    for (tag, total) in [("2031", 1), ("2031/07", 1), ("2032", 0)] {
        assert_eq!(read(json!({ "tag": tag }))["total"], total, "{tag}");
    }
}

#[test]
fn accents_and_selectors_make_no_difference() {
    seed("a.md", "#cafe\u{301} #\u{2764}\u{fe0f}");
    for tag in ["caf\u{e9}", "CAFE\u{301}", "\u{2764}", "\u{2764}\u{fe0f}"] {
        assert_eq!(read(json!({ "tag": tag }))["total"], 1, "{tag}");
    }
}

#[test]
fn a_note_that_is_no_text_is_counted_and_named() {
    seed("a.md", "#t");
    seed("nul.md", "\0#x #t\0");
    let output = read(json!({ "tag": "t" }));
    assert_eq!(output["total"], 2);
    assert_eq!(output["notes"][1]["excerpt"], "?#x #t?");
    assert_eq!(output.get("unread"), None);
}

#[test]
fn pages_through_what_there_is() {
    for number in 0..60 {
        seed(format!("n/{number:02}.md"), "#t");
    }
    seed("other.md", "#t");
    seed("n/not.txt", "#t");
    seed("n/md", "#t");
    seed("n/x.MD", "#t");
    let page = |offset: u32, limit: u32| {
        let output = read(json!({ "tag": "t", "folder": "n", "offset": offset, "limit": limit }));
        let notes = output["notes"].as_array().unwrap().clone();
        let first = notes
            .first()
            .map_or(json!(null), |note| note["path"].clone());
        assert_eq!(output["total"], 61);
        (notes.len(), first, output["next_offset"].clone())
    };
    assert_eq!(page(0, 20), (20, json!("n/00.md"), json!(20)));
    assert_eq!(page(40, 20), (20, json!("n/40.md"), json!(60)));
    assert_eq!(page(60, 20), (1, json!("n/x.MD"), json!(null)));
    assert_eq!(page(99, 20), (0, json!(null), json!(null)));
    let output = read(json!({ "tag": "t" }));
    assert_eq!(output["notes"].as_array().map(Vec::len), Some(50));
    assert_eq!(
        (output["total"].clone(), output["next_offset"].clone()),
        (json!(62), json!(50))
    );
}

#[test]
fn shows_the_start_of_a_note_and_not_too_many_tags() {
    let many: Vec<String> = (0..20).map(|number| format!("#t/{number}")).collect();
    let text = format!(
        "---\ntags: x\n---\n\n  {} {}",
        many.join(" "),
        "é".repeat(300)
    );
    assert_eq!(found(&text).as_array().map(Vec::len), Some(10));
    let excerpt = read(json!({ "tag": "t" }))["notes"][0]["excerpt"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(excerpt.starts_with("#t/0 #t/1"), "{excerpt}");
    assert_eq!(excerpt.chars().count(), 200);
}

#[test]
fn refuses_what_is_no_tag_and_a_folder_that_is_not_there() {
    for tag in ["", "#", "a b", "a#b", "//", "#/", &"x".repeat(201)] {
        let got = call(run, json!({ "tag": tag }));
        assert!(
            matches!(got, Err(SkillError::InvalidInput(_))),
            "{tag:?}: {got:?}"
        );
    }
    let got = call(run, json!({ "tag": "t", "folder": "nowhere" }));
    assert!(matches!(got, Err(SkillError::NotFound(_))), "{got:?}");
    let none = json!({ "total": 0, "notes": [], "skipped": 0 });
    assert_eq!(read(json!({ "tag": "y1984" })), none);
}
