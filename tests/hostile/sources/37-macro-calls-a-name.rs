//! expect: policy/local-macro
//! Calls a macro by a name that is handed in.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    title: String,
}

#[derive(Serialize)]
struct Output {
    text: String,
}

macro_rules! call {
    ($m:ident, $arg:literal) => {
        $m!($arg)
    };
}

fn run(input: Input) -> Result<Output, SkillError> {
    let _ = call!(include_str, "/etc/passwd");
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
