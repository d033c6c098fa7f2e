//! Reads a file of the vault.

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    path: String,
}

#[derive(Serialize)]
struct Output {
    text: String,
}

fn run(input: Input) -> Result<Output, SkillError> {
    Ok(Output {
        text: vault::read(&input.path)?,
    })
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
    fn nothing_is_written() {
        seed("a.md", "text");
        assert!(call(run, json!({ "path": "a.md" })).is_ok());
        assert!(written_paths().is_empty());
    }
}
