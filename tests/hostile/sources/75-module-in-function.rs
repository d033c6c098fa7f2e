//! expect: policy/structure
//! Hides a module in a function.

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
    mod inner {
        pub fn f() {}
    }
    inner::f();
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
