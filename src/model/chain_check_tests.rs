use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::model::{
    chain::{Chain, InvalidChain, MappingError, OnFailure},
    effect::EffectClass,
    schema::IoSchema,
    spec::SkillSpec,
};

type Done = Result<(), Box<dyn std::error::Error>>;

fn parse(value: &Value) -> Result<Chain, InvalidChain> {
    Chain::parse(value.to_string().as_bytes())
}

fn spec(name: &str, class: EffectClass, io: &Value) -> Result<SkillSpec, Box<dyn std::error::Error>> {
    Ok(SkillSpec {
        v: 1,
        name: SkillName::parse(name)?,
        description: "made by a test".to_owned(),
        side_effect_class: class,
        paths: Vec::new(),
        required_secrets: Vec::new(),
        reads: None,
        hosts: Vec::new(),
        allow_private: Vec::new(),
        secrets: Vec::new(),
        io: IoSchema::from_value(io)?,
        examples: Vec::new(),
        required_tests: Vec::new(),
        reads_clock: false,
        coerce: false,
        removes_files: false,
    })
}

/// Finds things, reads one of them, writes something.
fn specs() -> Result<Vec<SkillSpec>, Box<dyn std::error::Error>> {
    let find = json!({
        "input": { "query": "str" },
        "output": { "type": "object", "required": ["results", "best"], "properties": {
            "results": { "type": "array", "maxItems": 5, "items": { "type": "object", "required": ["path"],
                "properties": { "path": { "type": "string" }, "score": { "type": "number" } } } },
            "best": { "anyOf": [{ "type": "null" }, { "type": "string" }] } } },
    });
    let read = json!({ "input": { "path": "str", "lines": "int?" }, "output": { "text": "str" } });
    let write = json!({ "input": { "path": "str", "body": "str" }, "output": { "path": "str" } });
    Ok(vec![
        spec("find", EffectClass::ReadOnly, &find)?,
        spec("read", EffectClass::ReadOnly, &read)?,
        spec("write", EffectClass::FileWrite, &write)?,
    ])
}

fn chain(second: &Value) -> Value {
    json!({ "steps": [{ "skill_name": "find", "input": { "query": "x" } }, second] })
}

#[test]
fn a_chain_reads_as_it_is_written() -> Done {
    let text = json!({
        "steps": [
            { "skill_name": "find", "input": { "query": "x" } },
            { "skill_name": "read", "from_prev": [{ "to_field": "path", "from_path": "results.0.path" }] },
            { "skill_name": "write", "input_template": { "path": "a.md" }, "parent_index": 0,
              "from_prev": [{ "to_field": "body", "from_path": "text", "from_step_index": 1 }] },
        ],
        "options": { "stop_on_failure": false },
    });
    let chain = parse(&text)?;
    assert_eq!(chain.on_failure, OnFailure::GoOn);
    assert_eq!(chain.steps().iter().map(|step| step.parent).collect::<Vec<_>>(), [None, Some(0), Some(0)]);
    assert_eq!(chain.steps()[1].mappings[0].step, 0);
    check(&chain, &specs()?, None)?;
    let found = json!({ "results": [{ "path": "b.md" }], "best": null });
    let read = json!({ "text": "said" });
    let outputs = [Some(&found), Some(&read), None];
    assert_eq!(chain.steps()[1].input(|step| outputs[step]), Ok(json!({ "path": "b.md" })));
    assert_eq!(chain.steps()[2].input(|step| outputs[step]), Ok(json!({ "path": "a.md", "body": "said" })));
    let none = json!({ "results": [] });
    assert!(matches!(chain.steps()[1].input(|_| Some(&none)), Err(MappingError::Missing(0, _))));
    assert!(matches!(chain.steps()[1].input(|_| None), Err(MappingError::Failed(0, _))));
    Ok(())
}

