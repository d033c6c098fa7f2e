//! expect: policy/path
//! The same by the name of the function and another name of the type.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    title: String,
}

#[derive(Serialize)]
struct Output {
    text: String,
}

use std::path::Path as Text;

fn run(input: Input) -> Result<Output, SkillError> {
    let _ = [Text::new("/etc")].into_iter().filter(|p| Text::is_dir(p)).count();
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
