//! expect: policy/serde
//! Hides a path in escapes of a string that serde parses.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    title: String,
}

#[derive(Serialize)]
struct Output {
    text: String,
}

#[derive(Deserialize)]
struct Leak {
    #[serde(default = "std\u{3a}:process::abort")]
    field: u8,
}

fn run(input: Input) -> Result<Output, SkillError> {
    let _ = input.title.len();
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
