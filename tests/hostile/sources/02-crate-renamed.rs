//! expect: policy/import
//! Gives `std` another name and walks on from there.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    title: String,
}

#[derive(Serialize)]
struct Output {
    text: String,
}

use std as toolbox;

fn run(input: Input) -> Result<Output, SkillError> {
    let _ = toolbox::fs::read_to_string(&input.title);
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
