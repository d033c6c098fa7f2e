//! Schemas as libraries write them.

use super::*;

#[test]
fn schemas_are_taken_as_libraries_write_them() -> Result<(), SchemaError> {
    let scalar = json!({"type": ["string", "number", "boolean", "null"]});
    let table = [
        (json!({"type": "string", "format": "date-time"}), json!({"type": "string", "format": "date-time"})),
        (json!({"type": "string", "deprecated": true}), json!({"type": "string", "deprecated": true})),
        (json!({"type": "string", "$comment": "for us"}), json!({"type": "string"})),
        (json!({"type": "string", "nullable": true}), json!({"type": ["string", "null"]})),
        (json!({"type": "string", "nullable": false}), json!({"type": "string"})),
        (json!({"type": ["string", "null"], "nullable": true}), json!({"type": ["string", "null"]})),
        (
            json!({"type": "string", "enum": ["a"], "nullable": true}),
            json!({"type": ["string", "null"], "enum": ["a", null]}),
        ),
        (json!({"const": "a", "nullable": true}), json!({"enum": ["a", null]})),
        (
            json!({"anyOf": [{"type": "string"}, {"type": "integer"}], "nullable": true}),
            json!({"anyOf": [{"type": "string"}, {"type": "integer"}, {"type": "null"}]}),
        ),
        (json!({"$ref": "#/definitions/A", "nullable": true}), json!({"type": ["integer", "null"]})),
        (json!({"type": "object"}), json!({"type": "object", "properties": {}, "additionalProperties": scalar})),
        (
            json!({"type": "object", "properties": {}}),
            json!({"type": "object", "properties": {}, "additionalProperties": scalar}),
        ),
        (
            json!({"type": "object", "additionalProperties": true}),
            json!({"type": "object", "properties": {}, "additionalProperties": scalar}),
        ),
        (
            json!({"type": "object", "properties": {}, "additionalProperties": {}}),
            json!({"type": "object", "properties": {}, "additionalProperties": scalar}),
        ),
        (
            json!({"type": "object", "additionalProperties": false}),
            json!({"type": "object", "properties": {}, "additionalProperties": false}),
        ),
        (
            json!({"type": "object", "propertyNames": {"type": "string"}, "additionalProperties": {"type": "integer"}}),
            json!({"type": "object", "properties": {}, "additionalProperties": {"type": "integer"}}),
        ),
        (
            json!({"type": "object", "propertyNames": {"type": "string", "maxLength": 3}}),
            json!({"type": "object", "properties": {}, "additionalProperties": scalar,
                "propertyNames": {"type": "string", "maxLength": 3}}),
        ),
        (
            json!({"type": "array", "items": {"type": "null"}, "maxItems": 2.0}),
            json!({"type": "array", "items": {"type": "null"}, "maxItems": 2}),
        ),
    ];
    for (given, expected) in table {
        let io = with_input(&json!({
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "object",
            "properties": {"x": given},
            "definitions": {"A": {"type": "integer"}, "Unused": {"anything": 1}},
        }))?;
        assert_eq!(io.input_schema()["properties"]["x"], expected, "{given}");
        // What is stored is read again.
        assert_eq!(IoSchema::from_value(&io.to_value())?, io, "{given}");
    }
    let io = with_input(&json!({"type": "object"}))?;
    assert!(io.check_input(&json!({})).is_ok());
    assert!(io.check_input(&json!({"a": 1})).is_err());
    Ok(())
}

#[test]
fn new_keywords_hold() -> Result<(), SchemaError> {
    let io = with_input(&json!({"type": "object", "properties": {
        "step": {"type": "number", "multipleOf": 0.1},
        "even": {"type": "integer", "multipleOf": 2},
        "when": {"type": "string", "format": "date"},
        "names": {"type": "object", "propertyNames": {"type": "string", "pattern": "^a"}},
    }}))?;
    let fits = |value: Value| io.check_input(&value).is_ok();
    assert!(fits(json!({"step": 0.3})) && fits(json!({"step": 1.1})) && !fits(json!({"step": 0.35})));
    assert!(fits(json!({"even": 9_007_199_254_740_992_u64})) && !fits(json!({"even": 9_007_199_254_740_993_u64})));
    // A format informs people and refuses nothing.
    assert!(fits(json!({"when": "tomorrow"})));
    assert!(fits(json!({"names": {"ab": 1}})) && !fits(json!({"names": {"b": 1}})));
    let refused = io.check_input(&json!({"step": 0.35})).err().map(|error| error.to_string());
    assert_eq!(refused.as_deref(), Some("`/step` is 0.35, must be a multiple of 0.1"));
    Ok(())
}

