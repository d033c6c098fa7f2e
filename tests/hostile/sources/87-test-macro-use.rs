//! expect: policy/attribute
//! A macro of the tests takes the place of the skill's, which stands before it.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    title: String,
}

#[derive(Serialize)]
struct Output {
    text: String,
}

macro_rules! limit {
    () => {
        1_000_000
    };
}

#[macro_use]
#[cfg(test)]
mod limits {
    macro_rules! limit {
        () => {
            10
        };
    }
}

fn run(input: Input) -> Result<Output, SkillError> {
    let _ = input.title.len() < limit!();
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
