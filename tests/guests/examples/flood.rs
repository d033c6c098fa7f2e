//! Makes more of something than a host should take: `{"what": "log" | "escapes" | "stdout" | "stderr" | "output" |
//! "error" | "files" | "folders" | "deep" | "open" | "bytes" | "rewrite", "count": …}`, in units of a thousand bytes, one
//! file or one folder.

use std::fs::{self, File};
use std::io::Write;

use kavi_sdk::prelude::*;

#[derive(Deserialize)]
#[serde(crate = "kavi_sdk::serde")]
struct Input {
    what: String,
    count: usize,
}

fn run(input: Input) -> Result<String, SkillError> {
    let unit = "x".repeat(1000);
    let mut open = Vec::new();
    let mut deep = String::from("/out");
    for number in 0..input.count {
        match input.what.as_str() {
            "log" => log::info(&unit),
            "escapes" => log::warn("\u{1b}]0;owned\u{7}\u{1b}[2J\u{202e}txt.exe"),
            "stderr" => writeln!(std::io::stderr(), "{unit}")?,
            "error" => return Err(SkillError::failed(unit.repeat(input.count))),
            "folders" => fs::create_dir(format!("/out/{number}"))?,
            "deep" => {
                deep.push_str("/d");
                fs::create_dir(&deep)?;
            }
            "open" => {
                vault::write("Inbox/AI/x.md", "")?;
                open.push(File::open("/out/Inbox/AI/x.md")?);
            }
            "rewrite" => vault::write("Inbox/AI/x.md", &unit)?,
            "stdout" => writeln!(std::io::stdout(), "{unit}")?,
            "output" => return Ok(unit.repeat(input.count)),
            "files" => vault::write(format!("Inbox/AI/{number}.md"), "")?,
            "bytes" => return vault::write("Inbox/AI/x.md", unit.repeat(input.count)).map(|()| String::new()),
            other => return Err(SkillError::invalid_input(format!("nothing to flood with: `{other}`"))),
        }
    }
    Ok(String::new())
}

kavi_sdk::export_skill!(run);
