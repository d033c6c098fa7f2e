//! expect: policy/macro
//! Asks whether it is tested.

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
    let _ = cfg!(test) || cfg!(debug_assertions);
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
