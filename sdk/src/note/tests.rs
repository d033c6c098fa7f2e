//! Notes as people have them, and what must be read in them.

use super::*;
use serde_json::Value;

fn tags(text: &str) -> Vec<String> {
    Note::parse(text).tags.into_iter().map(|tag| tag.name).collect()
}

fn lines(text: &str) -> Vec<String> {
    Note::parse(text).blocks.iter().map(|block| block.lines.join(" ")).collect()
}

#[test]
fn code_of_every_form_has_no_tags_and_what_follows_is_read() {
    for (text, expected) in [
        ("> [!note]\n> ```css\n> color: #x;\n> #x\n> ```\n> #y\n", vec!["y"]),
        ("- item\n  ```\n  #x\n  ```\n- #y\n", vec!["y"]),
        ("````md\n```\n#x\n```\n````\n#y\n", vec!["y"]),
        ("```\n```js\n#x\n```\n#y\n", vec!["y"]),
        ("~~~\n```\n#x\n~~~\n#y\n", vec!["y"]),
        ("```#x``` and #y\n\n#z\n", vec!["y", "z"]),
        ("Text.\n\n    #x in an indented block\n\n#y\n", vec!["y"]),
        ("`a\n#x b` #y\n", vec!["y"]),
        ("> `a\n> #x b` #y\n", vec!["y"]),
        ("\\#x\n\n>#y\n", vec!["y"]),
        ("1. a\n\n   ```\n   #x\n   ```\n\n   #y\n", vec!["y"]),
    ] {
        assert_eq!(tags(text), expected, "{text:?}");
    }
}

#[test]
fn comments_have_no_tags_and_no_text() {
    for (text, expected) in [
        ("a <!-- #x --> b\n\n<!--\n#x\n-->\n#y\n", vec!["y"]),
        ("a %% #x %% #y\n\n%%\n#x\n\n#x\n%%\n#z\n", vec!["y", "z"]),
        ("`%%` #y `%%`\n", vec!["y"]),
        ("```\n%%\n```\n#y\n```\n%%\n```\n", vec!["y"]),
        ("%%\n```\n%%\n#y\n", vec!["y"]),
        ("<!-- x -->\n---\n#y\n", vec!["y"]),
        ("<!-- x -->\n| a | b |\n|---|---|\n| #y | c |\n", vec!["y"]),
        ("100 %% #y\n", vec!["y"]),
        ("> %%\n> #x\n> %%\n> #y\n", vec!["y"]),
    ] {
        assert_eq!(tags(text), expected, "{text:?}");
    }
    assert_eq!(lines("One. <!-- not this --> Two. %% nor this %%\n"), ["One. Two."]);
    assert_eq!(lines("<!--\nnot this\n\nor this\n-->\nBeds.\n"), ["Beds."]);
    assert!(Note::parse("%% x %%\n===\n").headings.is_empty());
    assert!(tags("<!--\n#x\n").is_empty());
}

#[test]
fn formulas_and_targets_of_links_have_no_tags() {
    for text in
        ["$ #x$ or $a #x b$ x", "$$\n#x\n$$\n", "[[Note #x]]", "[[a|b #x]]", "[t](<My note.md #x>)", "![[a #x]]"]
    {
        let found = tags(text);
        assert_eq!(found, if text.starts_with("$ ") { vec!["x"] } else { vec![] } as Vec<&str>, "{text:?}");
    }
    assert_eq!(tags("It costs $5 #y and $6 #z\n"), ["y", "z"]);
}

