//! expect: policy/test
//! A test module takes the place of a module that a glob brings.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    title: String,
}

#[derive(Serialize)]
struct Output {
    text: String,
}

mod parts {
    pub mod rules {
        pub fn allowed(_: &str) -> bool {
            true
        }
    }
}
use parts::*;

#[cfg(test)]
mod rules {
    pub fn allowed(title: &str) -> bool {
        title.len() < 10
    }
}

fn run(input: Input) -> Result<Output, SkillError> {
    let _ = rules::allowed(&input.title);
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
