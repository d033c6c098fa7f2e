//! expect: policy/local-macro
//! Puts an attribute together.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    title: String,
}

#[derive(Serialize)]
struct Output {
    text: String,
}

macro_rules! mark {
    ($m:meta) => {
        #[$m]
        fn marked() {}
    };
}
mark!(no_mangle);

fn run(input: Input) -> Result<Output, SkillError> {
    let _ = input.title.len();
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
