//! expect: policy/path
//! Starts a thread.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    title: String,
}

#[derive(Serialize)]
struct Output {
    text: String,
}

use std::thread;

fn run(input: Input) -> Result<Output, SkillError> {
    thread::spawn(|| {});
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
