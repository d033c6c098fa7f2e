//! expect: policy/unicode
//! Shows a comment in another order than it is.

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
    let _ = input.title.len(); /* ‮ } ⁦if is_admin⁩ ⁦ begin admins only */
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
