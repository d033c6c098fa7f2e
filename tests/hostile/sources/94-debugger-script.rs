//! expect: policy/attribute
//! Embeds a file through an attribute that few know.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    title: String,
}

#[derive(Serialize)]
struct Output {
    text: String,
}

#[debugger_visualizer(natvis_file = "/etc/passwd")]
mod shown {}

fn run(input: Input) -> Result<Output, SkillError> {
    let _ = input.title.len();
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
