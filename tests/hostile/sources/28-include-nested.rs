//! expect: policy/macro
//! The same in the arguments of another macro.

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
    let _ = format!("{}", concat!("a", include_str!("/etc/passwd")));
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
