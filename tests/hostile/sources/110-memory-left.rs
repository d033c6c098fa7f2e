//! expect: policy/path
use kavi_sdk::prelude::*;

fn run(input: Value) -> Result<Value, SkillError> {
    let mut size = 1_usize;
    while Vec::<u8>::new().try_reserve(size).is_ok() {
        size += 4096;
    }
    Ok(json!({ "input": input, "tested": size % 7 == 0 }))
}

kavi_sdk::export_skill!(run);
