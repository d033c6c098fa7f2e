use super::*;

mod libraries;
mod patterns;
mod properties;

/// An i/o schema with `input` and a fixed output.
fn with_input(input: &Value) -> Result<IoSchema, SchemaError> {
    IoSchema::from_value(&json!({"input": input, "output": {"path": "str"}}))
}

/// The same with one property `x` of this schema.
fn with_property(schema: &Value) -> Result<IoSchema, SchemaError> {
    with_input(&json!({"type": "object", "properties": {"x": schema}}))
}

fn at(error: &SchemaError) -> String {
    let text = error.to_string();
    text.split(": ").next().unwrap_or_default().to_owned()
}

/// The name of the variant, which is what the tables below are about.
fn kind(result: &Result<IoSchema, SchemaError>) -> String {
    match result {
        Ok(_) => "ok".to_owned(),
        Err(error) => format!("{error:?}").chars().take_while(|c| c.is_alphanumeric()).collect(),
    }
}

#[test]
fn the_shorthand_means_what_its_table_says() -> Result<(), SchemaError> {
    let scalar = json!({"type": ["string", "number", "boolean", "null"]});
    let table = [
        (json!("str"), json!({"type": "string"})),
        (json!("string"), json!({"type": "string"})),
        (json!("int"), json!({"type": "integer"})),
        (json!("integer"), json!({"type": "integer"})),
        (json!("float"), json!({"type": "number"})),
        (json!("number"), json!({"type": "number"})),
        (json!("bool"), json!({"type": "boolean"})),
        (json!("boolean"), json!({"type": "boolean"})),
        (json!("list[str]"), json!({"type": "array", "items": {"type": "string"}})),
        (json!("[int]"), json!({"type": "array", "items": {"type": "integer"}})),
        (json!(["bool"]), json!({"type": "array", "items": {"type": "boolean"}})),
        (
            json!("list[ list[float] ]"),
            json!({"type": "array", "items": {"type": "array", "items": {"type": "number"}}}),
        ),
        (json!("list"), json!({"type": "array", "items": scalar})),
        (json!("dict"), json!({"type": "object", "properties": {}, "additionalProperties": scalar})),
        (
            json!("dict[str, int]"),
            json!({"type": "object", "properties": {}, "additionalProperties": {"type": "integer"}}),
        ),
        (
            json!("dict[list[int]]"),
            json!({"type": "object", "properties": {}, "additionalProperties":
                {"type": "array", "items": {"type": "integer"}}}),
        ),
        (
            json!({"a": "int?", "b?": "str", "c": "str"}),
            json!({"type": "object", "required": ["c"], "additionalProperties": false, "properties":
                {"a": {"type": "integer"}, "b": {"type": "string"}, "c": {"type": "string"}}}),
        ),
        (json!({"type": "string", "minLength": 2}), json!({"type": "string", "minLength": 2})),
        (json!({"enum": ["a", "b"]}), json!({"enum": ["a", "b"]})),
        (
            json!({"type": "str"}),
            json!({"type": "object", "required": ["type"], "additionalProperties": false, "properties":
                {"type": {"type": "string"}}}),
        ),
    ];
    for (short, long) in table {
        let io = with_input(&json!({ "x": short }))?;
        let want =
            json!({"type": "object", "properties": {"x": long}, "required": ["x"], "additionalProperties": false});
        assert_eq!(io.input_schema(), &want, "{short}");
    }
    Ok(())
}

