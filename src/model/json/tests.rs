use proptest::prelude::*;
use serde_json::json;

use super::*;

fn strict(text: &str) -> Result<Value, JsonError> {
    parse(text.as_bytes(), JsonLimits::default())
}

/// The name of the variant, which is what the table below is about.
fn kind(result: &Result<Value, JsonError>) -> &'static str {
    match result {
        Ok(_) => "ok",
        Err(JsonError::TooLarge { .. }) => "too-large",
        Err(JsonError::ByteOrderMark) => "bom",
        Err(JsonError::NotUtf8(_)) => "not-utf8",
        Err(JsonError::TooDeep { .. }) => "too-deep",
        Err(JsonError::TooManyValues { .. }) => "too-many",
        Err(JsonError::DuplicateKey { .. }) => "duplicate",
        Err(JsonError::NulInString(_)) => "nul",
        Err(JsonError::LoneSurrogate(_)) => "surrogate",
        Err(JsonError::NumberOutOfRange { .. }) => "number",
        Err(JsonError::NumberRounded { .. }) => "rounded",
        Err(JsonError::TrailingData(_)) => "trailing",
        Err(JsonError::Syntax { .. }) => "syntax",
    }
}

#[test]
fn every_refusal_has_its_kind() {
    let cases: &[(&[u8], &str)] = &[
        (b"", "syntax"),
        (b"   ", "syntax"),
        (b"{", "syntax"),
        (b"[1,]", "syntax"),
        (b"{a:1}", "syntax"),
        (b"'a'", "syntax"),
        (b"nul", "syntax"),
        (b"NaN", "syntax"),
        (b"Infinity", "syntax"),
        (b"-", "syntax"),
        (b"01", "syntax"),
        (b"1.", "syntax"),
        (b".5", "syntax"),
        (b"+1", "syntax"),
        (b"// a\n1", "syntax"),
        (b"\"a\nb\"", "syntax"),
        (b"\"a\0b\"", "syntax"),
        (b"\"\\x41\"", "syntax"),
        (b"\"\\u+123\"", "syntax"),
        (b"\"\\u12\"", "syntax"),
        (b"\"abc", "syntax"),
        (b"\"abc\\", "syntax"),
        (b"\xEF\xBB\xBF1", "bom"),
        (b"\"\xFF\"", "not-utf8"),
        (b"\"\xED\xA0\x80\"", "not-utf8"),
        (b"\"\xC0\x80\"", "not-utf8"),
        (b"{\"a\":1,\"a\":1}", "duplicate"),
        (b"{\"a\":1,\"\\u0061\":2}", "duplicate"),
        (b"[{\"x\":{\"\":1,\"\":1}}]", "duplicate"),
        (b"\"\\u0000\"", "nul"),
        (b"{\"\\u0000\":1}", "nul"),
        (b"\"\\uD800\"", "surrogate"),
        (b"\"\\uDC00\"", "surrogate"),
        (b"\"\\uD800\\u0041\"", "surrogate"),
        (b"\"\\uD800\\uD800\"", "surrogate"),
        (b"\"\\uDC00\\uD800\"", "surrogate"),
        (b"18446744073709551616", "number"),
        (b"-9223372036854775809", "number"),
        (b"[1e400]", "number"),
        (b"-1e400", "number"),
        (b"1e-400", "number"),
        (b"0.000e-400", "ok"),
        (b"0e99999999999999999999", "ok"),
        (b"1e-99999999999999999999", "number"),
        (b"1e99999999999999999999", "number"),
        (b"0.1", "ok"),
        (b"-0.10", "ok"),
        (b"1.0E+2", "ok"),
        (b"0.30000000000000004", "ok"),
        (b"9007199254740992.0", "ok"),
        // Two shortest texts of 867324530568164.25, equally near.
        (b"867324530568164.2", "ok"),
        (b"867324530568164.3", "ok"),
        (b"9007199254740993.0", "rounded"),
        (b"[1, -9007199254740993.0]", "rounded"),
        (b"9007199254740993e0", "rounded"),
        (b"0.10000000000000000555", "rounded"),
        (b"0.30000000000000000001", "rounded"),
        (b"1e23", "ok"),
        (b"18446744073709551616.0", "rounded"),
        (b"18446744073709552000.0", "ok"),
        (b"18446744073709551617.0", "rounded"),
        (b"5e-324", "ok"),
        (b"4e-324", "rounded"),
        (b"2.225073858507201e-308", "ok"),
        (b"2.2250738585072011e-308", "rounded"),
        (b"1.7976931348623157e308", "ok"),
        (b"1.79769313486231571e308", "rounded"),
        (b"18446744073709551615", "ok"),
        (b"-9223372036854775808", "ok"),
        (b"1 2", "trailing"),
        (b"{} x", "trailing"),
        (b"{}{}", "trailing"),
        (b"\"\\uD83D\\uDE00\"", "ok"),
        (b"\"\\\\u0000\"", "ok"),
        (b"\"\\ud83d\\ude00\\u0001\\\"\"", "ok"),
        (b" {\"a\" : [ 1, -2.5e3, true, false, null, \"x\" ] } \n", "ok"),
    ];
    for (bytes, want) in cases {
        let got = parse(bytes, JsonLimits::default());
        assert_eq!(kind(&got), *want, "{}: {got:?}", String::from_utf8_lossy(bytes));
    }
}

