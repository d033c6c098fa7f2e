//! expect: policy/path
//! Brings a closed module into scope by a glob.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    title: String,
}

#[derive(Serialize)]
struct Output {
    text: String,
}

use std::process::*;

fn run(input: Input) -> Result<Output, SkillError> {
    let _ = Command::new("sh");
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
