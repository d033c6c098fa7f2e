//! expect: policy/path
//! Exports by itself instead of through the SDK's macro.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    title: String,
}

#[derive(Serialize)]
struct Output {
    text: String,
}

struct Mine;
impl kavi_sdk::bindings::skill::Guest for Mine {}

fn run(input: Input) -> Result<Output, SkillError> {
    let _ = input.title.len();
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
