//! Makes more of something than a host should take: `{"what": "log" | "stdout" | "output" | "files" | "bytes",
//! "count": …}`, in units of a thousand bytes or one file.

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
    for number in 0..input.count {
        match input.what.as_str() {
            "log" => log::info(&unit),
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
