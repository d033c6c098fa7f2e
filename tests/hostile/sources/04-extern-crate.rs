//! expect: policy/extern
//! Takes the standard library in under another name.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    title: String,
}

#[derive(Serialize)]
struct Output {
    text: String,
}

extern crate std as helpers;

fn run(input: Input) -> Result<Output, SkillError> {
    let _ = helpers::process::id();
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
