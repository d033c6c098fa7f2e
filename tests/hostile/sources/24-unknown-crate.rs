//! expect: policy/path
//! Names a crate that it does not have.

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
    unsafe_libc::system(&input.title);
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