#[test]
fn limits_hold_at_their_edge() {
    let nested = |n: usize| format!("{}{}", "[".repeat(n), "]".repeat(n));
    assert_eq!(kind(&strict(&nested(64))), "ok");
    assert_eq!(kind(&strict(&nested(65))), "too-deep");
    assert_eq!(kind(&strict(&"[".repeat(1_000_000))), "too-deep");
    let deepest = JsonLimits { max_depth: usize::MAX, ..JsonLimits::default() };
    assert_eq!(kind(&parse(nested(MAX_DEPTH).as_bytes(), deepest)), "ok");
    assert_eq!(kind(&parse(nested(MAX_DEPTH + 1).as_bytes(), deepest)), "too-deep");

    let limits = JsonLimits { max_values: 4, ..JsonLimits::default() };
    assert_eq!(kind(&parse(b"{\"a\":1,\"b\":[]}", limits)), "too-many");
    assert_eq!(kind(&parse(b"[1,true,null]", limits)), "ok");

    let limits = JsonLimits { max_bytes: 4, ..JsonLimits::default() };
    assert_eq!(kind(&parse(b"1234", limits)), "ok");
    assert_eq!(kind(&parse(b"12345", limits)), "too-large");
}

#[test]
fn what_was_kept_is_read_also_where_it_is_longer_than_it_was() {
    let text = format!("[{}]", vec!["1e15"; 65_000].join(","));
    let value = strict(&text);
    let kept = value.as_ref().map(canonical).unwrap_or_default();
    assert_eq!(kind(&strict(&kept)), "too-large");
    assert_eq!(parse_kept(kept.as_bytes()), value);
    assert_eq!(kind(&parse_kept(b"[1,1")), "syntax");
}

#[test]
fn messages_name_the_place_and_hide_nothing() {
    let message = |text: &str| strict(text).map_err(|error| error.to_string());
    assert_eq!(
        message("{\n \"a\": 1e999}"),
        Err("the number `1e999` cannot be represented exactly at line 2 column 7".into())
    );
    assert_eq!(message("[\"ä\\u0000\"]"), Err("a string contains U+0000 at line 1 column 5".into()));
    assert_eq!(
        message("{\"\\u202e\\n\":1,\"\\u202e\\n\":1}"),
        Err("duplicate key `\\u{202e}\\n` in one object at line 1 column 24".into())
    );
    assert_eq!(
        message("[9007199254740993.0]"),
        Err("the number `9007199254740993.0` would be rounded to 9007199254740992.0 at line 1 column 2: \
             write 9007199254740992.0, or send it as text"
            .into())
    );
    assert_eq!(message("[1,}"), Err("invalid JSON: expected value at line 1 column 4".into()));
    assert_eq!(shown(&"x".repeat(100)).chars().count(), 81);
}

