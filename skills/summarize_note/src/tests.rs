use super::*;
use kavi_sdk::testing::{call, seed};

fn summary(input: Value) -> Value {
    call(run, input).unwrap()
}

/// All sentences of a text.
fn sentences(text: &str) -> Vec<String> {
    seed("n.md", text);
    let output = summary(json!({ "path": "n.md", "max_sentences": 20 }));
    let lines = output["summary"].as_str().unwrap().lines();
    lines
        .map(|line| line.strip_prefix("- ").unwrap().to_owned())
        .collect()
}

const NOTE: &str = "---\ntags: [x]\n---\n# The harbour\n\nThe harbour was built in 1850. It rained.\n\
    Ships from the north brought timber to the harbour. My lunch was good.\n\n\
    ```\nharbour. harbour.\n```\n\nTimber and ships made the town rich. Nothing else did!\n";

#[test]
fn chooses_what_tells_most_in_the_order_of_the_note() {
    seed("Town.md", NOTE);
    let expected = json!({
        "title": "Town",
        "summary": "- The harbour was built in 1850.\n- Ships from the north brought timber to the harbour.\n\
            - Timber and ships made the town rich.\n",
        "sentences": 3,
        "of": 6,
        "truncated": false,
    });
    assert_eq!(
        summary(json!({ "path": "Town.md", "max_sentences": 3 })),
        expected
    );
    let one = summary(json!({ "path": "Town.md", "max_sentences": 1, "style": "paragraph" }));
    assert_eq!(one["summary"], "The harbour was built in 1850.");
    let five = summary(json!({ "path": "Town.md" }));
    assert_eq!(
        (five["sentences"].clone(), five["of"].clone()),
        (json!(5), json!(6))
    );
}

#[test]
fn titles_headings_and_the_first_sentence_count_more() {
    let text = "Apple tarts. Lemon cakes. Plum jams. Pear pies.";
    let best = |path: &str, text: &str| {
        seed(path, text);
        let output = summary(json!({ "path": path, "max_sentences": 1, "style": "paragraph" }));
        output["summary"].as_str().unwrap().to_owned()
    };
    assert_eq!(best("x.md", text), "Apple tarts.");
    assert_eq!(best("Plum.md", text), "Plum jams.");
    assert_eq!(
        best("y.md", &format!("# Lemon #\n\n{text}")),
        "Lemon cakes."
    );
    assert_eq!(
        best(
            "z.md",
            "Word here. Word blue blue. Word stone. Word stone. Word leaf."
        ),
        "Word stone."
    );
}

#[test]
fn where_sentences_end() {
    let cases: [(&str, &[&str]); 12] = [
        ("One. Two! Three? Four", &["One.", "Two!", "Three?", "Four"]),
        (
            "He said \"Go.\" Then (he left.) Well…",
            &["He said \"Go.\"", "Then (he left.)", "Well…"],
        ),
        (
            "Pi is 3.14 or so. See a.b.c and i.e. this",
            &["Pi is 3.14 or so.", "See a.b.c and i.e. this"],
        ),
        (
            "By J. Smith. And by K. Jones.",
            &["By J. Smith.", "And by K. Jones."],
        ),
        (
            "See https://a.org/b?c=d! Done",
            &["See https://a.org/b?c=d!", "Done"],
        ),
        ("Really?! Yes... No.", &["Really?!", "Yes...", "No."]),
        (
            "昨日は雨だった。今日は「晴れ。」明日は？",
            &["昨日は雨だった。", "今日は「晴れ。」", "明日は？"],
        ),
        ("我们走吧！好。", &["我们走吧！", "好。"]),
        ("यह एक वाक्य है। यह दूसरा।", &["यह एक वाक्य है।", "यह दूसरा।"]),
        (
            "Two lines\nare one. And\r\nso on.",
            &["Two lines are one.", "And so on."],
        ),
        ("漢字の\n文章。", &["漢字の文章。"]),
        ("Hello 漢\nworld", &["Hello 漢 world"]),
    ];
    for (text, expected) in cases {
        assert_eq!(sentences(text), expected, "{text:?}");
    }
    let long = sentences(&"word ".repeat(200));
    assert_eq!(long.len(), 1);
    assert!(long[0].ends_with("word…"), "{}", long[0]);
    assert_eq!(long[0].chars().count(), 400);
}

