//! expect: policy/unsafe
//! Reads raw memory.

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
    let _ = unsafe { *(0x1000 as *const u8) };
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
