//! expect: policy/path
//! Catches its own panics.

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
    let _ = std::panic::catch_unwind(|| 1);
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
