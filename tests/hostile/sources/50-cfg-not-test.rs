//! expect: policy/cfg
//! Is another program when it is not tested.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    title: String,
}

#[derive(Serialize)]
struct Output {
    text: String,
}

#[cfg(not(test))]
fn honest() -> bool {
    false
}
#[cfg(test)]
fn honest() -> bool {
    true
}

fn run(input: Input) -> Result<Output, SkillError> {
    let _ = input.title.len();
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
