//! Writes a file and then stays, in the way that it is told: computing, asleep, or in calls to the host.

use std::{hint::black_box, thread, time::Duration};

use kavi_sdk::prelude::*;

fn run(input: Value) -> Result<Value, SkillError> {
    let text = |name: &str| input[name].as_str().unwrap_or_default().to_owned();
    vault::write(text("path"), "never to be seen\n")?;
    match text("act").as_str() {
        "spin" => loop {
            black_box(());
        },
        "sleep" => loop {
            thread::sleep(Duration::from_secs(3_600));
        },
        "call" => loop {
            black_box(vault::list("Inbox")?);
        },
        "log" => loop {
            log::info("still here");
        },
        other => Ok(json!({ "said": other })),
    }
}

kavi_sdk::export_skill!(run);