#[test]
fn the_shorthand_refuses_what_it_does_not_know() {
    let cases = [
        (json!("any"), "UnknownType", "/input/x"),
        (json!("object"), "UnknownType", "/input/x"),
        (json!(""), "UnknownType", "/input/x"),
        (json!("?"), "UnknownType", "/input/x"),
        (json!("list[str"), "UnknownType", "/input/x"),
        (json!("list[int?]"), "UnknownType", "/input/x"),
        (json!("dict[int,str]"), "UnknownType", "/input/x"),
        (json!("\u{202e}rts"), "UnknownType", "/input/x"),
        (json!([]), "Shorthand", "/input/x"),
        (json!(["int?"]), "Shorthand", "/input/x"),
        (json!(["int", "str"]), "Shorthand", "/input/x"),
        (json!(null), "Shorthand", "/input/x"),
        (json!(5), "Shorthand", "/input/x"),
        (json!(true), "Shorthand", "/input/x"),
        (json!({}), "Vacuous", "/input/x"),
        (json!({"a": "str", "a?": "str"}), "Shorthand", "/input/x/a?"),
        (json!({"": "str"}), "Malformed", "/input/x/"),
        (json!({"a/b~": "what"}), "UnknownType", "/input/x/a~1b~0"),
        (json!({"a\u{200b}": "str"}), "HiddenText", "/input/x/a\\u{200b}"),
        (json!({"$ref": "#/$defs/A"}), "BadRef", "/input/x/$ref"),
        (json!({"type": "string", "name": "str"}), "UnknownKeyword", "/input/x/name"),
    ];
    for (node, want, pointer) in cases {
        let got = with_input(&json!({ "x": node }));
        assert_eq!(kind(&got), want, "{node}");
        assert_eq!(got.err().map(|error| at(&error)).as_deref(), Some(pointer), "{node}");
    }
    let deep = "list[".repeat(10_000) + "str" + &"]".repeat(10_000);
    assert_eq!(kind(&with_input(&json!({ "x": deep }))), "TooLarge");
}

