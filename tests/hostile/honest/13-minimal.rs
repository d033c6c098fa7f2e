use kavi_sdk::prelude::*;

fn run(name: String) -> Result<String, SkillError> {
    Ok(format!("Hello, {name}!"))
}

::kavi_sdk::export_skill! { run }
