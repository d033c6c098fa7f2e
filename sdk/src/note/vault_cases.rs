//! Further notes as vaults have them: each kind that is easily read too simply.

use super::*;

fn tags(text: &str) -> Vec<String> {
    Note::parse(text).tags.into_iter().map(|tag| tag.name).collect()
}

fn lines(text: &str) -> Vec<String> {
    Note::parse(text).blocks.iter().map(|block| block.lines.join(" ")).collect()
}

#[test]
fn code_within_other_blocks_ends_where_it_ends() {
    for (text, expected) in [
        ("> [!warning]- Folded\n> > [!tip]\n> > ```\n> > #x\n> > ```\n> > #y\n\n#z\n", vec!["y", "z"]),
        ("- a\n  > ```\n  > #x\n  > ```\n  > #y\n- #z\n", vec!["y", "z"]),
        ("1. a\n   - b\n     ~~~js\n     #x\n     ~~~\n     #y\n", vec!["y"]),
        ("- [ ] task\n  ```\n  - [ ] #x\n  ```\n- [ ] #y\n", vec!["y"]),
        ("> ```\n> #x\n\n#y\n", vec!["y"]),
        ("~~~~\n~~~\n#x\n~~~~\n#y\n", vec!["y"]),
        ("``` `#x` ```\n#y\n", vec!["y"]),
        ("`` ` #x `` #y\n", vec!["y"]),
        ("```mermaid\nflowchart\n%%{init}%%\n#x\n```\n#y\n", vec!["y"]),
        ("```dataview\nLIST FROM #x\n```\n#y\n", vec!["y"]),
        ("\t#x\n\n#y\n", vec!["y"]),
        ("- a\n\n      #x\n\n- #y\n", vec!["y"]),
        ("| a | b |\n|---|---|\n| `#x` | #y |\n", vec!["y"]),
        ("   ```\n   #x\n   ```\n#y\n", vec!["y"]),
        ("```\n#x\n", vec![]),
        ("```\r\n#x\r\n```\r\n#y\r\n", vec!["y"]),
    ] {
        assert_eq!(tags(text), expected, "{text:?}");
    }
}

#[test]
fn comments_and_formulas_end_where_they_end() {
    for (text, expected) in [
        ("- a %% #x\n- b %% #y\n", vec!["y"]),
        ("| a |\n|---|\n| <!-- #x --> #y |\n", vec!["y"]),
        ("# Head %% #x %% #y\n", vec!["y"]),
        ("<!--\n\n```\n\n-->\n#y\n", vec!["y"]),
        ("%%\n$$\n%%\n#y\n", vec!["y"]),
        ("$$ a\n%% #x\n$$ #y\n", vec!["y"]),
        ("$$\\sum_{#x}$$ #y\n", vec!["y"]),
        ("It is \\$5 #y and \\$6 #z\n", vec!["y", "z"]),
        ("> $$\n> #x\n> $$\n> #y\n", vec!["y"]),
        ("text <!-- one\n#x\ntwo --> #y\n", vec!["y"]),
        ("<!-- a --> <!-- #x --> #y\n", vec!["y"]),
        ("%%%% #y\n", vec!["y"]),
    ] {
        assert_eq!(tags(text), expected, "{text:?}");
    }
    assert_eq!(lines("A %%b\n\nc%% d.\n"), ["A", "d."]);
    assert_eq!(lines("> Said. <!-- not -->\n"), ["Said."]);
}

