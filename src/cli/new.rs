//! `kavi new`

use serde_json::json;

use super::{Context, JsonFlag};
use crate::error::Error;
use crate::model::name::SkillName;

/// Write the skeleton of a skill crate into skills/NAME. With an open proposal of that name it has the types of its schemas.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  kavi new tidy_inbox\n  cd skills/tidy_inbox && cargo test")]
pub struct Args {
    /// The skill's name: lower-case letters, digits and `_`.
    name: String,
    #[command(flatten)]
    pub json: JsonFlag,
}

pub fn run(context: Context, args: &Args) -> Result<(), Error> {
    let name = SkillName::parse(&args.name).map_err(|error| Error::Usage(error.to_string()))?;
    let (app, out) = context.open()?;
    let written = app.new_skill(&name)?;
    let relative: Vec<String> = written
        .iter()
        .map(|path| path.strip_prefix(&app.layout().root).unwrap_or(path).display().to_string())
        .collect();
    let human = format!(
        "wrote {}\nnext: write the skill, `cargo test` it there, then propose it and\n      kavi build-skill {name} --builder import --from skills/{name}",
        relative.join(", ")
    );
    out.result(&human, &json!({ "name": name, "written": relative }));
    Ok(())
}