#[test]
fn every_rule_has_a_schema_that_breaks_it() {
    let unknown = [
        "allOf",
        "not",
        "if",
        "patternProperties",
        "prefixItems",
        "contains",
        "$id",
        "$anchor",
        "$dynamicRef",
        "$schema",
        "$defs",
        "definitions",
        "readOnly",
        "unevaluatedProperties",
    ];
    for keyword in unknown {
        let got = with_property(&json!({"type": "string", keyword: "x"}));
        assert_eq!(kind(&got), "UnknownKeyword", "{keyword}");
        assert_eq!(got.err().map(|e| at(&e)), Some(format!("/input/properties/x/{keyword}")));
    }
    let cases = [
        (json!({}), "Vacuous", ""),
        (json!(true), "Vacuous", ""),
        (json!(false), "Vacuous", ""),
        (json!({"description": "anything"}), "Vacuous", ""),
        (json!({"properties": {"a": {"type": "string"}}}), "Vacuous", ""),
        (json!({"type": "string", "format": 1}), "Malformed", "/format"),
        (json!({"type": "string", "deprecated": "yes"}), "Malformed", "/deprecated"),
        (json!({"type": "string", "$comment": 1}), "Malformed", "/$comment"),
        (json!({"type": "string", "nullable": "yes"}), "Malformed", "/nullable"),
        (json!({"type": "object", "propertyNames": {}}), "Vacuous", "/propertyNames"),
        (json!({"type": "string", "propertyNames": {"type": "string"}}), "Inapplicable", "/propertyNames"),
        (json!({"type": "number", "multipleOf": 0.12345678901234567}), "Malformed", "/multipleOf"),
        (json!({"type": "array", "items": {"type": "string"}, "maxItems": 2.5}), "Malformed", "/maxItems"),
        (json!({"type": "array"}), "Vacuous", ""),
        (json!({"type": "array", "items": {}}), "Vacuous", "/items"),
        (json!({"type": "array", "items": true}), "Vacuous", "/items"),
        (
            json!({"type": "object", "properties": {"a": {"type": "null"}}, "additionalProperties": {}}),
            "Vacuous",
            "/additionalProperties",
        ),
        (json!({"anyOf": [{"type": "string"}, {}]}), "Vacuous", "/anyOf/1"),
        (json!("string"), "Malformed", ""),
        (json!(null), "Malformed", ""),
        (json!({"type": "str"}), "Malformed", "/type"),
        (json!({"type": []}), "Malformed", "/type"),
        (json!({"type": ["string", "string"]}), "Malformed", "/type"),
        (json!({"type": ["string", 1]}), "Malformed", "/type"),
        (json!({"type": "string", "title": 1}), "Malformed", "/title"),
        (json!({"type": "string", "examples": "a"}), "Malformed", "/examples"),
        (json!({"type": "string", "minLength": -1}), "Malformed", "/minLength"),
        (json!({"type": "string", "minLength": 1.5}), "Malformed", "/minLength"),
        (json!({"type": "string", "maxLength": "9"}), "Malformed", "/maxLength"),
        (json!({"type": "string", "minLength": 5_000}), "Malformed", "/minLength"),
        (json!({"type": "string", "pattern": 1}), "Malformed", "/pattern"),
        (json!({"type": "integer", "minimum": "1"}), "Malformed", "/minimum"),
        (json!({"type": "integer", "multipleOf": 0}), "Malformed", "/multipleOf"),
        (json!({"type": "number", "multipleOf": -0.5}), "Malformed", "/multipleOf"),
        (json!({"type": "number", "multipleOf": 1e-300}), "Malformed", "/multipleOf"),
        (json!({"type": "string", "maxLength": u64::MAX}), "Malformed", "/maxLength"),
        (json!({"type": "string", "maxLength": 1_u64 << 31}), "Malformed", "/maxLength"),
        (json!({"type": "array", "items": {"type": "string"}, "maxItems": u64::MAX}), "Malformed", "/maxItems"),
        (
            json!({"type": "object", "properties": {"a": {"type": "null"}}, "maxProperties": u64::MAX}),
            "Malformed",
            "/maxProperties",
        ),
        (json!({"type": "array", "items": {"type": "string"}, "minItems": 300}), "Malformed", "/minItems"),
        (json!({"type": "array", "items": {"type": "string"}, "uniqueItems": 1}), "Malformed", "/uniqueItems"),
        (
            json!({"type": "array", "items": {"type": "array", "items": {"type": "integer"}}, "uniqueItems": true}),
            "Malformed",
            "/uniqueItems",
        ),
        (json!({"type": "object", "properties": ["a"]}), "Malformed", "/properties"),
        (json!({"type": "object", "properties": {"a": 1}}), "Malformed", "/properties/a"),
        (json!({"type": "object", "properties": {"a": {"type": "null"}}, "required": "a"}), "Malformed", "/required"),
        (json!({"type": "object", "properties": {"a": {"type": "null"}}, "required": [1]}), "Malformed", "/required"),
        (
            json!({"type": "object", "properties": {"a": {"type": "null"}}, "required": ["a", "a"]}),
            "Malformed",
            "/required",
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "null"}}, "required": ["b"]}),
            "UnknownRequired",
            "/required",
        ),
        (
            json!({"type": "object", "properties": {"a": {"type": "null"}}, "additionalProperties": true}),
            "Open",
            "/additionalProperties",
        ),
        (json!({"enum": []}), "Malformed", "/enum"),
        (json!({"enum": "a"}), "Malformed", "/enum"),
        (json!({"enum": ["a", "a"]}), "Malformed", "/enum"),
        (json!({"anyOf": []}), "Malformed", "/anyOf"),
        (json!({"anyOf": [{"type": "string"}]}), "Malformed", "/anyOf"),
        (json!({"oneOf": {"a": 1}}), "Malformed", "/oneOf"),
        (json!({"anyOf": [{"type": "null"}, {"type": "string"}], "type": "string"}), "Inapplicable", "/type"),
        (json!({"anyOf": [{"type": "null"}, {"type": "string"}], "oneOf": []}), "Inapplicable", "/oneOf"),
        (json!({"$ref": "#/$defs/A", "type": "string"}), "Inapplicable", "/type"),
        (json!({"type": "integer", "minLength": 1}), "Inapplicable", "/minLength"),
        (json!({"type": "string", "minimum": 1}), "Inapplicable", "/minimum"),
        (json!({"type": "string", "properties": {}}), "Inapplicable", "/properties"),
        (json!({"enum": ["a"], "minLength": 1}), "Inapplicable", "/minLength"),
        (json!({"type": "string", "enum": ["a"], "minLength": 1}), "Contradiction", ""),
        (json!({"enum": ["a"], "const": "a"}), "Contradiction", ""),
        (json!({"type": "string", "minLength": 2, "maxLength": 1}), "Contradiction", ""),
        // As doubles both bounds would be equal.
        (
            json!({"type": "number", "minimum": 9_007_199_254_740_993_u64, "maximum": 9_007_199_254_740_992.0}),
            "Contradiction",
            "",
        ),
        (json!({"type": "integer", "minimum": 2, "maximum": 1}), "Contradiction", ""),
        (json!({"type": "integer", "minimum": u64::MAX, "maximum": u64::MAX - 1}), "Contradiction", ""),
        (json!({"type": "number", "minimum": 1, "exclusiveMaximum": 1}), "Contradiction", ""),
        (json!({"type": "number", "minimum": 1, "exclusiveMinimum": 0}), "Contradiction", ""),
        (json!({"type": "object", "properties": {"a": {"type": "null"}}, "minProperties": 2}), "Contradiction", ""),
        (
            json!({"type": "object", "properties": {"a": {"type": "null"}}, "required": ["a"], "maxProperties": 0}),
            "Contradiction",
            "",
        ),
        (json!({"type": "string", "enum": ["a", 1]}), "BadValue", "/enum/1"),
        (json!({"type": "string", "const": 1}), "BadValue", "/const"),
        (json!({"type": "string", "default": 1}), "BadValue", "/default"),
        (json!({"type": "string", "maxLength": 1, "examples": ["a", "ab"]}), "BadValue", "/examples/1"),
        (json!({"type": "string", "description": "a\u{202e}b"}), "HiddenText", "/description"),
        (json!({"enum": ["a\u{200b}"]}), "HiddenText", "/enum"),
        (json!({"type": "string", "default": "\u{7}"}), "HiddenText", "/default"),
        (json!({"$ref": 1}), "Malformed", "/$ref"),
        (json!({"$ref": "#"}), "BadRef", "/$ref"),
        (json!({"$ref": "#/$defs/Nope"}), "BadRef", "/$ref"),
        (json!({"$ref": "#/properties/x"}), "BadRef", "/$ref"),
        (json!({"$ref": "https://example.com/s.json"}), "BadRef", "/$ref"),
        (json!({"$ref": "file:///etc/passwd"}), "BadRef", "/$ref"),
    ];
    for (schema, want, pointer) in cases {
        let got = with_property(&schema);
        assert_eq!(kind(&got), want, "{schema}: {got:?}");
        let pointer = format!("/input/properties/x{pointer}");
        assert_eq!(got.err().map(|error| at(&error)), Some(pointer), "{schema}");
    }
}

