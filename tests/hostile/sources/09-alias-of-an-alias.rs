//! expect: policy/path
//! Renames a half-open module twice and reaches it by a glob.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    title: String,
}

#[derive(Serialize)]
struct Output {
    text: String,
}

mod first {
    pub use std::mem as moves;
}
mod second {
    pub use super::first::moves as shifts;
}
use second::*;

fn run(input: Input) -> Result<Output, SkillError> {
    let _ = shifts::zeroed::<u8>;
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
