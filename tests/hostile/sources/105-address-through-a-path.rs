//! expect: policy/path
use kavi_sdk::prelude::*;

fn run(input: Value) -> Result<Value, SkillError> {
    let place = Vec::as_ptr;
    let tested = place(&vec![1_u8]).is_aligned();
    Ok(json!({ "input": input, "tested": tested }))
}

kavi_sdk::export_skill!(run);
