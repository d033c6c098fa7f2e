//! expect: policy/unsafe
//! Looks at addresses to tell the tested program from the promoted one.

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
    let _ = &raw const input;
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
