//! A skill that imports what only tests are given. It is refused before it runs.

use kavi_sdk::prelude::*;

fn run(path: String) -> Result<(), SkillError> {
    kavi_sdk::testing::seed(path, "");
    Ok(())
}

kavi_sdk::export_skill!(run);
