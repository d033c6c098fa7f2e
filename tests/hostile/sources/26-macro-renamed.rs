//! expect: policy/path
//! Imports a macro that reads files under another name.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    title: String,
}

#[derive(Serialize)]
struct Output {
    text: String,
}

use std::include_str as text;

fn run(input: Input) -> Result<Output, SkillError> {
    let _ = text!("/etc/passwd");
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
