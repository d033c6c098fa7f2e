//! Ends the instance by itself, with the status that it is given. That is no answer, whatever the status.

use kavi_sdk::prelude::*;

fn run(status: i32) -> Result<(), SkillError> {
    std::process::exit(status)
}

kavi_sdk::export_skill!(run);