#[test]
fn canonical_text_is_sorted_and_bare() {
    let value = json!({"b": [1, 2.0, -0.0, "ä\u{1}\""], "a": {"z": null, "\u{e000}": 1, "𐀀": 2}});
    assert_eq!(canonical(&value), "{\"a\":{\"z\":null,\"\u{e000}\":1,\"𐀀\":2},\"b\":[1,2.0,0.0,\"ä\\u0001\\\"\"]}");
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_filter_map("finite", |f| Number::from_f64(f).map(Value::Number)),
        "[^\0]*".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::btree_map("[^\0]*", inner, 0..8).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn canonical_text_gives_the_value_back(value in any_value()) {
        let text = canonical(&value);
        let back = strict(&text);
        prop_assert_eq!(back.as_ref(), Ok(&value));
        prop_assert_eq!(back.as_ref().map(canonical), Ok(text));
        prop_assert_eq!(strict(&value.to_string()), Ok(value));
    }

    #[test]
    fn canonical_text_grows_no_more_than_is_said(text in "-?(0|[1-9][0-9]{0,3})(\\.[0-9]{1,3})?([eE][+-]?[0-9]{1,3})?") {
        if let Ok(value) = strict(&text) {
            prop_assert!(canonical(&value).len() <= MAX_GROWTH * text.len(), "{text} {value}");
        }
    }

    #[test]
    fn a_number_that_is_taken_is_written_again_as_the_same_decimal(
        text in "-?(0|[1-9][0-9]{0,20})\\.[0-9]{1,20}([eE][+-]?[0-9]{1,3})?"
    ) {
        let Ok(Value::Number(number)) = strict(&text) else { return Ok(()) };
        // Both as whole numbers of one power of ten, so that nothing but digits is compared.
        let plain = |text: &str| {
            let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
            let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
            let shift = 400 + exponent.parse::<i64>().unwrap_or(0) - fraction.len() as i64;
            let zeros = "0".repeat(usize::try_from(shift).unwrap_or(0));
            format!("{whole}{fraction}{zeros}").trim_start_matches(['-', '0']).to_owned()
        };
        prop_assert_eq!(plain(&text), plain(&number.to_string()));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = parse(&bytes, JsonLimits::default());
    }

    #[test]
    fn whatever_is_taken_serde_takes_too(text in "[\\[\\]{}:,\"0-9eE.+\\-tfnul\\\\ a-f]{0,40}") {
        if let Ok(value) = strict(&text) {
            prop_assert_eq!(serde_json::from_str::<Value>(&text).ok(), Some(value));
        }
    }
}

#[test]
fn a_number_counts_by_its_value() {
    let parsed = |text: &str| parse(text.as_bytes(), JsonLimits::default());
    for (left, right) in [
        ("2", "2.0"),
        ("-3", "-3.0"),
        ("0", "-0.0"),
        ("1e2", "100"),
        ("{\"a\":[1,{\"b\":2}]}", "{\"a\":[1.0,{\"b\":2.0}]}"),
        ("9007199254740992", "9007199254740992.0"),
    ] {
        assert!(
            matches!((parsed(left), parsed(right)), (Ok(l), Ok(r)) if same(&l, &r) && same(&r, &l)),
            "{left} {right}"
        );
    }
    for (left, right) in [
        ("2", "2.5"),
        ("2", "\"2\""),
        ("[1]", "[1,1]"),
        ("{\"a\":1}", "{\"b\":1}"),
        ("9007199254740993", "9007199254740992.0"),
        ("1", "true"),
        ("0", "null"),
    ] {
        assert!(
            matches!((parsed(left), parsed(right)), (Ok(l), Ok(r)) if !same(&l, &r) && !same(&r, &l)),
            "{left} {right}"
        );
    }
}
