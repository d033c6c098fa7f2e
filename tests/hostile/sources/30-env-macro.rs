//! expect: policy/macro
//! Reads the environment of the build.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    title: String,
}

#[derive(Serialize)]
struct Output {
    text: String,
}

const KEY: Option<&str> = core::option_env!("AWS_SECRET_ACCESS_KEY");

fn run(input: Input) -> Result<Output, SkillError> {
    let _ = input.title.len();
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
