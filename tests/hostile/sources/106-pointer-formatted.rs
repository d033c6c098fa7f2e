//! expect: policy/path
use kavi_sdk::prelude::*;

struct Place<'a>(&'a str);

impl std::fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Pointer::fmt(&self.0, f)
    }
}

fn run(input: Value) -> Result<Value, SkillError> {
    Ok(json!({ "input": input, "tested": Place("here").to_string().len() > 6 }))
}

kavi_sdk::export_skill!(run);
