//! expect: policy/local-macro
//! Makes `::` the separator of a repetition.

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
    ($($part:ident),*) => {
        $($part)::*
    };
}

fn run(input: Input) -> Result<Output, SkillError> {
    let _ = join!(std, env, args);
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
