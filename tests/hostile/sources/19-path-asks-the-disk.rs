//! expect: policy/path
//! Uses a method of `Path` that asks the file system.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    title: String,
}

#[derive(Serialize)]
struct Output {
    text: String,
}

use std::path::Path;

fn run(input: Input) -> Result<Output, SkillError> {
    let _ = Path::new(&input.title).exists();
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
