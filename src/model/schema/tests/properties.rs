use proptest::prelude::*;

use super::*;

/// JSON Schemas of every keyword, many of which cannot be satisfied.
fn any_schema() -> impl Strategy<Value = Value> {
    let numbers = (-20_i32..20, 0_i32..30, prop::sample::select(vec![json!(1), json!(3), json!(0.1), json!(2.5)]));
    let leaf = prop_oneof![
        Just(json!({"type": "null"})),
        Just(json!({"type": "boolean"})),
        Just(json!({"type": ["string", "integer", "null"]})),
        Just(json!({"enum": ["a", 1, null]})),
        Just(json!({"const": [1, {"x": 2}]})),
        (0_u32..5, 0_u32..9).prop_map(|(low, more)| json!({"type": "string", "minLength": low, "maxLength": low + more})),
        prop::sample::select(vec![r"^[a-z]{2,5}$", r"\d+", "^(ab|c)*$", r"^[^/]+\.md$", "é"])
            .prop_map(|p| json!({"type": "string", "pattern": p})),
        numbers.clone().prop_map(|(low, more, _)| json!({"type": "integer", "minimum": low, "maximum": low + more})),
        numbers.clone().prop_map(|(low, _, step)| json!({"type": "number", "exclusiveMinimum": low, "multipleOf": step})),
        numbers.prop_map(|(low, more, step)| json!({"type": "integer", "minimum": low, "maximum": low + 20 + more, "multipleOf": step})),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        prop_oneof![
            (inner.clone(), 0_u32..3, 0_u32..4).prop_map(
                |(items, low, more)| json!({"type": "array", "items": items, "minItems": low, "maxItems": low + more})
            ),
            prop::collection::vec(inner.clone(), 2..4).prop_map(|branches| json!({"anyOf": branches})),
            prop::collection::vec(inner.clone(), 2..4).prop_map(|branches| json!({"oneOf": branches})),
            (prop::collection::btree_map("[a-cé]{1,2}", inner.clone(), 1..4), any::<bool>()).prop_map(|(map, all)| {
                let required: Vec<&String> = if all { map.keys().collect() } else { map.keys().take(1).collect() };
                json!({"type": "object", "properties": map, "required": required})
            }),
            inner.prop_map(|extra| json!({"type": "object", "additionalProperties": extra, "minProperties": 1})),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn vectors_agree_with_the_validator(schema in any_schema(), seed in any::<u64>()) {
        let io = match with_input(&json!({"type": "object", "properties": {"x": schema}, "required": ["x"]})) {
            Ok(io) => io,
            Err(error) => {
                prop_assert!(matches!(error, SchemaError::Unsatisfiable { .. }), "{}: {}", schema, error);
                return Ok(());
            }
        };
        prop_assert_eq!(IoSchema::from_value(&io.to_value()), Ok(io.clone()));
        let vectors = generate::vectors(io.input(), seed, 40);
        prop_assert_eq!(&vectors, &generate::vectors(io.input(), seed, 40));
        prop_assert_eq!(&vectors[..20], &generate::vectors(io.input(), seed, 20)[..]);
        prop_assert_eq!(vectors.iter().filter(|vector| vector.valid).count(), 30);
        for vector in &vectors {
            prop_assert_eq!(vector.valid, io.check_input(&vector.input).is_ok());
            let text = json::canonical(&vector.input);
            prop_assert_eq!(json::parse(text.as_bytes(), JsonLimits::default()), Ok(vector.input.clone()));
        }
    }

    #[test]
    fn what_fits_for_certain_fits_by_the_validator(schema in any_schema(), other in any_schema(), seed in any::<u64>()) {
        let side = |schema: &Value| with_input(&json!({"type": "object", "properties": {"x": schema}, "required": ["x"]}));
        let (Ok(io), Ok(other)) = (side(&schema), side(&other)) else { return Ok(()) };
        let text = json::canonical(&io.to_value());
        let stored: IoSchema = serde_json::from_str(&text).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let fast_path = fast_path::FastPath::new(io.input_schema());
        let validator = validator::compile(io.input_schema()).map_err(TestCaseError::fail)?;
        // Values that are made along another schema, too: they nearly fit.
        let vectors = generate::vectors(io.input(), seed, 40).into_iter().chain(generate::vectors(other.input(), seed, 40));
        for value in vectors.map(|vector| vector.input) {
            let fits = validator.is_valid(&value);
            prop_assert!(fits || !fast_path.certain(&value), "{}: {}", schema, value);
            prop_assert_eq!(stored.check_input(&value).is_ok(), fits);
            prop_assert_eq!(stored.check_input(&value), io.check_input(&value));
        }
        prop_assert_eq!(stored.example_input(), io.example_input());
    }

    #[test]
    fn any_text_is_taken_or_refused(text in "\\PC{0,60}", name in "\\PC{0,12}", kind in "[a-z\\[\\],? ]{0,20}") {
        let _ = IoSchema::parse(&text);
        let _ = with_input(&json!({ name.as_str(): kind }));
        let _ = with_property(&json!({ name.as_str(): kind, "type": "string" }));
        let _ = with_property(&json!({ "type": "string", "pattern": text }));
    }

    #[test]
    fn any_keyword_with_any_value_is_taken_or_refused(
        keyword in prop::sample::select(vec!["type", "properties", "required", "additionalProperties", "items", "enum",
            "const", "minLength", "maximum", "multipleOf", "pattern", "anyOf", "$ref", "default", "minItems"]),
        kind in prop::sample::select(keywords::TYPES.to_vec()),
        value in prop::sample::select(vec![json!(null), json!(-1), json!(1e300), json!("x"), json!([]), json!([[]]),
            json!({}), json!({"a": {}}), json!([{"type": "null"}, {"const": 1}]), json!({"a": {"type": "null"}}), json!(u64::MAX)]),
    ) {
        if let Ok(io) = with_property(&json!({"type": kind, keyword: value})) {
            prop_assert_eq!(io.check_input(&io.example_input()), Ok(()));
        }
    }
}