#[test]
fn the_root_is_an_object_that_says_something() {
    let inputs = [
        (json!({}), "Vacuous"),
        (json!(true), "Vacuous"),
        (json!("str"), "Vacuous"),
        (json!({"type": "string"}), "Vacuous"),
        (json!({"type": ["object", "null"], "properties": {"a": {"type": "null"}}}), "Vacuous"),
        (json!({"$ref": "#/$defs/A", "$defs": {"A": {"type": "string"}}}), "Vacuous"),
        (json!({"properties": {"a": {"type": "string"}}}), "Vacuous"),
        (json!({"type": "object"}), "ok"),
        (json!({"type": "object", "additionalProperties": false}), "ok"),
        (json!({"type": "object", "properties": {}}), "ok"),
        (json!({"type": "object", "properties": {}, "additionalProperties": true}), "Open"),
        (json!({"type": "object", "properties": {}, "additionalProperties": false}), "ok"),
        (json!({"$schema": "http://json-schema.org/draft-04/schema#", "type": "object"}), "Dialect"),
        (json!({"$schema": error::DIALECT, "type": "object", "properties": {"a": {"type": "null"}}}), "ok"),
        (json!({"type": "object", "properties": {"a": {"type": "null"}}, "$defs": []}), "Malformed"),
        (json!({"type": "object", "properties": {"a": {"type": "null"}}, "$defs": {"A": {}}}), "ok"),
        (json!({"type": "object", "properties": {"a": {"type": "null"}}, "definitions": 1}), "Malformed"),
    ];
    for (input, want) in inputs {
        assert_eq!(kind(&with_input(&input)), want, "{input}");
    }
    let empty = json!({"type": "object", "properties": {}, "additionalProperties": false});
    let io = |value: Value| kind(&IoSchema::from_value(&value));
    assert_eq!(io(json!({"input": empty, "output": empty})), "Vacuous");
    assert_eq!(io(json!({"input": {"a": "str"}})), "NotIo");
    assert_eq!(io(json!({"input": {"a": "str"}, "output": {"a": "str"}, "extra": 1})), "NotIo");
    assert_eq!(io(json!([])), "NotIo");
    assert_eq!(kind(&IoSchema::parse("{\"input\":{},\"input\":{}}")), "Json");
    assert_eq!(kind(&IoSchema::parse(&" ".repeat(MAX_TEXT_BYTES + 1))), "Json");
}

