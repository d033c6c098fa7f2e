//! Waits: `{"for": "sleep" | "input" | "file", "path": …}`. No host call may hold a run longer than its deadline.

use std::io::Read;
use std::time::Duration;

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
#[serde(crate = "kavi_sdk::serde")]
struct Input {
    r#for: String,
    #[serde(default)]
    path: String,
}

fn run(input: Input) -> Result<Value, SkillError> {
    match input.r#for.as_str() {
        "sleep" => loop {
            std::thread::sleep(Duration::from_secs(3_600));
        },
        "input" => {
            let mut text = String::new();
            std::io::stdin().read_to_string(&mut text)?;
            Ok(json!(text))
        }
        "file" => Ok(json!(std::fs::read_to_string(input.path)?)),
        other => Err(SkillError::invalid_input(format!("nothing to wait for: `{other}`"))),
    }
}

kavi_sdk::export_skill!(run);
