//! expect: policy/path
//! Makes a quote character look like the start of a string.

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
    let _ = ('"', std::env::current_dir(), '"');
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
