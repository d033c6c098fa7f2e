//! expect: policy/path
use kavi_sdk::prelude::*;

fn other() {}

fn run(input: Value) -> Result<Value, SkillError> {
    let place = format!("{:?}", other as fn());
    Ok(json!({ "input": input, "tested": place.ends_with('3') }))
}

kavi_sdk::export_skill!(run);
