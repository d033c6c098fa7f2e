//! expect: policy/identifier
//! Has a name that looks like another one.

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
    let scоpe = 1;
    let _ = scоpe;
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
