//! Does one thing to one place, past the SDK and its rules: `{"do": "read" | "list" | "write" | "append" | "remove" |
//! "folder" | "sparse" | "link" | "soft" | "rename", "path": …, "to": …}`, with paths as the guest sees them (`/vault/…`,
//! `/out/…`).

use std::fs::{self, OpenOptions};
use std::io::Write;

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
        "append" => Ok(json!(OpenOptions::new().append(true).open(path)?.write_all(to.as_bytes())?)),
        "folder" => Ok(json!(fs::create_dir(path)?)),
        "sparse" => {
            let length = to.parse().map_err(|_| SkillError::invalid_input("no length"))?;
            Ok(json!(fs::File::create(path)?.set_len(length)?))
        }
        "remove" => Ok(json!(fs::remove_file(path)?)),
        "link" => Ok(json!(fs::hard_link(path, to)?)),
        #[expect(deprecated)]
        "soft" => Ok(json!(fs::soft_link(to, path)?)),
        "rename" => Ok(json!(fs::rename(path, to)?)),
        other => Err(SkillError::invalid_input(format!("no such thing to do: `{other}`"))),
    }
}

kavi_sdk::export_skill!(run);
