use super::*;
use kavi_sdk::testing::{call, seed, written, written_paths};

const PATH: &str = "Inbox/n.md";

/// What a note is after a change.
fn after(text: &str, input: Value) -> String {
    seed(PATH, text);
    let mut input = input;
    input["path"] = json!(PATH);
    let output = call(run, input).unwrap();
    let new = written(PATH).unwrap_or_else(|| text.to_owned());
    let expected = json!({
        "path": PATH, "changed": new != text, "sha256": sha256(&new), "size": new.len(),
    });
    assert_eq!(output, expected);
    new
}

fn refused(text: &str, input: Value) -> SkillError {
    seed(PATH, text);
    let mut input = input;
    input["path"] = json!(PATH);
    let error = call(run, input).unwrap_err();
    assert!(written_paths().is_empty());
    error
}

#[test]
fn appends_to_a_note() {
    let to = |text: &str| after(text, json!({ "action": "append", "text": "new" }));
    assert_eq!(to("# A\n\none\n"), "# A\n\none\nnew\n");
}

#[test]
fn appends_behind_the_last_line() {
    let to = |text: &str| after(text, json!({ "action": "append", "text": "new\n" }));
    assert_eq!(to("one"), "one\nnew\n");
}

#[test]
fn keeps_line_ends_and_the_byte_order_mark() {
    let text = "\u{feff}---\r\na: 1\r\n---\r\none\r\n";
    let new = after(text, json!({ "action": "append", "text": "two\nthree" }));
    assert_eq!(new, format!("{text}two\r\nthree\r\n"));
}

#[test]
fn prepends_below_the_front_matter() {
    let new = after(
        "---\na: 1\n---\none\n",
        json!({ "action": "prepend", "text": "zero" }),
    );
    assert_eq!(new, "---\na: 1\n---\nzero\none\n");
}

#[test]
fn a_byte_order_mark_stays_first() {
    let new = after(
        "\u{feff}one\n",
        json!({ "action": "prepend", "text": "zero" }),
    );
    assert_eq!(new, "\u{feff}zero\none\n");
}

#[test]
fn appends_below_a_heading() {
    let new = after(
        "# A\n\none\n\n# B\ntwo\n",
        json!({ "action": "append", "heading": "A", "text": "new" }),
    );
    assert_eq!(new, "# A\n\none\nnew\n\n# B\ntwo\n");
}

#[test]
fn appends_below_an_empty_heading() {
    let new = after(
        "# A\n# B\n",
        json!({ "action": "append", "heading": "A", "text": "new" }),
    );
    assert_eq!(new, "# A\nnew\n# B\n");
}

#[test]
fn appends_below_a_heading_that_is_the_last_line() {
    let new = after(
        "# A",
        json!({ "action": "append", "heading": "A", "text": "new" }),
    );
    assert_eq!(new, "# A\nnew\n");
}

#[test]
fn prepends_below_a_heading() {
    let new = after(
        "# A\none\n",
        json!({ "action": "prepend", "heading": "# A", "text": "zero" }),
    );
    assert_eq!(new, "# A\nzero\none\n");
}

#[test]
fn replaces_what_is_below_a_heading() {
    let new = after(
        "# A\none\n## C\nx\n# B\ntwo\n",
        json!({ "action": "replace", "heading": "A", "text": "new" }),
    );
    assert_eq!(new, "# A\nnew\n# B\ntwo\n");
}

#[test]
fn replaces_a_block_and_appends_to_one() {
    let new = after(
        "a\n\nb ^id\n\nc\n",
        json!({ "action": "replace", "block": "^id", "text": "B ^id" }),
    );
    assert_eq!(new, "a\n\nB ^id\n\nc\n");
}

#[test]
fn appends_to_a_block() {
    let new = after(
        "a\n\nb ^id\n\nc\n",
        json!({ "action": "append", "block": "id", "text": "more" }),
    );
    assert_eq!(new, "a\n\nb ^id\nmore\n\nc\n");
}

#[test]
fn replaces_the_whole_text() {
    let new = after(
        "---\na: 1\n---\none\ntwo",
        json!({ "action": "replace", "text": "new" }),
    );
    assert_eq!(new, "---\na: 1\n---\nnew\n");
}

#[test]
fn replaces_a_text_that_occurs_once() {
    let new = after(
        "one two\r\nthree\r\n",
        json!({ "action": "replace_text", "find": "two\nthree", "text": "2\n3" }),
    );
    assert_eq!(new, "one 2\r\n3\r\n");
}