#[test]
fn more_forms_of_front_matter() {
    for (text, expected) in [
        ("---\ntags:\n- x\n- \"#y\"\n- 'z'\n---\n", vec!["x", "y", "z"]),
        ("---\ntags: x, y z\n---\n", vec!["x", "y", "z"]),
        ("---\ntag: x\nTAGS: [y]\n---\n", vec!["x", "y"]),
        ("---\ntags:\n---\n#y\n", vec!["y"]),
        ("---\ntags: []\n---\n#y\n", vec!["y"]),
        ("---\ntags: ~\n---\n#y\n", vec!["y"]),
        ("---\ntags: [x,\n  y] # both\n---\n", vec!["x", "y"]),
        ("---\ntags:\n    # mine\n    - x   # one\n\n    - y\n---\n", vec!["x", "y"]),
        ("---\ntags: [2024, 2024/05, v2]\n---\n", vec!["2024/05", "v2"]),
        ("---\n\"tags\" : [ \"x\" ]\n---\n", vec!["x"]),
        ("---\n{\"tags\": \"x y\"}\n---\n", vec!["x", "y"]),
        ("---\n{\"tags\": null, \"tag\": [\"x\"]}\n---\n", vec!["x"]),
        ("---   \ntags: [x]\n---   \n#y\n", vec!["x", "y"]),
        ("---\ntags: [x]\n...\n#y\n", vec!["x", "y"]),
        ("---\ntags: [x]\n---", vec!["x"]),
        ("\n---\ntags: [x]\n---\n", vec![]),
        ("---\ntitle: \"a: b\"\nurl: https://a.b/#x\ntags: [y]\n---\n", vec!["y"]),
        ("---\ntitle: a: b\ntags: [y]\n---\n", vec!["y"]),
        ("---\ntitle: [[Note]]\ntags:\n  - y\n---\n", vec!["y"]),
        ("---\nup: \"[[Note #x]]\"\ntags: y\n---\n", vec!["y"]),
        ("---\ntext: |\n  tags: [x]\n  #x\ntags: [y]\n---\n", vec!["y"]),
        ("---\ntags: [日記, café]\n---\n", vec!["日記", "café"]),
    ] {
        assert_eq!(tags(text), expected, "{text:?}");
    }
    let note = Note::parse("---\nalias: One\naliases:\n  - Two\n  - 3\n---\n");
    assert_eq!(
        (note.front.texts("alias"), note.front.texts("aliases")),
        (vec!["One".into()], vec!["Two".into(), "3".into()])
    );
}

#[test]
fn more_tags_of_every_script() {
    for (text, expected) in [
        (
            "#日本語/予定 #한국어 #русский #العربية #עברית #ελληνικά",
            vec!["日本語/予定", "한국어", "русский", "العربية", "עברית", "ελληνικά"],
        ),
        ("#বাংলা #తెలుగు #ಕನ್ನಡ #ગુજરાતી #ਪੰਜਾਬੀ #සිංහල", vec!["বাংলা", "తెలుగు", "ಕನ್ನಡ", "ગુજરાતી", "ਪੰਜਾਬੀ", "සිංහල"]),
        ("#ລາວ #ខ្មែរ #မြန်မာ #አማርኛ #ქართული #հայերեն", vec!["ລາວ", "ខ្មែរ", "မြန်မာ", "አማርኛ", "ქართული", "հայերեն"]),
        ("#می\u{200c}خواهم", vec!["می\u{200c}خواهم"]),
        (
            "#👨\u{200d}👩\u{200d}👧 #🇨🇿 #👍🏽 #1️⃣ #☕/morning",
            vec!["👨\u{200d}👩\u{200d}👧", "🇨🇿", "👍🏽", "1️⃣", "☕/morning"],
        ),
        ("#a-b_c/d #A1 #1a #y/", vec!["a-b_c/d", "A1", "1a", "y"]),
        ("#2024 #12 #_ #-", vec!["_", "-"]),
        ("a#x (#x) \"#x\" [#x] #y, #z. #w!", vec!["y", "z", "w"]),
        ("#y，#x。 #z、", vec!["y", "z"]),
        ("https://a.b/#x <https://a.b/#x> [t](https://a.b/#x) #y", vec!["y"]),
        ("# #y\n\n## Head #z\n", vec!["y", "z"]),
        ("#y#x\n\n##x\n", vec!["y"]),
        ("&#x27; &#35;x #y", vec!["y"]),
    ] {
        assert_eq!(tags(text), expected, "{text:?}");
    }
}