#[test]
fn front_matter_in_every_form() {
    for (text, expected) in [
        ("---\n{\n  \"tags\": [\"x\", \"a/y\"],\n  \"publish\": false\n}\n---\ntext\n", vec!["x", "a/y"]),
        ("---\n\"tags\": [x]\n---\n", vec!["x"]),
        ("---\n'tags':\n- x\n---\n", vec!["x"]),
        ("---\ntags:\n  - x\n\n  - y\n---\n", vec!["x", "y"]),
        ("---\ntags:\n  - x\n# comment\n  - y\n---\n", vec!["x", "y"]),
        ("---\ntags: null\n---\n", vec![]),
        ("---\ntags: [null, ~, x]\n---\n", vec!["x"]),
        ("---\ntags: [x, y] # comment #z\n---\n", vec!["x", "y"]),
        ("---\ntags: [x, y/z]\nbad: [\n---\n", vec!["x", "y/z"]),
        ("---\na: &t [x, y]\ntags: *t\n---\n", vec!["x", "y"]),
        ("---\r\ntags: x\r\n---\r\n#y\r\n", vec!["x", "y"]),
        ("---\ntags: x\n", vec![]),
    ] {
        assert_eq!(tags(text), expected, "{text:?}");
    }
    let note = Note::parse("---\naliases: [One, \"Two, three\"]\ncount: 3\n---\n");
    assert_eq!(note.front.texts("Aliases"), ["One", "Two, three"]);
    assert_eq!(note.front.get("count"), Some(&crate::json!(3)));
}

#[test]
fn a_bomb_of_aliases_is_given_up() {
    let mut text = "---\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let items = vec![format!("*a{}", level - 1); 10].join(", ");
        text.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    let note = Note::parse(&(text + "---\n#y\n"));
    assert!(note.front.broken);
    assert_eq!(note.tags.len(), 1);
    let deep = format!("---\na: {}1{}\n---\n", "[".repeat(500), "]".repeat(500));
    assert!(Note::parse(&deep).front.broken);
}

#[test]
fn properties_say_where_their_lines_are() {
    let text = "\u{feff}---\ntitle: A\ntags:\n  - x\n  - y\n# note\nlast: |\n  one\n  two\n---\nText\n";
    let note = Note::parse(text);
    let lines: Vec<&str> = note.front.properties.iter().map(|property| &text[property.lines.clone()]).collect();
    assert_eq!(lines, ["title: A\n", "tags:\n  - x\n  - y\n", "last: |\n  one\n  two\n"]);
    assert_eq!(&text[note.body..], "Text\n");
}

#[test]
fn tags_of_every_script() {
    let text = "#น้ำ #हिन्दी #தமிழ் #മലയാളം #⭐ #⏳/wait #⏰ #❤️ #2031/07 #e\u{301}t #👩‍💻 #🏴\u{e0067}\u{e007f}\n";
    let expected = [
        "น้ำ",
        "हिन्दी",
        "தமிழ்",
        "മലയാളം",
        "⭐",
        "⏳/wait",
        "⏰",
        "❤️",
        "2031/07",
        "e\u{301}t",
        "👩‍💻",
        "🏴\u{e0067}\u{e007f}",
    ];
    assert_eq!(tags(text), expected);
    assert!(tags::is_within("2031/07", "2031"));
    assert!(tags::is_within("e\u{301}t/a", "ÉT"));
    assert!(tags::is_within("❤️", "❤"));
    assert!(!tags::is_within("2031a", "2031"));
}

#[test]
fn ranges_are_bytes_of_the_file() {
    let text = "\u{feff}---\nx: é\n---\né #tag\n\n> - [ ] a task\n>   goes on\n\n## Plan `b`\n\n[[Note#Part|x]] ![[p.png]] [y](a.md)\n";
    let note = Note::parse(text);
    assert_eq!(&text[note.tags[0].range.clone().unwrap_or_default()], "#tag");
    assert_eq!(&text[note.headings[0].range.clone()], "## Plan `b`");
    assert_eq!((note.headings[0].level, note.headings[0].text.as_str()), (2, "Plan `b`"));
    let links: Vec<_> = note.links.iter().map(|link| (link.target.as_str(), &text[link.range.clone()])).collect();
    assert_eq!(links, [("Note", "[[Note#Part|x]]"), ("p.png", "![[p.png]]"), ("a.md", "[y](a.md)")]);
    assert_eq!(note.links[0].heading.as_deref(), Some("Part"));
    assert!(note.links[1].embed && note.links[0].wiki && !note.links[2].wiki);
    assert_eq!(note.tasks[0].text, "a task goes on");
    assert!(text[note.tasks[0].range.clone()].starts_with("[ ] a task"));
}

