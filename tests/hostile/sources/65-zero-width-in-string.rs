//! expect: policy/unicode
//! Hides a character in a string.

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
    let _ = input.title == "adm​in";
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
