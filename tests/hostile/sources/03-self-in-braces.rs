//! expect: policy/import
//! The same with `self` in braces.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    title: String,
}

#[derive(Serialize)]
struct Output {
    text: String,
}

use std::{self as base};

fn run(input: Input) -> Result<Output, SkillError> {
    let _ = base::env::vars().count();
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
