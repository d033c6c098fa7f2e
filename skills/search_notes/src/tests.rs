use super::*;
use kavi_sdk::testing::{call, seed};

fn search(input: Value) -> Value {
    call(run, input).unwrap()
}

/// The paths that a query finds, best first.
fn paths(query: &str) -> Vec<String> {
    let output = search(json!({ "query": query, "top_k": 50 }));
    let hits = output["hits"].as_array().unwrap();
    let path = |hit: &Value| hit["path"].as_str().unwrap().to_owned();
    hits.iter().map(path).collect()
}

fn first(query: &str) -> Value {
    search(json!({ "query": query }))["hits"][0].clone()
}

#[test]
fn says_where_a_word_stands() {
    seed("a.md", "# Plan\n\nBuy apples and pears.\n");
    seed("b.md", "Nothing here.");
    let expected = json!({
        "hits": [{
            "path": "a.md", "title": "a", "score": 0.2773,
            "snippet": { "text": "# Plan\n\nBuy apples and pears.", "start": 0, "end": 29 },
            "matches": [{ "start": 12, "end": 18 }],
        }],
        "total": 1,
        "notes": 2,
        "skipped": 0,
    });
    assert_eq!(search(json!({ "query": "Apples" })), expected);
}

#[test]
fn a_title_counts_more_than_a_heading_and_that_more_than_text() {
    seed("one.md", "# Other\n\nthe garden grows\n");
    seed("two.md", "# Garden\n\nother things grow\n");
    seed("garden.md", "# Other\n\nother things grow\n");
    assert_eq!(paths("garden"), ["garden.md", "two.md", "one.md"]);
}

#[test]
fn a_title_in_the_front_matter_is_a_title() {
    seed("1.md", "# Harbour\n\nships\n");
    seed("2.md", "---\ntitle: Harbour\n---\nships\n");
    seed("3.md", "---\nplace: Harbour\n---\nships\n");
    seed("4.md", "title: no front matter\n\nHarbour ships\n");
    let order = paths("harbour");
    assert_eq!(order[..2], ["2.md", "1.md"]);
    assert_eq!(order.len(), 4);
}

#[test]
fn a_line_in_code_is_no_heading() {
    let text = |line: &str, fence: &str| format!("{fence}\n{line}\n{fence}\nend of it\n");
    seed("code.md", text("# harbour", "```"));
    seed("tilde.md", text("# harbour", "~~~"));
    seed("text.md", text("# harbour", "``"));
    seed("after.md", "```\n~~~\nx\n```\n# harbour\nend of it\n");
    seed("seven.md", text("####### harbour", ".."));
    seed("tag.md", text("#harbour", ".."));
    let order = paths("harbour");
    assert_eq!(order[..2], ["after.md", "text.md"]);
    assert_eq!(order.len(), 6);
}

#[test]
fn rare_words_more_of_them_and_short_notes_come_first() {
    seed("a.md", "common rare");
    seed("b.md", "common word");
    seed("c.md", "common word");
    assert_eq!(paths("common rare"), ["a.md", "b.md", "c.md"]);
    seed("more.md", "pear pear pear and so on");
    seed("less.md", "pear and so on and on we go");
    seed("even.md", "pear and so on we");
    assert_eq!(paths("pear"), ["more.md", "even.md", "less.md"]);
    assert_eq!(paths("nowhere to be seen"), Vec::<String>::new());
}

#[test]
fn finds_what_is_written_without_spaces() {
    seed("ja.md", "昨日は東京都に行きました。");
    seed("zh.md", "我们在京都大学学习。");
    seed("ko.md", "서울에서 만나요");
    seed("th.md", "ภาษาไทย");
    assert_eq!(paths("京都"), ["zh.md", "ja.md"]);
    assert_eq!(paths("東京"), ["ja.md"]);
    assert_eq!(paths("学"), ["zh.md"]);
    assert_eq!(paths("서울"), ["ko.md"]);
    assert_eq!(paths("ไทย"), ["th.md"]);
    assert_eq!(paths("都京"), Vec::<String>::new());
    assert_eq!(paths("東 京"), ["ja.md", "zh.md"]);
    let hit = first("東京");
    assert_eq!(hit["matches"], json!([{ "start": 9, "end": 15 }]));
}

