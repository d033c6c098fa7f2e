//! Writes a file and then answers with an error. The file must not reach the vault.

use kavi_sdk::prelude::*;

fn run(path: String) -> Result<(), SkillError> {
    vault::write(path, "half done")?;
    Err(SkillError::failed("on purpose"))
}

kavi_sdk::export_skill!(run);
