//! expect: policy/path
//! Starts a path with `::` after an arrow.

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
    match 1 {
        _ => ::libc::abort(),
    }
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
