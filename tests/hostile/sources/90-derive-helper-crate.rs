//! expect: policy/path
//! Goes through the crate that derived code refers to.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    title: String,
}

#[derive(Serialize)]
struct Output {
    text: String,
}

use serde::__private as inside;

fn run(input: Input) -> Result<Output, SkillError> {
    let _ = inside::Some(1);
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
