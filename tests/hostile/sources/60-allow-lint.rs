//! expect: policy/lint
//! Silences the compiler.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    title: String,
}

#[derive(Serialize)]
struct Output {
    text: String,
}

#[allow(unsafe_code, unused_must_use)]
fn quiet() {}

fn run(input: Input) -> Result<Output, SkillError> {
    let _ = input.title.len();
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
