//! The entry with which an agent's program starts `kavi mcp`, and how it gets into that program's own file.
//!
//! Guarantees: of a file that is there already only this one entry changes, and a copy is kept; a file that is not plain JSON is left
//! alone. Deliberately never: looks for such files anywhere but below the folder that it is given.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::App;
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
    /// Its file of servers, below the folder of a project.
    pub fn file(self) -> &'static str {
        match self {
            Self::ClaudeCode => ".mcp.json",
            Self::Cursor => ".cursor/mcp.json",
            Self::VsCode => ".vscode/mcp.json",
            Self::Gemini => ".gemini/settings.json",
        }
    }

    /// The member that has the servers.
    fn member(self) -> &'static str {
        if self == Self::VsCode { "servers" } else { "mcpServers" }
    }
}

/// What an installation did.
#[derive(Debug)]
pub struct Installed {
    /// The file with the entry.
    pub file: PathBuf,
    /// What it was before, if it was there.
    pub copy: Option<PathBuf>,
}

/// The document with the entry in it, or what keeps it out.
fn merged(program: AgentProgram, document: Option<Value>, entry: Value) -> Result<Value, &'static str> {
    let mut document = match document.unwrap_or_else(|| Value::Object(Map::new())) {
        Value::Object(members) => members,
        _ => return Err("is no object"),
    };
    let servers = document.entry(program.member()).or_insert_with(|| Value::Object(Map::new()));
    let servers = servers.as_object_mut().ok_or("has servers that are no object")?;
    servers.insert("kavi".to_owned(), entry);
    Ok(Value::Object(document))
}

impl App {
    /// What this program wants to be told of this workspace.
    ///
    /// # Errors
    /// When this binary lies at a path that no JSON can name.
    pub fn agent_entry(&self, program: AgentProgram) -> Result<Value, Error> {
        let text = |path: &Path| path.to_str().map(str::to_owned);
        let paths = text(&self.host.exe).zip(text(&self.config.layout.root));
        let (exe, root) = paths.ok_or_else(|| Error::Usage("the path of kavi is not text (UTF-8)".to_owned()))?;
        let entry = json!({ "type": "stdio", "command": exe, "args": ["--workspace", root, "mcp"] });
        merged(program, None, entry).map_err(|why| Error::Usage(why.to_owned()))
    }

    /// Puts the entry into the program's own file below `folder`.
    ///
    /// # Errors
    /// When what is there is not plain JSON, or cannot be written.
    pub fn install_agent(&self, program: AgentProgram, folder: &Path) -> Result<Installed, Error> {
        let file = folder.join(program.file());
        let refused = |why: &str| Error::Refused(format!("{} {why}: it is left as it is", file.display()));
        let before = match artifacts::read_once(&file) {
            Ok(bytes) => Some(bytes),
            Err(ReadError::Missing) => None,
            Err(_) => return Err(refused("cannot be read")),
        };
        let document = before.as_deref().map(|bytes| json::parse(bytes, JsonLimits::default())).transpose();
        let document = document.map_err(|error| refused(&format!("is not plain JSON ({error})")))?;
        let entry = self.agent_entry(program)?[program.member()]["kavi"].take();
        let after = merged(program, document, entry).map_err(refused)?;
        let copy = before.as_deref().map(|bytes| keep(&file, bytes)).transpose()?;
        artifacts::write_durably(&file, format!("{after:#}\n").as_bytes())?;
        Ok(Installed { file, copy })
    }
}

/// Keeps what was there, beside it.
fn keep(file: &Path, bytes: &[u8]) -> Result<PathBuf, Error> {
    let name = |number: u32| {
        let mut name = file.as_os_str().to_owned();
        name.push(format!(".before-kavi-{number}"));
        PathBuf::from(name)
    };
    let copy = (1..).map(name).find(|copy| std::fs::symlink_metadata(copy).is_err());
    let copy = copy.ok_or_else(|| Error::Refused(format!("there is no room beside {}", file.display())))?;
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
