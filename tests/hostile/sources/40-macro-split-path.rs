//! expect: policy/local-macro
//! Continues a name with a repetition that starts with `::`.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    title: String,
}

#[derive(Serialize)]
struct Output {
    text: String,
}

macro_rules! join {
    ($root:ident $($part:ident)*) => {
        $root $(::$part)*
    };
}

fn run(input: Input) -> Result<Output, SkillError> {
    let _ = input.title.len();
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
