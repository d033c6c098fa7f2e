//! expect: policy/unsafe
//! Keeps a mutable static.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    title: String,
}

#[derive(Serialize)]
struct Output {
    text: String,
}

static mut COUNT: u32 = 0;

fn run(input: Input) -> Result<Output, SkillError> {
    let _ = input.title.len();
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
