use super::*;
use kavi_sdk::testing::{call, seed};

const TEXT: &str =
    "---\ntags: [x]\n---\n# Plan\n\nOne é.\n\n## Beds\n\n- two ^b1\n- three\n\n# Other\nfour\n";

fn read(input: Value) -> Value {
    seed("n/plan.md", TEXT);
    let mut input = input;
    input["path"] = json!("n/plan.md");
    call(run, input).unwrap()["notes"][0].clone()
}

fn text(input: Value) -> String {
    let note = read(input);
    let place = |end: &str| note[end].as_u64().unwrap() as usize;
    assert_eq!(note["text"], TEXT[place("start")..place("end")]);
    note["text"].as_str().unwrap().to_owned()
}

#[test]
fn reads_a_whole_note() {
    let expected = json!({
        "path": "n/plan.md", "title": "plan", "text": TEXT, "start": 0, "end": TEXT.len(),
        "size": TEXT.len(), "sha256": sha256(TEXT), "truncated": false,
    });
    assert_eq!(read(json!({})), expected);
}

#[test]
fn reads_a_section_and_a_block() {
    assert_eq!(
        text(json!({ "heading": "beds" })),
        "## Beds\n\n- two ^b1\n- three\n\n"
    );
    assert_eq!(
        text(json!({ "heading": "## Beds" })),
        "## Beds\n\n- two ^b1\n- three\n\n"
    );
    assert_eq!(
        text(json!({ "heading": "Plan#Beds" })),
        "## Beds\n\n- two ^b1\n- three\n\n"
    );
    assert_eq!(text(json!({ "heading": "Other" })), "# Other\nfour\n");
    assert_eq!(text(json!({ "block": "b1" })), "- two ^b1\n");
    assert_eq!(text(json!({ "block": "^b1" })), "- two ^b1\n");
    for input in [json!({ "heading": "Nope" }), json!({ "block": "b" })] {
        let mut input = input;
        input["path"] = json!("n/plan.md");
        let got = call(run, input);
        assert!(matches!(got, Err(SkillError::NotFound(_))), "{got:?}");
    }
}

#[test]
fn reads_lines_and_bytes() {
    assert_eq!(
        text(json!({ "lines": { "start": 4, "end": 4 } })),
        "# Plan\n"
    );
    assert_eq!(
        text(json!({ "lines": { "start": 0, "end": 2 } })),
        "---\ntags: [x]\n"
    );
    assert_eq!(text(json!({ "lines": { "start": 13 } })), "# Other\nfour\n");
    assert_eq!(
        text(json!({ "lines": { "start": 14, "end": 99 } })),
        "four\n"
    );
    assert_eq!(text(json!({ "lines": { "start": 99 } })), "");
    assert_eq!(text(json!({ "lines": { "start": 5, "end": 3 } })), "");
    assert_eq!(
        text(json!({ "bytes": { "start": 18, "end": 24 } })),
        "# Plan"
    );
    let accent = TEXT.find('é').unwrap();
    assert_eq!(
        text(json!({ "bytes": { "start": accent + 1, "end": accent + 2 } })),
        "é"
    );
    assert_eq!(
        text(json!({ "bytes": { "start": accent, "end": accent + 1 } })),
        ""
    );
    assert_eq!(text(json!({ "bytes": { "start": 9_999 } })), "");
    assert_eq!(text(json!({ "bytes": { "start": 4, "end": 2 } })), "");
}

#[test]
fn a_cut_says_so_and_where_it_goes_on() {
    let note = read(json!({ "max_bytes": 10 }));
    assert_eq!(
        (
            note["text"].clone(),
            note["end"].clone(),
            note["truncated"].clone()
        ),
        (json!("---\ntags: "), json!(10), json!(true))
    );
    let accent = TEXT.find('é').unwrap();
    assert_eq!(read(json!({ "max_bytes": accent + 1 }))["end"], accent);
    assert_eq!(
        read(json!({ "heading": "Other", "max_bytes": 13 }))["truncated"],
        false
    );
    assert_eq!(
        read(json!({ "heading": "Other", "max_bytes": 12 }))["truncated"],
        true
    );
    seed("long.md", "x".repeat(60_000));
    let long = call(run, json!({ "path": "long.md" })).unwrap();
    assert_eq!(long["notes"][0]["end"], 50_000);
}

#[test]
fn reads_several_and_names_those_that_it_cannot() {
    seed("a.md", "aaaa");
    seed("b.MD", "bbbb\0");
    let output = call(
        run,
        json!({ "paths": ["a.md", "no.md", "b.MD", "c.txt"], "max_bytes": 6 }),
    )
    .unwrap();
    assert_eq!(output["notes"][0]["text"], "aaaa");
    assert_eq!(output["notes"][1]["text"], "bb");
    assert_eq!(output["notes"][1]["size"], 5);
    assert_eq!(
        output["unread"],
        json!([
            { "path": "no.md", "reason": "`no.md` is not in the vault" },
            { "path": "c.txt", "reason": "`c.txt` is no note: it does not end with `.md`" },
        ])
    );
    let both = call(run, json!({ "path": "a.md", "paths": ["b.MD"] })).unwrap();
    assert_eq!(both["notes"][1]["text"], "bbbb?");
    assert_eq!(both.get("unread"), None);
}

#[test]
fn refuses_what_makes_no_sense() {
    for input in [
        json!({}),
        json!({ "paths": [] }),
        json!({ "path": "a.txt" }),
        json!({ "path": "../a.md" }),
        json!({ "path": "a.md", "heading": "x", "block": "y" }),
        json!({ "path": "a.md", "lines": { "start": 1 }, "bytes": { "start": 1 } }),
    ] {
        let got = call(run, input);
        assert!(matches!(got, Err(SkillError::InvalidInput(_))), "{got:?}");
    }
    let got = call(run, json!({ "path": "a.md" }));
    assert!(matches!(got, Err(SkillError::NotFound(_))), "{got:?}");
}
