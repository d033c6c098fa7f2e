//! expect: policy/path
use kavi_sdk::prelude::*;

fn run(input: Value) -> Result<Value, SkillError> {
    Ok(json!(format!("{}", input.to_string().as_ptr().addr())))
}

kavi_sdk::export_skill!(run);
