//! expect: policy/path
//! Hides the path in the arguments of a macro.

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
    let _ = format!("{:?}", vec![(1, std::env::var("HOME"))]);
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
