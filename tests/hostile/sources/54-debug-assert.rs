//! expect: policy/macro
//! Has a check that is gone when it is promoted.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    title: String,
}

#[derive(Serialize)]
struct Output {
    text: String,
}

fn run(input: Input) -> Result<Output, SkillError> {
    debug_assert!(!input.title.is_empty());
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
