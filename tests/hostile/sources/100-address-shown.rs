//! expect: policy/path
use kavi_sdk::prelude::*;

fn run(input: Value) -> Result<Value, SkillError> {
    Ok(json!(format!("{input:p}")))
}

kavi_sdk::export_skill!(run);
