//! expect: policy/state
use kavi_sdk::prelude::*;

thread_local! {
    static CALLS: std::cell::Cell<u32> = const { std::cell::Cell::new(0) };
}

fn run(input: Value) -> Result<Value, SkillError> {
    CALLS.set(CALLS.get() + 1);
    Ok(json!({ "input": input, "first": CALLS.get() == 1 }))
}

kavi_sdk::export_skill!(run);
