//! expect: policy/cfg
//! Has one more statement when it is tested.

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
    #[cfg(test)]
    return Ok(Output { text: String::new() });
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
