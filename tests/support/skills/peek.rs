//! Reads a file of the vault and, when it is told to, tries to write one: its class does not let it.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    path: String,
    #[serde(default)]
    write: bool,
}

#[derive(Serialize)]
struct Output {
    text: String,
}

fn run(input: Input) -> Result<Output, SkillError> {
    let text = vault::read(&input.path)?;
    if input.write {
        vault::write(&input.path, "overwritten")?;
    }
    Ok(Output { text })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use kavi_sdk::testing::{call, seed, written_paths};

    #[test]
    fn reads_a_file() {
        seed("a.md", "text");
        let output = call(run, json!({ "path": "a.md" }));
        assert_eq!(output, Ok(json!({ "text": "text" })));
    }

    #[test]
    fn a_missing_file_is_not_found() {
        let output = call(run, json!({ "path": "nowhere.md" }));
        assert!(matches!(output, Err(SkillError::NotFound(_))));
    }

    #[test]
    fn writing_is_denied() {
        seed("a.md", "text");
        let output = call(run, json!({ "path": "a.md", "write": true }));
        assert!(matches!(output, Err(SkillError::Denied(_))), "{output:?}");
        assert!(written_paths().is_empty());
    }
}
