//! The entry that makes an agent's program start `kavi mcp`, and its installation in the program's own file.
//!
//! Guarantees: only this entry of an existing file changes, and a copy of the file is kept. A file that is not plain JSON is
//! not changed. Deliberately never: searches for such files outside the given folder.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::super::open_workspace::OpenWorkspace;
use crate::artifacts::{self, ReadError};
use crate::error::Error;
use crate::model::json::{self, JsonLimits};

/// A program that agents run in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AgentProgram {
    /// Claude Code.
    ClaudeCode,
    /// Cursor.
    Cursor,
    /// Visual Studio Code.
    VsCode,
    /// Gemini CLI.
    Gemini,
}

impl AgentProgram {
    /// Its configuration file, below the folder of a project.
    pub fn file(self) -> &'static str {
        match self {
            Self::ClaudeCode => ".mcp.json",
            Self::Cursor => ".cursor/mcp.json",
            Self::VsCode => ".vscode/mcp.json",
            Self::Gemini => ".gemini/settings.json",
        }
    }

    /// The member of that file that lists servers.
    fn member(self) -> &'static str {
        if self == Self::VsCode { "servers" } else { "mcpServers" }
    }
}

/// What an installation did.
#[derive(Debug)]
pub struct Installed {
    /// The file with the entry.
    pub file: PathBuf,
    /// The copy of the file before the change, if there was a file.
    pub copy: Option<PathBuf>,
}

/// The document with the entry added, or why that is not possible.
fn merged(program: AgentProgram, document: Option<Value>, entry: Value) -> Result<Value, &'static str> {
    let mut document = match document.unwrap_or_else(|| Value::Object(Map::new())) {
        Value::Object(members) => members,
        _ => return Err("is not a JSON object"),
    };
    let servers = document.entry(program.member()).or_insert_with(|| Value::Object(Map::new()));
    // Refused and not replaced: the list belongs to the person.
    let servers = servers.as_object_mut().ok_or("has a list of servers that is not an object")?;
    servers.insert("kavi".to_owned(), entry);
    Ok(Value::Object(document))
}

/// The entry for this workspace, in the shape of the program's file.
pub(super) fn entry(workspace: &OpenWorkspace, program: AgentProgram) -> Result<Value, Error> {
    let text = |path: &Path| path.to_str().map(str::to_owned);
    let paths = text(&workspace.host.exe).zip(text(&workspace.config.layout.root));
    let (exe, root) = paths.ok_or_else(|| Error::Usage("the path of kavi is not text (UTF-8)".to_owned()))?;
    let entry = json!({ "type": "stdio", "command": exe, "args": ["--workspace", root, "mcp"] });
    merged(program, None, entry).map_err(|why| Error::Usage(why.to_owned()))
}

/// Writes the entry to the program's own file below `folder`.
pub(super) fn install(workspace: &OpenWorkspace, program: AgentProgram, folder: &Path) -> Result<Installed, Error> {
    let file = folder.join(program.file());
    let refused = |why: &str| Error::Refused(format!("{} {why}: it was not changed", file.display()));
    let before = match artifacts::read_once(&file) {
        Ok(bytes) => Some(bytes),
        Err(ReadError::Missing) => None,
        Err(_) => return Err(refused("cannot be read")),
    };
    // Strict, because a comment or a repeated key would be lost when the file is written again.
    let document = before.as_deref().map(|bytes| json::parse(bytes, JsonLimits::default())).transpose();
    let document = document.map_err(|error| refused(&format!("is not plain JSON ({error})")))?;
    let entry = entry(workspace, program)?[program.member()]["kavi"].take();
    let after = merged(program, document, entry).map_err(refused)?;
    // Before the write, so that every later failure leaves the person with their own file.
    let copy = before.as_deref().map(|bytes| back_up(&file, bytes)).transpose()?;
    artifacts::write_durably(&file, format!("{after:#}\n").as_bytes())?;
    Ok(Installed { file, copy })
}

/// Copies the file before it is changed.
fn back_up(file: &Path, bytes: &[u8]) -> Result<PathBuf, Error> {
    let name = |number: u32| {
        let mut name = file.as_os_str().to_owned();
        name.push(format!(".before-kavi-{number}"));
        PathBuf::from(name)
    };
    // A new name each time: a second installation must not replace the copy of the first.
    let copy = (1..).map(name).find(|copy| std::fs::symlink_metadata(copy).is_err());
    let copy = copy.ok_or_else(|| Error::Refused(format!("no free name for a copy of {}", file.display())))?;
    artifacts::write_new(&copy, bytes)?;
    Ok(copy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_entry_changes_and_nothing_else() {
        let entry = || json!({ "command": "kavi" });
        let there =
            json!({ "theme": "dark", "mcpServers": { "other": { "command": "x" }, "kavi": { "command": "old" } } });
        assert_eq!(
            merged(AgentProgram::Gemini, Some(there), entry()),
            Ok(
                json!({ "theme": "dark", "mcpServers": { "other": { "command": "x" }, "kavi": { "command": "kavi" } } })
            )
        );
        assert_eq!(
            merged(AgentProgram::VsCode, None, entry()),
            Ok(json!({ "servers": { "kavi": { "command": "kavi" } } }))
        );
        for odd in [json!([]), json!("x"), json!({ "mcpServers": [] }), json!({ "mcpServers": null })] {
            assert!(merged(AgentProgram::Cursor, Some(odd.clone()), entry()).is_err(), "{odd}");
        }
    }
}