#[test]
fn tasks_have_a_state() {
    let note = Note::parse("- [ ] a\n- [x] b\n* [-] c\n1. [/] d\n- e\n- [link](x) f\n- [ ] \n\n  loose\n");
    let states: Vec<(char, &str, bool)> =
        note.tasks.iter().map(|task| (task.state, task.text.as_str(), task.is_done())).collect();
    assert_eq!(states[..4], [(' ', "a", false), ('x', "b", true), ('-', "c", true), ('/', "d", false)]);
}

#[test]
fn words_meet_in_any_form() {
    let reader = words::Reader::new();
    let ids = |text: &str| {
        let mut found = Vec::new();
        reader.each(text, |word| found.push((word.id, word.kind)));
        found
    };
    for (a, b) in [
        ("café", "cafe\u{301}"),
        ("CAFÉ", "cafe\u{301}"),
        ("が", "か\u{3099}"),
        ("서울", "\u{1109}\u{1165}\u{110b}\u{116e}\u{11af}"),
        ("\u{958}", "\u{915}\u{93c}"),
        ("می\u{200c}خواهم", "میخواهم"),
        ("❤\u{fe0f}", "❤"),
        ("soft\u{ad}ware", "software"),
    ] {
        assert_eq!(ids(a), ids(b), "{a} {b}");
    }
    assert_eq!(ids("हिन्दी").len(), 1);
    assert_eq!(ids("⭐").len(), 1);
    assert_ne!(ids("हिन्दी"), ids("हिन दी"));
    let mut places = Vec::new();
    reader.each("x cafe\u{301}s!", |word| places.push((word.start, word.end)));
    assert_eq!(places, [(0, 1), (2, 9)]);
}

#[test]
fn an_outline_has_the_headings_of_the_whole_note() {
    for text in
        ["# a\n", "a\n===\n", "a\n---\n", "- # a\n", "> # a\n", "1. # a\n", "text\n", "```\n# a\n```\n", "a\r\n---\r\n"]
    {
        assert_eq!(outline(text).headings, Note::parse(text).headings, "{text:?}");
    }
}

#[test]
fn no_text_makes_it_fail() {
    let pieces =
        ["```", "%%", "<!--", "-->", "\n", "[[", "]]", "#t", "$", "`", "> ", "- [ ] ", "é", "---\n", "{", "|", "\u{1}"];
    let mut seed = 7_u32;
    for _ in 0..4_000 {
        let mut text = String::new();
        for _ in 0..14 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            text.push_str(pieces[(seed >> 16) as usize % pieces.len()]);
        }
        let note = Note::parse(&text);
        for tag in note.tags.iter().filter_map(|tag| tag.range.clone()) {
            assert!(text[tag].starts_with('#'), "{text:?}");
        }
        for block in &note.blocks {
            assert!(text.get(block.range.clone()).is_some(), "{text:?}");
        }
    }
}

#[test]
fn a_section_is_what_is_below_its_heading() {
    let text = "# A\n\none\n\n## B\n\ntwo\n\n# C\n## B\nthree ^id1\n";
    let note = Note::parse(text);
    let body = |name: &str| -> Vec<&str> {
        note.sections(text, name).into_iter().map(|section| &text[section.body]).collect()
    };
    assert_eq!(body("a"), ["\none\n\n## B\n\ntwo\n\n"]);
    assert_eq!(body("## B"), ["\ntwo\n\n", "three ^id1\n"]);
    assert_eq!(body("C#B"), ["three ^id1\n"]);
    assert_eq!(body("A#B"), ["\ntwo\n\n"]);
    assert!(body("D").is_empty() && body("#").is_empty());
    assert_eq!(note.block_with_id(text, "^id1").map(|range| &text[range]), Some("three ^id1\n"));
    let apart = "one\ntwo\n\n^id2\n\nx\n";
    let note = Note::parse(apart);
    assert_eq!(note.block_with_id(apart, "id2").map(|range| &apart[range]), Some("one\ntwo\n\n^id2\n"));
    assert_eq!(note.block_with_id(apart, "id"), None);
}

