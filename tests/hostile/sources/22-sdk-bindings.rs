//! expect: policy/path
//! Calls the bindings below the SDK.

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
    kavi_sdk::bindings::kavi::skill::log::debug(&input.title);
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
