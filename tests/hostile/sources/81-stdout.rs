//! expect: policy/macro
//! Prints.

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
    eprintln!("{}", input.title);
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
