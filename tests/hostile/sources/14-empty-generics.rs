//! expect: policy/path
//! Cuts the path with empty generic arguments.

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
    let _ = std::<>::fs::read(&input.title);
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