#[test]
fn references_are_put_in_place_within_a_budget() -> Result<(), SchemaError> {
    let point = json!({"type": "object", "title": "Point", "properties": {"x": {"type": "number"}}});
    let io = with_input(&json!({
        "type": "object",
        "properties": {"from": {"$ref": "#/$defs/a~1b", "title": "From"}},
        "$defs": {"a/b": point},
    }))?;
    let from = json!({"type": "object", "title": "From", "properties": {"x": {"type": "number"}},
        "additionalProperties": false});
    assert_eq!(io.input_schema()["properties"]["from"], from);

    let refs = |defs: Value| {
        with_input(&json!({"type": "object", "properties": {"x": {"$ref": "#/$defs/d0"}}, "$defs": defs}))
    };
    let to = |n: usize| json!({"$ref": format!("#/$defs/d{n}")});
    assert_eq!(kind(&refs(json!({"d0": to(0)}))), "CyclicRef");
    assert_eq!(
        kind(&refs(json!({"d0": {"type": "array", "items": to(1)}, "d1": {"anyOf": [to(0), to(0)]}}))),
        "CyclicRef"
    );

    let doubling = |n: usize| json!({"type": "object", "properties": {"a": to(n + 1), "b": to(n + 1)}});
    let mut defs: Map<String, Value> = (0..20).map(|n| (format!("d{n}"), doubling(n))).collect();
    defs.insert("d20".to_owned(), json!({"type": "string"}));
    assert_eq!(kind(&refs(Value::Object(defs))), "TooLarge");

    let long: Vec<String> = (0..50).map(|n| format!("{n}{}", "x".repeat(100))).collect();
    let uses: Map<String, Value> = (0..50).map(|n| (format!("p{n}"), to(0))).collect();
    let wide = json!({"type": "object", "properties": uses, "$defs": {"d0": {"enum": long}}});
    assert_eq!(kind(&with_input(&wide)), "TooLarge");
    Ok(())
}

#[test]
fn size_is_bounded() {
    let nested = (0..100).fold(json!("str"), |inner, _| json!({ "a": inner }));
    assert_eq!(kind(&with_input(&nested)), "TooLarge");
    let wide: Map<String, Value> = (0..600).map(|n| (format!("p{n}"), json!("str"))).collect();
    assert_eq!(kind(&with_input(&Value::Object(wide))), "TooLarge");
    let patterns: Map<String, Value> =
        (0..40).map(|n| (format!("p{n}"), json!({"type": "string", "pattern": "^a+$"}))).collect();
    assert_eq!(kind(&with_input(&Value::Object(patterns))), "TooLarge");
    let text = format!("{{\"input\":{}{}", "{\"a\":".repeat(5_000), "}".repeat(5_001));
    assert_eq!(kind(&IoSchema::parse(&text)), "Json");
}

#[test]
fn what_nothing_can_fit_is_refused() {
    let cases = [
        json!({"type": "integer", "minimum": 1.2, "maximum": 1.8}),
        json!({"type": "integer", "minimum": 1, "maximum": 9, "multipleOf": 10}),
        json!({"type": "string", "pattern": "^abc$", "maxLength": 2}),
        json!({"type": "array", "items": {"type": "boolean"}, "uniqueItems": true, "minItems": 3}),
        json!({"oneOf": [{"type": "string"}, {"type": "string"}]}),
        json!({"type": "array", "minItems": 256, "items":
            {"type": "array", "minItems": 256, "items": {"type": "string", "minLength": 4_000}}}),
    ];
    for schema in cases {
        let root = json!({"type": "object", "properties": {"x": schema}, "required": ["x"]});
        assert_eq!(kind(&with_input(&root)), "Unsatisfiable", "{schema}");
    }
}