#[test]
fn case_accents_and_emoji() {
    seed("de.md", "Die STRASSE ist lang.");
    seed("gr.md", "ΟΔΟΣ, οδός");
    seed("fr.md", "un cafe\u{301} noir");
    seed("pa.md", "🎉 at last🚀!");
    assert_eq!(paths("straße"), ["de.md"]);
    assert_eq!(paths("οδος"), ["gr.md"]);
    assert_eq!(paths("CAFE\u{301}"), ["fr.md"]);
    assert_eq!(paths("cafe"), Vec::<String>::new());
    assert_eq!(paths("🚀"), ["pa.md"]);
    assert_eq!(paths("last"), ["pa.md"]);
    assert_eq!(first("🎉")["matches"], json!([{ "start": 0, "end": 4 }]));
    assert_eq!(first("last")["matches"], json!([{ "start": 8, "end": 12 }]));
}

#[test]
fn composed_and_decomposed_accents_meet_and_places_are_of_the_file() {
    seed("a.md", "x cafe\u{301} y");
    seed("b.md", "x caf\u{e9} y");
    assert_eq!(paths("caf\u{e9}"), paths("cafe\u{301}"));
    assert_eq!(paths("CAF\u{c9}").len(), 2);
    assert_eq!(
        first("caf\u{e9}")["matches"],
        json!([{ "start": 2, "end": 8 }])
    );
    seed("hi.md", "हिन्दी भाषा");
    seed("hi2.md", "हिन दी");
    assert_eq!(paths("हिन्दी"), ["hi.md"]);
    seed("star.md", "Rated \u{2b50} today");
    assert_eq!(paths("\u{2b50}"), ["star.md"]);
}

#[test]
fn a_note_with_nul_is_read_and_one_of_utf_16_is_named() {
    seed("good.md", "good zebra");
    seed("nul.md", "bad \0 zebra \0");
    let output = search(json!({ "query": "zebra" }));
    assert_eq!(
        (output["notes"].clone(), output["skipped"].clone()),
        (json!(2), json!(0))
    );
    assert_eq!(output["hits"][1]["snippet"]["text"], "bad ? zebra ?");
    assert_eq!(output.get("unread"), None);
}

#[test]
fn phrases_are_words_in_their_order() {
    seed("a.md", "green tea and cake");
    seed("b.md", "tea, green as ever");
    seed("green tea.md", "nothing");
    seed("ja.md", "東京都庁");
    assert_eq!(paths("\"green tea\""), ["green tea.md", "a.md"]);
    assert_eq!(paths("\"Green  TEA\" cake"), ["a.md", "green tea.md"]);
    assert_eq!(paths("-\"green tea\" tea"), ["b.md"]);
    assert_eq!(paths("\"京都\""), ["ja.md"]);
    assert_eq!(paths("\"都京\""), Vec::<String>::new());
    assert_eq!(paths("\"tea green"), ["green tea.md", "a.md", "b.md"]);
}

#[test]
fn words_can_be_left_out() {
    seed("a.md", "pear plum");
    seed("b.md", "pear");
    seed("plum.md", "pear");
    assert_eq!(paths("pear -plum"), ["b.md"]);
    assert_eq!(paths("-plum"), ["b.md"]);
    assert_eq!(paths("pear - plum").len(), 3);
    assert_eq!(paths("-plum -pear"), Vec::<String>::new());
}

#[test]
fn tags_paths_and_properties_are_asked_for() {
    seed(
        "n/a.md",
        "---\nstatus: Open\ntags: [t/x]\nlist: [one, two]\n---\npear",
    );
    seed("n/b c.md", "pear #u");
    seed("c.md", "```\n#t\n```\npear\n");
    for (query, expected) in [
        ("tag:t", vec!["n/a.md"]),
        ("tag:#t pear", vec!["n/a.md"]),
        ("pear -tag:t -tag:u", vec!["c.md"]),
        ("path:N/", vec!["n/a.md", "n/b c.md"]),
        ("path:\"b c\" pear", vec!["n/b c.md"]),
        ("-path:n/ pear", vec!["c.md"]),
        ("[status]", vec!["n/a.md"]),
        ("[status:open]", vec!["n/a.md"]),
        ("[\"list\": two] pear", vec!["n/a.md"]),
        ("[status:done]", vec![]),
        ("-[status] path:n", vec!["n/b c.md"]),
        ("tag:t tag:u", vec![]),
    ] {
        assert_eq!(paths(query), expected, "{query}");
    }
    let hit = first("tag:u");
    assert_eq!(
        (hit["score"].clone(), hit["matches"].clone()),
        (json!(0.0), json!([]))
    );
    assert_eq!(hit["snippet"]["text"], "pear #u");
    // What is no operator is looked for as words.
    seed("o.md", "see tag: here and [brackets");
    assert_eq!(paths("tag:"), ["o.md"]);
    assert_eq!(paths("[brackets"), ["o.md"]);
    assert_eq!(paths("[] brackets"), ["o.md"]);
}