#[test]
fn an_emoji_in_a_description_is_fine() {
    for text in ["❤\u{fe0f} notes", "👩\u{200d}💻"] {
        assert_eq!(kind(&with_property(&json!({"type": "string", "description": text}))), "ok", "{text}");
    }
    for text in ["a\u{200d}b", "a\u{fe0f}", "a\u{2800}"] {
        assert_eq!(kind(&with_property(&json!({"type": "string", "description": text}))), "HiddenText", "{text}");
    }
}

#[test]
fn dialects_in_which_the_keywords_mean_the_same_are_taken() {
    let of = |dialect: Value| kind(&with_input(&json!({"$schema": dialect, "type": "object"})));
    for name in ["2020-12/schema", "2019-09/schema", "draft-07/schema#", "draft-07/schema", "draft-06/schema#"] {
        let host = if name.starts_with('2') { "https://json-schema.org/draft/" } else { "http://json-schema.org/" };
        assert_eq!(of(json!(format!("{host}{name}"))), "ok", "{name}");
    }
    for other in
        [json!("http://json-schema.org/draft-04/schema#"), json!("https://example.com/draft-07/schema"), json!(7)]
    {
        assert_eq!(of(other), "Dialect");
    }
}

/// Schemas in the manner of public servers: who writes such a one, what it has, and where it is refused.
const CORPUS: &str = include_str!("corpus.json");

#[test]
fn each_form_of_public_servers_is_taken_or_refused_at_its_place() -> Result<(), Box<dyn std::error::Error>> {
    let corpus: Vec<Value> = serde_json::from_str(CORPUS)?;
    let (mut wrong, mut taken) = (Vec::new(), 0);
    for form in &corpus {
        let given = with_input(&form["schema"]);
        let refused = given.as_ref().err().map(at);
        if refused.as_deref() != form["refused"].as_str() {
            wrong.push(format!("{} {}: {given:?}", form["by"], form["name"]));
            continue;
        }
        let Ok(io) = given else { continue };
        taken += 1;
        // It can be called, and what is stored is read again.
        assert!(io.check_input(&io.example_input()).is_ok(), "{form}");
        assert_eq!(serde_json::from_str::<IoSchema>(&serde_json::to_string(&io)?)?, io, "{form}");
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!((corpus.len(), taken), (138, 112));
    Ok(())
}

#[test]
fn a_default_of_null_and_an_all_of_with_one_schema_are_read_as_they_are_meant() -> Result<(), SchemaError> {
    let io = with_input(&json!({
        "type": "object",
        "properties": {
            "a": {"type": "string", "default": null},
            "b": {"type": ["string", "null"], "default": null},
            "c": {"allOf": [{"$ref": "#/$defs/Level"}], "description": "How loud", "default": "low"},
        },
        "$defs": {"Level": {"type": "string", "enum": ["low", "high"], "description": "An enumeration."}},
    }))?;
    let properties = &io.input_schema()["properties"];
    assert_eq!(properties["a"], json!({"type": "string"}));
    assert_eq!(properties["b"], json!({"type": ["string", "null"], "default": null}));
    let level = json!({"type": "string", "enum": ["low", "high"], "description": "How loud", "default": "low"});
    assert_eq!(properties["c"], level);
    assert!(io.check_input(&json!({"a": null})).is_err());
    for wrong in [
        json!({"allOf": []}),
        json!({"allOf": [{"type": "string"}, {"minLength": 1}]}),
        json!({"allOf": {"type": "string"}}),
    ] {
        assert_eq!(kind(&with_property(&wrong)), "UnknownKeyword", "{wrong}");
    }
    let beside = with_property(&json!({"allOf": [{"type": "string"}], "minLength": 1}));
    assert_eq!(kind(&beside), "Inapplicable");
    Ok(())
}