#[test]
fn refuses_a_text_that_is_not_there_once() {
    let find = |find: &str| json!({ "action": "replace_text", "find": find, "text": "x" });
    assert!(matches!(refused("a b a", find("a")), SkillError::Failed(_)));
    assert!(matches!(
        refused("a b a", find("c")),
        SkillError::NotFound(_)
    ));
    assert!(matches!(
        refused("a b a", find("")),
        SkillError::InvalidInput(_)
    ));
}

#[test]
fn sets_a_property() {
    let new = after(
        "---\ntitle: A # mine\nstatus: open\n---\nx\n",
        json!({ "action": "set_property", "key": "status", "value": "done" }),
    );
    assert_eq!(new, "---\ntitle: A # mine\nstatus: done\n---\nx\n");
}

#[test]
fn makes_front_matter_where_there_is_none() {
    let new = after(
        "x\n",
        json!({ "action": "set_property", "key": " count ", "value": 3 }),
    );
    assert_eq!(new, "---\ncount: 3\n---\nx\n");
}

#[test]
fn adds_to_a_list() {
    let new = after(
        "---\ntags: [a]\n---\n",
        json!({ "action": "add_to_property", "key": "tags", "value": ["a", "b"] }),
    );
    assert_eq!(new, "---\ntags:\n  - a\n  - b\n---\n");
}

#[test]
fn removes_from_a_list() {
    let new = after(
        "---\ntags: [a, b]\n---\n",
        json!({ "action": "remove_from_property", "key": "tags", "value": "a" }),
    );
    assert_eq!(new, "---\ntags:\n  - b\n---\n");
}

#[test]
fn removes_a_property() {
    let new = after(
        "---\na: 1\nb: 2\n---\n",
        json!({ "action": "remove_property", "key": "a" }),
    );
    assert_eq!(new, "---\nb: 2\n---\n");
}

#[test]
fn says_when_nothing_changed() {
    let text = "---\na: 1\n---\n";
    let input = json!({ "action": "set_property", "key": "a", "value": 1 });
    assert_eq!(after(text, input), text);
    assert!(written_paths().is_empty());
}

#[test]
fn refuses_a_property_that_cannot_be_changed() {
    let set = |key: &str| json!({ "action": "set_property", "key": key, "value": 1 });
    assert!(matches!(
        refused("---\na: [\n---\n", set("b")),
        SkillError::Failed(_)
    ));
    assert!(matches!(
        refused("x", set(" ")),
        SkillError::InvalidInput(_)
    ));
    assert!(matches!(
        refused("x", set("a\nb")),
        SkillError::InvalidInput(_)
    ));
    for action in ["set_property", "add_to_property", "remove_from_property"] {
        let error = refused("x", json!({ "action": action, "key": "a" }));
        assert!(matches!(error, SkillError::InvalidInput(_)), "{action}");
    }
}

#[test]
fn only_the_file_that_was_read_is_changed() {
    let append = |sum: String| json!({ "action": "append", "text": "x", "expect_sha256": sum });
    assert!(matches!(
        refused("a\n", append(sha256("b\n"))),
        SkillError::Failed(_)
    ));
    let sum = sha256("a\n").to_uppercase();
    assert_eq!(after("a\n", append(sum)), "a\nx\n");
}

#[test]
fn refuses_a_place_that_is_not_there_once() {
    let with = |key: &str, name: &str| {
        let mut input = json!({ "action": "append", "text": "x" });
        input[key] = json!(name);
        input
    };
    let text = "# A\n# A\nb ^id\n";
    assert!(matches!(
        refused(text, with("heading", "A")),
        SkillError::Failed(_)
    ));
    assert!(matches!(
        refused(text, with("heading", "B")),
        SkillError::NotFound(_)
    ));
    assert!(matches!(
        refused(text, with("block", "no")),
        SkillError::NotFound(_)
    ));
    let mut both = with("heading", "A");
    both["block"] = json!("id");
    assert!(matches!(refused(text, both), SkillError::InvalidInput(_)));
}

#[test]
fn refuses_what_is_no_note() {
    seed("Inbox/a.txt", "x");
    let got = call(
        run,
        json!({ "path": "Inbox/a.txt", "action": "append", "text": "x" }),
    );
    assert!(matches!(got, Err(SkillError::InvalidInput(_))), "{got:?}");
    let got = call(
        run,
        json!({ "path": "Inbox/no.md", "action": "append", "text": "x" }),
    );
    assert!(matches!(got, Err(SkillError::NotFound(_))), "{got:?}");
    assert!(written_paths().is_empty());
}