#[test]
fn a_block_with_an_id_is_the_whole_block() {
    let block = |text: &'static str| Note::parse(text).block_with_id(text, "id").map(|range| &text[range]);
    for (text, expected) in [
        ("a\n\nb\nc ^id\n\nd\n", "b\nc ^id\n"),
        ("- a\n- b ^id\n- c\n", "- b ^id\n"),
        ("- [ ] do ^id\n", "- [ ] do ^id\n"),
        ("x\n\n```js\nlet a;\n```\n\n^id\n\ny\n", "```js\nlet a;\n```\n\n^id\n"),
        ("x\n\n- a\n- b\n\n^id\n", "- a\n- b\n\n^id\n"),
        ("x\n\n| a | b |\n|---|---|\n| c | d |\n\n^id\n", "| a | b |\n|---|---|\n| c | d |\n\n^id\n"),
        ("x\n\n> one\n> two\n\n^id\n", "> one\n> two\n\n^id\n"),
        ("x\n\n> [!note]\n> one\n>\n> two\n\n^id\n", "> [!note]\n> one\n>\n> two\n\n^id\n"),
        ("## Head ^id\n\ntext\n", "## Head ^id\n"),
        ("a ^id\r\n\r\nb\r\n", "a ^id\r\n"),
        ("a ^id", "a ^id"),
    ] {
        assert_eq!(block(text), Some(expected), "{text:?}");
    }
    for text in ["```\na ^id\n```\n", "a^id\n", "a ^id b\n", "a ^ide\n", "^id\n"] {
        assert_eq!(block(text), None, "{text:?}");
    }
}

#[test]
fn a_heading_is_found_by_each_of_its_names() {
    let text = "# C# notes\none\n## [[Note|alias]]: *x*\ntwo\n## Café\nthree\n```\n# Café\n```\n> # Quoted\n## A/B `c`\nfour\n";
    let note = Note::parse(text);
    let first = |name: &str| note.sections(text, name).first().map(|section| text[section.body.clone()].lines().next());
    for (name, expected) in [
        ("C# notes", "one"),
        ("# C# notes", "one"),
        ("[[Note|alias]]: *x*", "two"),
        ("Note alias x", "two"),
        ("CAFE\u{301}", "three"),
        ("C# notes#Café", "three"),
        ("A B c", "four"),
    ] {
        assert_eq!(first(name), Some(Some(expected)), "{name}");
    }
    assert_eq!(note.sections(text, "Café").len(), 1);
    assert!(note.sections(text, "!").is_empty() && note.sections(text, "notes").is_empty());
    let setext = "Title\n=====\none\n\nSub\n---\ntwo\n";
    let note = Note::parse(setext);
    assert_eq!(note.sections(setext, "Title#Sub").first().map(|section| &setext[section.body.clone()]), Some("two\n"));
}

#[test]
fn a_comment_behind_a_changed_property_stays() {
    use edit::{PropertyChange, property};
    let set = |text: &str, value: serde_json::Value| {
        let change = property(text, &Note::parse(text), "status", PropertyChange::Set(value)).unwrap_or_default();
        String::from_utf8(change.map(|change| change.apply(text.as_bytes())).unwrap_or_default()).unwrap_or_default()
    };
    for (text, expected) in [
        ("---\nstatus: open # mine\nb: 1\n---\n", "---\nstatus: done # mine\nb: 1\n---\n"),
        ("---\r\nstatus: 'open'\t# mine\r\n---\r\n", "---\r\nstatus: done\t# mine\r\n---\r\n"),
        ("---\nstatus: [a, \"b # c\"] # mine\n---\n", "---\nstatus: done # mine\n---\n"),
        ("---\nstatus: \"a # b\"\n---\n", "---\nstatus: done\n---\n"),
        ("---\nstatus: open\n# below\n---\n", "---\nstatus: done\n# below\n---\n"),
        ("---\nstatus:\n  - a # mine\n---\n", "---\nstatus: done\n---\n"),
    ] {
        assert_eq!(set(text, "done".into()), expected, "{text:?}");
    }
    assert_eq!(set("---\nstatus: open # mine\n---\n", serde_json::json!(["a"])), "---\nstatus:\n  - a\n---\n");
}

