//! expect: policy/export
//! Exports a second function.

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
    let _ = input.title.len();
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);

mod other {
    kavi_sdk::export_skill!(run);
}