#[test]
fn mismatches_are_named_in_words() -> Result<(), SchemaError> {
    let io = with_input(&json!({
        "title": {"type": "string", "minLength": 2, "maxLength": 5, "pattern": "^[a-z]+$"},
        "n?": {"type": "integer", "minimum": 1, "exclusiveMaximum": 10},
        "step?": {"type": "number", "multipleOf": 0.1},
        "style?": {"enum": ["bullet", "prose"]},
        "tags?": {"type": "array", "items": {"type": "string"}, "maxItems": 2, "uniqueItems": true},
        "either?": {"anyOf": [{"type": "null"}, {"type": "string", "maxLength": 3}]},
    }))?;
    let cases = [
        (json!({}), "the whole value lacks `title`"),
        (json!(null), "the whole value is null, must be an object"),
        (json!({"title": 1}), "`/title` is 1, must be a string"),
        (json!({"title": "a"}), "`/title` is \"a\", must have at least 2 characters"),
        (json!({"title": "aaaaaa"}), "`/title` is \"aaaaaa\", must have at most 5 characters"),
        (json!({"title": "a\u{1b}\u{202e}"}), "`/title` is \"a\\u001b\\u{202e}\", must match `^[a-z]+$`"),
        (json!({"title": "ab", "n": 0}), "`/n` is 0, must be at least 1"),
        (json!({"title": "ab", "n": 10}), "`/n` is 10, must be less than 10"),
        (json!({"title": "ab", "n": 1.5}), "`/n` is 1.5, must be an integer"),
        (json!({"title": "ab", "n": null}), "`/n` is null, must be an integer"),
        (json!({"title": "ab", "step": 0.15}), "`/step` is 0.15, must be a multiple of 0.1"),
        (json!({"title": "ab", "style": "x"}), "`/style` is \"x\", must be one of [\"bullet\",\"prose\"]"),
        (json!({"title": "ab", "tags": ["a", "a"]}), "`/tags` has an item twice"),
        (json!({"title": "ab", "tags": ["a", "b", "c"]}), "`/tags` has 3 items, must have at most 2"),
        (json!({"title": "ab", "x/y": 1}), "the whole value has properties that are not in the schema: `x/y`"),
        (
            json!({"title": "ab", "either": "long"}),
            "`/either` is \"long\", matches none of the 2 alternatives; in the nearest, `/either` is \"long\", must have at most 3 characters",
        ),
    ];
    for (value, want) in cases {
        assert_eq!(io.check_input(&value).err().map(|e| e.to_string()).as_deref(), Some(want), "{value}");
    }
    for good in [json!({"title": "ab"}), json!({"title": "abcde", "n": 9, "step": 0.3, "tags": [], "either": null})] {
        assert_eq!(io.check_input(&good), Ok(()), "{good}");
    }
    let many: Value = (0..100).map(|n| (format!("k{n}"), json!("x".repeat(500)))).collect::<Map<_, _>>().into();
    let io = with_input(&json!({"m": "dict[str,int]"}))?;
    let mismatch = io.check_input(&json!({ "m": many })).err();
    assert_eq!(mismatch.as_ref().map(|m| m.problems().len()), Some(MAX_PROBLEMS));
    assert!(mismatch.is_some_and(|m| m.to_string().len() < 1_000 && m.to_string().ends_with("; and 95 more")));
    Ok(())
}

