//! expect: policy/path
//! Hands the name of a method that asks the disk to a macro.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    title: String,
}

#[derive(Serialize)]
struct Output {
    text: String,
}

use std::path::Path;

macro_rules! ask {
    ($value:expr, $method:ident) => {
        $value.$method()
    };
}

fn run(input: Input) -> Result<Output, SkillError> {
    let _ = ask!(Path::new("/etc"), exists);
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
