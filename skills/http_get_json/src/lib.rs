//! Gets a JSON document from a host that the specification names, or a part of it.

use kavi_sdk::http;
use kavi_sdk::prelude::*;

#[cfg(test)]
mod tests;

#[derive(Deserialize)]
struct Input {
    /// The address of the document.
    url: String,
    /// A JSON pointer to the part that is wanted; the whole document if it is left out.
    #[serde(default)]
    pointer: String,
}

#[derive(Serialize)]
struct Output {
    status: u16,
    /// The document or its part, as JSON text.
    json: String,
}

fn run(input: Input) -> Result<Output, SkillError> {
    let response = http::get(&input.url).send()?.success()?;
    let document: Value = response.json()?;
    match document.pointer(&input.pointer) {
        Some(value) => Ok(Output { status: response.status(), json: value.to_string() }),
        None => Err(SkillError::not_found(format!("the document has nothing at `{}`", input.pointer))),
    }
}

kavi_sdk::export_skill!(run);