#[test]
fn links_lead_to_files() {
    let files = ["a.md", "n/b.md", "n/sub/c d.md", "x/b.md", "img/p.png"].map(str::to_owned);
    let links = Links::new(&files);
    let text =
        "[[b]] [[c d]] [[sub/c d|x]] [x](sub/c%20d.md) [y](../a.md) ![[p.png]] [[nowhere]] [z](https://a.b) [[#here]]";
    let note = Note::parse(text);
    let found: Vec<_> = note.links.iter().map(|link| links.resolve(link, "n/b.md")).collect();
    let c = Some("n/sub/c d.md");
    assert_eq!(found[..7], [Some("n/b.md"), c, c, c, Some("a.md"), Some("img/p.png"), None]);
    assert!(is_external(&note.links[7]) && !is_external(&note.links[6]));
    assert_eq!(found[8], Some("n/b.md"));
}

#[test]
fn a_property_changes_and_nothing_else() {
    use edit::{PropertyChange as To, property};
    let changed = |text: &str, key: &str, to: To| -> Option<String> {
        let change = property(text, &Note::parse(text), key, to).ok()??;
        String::from_utf8(change.apply(text.as_bytes())).ok()
    };
    let text = "\u{feff}---\r\n# mine\r\ntitle: 'A'   # kept\r\ntags: [x]\r\n---\r\nBody\r\n";
    let set = |value: Value| To::Set(value);
    assert_eq!(
        changed(text, "Tags", To::Add(vec!["y z".into(), "x".into()])).as_deref(),
        Some("\u{feff}---\r\n# mine\r\ntitle: 'A'   # kept\r\ntags:\r\n  - x\r\n  - y z\r\n---\r\nBody\r\n")
    );
    assert_eq!(changed(text, "tags", To::Without(vec!["x".into()])).map(|new| new.contains("tags: []")), Some(true));
    assert_eq!(changed(text, "tags", To::Remove).map(|new| new.contains("tags")), Some(false));
    assert_eq!(changed(text, "tags", set(serde_json::json!(["x"]))), None);
    assert_eq!(changed("Body\n", "done", set(true.into())).as_deref(), Some("---\ndone: true\n---\nBody\n"));
    for value in ["null", "yes: no", "- a", "2026", "# x", "", " a", "a\nb", "true", "a'b\"c"] {
        let new = changed("---\na: 1\n---\n", "b", set(value.into())).unwrap_or_default();
        assert_eq!(Note::parse(&new).front.get("b"), Some(&Value::from(value)), "{new}");
        assert_eq!(Note::parse(&new).front.get("a"), Some(&Value::from(1)), "{new}");
    }
    let json = changed("---\n{\"a\": 1}\n---\nx", "b", set(serde_json::json!([1]))).unwrap_or_default();
    assert_eq!(Note::parse(&json).front.get("b"), Some(&serde_json::json!([1])));
    assert!(json.ends_with("\n---\nx"));
    assert!(property("---\na: [\n---\n", &Note::parse("---\na: [\n---\n"), "b", To::Remove).is_err());
}

/// What stands at the place of each link.
fn places(text: &str) -> Vec<Option<&str>> {
    Note::parse(text).links.iter().map(|link| link.place.clone().map(|place| &text[place])).collect()
}

