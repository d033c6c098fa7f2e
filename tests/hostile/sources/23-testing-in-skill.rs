//! expect: policy/path
//! Uses the SDK's test helpers in the skill.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    title: String,
}

#[derive(Serialize)]
struct Output {
    text: String,
}

use kavi_sdk::testing::seed;

fn run(input: Input) -> Result<Output, SkillError> {
    seed("Inbox/AI/x.md", "x");
    Ok(Output { text: input.title })
}

kavi_sdk::export_skill!(run);
