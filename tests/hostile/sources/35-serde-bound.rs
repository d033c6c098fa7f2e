//! expect: policy/serde
//! Hides a path in a bound that serde parses.

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
#[serde(bound = "T: std::io::Read")]
struct Leak<T>(T);

fn run(input: Input) -> Result<Output, SkillError> {
    let _ = input.title.len();
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
