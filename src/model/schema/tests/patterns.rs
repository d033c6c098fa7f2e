//! Patterns: what they match, what they cost, and which are refused.

use super::*;

#[test]
fn patterns_are_linear_and_small() -> Result<(), SchemaError> {
    let pattern = |text: &str| kind(&with_property(&json!({"type": "string", "pattern": text})));
    for bad in ["(", "a{2,1}", "(?=a)b", "(?<!a)b", r"(a)\1", "((a{0,100}){0,100}){0,100}", &"a".repeat(600), "[z-a]"] {
        assert_eq!(pattern(bad), "BadPattern", "{bad}");
    }
    for good in [r"^\d{4}-\d{2}-\d{2}$", "^[a-z0-9-]{1,64}$", "a|b", r"^\S+@\S+$", r"^#?[a-fA-F0-9]{6}$", "^$"] {
        assert_eq!(pattern(good), "ok", "{good}");
    }
    // What means something else to the engine than to other readers.
    for bad in [r"\B", "(?i)a", r"\Aa", "(?P<n>a)", "a{,3}"] {
        assert_eq!(pattern(bad), "BadPattern", "{bad}");
    }
    for (text, fits, not) in [
        ("^.$", ["a", "é", "\u{85}", "🦀"], ["\r", "\n", "\u{2028}", "\u{2029}"]),
        (r"^a\b", ["a", "a b", "aé", "a-"], ["ab", "a1", "a_", "b"]),
        (r"^\w\b.$", ["a-", "a ", "aé", "_é"], ["ab", "é-", "a", "a\r"]),
    ] {
        let io = with_property(&json!({"type": "string", "pattern": text}))?;
        assert!(fits.iter().all(|fit| io.check_input(&json!({ "x": fit })).is_ok()), "{text}");
        assert!(not.iter().all(|not| io.check_input(&json!({ "x": not })).is_err()), "{text}");
        let refused = io.check_input(&json!({ "x": not[0] })).map_err(|mismatch| mismatch.to_string());
        assert!(refused.is_err_and(|why| why.contains(&format!("must match `{}`", json::shown(text)))), "{text}");
    }
    // Exponential for a backtracking engine.
    let io = with_property(&json!({"type": "string", "pattern": "^(a+)+$"}))?;
    assert!(io.check_input(&json!({"x": "a".repeat(50_000) + "!"})).is_err());
    // The worst that a linear engine can be given: more work than the cap is refused without being done.
    let io = with_property(&json!({"type": "string", "pattern": "(a|b)*a(a|b){400}c"}))?;
    let refused = io.check_input(&json!({"x": "ab".repeat(500_000)}));
    assert_eq!(
        refused.err().map(|e| e.to_string()).as_deref(),
        Some("the whole value has 1000000 bytes of text, too many for the patterns of the schema")
    );
    Ok(())
}
