//! expect: policy/path
//! Hides the path in a file of its own.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    title: String,
}

#[derive(Serialize)]
struct Output {
    text: String,
}

mod util;

fn run(input: Input) -> Result<Output, SkillError> {
    util::go();
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
//@ file: src/util.rs
mod deep;

pub fn go() {
    deep::go();
}
//@ file: src/util/deep.rs
use super::super::util;

pub fn go() {
    let _ = (util::go as fn(), std::thread::yield_now());
}
