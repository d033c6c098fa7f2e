//! expect: policy/macro
//! Has inline assembly.

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
    core::arch::asm!("nop");
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
