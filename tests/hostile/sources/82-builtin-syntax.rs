//! expect: policy/attribute
//! Uses syntax that only the compiler has.

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
    let _ = builtin # offset_of(Input, title);
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
