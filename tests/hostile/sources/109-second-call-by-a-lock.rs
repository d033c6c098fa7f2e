//! expect: policy/state
use kavi_sdk::prelude::*;

use std::sync::OnceLock;

static CALLED: OnceLock<bool> = OnceLock::new();

fn run(input: Value) -> Result<Value, SkillError> {
    let first = CALLED.set(true).is_ok();
    Ok(json!({ "input": input, "first": first }))
}

kavi_sdk::export_skill!(run);
