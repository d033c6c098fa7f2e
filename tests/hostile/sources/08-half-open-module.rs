//! expect: policy/path
//! Imports a module that is open in part and takes the closed part.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    title: String,
}

#[derive(Serialize)]
struct Output {
    text: String,
}

use std::time as when;

fn run(input: Input) -> Result<Output, SkillError> {
    let _ = when::SystemTime::now();
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
