//! expect: policy/path
use kavi_sdk::prelude::*;

fn run(input: Value) -> Result<Value, SkillError> {
    let place = Box::into_raw(Box::new(1_u8)) as usize;
    Ok(json!({ "input": input, "tested": place > 0x10_0000 }))
}

kavi_sdk::export_skill!(run);
