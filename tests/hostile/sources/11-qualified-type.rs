//! expect: policy/path
//! Reaches a closed type by a qualified path.

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
    let _ = <std::fs::File>::open(&input.title);
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