#[test]
fn what_a_note_has_besides_sentences_is_left_out() {
    let text = "\u{feff}---\ntitle: no.\n...\n# No heading.\n####### Seven marks\n\n| a | b |\n|---|---|\n\
        ***\n<!-- no comment. -->\n%% nor this. %%\n~~~\ncode.\n```\ncode.\n~~~\nText\n## Nor. this\nmore\n#tag too\n\n```\nopen";
    assert_eq!(
        sentences(text),
        ["####### Seven marks", "Text", "more #tag too"]
    );
    assert_eq!(sentences("--- no\nfront"), ["--- no front"]);
    assert_eq!(sentences("---\nnever closed"), ["never closed"]);
    assert_eq!(sentences("a ``` b\nc"), ["a ``` b c"]);
}

#[test]
fn every_item_of_a_list_is_by_itself() {
    let text = "Before\n- one\n* two\n+ [ ] three\n  goes on\n- [x] four\n1. five\n22) six\n> > seven\n\n3.14 eight\n-nine";
    let expected = [
        "Before",
        "one",
        "two",
        "three goes on",
        "four",
        "five",
        "six",
        "seven",
        "3.14 eight -nine",
    ];
    assert_eq!(sentences(text), expected);
    assert_eq!(sentences(". dot\n\n) bracket"), [". dot", ") bracket"]);
}

#[test]
fn sentences_become_a_paragraph() {
    let paragraph = |text: &str| {
        seed("p.md", text);
        summary(json!({ "path": "p.md", "style": "paragraph" }))["summary"].clone()
    };
    assert_eq!(paragraph("One.\n\nTwo.\n- Three"), "One. Two. Three");
    assert_eq!(paragraph("一つ。\n\n二つ。"), "一つ。二つ。");
    for empty in [
        "",
        "\n\n",
        "```\ncode\n```",
        "---\na: b\n---\n",
        "# Only a heading",
    ] {
        assert_eq!(paragraph(empty), "", "{empty:?}");
        let output = summary(json!({ "path": "p.md" }));
        assert_eq!(
            (output["of"].clone(), output["summary"].clone()),
            (json!(0), json!(""))
        );
    }
}

#[test]
fn scripts_without_spaces_are_told_by_pairs() {
    seed(
        "京都.md",
        "今日は雨だった。京都の寺を見た。昼は蕎麦を食べた。夜は早く寝た。",
    );
    let output = summary(json!({ "path": "京都.md", "max_sentences": 1 }));
    assert_eq!(output["summary"], "- 京都の寺を見た。\n");
}

#[test]
fn only_the_beginning_of_a_huge_note_is_read() {
    seed("huge.MD", "É is a letter. ".repeat(20_000));
    let output = summary(json!({ "path": "huge.MD", "max_sentences": 2 }));
    assert_eq!(output["truncated"], true);
    assert_eq!(output["sentences"], 2);
    assert_eq!(output["of"], 16_384);
}

#[test]
fn refuses_what_is_no_note_or_not_there() {
    for path in ["a.txt", "", "folder", "../a.md", ".md"] {
        let got = call(run, json!({ "path": path }));
        assert!(
            matches!(got, Err(SkillError::InvalidInput(_))),
            "{path:?}: {got:?}"
        );
    }
    let got = call(run, json!({ "path": "nowhere.md" }));
    assert!(matches!(got, Err(SkillError::NotFound(_))), "{got:?}");
    let got = call(run, json!({ "path": "a.md", "style": "haiku" }));
    assert!(matches!(got, Err(SkillError::InvalidInput(_))), "{got:?}");
}
