use super::*;

type Tested = Result<(), Box<dyn std::error::Error>>;

fn rows(pairs: &[(&str, Value)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.to_string())).collect()
}

/// Every expected key with a value that it may have.
fn seeded() -> BTreeMap<String, String> {
    let value = |name: &str| match key(name).map(|key| key.value_type) {
        Some(ValueType::Switch) => json!(false),
        Some(ValueType::Count { least, .. }) => json!(least),
        Some(ValueType::Requirement) => json!("optional"),
        _ => json!("ask"),
    };
    expected_keys().into_iter().map(|name| (name.clone(), value(&name).to_string())).collect()
}

#[test]
fn a_registry_with_all_31_keys_has_not_drifted_and_one_with_30_has() -> Tested {
    assert_eq!(expected_keys().len(), EXPECTED_KEYS);
    let all = seeded();
    assert_eq!((all.len(), PolicyValues::of(&all)?.drift().warning()), (31, None));
    for name in expected_keys() {
        let mut rows = all.clone();
        rows.remove(&name);
        let drift = PolicyValues::of(&rows)?.drift();
        assert_eq!((rows.len(), drift.seeded, drift.missing.as_slice()), (30, 30, std::slice::from_ref(&name)));
        assert_eq!(drift.warning().as_deref(), Some("policy drift: 30 of 31 expected keys are seeded"));
    }
    // A key of a later version is no error either.
    let mut more = all;
    more.insert("future.key".to_owned(), "1".to_owned());
    let warning = PolicyValues::of(&more)?.drift().warning().ok_or("no warning")?;
    assert!(warning.contains("31 of 31") && warning.contains("future.key"), "{warning}");
    Ok(())
}

#[test]
fn every_key_is_documented_and_its_default_is_in_its_range() {
    for name in expected_keys() {
        let key = key(&name).unwrap_or_else(|| unreachable!("{name}"));
        assert!(key.doc.ends_with('.') && !key.value_type.range().is_empty(), "{name}");
        assert!(key.default.is_none_or(|default| key.value_type.admits(&default)), "{name}");
    }
}

#[test]
fn a_value_of_another_type_or_out_of_range_is_an_error() {
    let cases = [
        (DISABLED, json!("true")),
        (DISABLED, json!(1)),
        (RATE_LIMIT, json!(-1)),
        (RATE_LIMIT, json!(1.5)),
        (RATE_LIMIT, json!(1_000_001)),
        (RATE_LIMIT, json!("60")),
        (MOST_OVERRIDES, json!(10_001)),
        (OUTPUT_CAP, json!(63)),
        (BLOCK_CAP, json!(8_193)),
        (CHARTER, json!("maybe")),
        ("policy.mcp.READ_ONLY", json!("maybe")),
        ("policy.background.FILE_WRITE", json!("allow")),
        ("context_assembler_token_ceiling.opus", json!(999)),
    ];
    for (name, value) in cases {
        assert!(check(name, &value).is_err(), "{name} {value}");
        assert!(PolicyValues::of(&rows(&[(name, value.clone())])).is_err(), "{name} {value}");
    }
    for name in ["policy.window.READ_ONLY", "policy.mcp.read_only", "context_assembler_token_ceiling.", "Disabled", ""]
    {
        assert_eq!(check(name, &json!(true)), Err(PolicyError::UnknownKey(name.to_owned())));
    }
    let torn = BTreeMap::from([(RATE_LIMIT.to_owned(), "6".to_owned()), (DISABLED.to_owned(), "{".to_owned())]);
    assert_eq!(PolicyValues::of(&torn), Err(PolicyError::NotJson(DISABLED.to_owned())));
}

#[test]
fn a_missing_key_has_its_default_and_an_unset_limit_does_not_limit() -> Tested {
    let none = PolicyValues::default();
    assert!(!none.is_disabled() && !none.requires_charter());
    assert_eq!(
        (none.rate_limit(), none.most_overrides(), none.output_cap(), none.token_ceiling("opus")),
        (None, None, None, None)
    );
    assert_eq!(none.block_cap(), 8_192);
    assert_eq!(none.door(Channel::Mcp, EffectClass::ReadOnly), None);
    let some = PolicyValues::of(&rows(&[
        (DISABLED, json!(true)),
        (RATE_LIMIT, json!(60)),
        (DEFAULT_CEILING, json!(180_000)),
        ("context_assembler_token_ceiling.opus", json!(2_000)),
        ("policy.mcp.READ_ONLY", json!("deny")),
    ]))?;
    assert!(some.is_disabled());
    assert_eq!(
        (some.rate_limit(), some.token_ceiling("opus"), some.token_ceiling("other")),
        (Some(60), Some(2_000), Some(180_000))
    );
    assert_eq!(some.door(Channel::Mcp, EffectClass::ReadOnly), Some(ChannelRule::Deny));
    Ok(())
}

#[test]
fn tokens_are_a_third_of_the_bytes_rounded_up() {
    for (text, expected) in [("", 0), ("a", 1), ("abc", 1), ("abcd", 2), ("äöü", 2), ("漢字", 2)] {
        assert_eq!(tokens(text), expected, "{text}");
    }
}
