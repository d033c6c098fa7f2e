//! Does one thing to one place, past the SDK and its rules: `{"do": "read" | "list" | "write" | "remove" | "link" |
//! "rename", "path": …, "to": …}`, with paths as the guest sees them (`/vault/…`, `/out/…`).

use std::fs;

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
#[serde(crate = "kavi_sdk::serde")]
struct Input {
    r#do: String,
    path: String,
    #[serde(default)]
    to: String,
}

fn run(input: Input) -> Result<Value, SkillError> {
    let Input { r#do, path, to } = input;
    match r#do.as_str() {
        "read" => Ok(json!(String::from_utf8_lossy(&fs::read(path)?))),
        "list" => {
            let names = fs::read_dir(path)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
            Ok(json!(names.collect::<std::io::Result<Vec<_>>>()?))
        }
        "write" => Ok(json!(fs::write(path, to)?)),
        "remove" => Ok(json!(fs::remove_file(path)?)),
        "link" => Ok(json!(fs::hard_link(path, to)?)),
        "rename" => Ok(json!(fs::rename(path, to)?)),
        other => Err(SkillError::invalid_input(format!("no such thing to do: `{other}`"))),
    }
}

kavi_sdk::export_skill!(run);
