//! expect: policy/path
//! Names a closed trait in a bound only.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    title: String,
}

#[derive(Serialize)]
struct Output {
    text: String,
}

fn drain<R>(mut from: R) -> usize
where
    R: std::io::Read,
{
    from.read(&mut []).unwrap_or(0)
}

fn run(input: Input) -> Result<Output, SkillError> {
    let _ = input.title.len();
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
