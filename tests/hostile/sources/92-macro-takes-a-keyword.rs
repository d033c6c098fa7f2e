//! expect: policy/macro
//! A macro takes the word `use` for a name and puts it before a path of its own.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    title: String,
}

#[derive(Serialize)]
struct Output {
    text: String,
}

mod words {
    pub mod short {}
}

macro_rules! declare {
    ($word:ident $name:ident;) => {
        $word std as short;
    };
}
declare!(use words;);

fn run(input: Input) -> Result<Output, SkillError> {
    let _ = short::fs::read(&input.title);
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
