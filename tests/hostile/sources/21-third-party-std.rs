//! expect: policy/path
//! Reaches the standard library through what a dependency exports for its macros.

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
    let _ = kavi_sdk::serde::__private::Some(1);
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
