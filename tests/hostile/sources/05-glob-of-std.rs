//! expect: policy/import
//! Brings everything of `std` into scope.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    title: String,
}

#[derive(Serialize)]
struct Output {
    text: String,
}

use std::*;

fn run(input: Input) -> Result<Output, SkillError> {
    let _ = fs::metadata(&input.title);
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