#[test]
fn the_place_of_a_target_is_known() {
    for (text, expected) in [
        ("[[Note]]", "Note"),
        ("![[ Note #Part|x]]", "Note"),
        ("| a |\n|---|\n| [[Note\\|x]] |", "Note"),
        ("[x](a.md)", "a.md"),
        ("[x]( <a b.md#h> \"t\")", "a b.md"),
        ("[x](a(1).md 'title')", "a(1).md"),
        ("[`]` [b] \\] c](a.md#h)", "a.md"),
        ("![](img/a%20b.png)", "img/a%20b.png"),
        ("[x][r]\n\n[r]: <a.md> \"t\"", "a.md"),
        ("[R]\n\n[r]:\n  a.md#h", "a.md"),
        ("---\nup: \"[[Note|x]]\"\n---\n", "Note"),
        ("---\na: [one, '[[Bob''s #h]]']\n---\n", "Bob''s"),
        ("---\n{\"a\": \"[[Note]]\"}\n---\n", "Note"),
        ("\u{feff}<!-- [[No]] --> é [[Note]]", "Note"),
    ] {
        assert_eq!(places(text), [Some(expected)], "{text}");
    }
    assert_eq!(places("[[#here]] [x](#here)"), [Some(""), Some("")]);
    assert_eq!(places("<https://a.b>"), [None]);
    assert_eq!(places("---\nlist: [[a], [b]]\nopen: [[c\n---\n"), []);
    // An image in a link is a link as well.
    assert_eq!(places("[![a](b.png)](c.md)"), [Some("c.md"), Some("b.png")]);
}

#[test]
fn properties_have_links() {
    let text = "---\nup: \"[[No\\\"te#Part|x]]\"\nit: Bob's [[A'b]]\nq: '[[C''d]]'\n---\n[[Last]]\n";
    let note = Note::parse(text);
    let targets: Vec<_> = note.links.iter().map(|link| link.target.as_str()).collect();
    assert_eq!(targets, ["No\"te", "A'b", "C'd", "Last"]);
    assert_eq!(note.links[0].heading.as_deref(), Some("Part"));
    assert!(note.links.iter().all(|link| link.wiki && !link.embed));
    assert_eq!(&text[note.links[0].range.clone()], "[[No\\\"te#Part|x]]");
}

#[test]
fn another_target_is_written_as_its_place_needs_it() {
    let target = "n/Bob's \"x\" (1)%.md";
    let retargeted = |text: &str| {
        let note = Note::parse(text);
        let change =
            note.links.first().and_then(|link| note.retarget(text, link, target)).unwrap_or_else(|| unreachable!());
        let new = String::from_utf8(change.apply(text.as_bytes())).unwrap_or_default();
        // It is read as it was meant.
        let links = Links::new(&[target.to_owned()]);
        let read = Note::parse(&new);
        assert_eq!(read.links.first().and_then(|link| links.resolve(link, "a.md")), Some(target), "{new}");
        new
    };
    assert_eq!(retargeted("[[a#h|x]]"), format!("[[{target}#h|x]]"));
    assert_eq!(retargeted("[x](a.md#h)"), "[x](n/Bob%27s%20%22x%22%20%281%29%25.md#h)");
    assert_eq!(retargeted("[x](<a.md>)"), "[x](<n/Bob's \"x\" (1)%25.md>)");
    assert_eq!(retargeted("---\nup: '[[a]]'\n---\n"), "---\nup: '[[n/Bob''s \"x\" (1)%.md]]'\n---\n");
    assert_eq!(retargeted("---\nup: \"[[a]]\"\n---\n"), "---\nup: \"[[n/Bob's \\\"x\\\" (1)%.md]]\"\n---\n");
    assert_eq!(retargeted("---\nup: see [[a]]\n---\n"), format!("---\nup: see [[{target}]]\n---\n"));
    let outside = Note::parse("<https://a.b>");
    assert_eq!(outside.links.first().map(|link| outside.retarget("<https://a.b>", link, target)), Some(None));
}
