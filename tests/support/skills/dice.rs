//! Writes down what chance gives.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::time::{SystemTime, UNIX_EPOCH};

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    /// Where it is written down.
    path: String,
}

#[derive(Serialize)]
struct Output {
    /// The time and a number.
    said: String,
}

fn run(input: Input) -> Result<Output, SkillError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis());
    let chance = RandomState::new().hash_one(0_u8);
    let said = format!("{now} {chance}");
    vault::write(&input.path, &said)?;
    Ok(Output { said })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::{call, written};

    #[test]
    fn what_is_said_is_written_down() {
        let output = call(run, json!({ "path": "Inbox/AI/a.md" })).unwrap();
        assert_eq!(output["said"], json!(written("Inbox/AI/a.md").unwrap()));
    }
}