#[test]
fn more_links_and_where_they_lead() {
    let files = ["Home.md", "n/a b.md", "n/Ärger.md", "x/a b.md", "img/p 1.png", "n/deep/c.md"].map(str::to_owned);
    let links = Links::new(&files);
    let lead = |text: &str, from: &str| {
        let note = Note::parse(text);
        let link = note.links.first().cloned().unwrap_or_else(|| unreachable!());
        links.resolve(&link, from).map(str::to_owned)
    };
    for (text, from, expected) in [
        ("[[a b]]", "n/deep/c.md", Some("n/a b.md")),
        ("[[A B.MD]]", "x/y.md", Some("x/a b.md")),
        ("[[x/a b#Head|t]]", "Home.md", Some("x/a b.md")),
        ("[[a b#^id]]", "n/z.md", Some("n/a b.md")),
        ("![[p 1.png|300]]", "n/z.md", Some("img/p 1.png")),
        ("[[A\u{308}rger]]", "Home.md", Some("n/Ärger.md")),
        ("[t](n/%C3%84rger.md#x)", "Home.md", Some("n/Ärger.md")),
        ("[t](<../img/p 1.png> \"title\")", "n/a.md", Some("img/p 1.png")),
        ("![](../../img/p%201.png)", "n/deep/c.md", Some("img/p 1.png")),
        ("[t](./deep/c)", "n/a b.md", Some("n/deep/c.md")),
        ("[t](/Home.md)", "n/deep/c.md", Some("Home.md")),
        ("[t][r]\n\n[r]: ./deep/c.md 'x'", "n/a.md", Some("n/deep/c.md")),
        ("| a |\n|---|\n| [[c\\|t]] |\n", "Home.md", Some("n/deep/c.md")),
        ("| a |\n|---|\n| [[c#h\\|t]] |\n", "Home.md", Some("n/deep/c.md")),
        ("> - [[c]]\n", "Home.md", Some("n/deep/c.md")),
        ("[[nowhere]]", "Home.md", None),
        ("[t](../../../etc/passwd)", "n/a.md", None),
    ] {
        assert_eq!(lead(text, from).as_deref(), expected, "{text}");
    }
    for text in ["`[[c]]`", "```\n[[c]]\n```", "<!-- [[c]] -->", "%% [[c]] %%", "$[[c]]$", "\\[[c]]"] {
        assert!(Note::parse(text).links.is_empty(), "{text}");
    }
    for text in ["[t](mailto:a@b.c)", "[t](obsidian://open?x=y)", "<https://a.b>", "[t](file:///x)"] {
        assert!(Note::parse(text).links.iter().all(is_external), "{text}");
    }
}

#[test]
fn only_the_first_words_of_a_quote_name_a_callout() {
    for (text, expected) in [
        ("> [!note]\n> Said.\n", vec!["Said."]),
        ("> [!note]- Title\n> Said.\n", vec!["Title Said."]),
        ("> [!info|left]+\n> Said.\n", vec!["Said."]),
        ("> [!a]\n> > [!b] Title\n> > Said.\n", vec!["Title Said."]),
        ("> ```\n> x\n> ```\n\n[!note] stays\n", vec!["[!note] stays"]),
        ("> # Head\n> [!note] stays\n", vec!["Head", "[!note] stays"]),
        ("> - item\n>\n> [!note] stays\n", vec!["item", "[!note] stays"]),
        ("> - [!note] stays\n", vec!["[!note] stays"]),
        ("> **bold**\n> [!note] stays\n", vec!["**bold** [!note] stays"]),
        ("> `code`\n> [!note] stays\n", vec!["`code` [!note] stays"]),
        ("> [[Link]]\n> [!note] stays\n", vec!["[[Link]] [!note] stays"]),
        (">\n\n[!note] stays\n", vec!["[!note] stays"]),
    ] {
        assert_eq!(lines(text), expected, "{text:?}");
    }
}

