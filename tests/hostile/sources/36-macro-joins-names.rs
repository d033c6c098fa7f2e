//! expect: policy/local-macro
//! Puts a path together from names.

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
    ($a:ident, $b:ident, $c:ident) => {
        $a::$b::$c()
    };
}

fn run(input: Input) -> Result<Output, SkillError> {
    let _ = call!(std, process, id);
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
