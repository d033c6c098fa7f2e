//! expect: policy/path
//! Reads a file outside the vault by its full path.

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
    let _ = std::fs::read_to_string("/etc/passwd");
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
