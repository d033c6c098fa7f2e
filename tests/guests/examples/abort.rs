//! Panics. The host answers that the skill crashed, and goes on.

use kavi_sdk::prelude::*;

fn run(message: String) -> Result<(), SkillError> {
    panic!("{message}")
}

kavi_sdk::export_skill!(run);
