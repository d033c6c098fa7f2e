use super::*;
use kavi_sdk::testing::{call, seed, written, written_paths};

const NOTE: &str = "Notes/a.md";

fn set(key: &str, value: Value) -> Result<Value, SkillError> {
    call(run, json!({ "path": NOTE, "key": key, "value": value }))
}

#[test]
fn adds_front_matter_where_there_is_none() {
    seed(NOTE, "# A\n\nText: more\n");
    assert_eq!(
        set("status", json!("done")),
        Ok(json!({ "path": NOTE, "changed": true }))
    );
    assert_eq!(
        written(NOTE).as_deref(),
        Some("---\nstatus: \"done\"\n---\n# A\n\nText: more\n")
    );
}

#[test]
fn replaces_a_field_and_keeps_the_others_in_order() {
    seed(
        NOTE,
        "---\ntitle: A\ntags:\n  - one\n- two\ndate: x\n---\nBody\n",
    );
    assert_eq!(
        set("tags", json!(["a", "b \"c\""])),
        Ok(json!({ "path": NOTE, "changed": true, "previous": "- one\n- two" }))
    );
    assert_eq!(
        written(NOTE).as_deref(),
        Some("---\ntitle: A\ntags: [\"a\", \"b \\\"c\\\"\"]\ndate: x\n---\nBody\n")
    );
}

#[test]
fn writes_numbers_and_flags_bare() {
    seed(NOTE, "---\na: 1\n---");
    assert!(set("b", json!(2.5)).is_ok());
    assert_eq!(written(NOTE).as_deref(), Some("---\na: 1\nb: 2.5\n---\n"));
    assert!(set("a", json!(true)).is_ok());
    assert_eq!(
        written(NOTE).as_deref(),
        Some("---\na: true\nb: 2.5\n---\n")
    );
}

#[test]
fn an_unchanged_note_is_not_written() {
    seed(NOTE, "---\nstatus: \"done\"\n---\nBody");
    assert_eq!(
        set("status", json!("done")),
        Ok(json!({ "path": NOTE, "changed": false, "previous": "\"done\"" }))
    );
    assert!(written_paths().is_empty());
}

#[test]
fn comments_and_nested_keys_are_no_fields() {
    seed(NOTE, "---\n#a: 1\nx:\n  a: 2\n---\n");
    assert!(set("a", json!(3)).is_ok());
    assert_eq!(
        written(NOTE).as_deref(),
        Some("---\n#a: 1\nx:\n  a: 2\na: 3\n---\n")
    );
}

#[test]
fn refuses_front_matter_that_does_not_end() {
    seed(NOTE, "---\na: 1\nBody\n");
    let got = set("a", json!(1));
    assert!(matches!(got, Err(SkillError::Failed(_))), "{got:?}");
    assert!(written_paths().is_empty());
}

#[test]
fn refuses_other_paths_and_keys() {
    seed("Other/a.md", "x");
    let at = |path: &str| call(run, json!({ "path": path, "key": "a", "value": 1 }));
    assert!(matches!(at("Other/a.md"), Err(SkillError::Denied(_))));
    assert!(matches!(
        at("Notes/a.txt"),
        Err(SkillError::InvalidInput(_))
    ));
    assert!(matches!(at("Notes/b.md"), Err(SkillError::NotFound(_))));
    for key in ["", "A", "1a", "a b", "a:"] {
        let got = set(key, json!(1));
        assert!(
            matches!(got, Err(SkillError::InvalidInput(_))),
            "{key}: {got:?}"
        );
    }
}