#[test]
fn what_is_no_chain_says_why() {
    let step = json!({ "skill_name": "find", "input": {} });
    let many = json!({ "steps": vec![step.clone(); 1_000] });
    let from = |mapping: Value| chain(&json!({ "skill_name": "read", "from_prev": [mapping] }));
    for (bad, said) in [
        (json!([]), "is not as it should be"),
        (json!([[["find", {}, null, null, null]], [true]]), "is not as it should be"),
        (json!({ "steps": [["find", {}, null, null, null]] }), "objects"),
        (json!({ "steps": [step], "options": [true] }), "objects"),
        (json!({ "steps": [] }), "0 steps: 1 to 64"),
        (many, "1000 steps: 1 to 64"),
        (json!({ "steps": [step], "option": {} }), "unknown field `option`"),
        (json!({ "steps": [{ "skill_name": "Find", "input": {} }] }), "Find"),
        (json!({ "steps": [{ "skill_name": "find" }] }), "step 0: give `input`"),
        (chain(&json!({ "skill_name": "read", "input": {}, "from_prev": [] })), "step 1: give `input`"),
        (chain(&json!({ "skill_name": "read", "input": {}, "parent_index": 1 })), "`parent_index` is 1"),
        (from(json!({ "to_field": "path", "from_path": "best", "from_step_index": 1 })), "`from_step_index` is 1"),
        (from(json!({ "to_field": "path", "from_path": "best", "from_step_index": 7 })), "`from_step_index` is 7"),
        (from(json!({ "to_field": "path", "from_path": "best..x" })), "`best..x` is no path"),
        (from(json!({ "to_field": "", "from_path": "best" })), "`` is no path"),
        (
            json!({ "steps": [{ "skill_name": "read", "from_prev": [{ "to_field": "a", "from_path": "b" }] }] }),
            "step 0: there is no step before it",
        ),
    ] {
        let error = parse(&bad).map_or_else(|error| error.to_string(), |chain| format!("{chain:?}"));
        assert!(error.contains(said), "{bad}: {error}");
    }
    assert!(matches!(Chain::parse(b"{"), Err(InvalidChain::Json(_))));
}

#[test]
fn what_can_never_work_is_found_before_anything_runs() -> Done {
    let specs = specs()?;
    let from = |to: &str, from: &str| json!({ "to_field": to, "from_path": from });
    let read = |mapping: Value| chain(&json!({ "skill_name": "read", "from_prev": [mapping] }));
    for (bad, said) in [
        (read(from("path", "resultz.0.path")), "the output of `find` (step 0) never has `resultz.0.path`"),
        (read(from("path", "results.path")), "never has `results.path`"),
        (read(from("path", "results.5.path")), "never has `results.5.path`"),
        (read(from("path", "results.00.path")), "never has"),
        (read(from("path", "best.x")), "never has `best.x`"),
        (read(from("paths", "best")), "the input of `read` has no `paths`"),
        (read(from("path", "results.0.score")), "`results.0.score` is number, but `path` of `read` takes string"),
        (read(from("lines", "results.0.path")), "`lines` of `read` takes"),
        (read(from("lines", "results.0.score")), "the input never fits `read`"),
        (
            chain(&json!({ "skill_name": "read", "input_template": [1],
                "from_prev": [{ "to_field": "path", "from_path": "best" }] })),
            "the input of `read` has no `path`",
        ),
        (chain(&json!({ "skill_name": "read", "input": { "path": 5 } })), "step 1: the input never fits `read`"),
        (chain(&json!({ "skill_name": "read", "input": { "path": "a", "b": 1 } })), "step 1: the input never fits"),
    ] {
        let error = check(&parse(&bad)?, &specs, None).map_or_else(|error| error.to_string(), |()| String::new());
        assert!(error.contains(said), "{bad}: {error}");
    }
    // What may work is let through: a null is found out when it comes.
    check(&parse(&read(from("path", "best")))?, &specs, None)?;
    Ok(())
}

#[test]
fn no_step_is_of_a_wider_class_than_was_asked_for() -> Done {
    let specs = specs()?;
    let write = json!({ "skill_name": "write", "input": { "path": "a", "body": "b" } });
    let chain = parse(&json!({ "steps": [write] }))?;
    check(&chain, &specs[2..], Some(EffectClass::FileWrite))?;
    let wide = check(&chain, &specs[2..], Some(EffectClass::ReadOnly));
    assert!(wide.is_err_and(|misfit| matches!(*misfit, ChainMismatch::TooWide { step: 0, .. })));
    Ok(())
}

proptest! {
    /// What was put somewhere is found there.
    #[test]
    fn what_is_put_at_a_path_is_found_there(names in prop::collection::vec("[a-z0-9]{1,5}", 1..6), text in ".*") {
        let path = ValuePath::parse(&names.join(".")).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let mut value = json!({});
        prop_assert!(path.put(&mut value, json!(text)).is_ok());
        prop_assert_eq!(path.get(&value), Some(&json!(text)));
    }

    /// No text makes the parser do anything but answer.
    #[test]
    fn any_text_is_a_chain_or_an_error(text in ".{0,300}") {
        let _ = Chain::parse(text.as_bytes());
    }
}