#[test]
fn explaining_a_mismatch_is_bounded() -> Result<(), SchemaError> {
    // Explained in full, this would keep 48 million copies of parts of the value.
    let leaf = vec![json!({"type": "null"}); 16];
    let mid = vec![json!({ "anyOf": leaf }); 16];
    let top = vec![json!({ "anyOf": mid }); 3];
    let io = with_input(&json!({"x": [{"anyOf": top}]}))?;
    let numbers = |n: usize| json!({ "x": vec![1; n] });
    assert_eq!(
        io.check_input(&numbers(60_000)).err().map(|e| e.to_string()).as_deref(),
        Some("the whole value does not match, and is too large to say where: the schema has alternatives")
    );
    let small = io.check_input(&numbers(3)).err();
    assert_eq!(small.and_then(|m| m.problems().first().map(|p| p.pointer.clone())).as_deref(), Some("/x/0"));
    let refused = with_input(&json!({"x": {"type": "array", "items": {"anyOf": top}, "default": vec![1; 20_000]}}));
    assert_eq!(kind(&refused), "BadValue");
    Ok(())
}

#[test]
fn it_is_stored_in_normal_form_and_read_back_with_every_check() -> Result<(), Box<dyn std::error::Error>> {
    let io = IoSchema::parse(r#"{"input":{"title":"str","tags?":["str"]},"output":{"path":"str"}}"#)?;
    let text = serde_json::to_string(&io)?;
    assert_eq!(text, io.canonical_text());
    assert_eq!(serde_json::from_str::<IoSchema>(&text)?, io);
    assert_eq!(IoSchema::parse(&text)?, io);
    assert_eq!(io.example_input(), json!({"title": "text"}));
    for bad in [
        r#"{"input":{"title":"str"},"output":{"path":"str"}}"#,
        r#"{"input":{"type":"object"},"output":{"type":"object"}}"#,
        r#"{"output":{}}"#,
        "[]",
        &text.replace("false", "true"),
        &text.replacen("\"additionalProperties\":false,", "", 1),
    ] {
        assert!(serde_json::from_str::<IoSchema>(bad).is_err(), "{bad}");
    }
    Ok(())
}

#[test]
fn examples_are_for_people() -> Result<(), SchemaError> {
    let io = with_input(&json!({
        "title": {"type": "string", "examples": ["Ideas"]},
        "date": {"type": "string", "pattern": r"^\d{4}-\d{2}-\d{2}$"},
        "n": {"type": "integer", "default": 7},
        "style": {"enum": ["bullet", "prose"]},
        "tags": {"type": "array", "items": {"type": "integer", "minimum": 5}, "minItems": 3, "uniqueItems": true},
        "maybe?": "str",
    }))?;
    let example = io.example_input();
    assert_eq!(io.check_input(&example), Ok(()));
    assert_eq!((&example["title"], &example["n"], &example["style"]), (&json!("Ideas"), &json!(7), &json!("bullet")));
    assert!(example.get("maybe").is_none());
    Ok(())
}

#[test]
fn a_schema_of_types_names_and_lengths_needs_no_validator() -> Result<(), SchemaError> {
    let text = r#"{"input":{"path":"str","title":"str","tags?":["str"],"kind":{"enum":["a","b"]},"n":"int"},"output":{"x":"str"}}"#;
    let io = IoSchema::parse(text)?;
    let fast_path = fast_path::FastPath::new(io.input_schema());
    let fits = json!({"path": "a", "title": "b", "tags": ["c"], "kind": "b", "n": 1});
    assert!(fast_path.certain(&fits));
    for (key, value) in
        [("path", json!(1)), ("tags", json!([1])), ("kind", json!("c")), ("n", json!(1.5)), ("z", json!(1))]
    {
        let mut odd = fits.clone();
        odd[key] = value;
        assert!(!fast_path.certain(&odd) && io.check_input(&odd).is_err(), "{odd}");
    }
    let mut integer = fits.clone();
    integer["n"] = json!(1.0);
    assert!(!fast_path.certain(&integer) && io.check_input(&integer).is_ok(), "an integer by the validator alone");
    let mut lacks = fits;
    lacks.as_object_mut().map(|map| map.remove("title"));
    assert!(!fast_path.certain(&lacks) && io.check_input(&lacks).is_err());
    Ok(())
}

#[test]
fn a_stored_schema_that_does_not_compile_fits_nothing() {
    let broken = checker::Checker::later(&json!({"type": "text"}));
    let refused = broken.check(&json!("text"));
    assert!(refused.is_err_and(|mismatch| mismatch.to_string().contains("does not compile")));
    assert!(checker::Checker::new(&json!({"type": "text"})).is_err());
}
