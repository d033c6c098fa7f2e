//! expect: policy/path
//! Hides a call in a const generic argument.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    title: String,
}

#[derive(Serialize)]
struct Output {
    text: String,
}

struct Sized<const N: usize>;

type Mine = Sized<{ std::process::id as usize }>;

fn run(input: Input) -> Result<Output, SkillError> {
    let _ = input.title.len();
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
