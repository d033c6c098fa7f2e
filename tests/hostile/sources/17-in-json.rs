//! expect: policy/path
//! Hides the path deep in a JSON literal.

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
    let _ = json!({ "a": { "b": [null, std::env::args().count()] } });
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
