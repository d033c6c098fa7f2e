//! expect: policy/unsafe
//! The same in the arguments of a macro.

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
    let _ = vec![unsafe { core::mem::size_of::<u8>() }];
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
