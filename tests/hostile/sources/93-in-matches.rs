//! expect: policy/path
//! Calls in the arguments of a pattern macro.

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
    let _ = matches!(std::env::var("CI"), Ok(value) if value == "1");
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