#[test]
fn a_formula_with_an_empty_line_is_a_formula() {
    for (text, expected) in [
        ("$$\na\n\n#x\n$$\n#y\n", vec!["y"]),
        ("$$\n\n#x\n\n$$\n\n#y\n", vec!["y"]),
        ("$$\r\na\r\n\r\n#x\r\n$$\r\n#y\r\n", vec!["y"]),
        ("$$\na\n$$\n\n#y\n\n$$\nb\n$$\n", vec!["y"]),
        // A mark that nothing closes, or that is another formula's, starts nothing.
        ("$$\n\n#y\n", vec!["y"]),
        ("$$\n\n#y\n\n$$\nb\n$$\n", vec!["y"]),
        ("```\n$$\n```\n\n#y\n\n```\n$$\n```\n", vec!["y"]),
        ("Costs $$\n\n#y\n\nand $$\n", vec!["y"]),
        ("$$\n\n#y\n\n$$ and more\n", vec!["y"]),
    ] {
        assert_eq!(tags(text), expected, "{text:?}");
    }
    assert_eq!(lines("One.\n\n$$\na\n\nb\n$$\n\nTwo.\n"), ["One.", "Two."]);
}

#[test]
fn a_text_with_many_marks_is_read_in_time_that_grows_with_it() {
    let times = 60_000;
    // Each mark that searched the rest of the text would take the square of this.
    for (mark, expected) in [
        ("%% a %% ", 1),
        ("%% %% b\n", 1),
        ("<!-- a --> ", 1),
        ("x <!-- ", 1),
        ("<!--\n", 0),
        ("`%%` <!-- a --> ", 1),
        ("$$ ", 1),
        ("$$\n\na\n\n", 1),
        ("[[a ", 1),
        ("> [!a]\n", 1),
    ] {
        let text = format!("{}\n\n#y\n", mark.repeat(times));
        assert_eq!(tags(&text).len(), expected, "{mark:?}");
    }
    let front = format!("---\na: {}\nb: {}\n---\n#y\n", "[[ ".repeat(times), "'[[c]]', ".repeat(times));
    let note = Note::parse(&front);
    assert_eq!((note.links.len(), note.tags.len()), (times, 1));
}

#[test]
fn a_path_of_the_vault_starts_with_a_slash() {
    let files = ["Home.md", "n/Home.md", "n/a.md", "img/p.png", "n/img/p.png"].map(str::to_owned);
    let links = Links::new(&files);
    let lead = |text: &str| {
        let note = Note::parse(text);
        let link = note.links.first().cloned().unwrap_or_else(|| unreachable!());
        (links.resolve(&link, "n/a.md").map(str::to_owned), links.resolve_path(&link, "n/a.md").map(str::to_owned))
    };
    for (text, found, path) in [
        ("[t](Home.md)", Some("n/Home.md"), Some("n/Home.md")),
        ("[t](/Home.md)", Some("Home.md"), None),
        ("![](/img/p.png)", Some("img/p.png"), None),
        ("![](img/p.png)", Some("n/img/p.png"), Some("n/img/p.png")),
        ("![](../img/p.png)", Some("img/p.png"), Some("img/p.png")),
        ("[t](a)", Some("n/a.md"), Some("n/a.md")),
        ("[t](#here)", Some("n/a.md"), None),
        ("[t](n/a.md)", Some("n/a.md"), None),
        ("[[/Home]]", Some("Home.md"), None),
    ] {
        assert_eq!(lead(text), (found.map(str::to_owned), path.map(str::to_owned)), "{text}");
    }
}
