//! expect: policy/path
//! Reaches a closed trait by a qualified path.

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
    let _ = <Vec<u8> as std::io::Write>::flush(&mut Vec::new());
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
