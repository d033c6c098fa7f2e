//! expect: policy/path
//! Ends a raw string earlier than it seems.

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
    let _ = r#"" "#.len() + std::process::id() as usize; // "#;
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
