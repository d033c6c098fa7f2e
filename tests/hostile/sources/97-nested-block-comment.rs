//! expect: policy/path
//! Hides code between comments that seem to nest.

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
    /* /* */ */ let _ = std::env::temp_dir(); /* // */
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