#[test]
fn hits_come_in_pages() {
    for number in 0..5 {
        seed(format!("{number}.md"), "pear");
    }
    let page = |offset: usize| search(json!({ "query": "pear", "top_k": 2, "offset": offset }));
    let second = page(2);
    assert_eq!(
        (
            second["hits"][0]["path"].clone(),
            second["total"].clone(),
            second["next_offset"].clone()
        ),
        (json!("2.md"), json!(5), json!(4))
    );
    let last = page(4);
    assert_eq!(last["hits"].as_array().map(Vec::len), Some(1));
    assert_eq!(last.get("next_offset"), None);
    assert_eq!(page(9)["hits"], json!([]));
}

#[test]
fn searches_notes_below_a_folder_and_gives_as_many_as_asked() {
    for path in ["a.md", "n/b.MD", "n/sub/c.md", "n/d.txt", "n/md"] {
        seed(path, "pear");
    }
    let found = search(json!({ "query": "pear", "folder": "n" }));
    assert_eq!(found["notes"], 2);
    assert_eq!(found["skipped"], 0);
    assert_eq!(found["hits"].as_array().map(Vec::len), Some(2));
    assert_eq!(paths("pear"), ["a.md", "n/b.MD", "n/sub/c.md"]);
    let one = search(json!({ "query": "pear", "top_k": 1 }));
    assert_eq!(one["hits"].as_array().map(Vec::len), Some(1));
    assert_eq!(one["notes"], 3);
    for number in 0..12 {
        seed(format!("m/{number}.md"), "plum");
    }
    assert_eq!(
        search(json!({ "query": "plum" }))["hits"]
            .as_array()
            .map(Vec::len),
        Some(10)
    );
}

#[test]
fn a_snippet_is_where_most_words_meet() {
    let filler = "lorem ipsum dolor sit amet ".repeat(20);
    let text = format!("{filler}pear {filler}pear and plum {filler}plum");
    seed("a.md", &text);
    let hit = first("pear plum");
    let at = text.find("pear and plum").unwrap();
    let matches = json!([{ "start": at, "end": at + 4 }, { "start": at + 9, "end": at + 13 }]);
    assert_eq!(hit["matches"], matches);
    let (start, end) = (
        hit["snippet"]["start"].as_u64().unwrap(),
        hit["snippet"]["end"].as_u64().unwrap(),
    );
    let piece = &text[start as usize..end as usize];
    assert_eq!(hit["snippet"]["text"], piece);
    assert!(piece.starts_with("amet lorem ipsum dolor sit"), "{piece}");
    assert!(piece.ends_with("lorem ipsum dolor sit"), "{piece}");
    assert_eq!(piece.len(), 256);
}

#[test]
fn a_snippet_without_a_word_is_the_start_of_the_text() {
    seed(
        "pear.md",
        "\u{feff}---\r\nx: y\r\n---\r\n\r\n  Hello there.\r\n",
    );
    seed("sub/pear.md", "---\nnever closed\n");
    seed("z/pear.md", "");
    let output = search(json!({ "query": "pear" }));
    let text = |at: usize| output["hits"][at]["snippet"].clone();
    assert_eq!(
        text(0),
        json!({ "text": "Hello there.", "start": 23, "end": 35 })
    );
    assert_eq!(
        text(1),
        json!({ "text": "---\nnever closed", "start": 0, "end": 16 })
    );
    assert_eq!(text(2), json!({ "text": "", "start": 0, "end": 0 }));
}

#[test]
fn a_query_needs_a_word_and_a_folder_must_be_there() {
    for query in ["", "  ", "!?", "--"] {
        let got = call(run, json!({ "query": query }));
        assert!(
            matches!(got, Err(SkillError::InvalidInput(_))),
            "{query:?}: {got:?}"
        );
    }
    let got = call(run, json!({ "query": "pear", "folder": "nowhere" }));
    assert!(matches!(got, Err(SkillError::NotFound(_))), "{got:?}");
    let empty = search(json!({ "query": "pear" }));
    assert_eq!(
        empty,
        json!({ "hits": [], "total": 0, "notes": 0, "skipped": 0 })
    );
}
