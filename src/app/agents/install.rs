//! The entry that makes an agent's program start `kavi mcp`, and its installation in the program's own file.
//!
//! Guarantees: only this entry of an existing file changes, and a copy of the file is kept. A file that cannot be parsed is
//! not changed, and neither is one that has the entry already. Deliberately never: searches for such files elsewhere than in
//! the given folder, and for programs that keep one file per person, in the home folder.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::super::open_workspace::OpenWorkspace;
use crate::artifacts::{self, ReadError};
use crate::error::Error;
use crate::model::json::{self, JsonLimits};
use crate::sync::uninterrupted;

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
    /// Zed.
    Zed,
    /// Codex CLI.
    Codex,
    /// Claude Desktop.
    ClaudeDesktop,
    /// Windsurf.
    Windsurf,
}

impl AgentProgram {
    /// Its configuration file, below the folder of a project, or below the home folder.
    fn file(self) -> &'static str {
        match self {
            Self::ClaudeCode => ".mcp.json",
            Self::Cursor => ".cursor/mcp.json",
            Self::VsCode => ".vscode/mcp.json",
            Self::Gemini => ".gemini/settings.json",
            Self::Zed => ".zed/settings.json",
            Self::Codex => ".codex/config.toml",
            Self::ClaudeDesktop if cfg!(target_os = "macos") => {
                "Library/Application Support/Claude/claude_desktop_config.json"
            }
            Self::ClaudeDesktop => ".config/Claude/claude_desktop_config.json",
            Self::Windsurf => ".codeium/windsurf/mcp_config.json",
        }
    }

    /// Whether it has one file for all projects of a person.
    fn is_per_person(self) -> bool {
        matches!(self, Self::Codex | Self::ClaudeDesktop | Self::Windsurf)
    }

    /// Its configuration file, in words.
    pub fn place(self) -> String {
        match self.is_per_person() {
            true => format!("~/{}", self.file()),
            false => format!("{} of your project", self.file()),
        }
    }

    /// The member of that file that lists servers.
    fn member(self) -> &'static str {
        match self {
            Self::VsCode => "servers",
            Self::Zed => "context_servers",
            Self::Codex => "mcp_servers",
            _ => "mcpServers",
        }
    }

    /// Whether its entries name their transport.
    fn names_transport(self) -> bool {
        matches!(self, Self::ClaudeCode | Self::Cursor | Self::VsCode | Self::Gemini)
    }
}

/// The entry for a program, as its file has it and as a value.
#[derive(Debug)]
pub struct ClientEntry {
    /// The text for the file.
    pub text: String,
    /// The document with the entry alone.
    pub value: Value,
}

/// What an installation did.
#[derive(Debug)]
pub struct Installed {
    /// The file with the entry.
    pub file: PathBuf,
    /// The copy of the file before the change, if there was a file.
    pub copy: Option<PathBuf>,
    /// Whether the file was changed.
    pub changed: bool,
}

/// The text of a file with the entry added, `None` when it has the entry already, or why that is not possible.
fn merged(program: AgentProgram, before: Option<&[u8]>, entry: &Value) -> Result<Option<String>, String> {
    match program {
        AgentProgram::Codex => merged_toml(program, before, entry),
        _ => merged_json(program, before, entry),
    }
}

fn merged_json(program: AgentProgram, before: Option<&[u8]>, entry: &Value) -> Result<Option<String>, String> {
    // Strict, because a comment or a repeated key would be lost when the file is written again.
    let document = before.map(|bytes| json::parse(bytes, JsonLimits::default())).transpose();
    let document = document.map_err(|error| format!("is not plain JSON ({error})"))?;
    let mut document = match document.unwrap_or_else(|| Value::Object(Map::new())) {
        Value::Object(members) => members,
        _ => return Err("is not a JSON object".to_owned()),
    };
    let servers = document.entry(program.member()).or_insert_with(|| Value::Object(Map::new()));
    // Refused and not replaced: the list belongs to the person.
    let servers = servers.as_object_mut().ok_or("has a list of servers that is not an object")?;
    if servers.get("kavi") == Some(entry) {
        return Ok(None);
    }
    servers.insert("kavi".to_owned(), entry.clone());
    Ok(Some(format!("{:#}\n", Value::Object(document))))
}

/// A table is added at the end of the file, so that everything before it stays as the person wrote it, comments included.
fn merged_toml(program: AgentProgram, before: Option<&[u8]>, entry: &Value) -> Result<Option<String>, String> {
    let not_toml = |why: String| format!("is not TOML ({why})");
    let text = std::str::from_utf8(before.unwrap_or_default()).map_err(|error| not_toml(error.to_string()))?;
    let parse = |text: &str| text.parse::<toml::Table>().map_err(|error| not_toml(error.message().to_owned()));
    let own = |table: &toml::Table| table.get(program.member()).and_then(|servers| servers.get("kavi")).cloned();
    let wanted = toml_entry(entry)?;
    match own(&parse(text)?) {
        Some(there) if there == wanted => return Ok(None),
        Some(_) => return Err("has another entry `kavi`, which you have to replace yourself".to_owned()),
        None => {}
    }
    let end = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    let gap = if text.is_empty() { "" } else { "\n" };
    let after = format!("{text}{end}{gap}{}", toml_text(program, entry)?);
    // The file may list its servers in a way that cannot be continued, like an inline table.
    if parse(&after).ok().and_then(|table| own(&table)) != Some(wanted) {
        return Err("lists its servers in a form that cannot be extended".to_owned());
    }
    Ok(Some(after))
}

fn toml_entry(entry: &Value) -> Result<toml::Value, String> {
    toml::Value::try_from(entry).map_err(|error| error.to_string())
}

fn toml_text(program: AgentProgram, entry: &Value) -> Result<String, String> {
    let table = toml::to_string(&toml_entry(entry)?).map_err(|error| error.to_string())?;
    Ok(format!("[{}.kavi]\n{table}", program.member()))
}

fn entry_value(workspace: &OpenWorkspace, program: AgentProgram) -> Result<Value, Error> {
    let text = |path: &Path| path.to_str().map(str::to_owned);
    let paths = text(&workspace.host.exe).zip(text(&workspace.config.layout.root));
    let (exe, root) = paths.ok_or_else(|| Error::Usage("the path of kavi is not text (UTF-8)".to_owned()))?;
    let mut entry = json!({ "command": exe, "args": ["--workspace", root, "mcp"] });
    if program.names_transport() {
        entry["type"] = json!("stdio");
    }
    Ok(entry)
}

/// The entry for this workspace, in the shape of the program's file.
pub(super) fn entry(workspace: &OpenWorkspace, program: AgentProgram) -> Result<ClientEntry, Error> {
    let entry = entry_value(workspace, program)?;
    let value = json!({ program.member(): { "kavi": entry } });
    let text = match program {
        AgentProgram::Codex => toml_text(program, &entry).map_err(Error::Usage)?,
        _ => format!("{value:#}"),
    };
    Ok(ClientEntry { text, value })
}

/// Writes the entry to the program's own file below `folder`, or below the home folder.
pub(super) fn install(workspace: &OpenWorkspace, program: AgentProgram, folder: &Path) -> Result<Installed, Error> {
    let home = || {
        let home = workspace.host.environment.get("HOME").filter(|home| !home.is_empty());
        home.map(PathBuf::from)
            .ok_or_else(|| Error::Usage("HOME is not set: the program's file is below it".to_owned()))
    };
    let folder = if program.is_per_person() { home()? } else { folder.to_path_buf() };
    let file = folder.join(program.file());
    let refused = |why: &str| Error::Refused(format!("{} {why}: it was not changed", file.display()));
    let before = match artifacts::read_once(&file) {
        Ok(bytes) => Some(bytes),
        Err(ReadError::Missing) => None,
        Err(_) => return Err(refused("cannot be read")),
    };
    let entry = entry_value(workspace, program)?;
    let Some(after) = merged(program, before.as_deref(), &entry).map_err(|why| refused(&why))? else {
        return Ok(Installed { file, copy: None, changed: false });
    };
    // Before the write, so that every later failure leaves the person with their own file.
    let base = match program.is_per_person() {
        // A link in the home folder is the person's own, as of those who keep their settings elsewhere.
        true => {
            let above = file.parent().unwrap_or(&folder).to_path_buf();
            let made = uninterrupted(|| std::fs::create_dir_all(&above));
            made.map_err(|source| Error::Io { what: above.display().to_string(), source })?;
            above
        }
        false => folder,
    };
    let copy = before.as_deref().map(|bytes| back_up(&base, &file, bytes)).transpose()?;
    artifacts::write_durably(&base, &file, after.as_bytes())?;
    Ok(Installed { file, copy, changed: true })
}

/// Copies the file before it is changed.
fn back_up(folder: &Path, file: &Path, bytes: &[u8]) -> Result<PathBuf, Error> {
    let name = |number: u32| {
        let mut name = file.as_os_str().to_owned();
        name.push(format!(".before-kavi-{number}"));
        PathBuf::from(name)
    };
    // One with these bytes is a copy already.
    let copies = (1..).map(name).take_while(|copy| std::fs::symlink_metadata(copy).is_ok());
    if let Some(same) =
        copies.into_iter().find(|copy| matches!(artifacts::read_once(copy), Ok(there) if there == bytes))
    {
        return Ok(same);
    }
    // A new name each time: a second installation must not replace the copy of the first.
    let copy = (1..).map(name).find(|copy| std::fs::symlink_metadata(copy).is_err());
    let copy = copy.ok_or_else(|| Error::Refused(format!("no free name for a copy of {}", file.display())))?;
    artifacts::write_new(folder, &copy, bytes)?;
    Ok(copy)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry() -> Value {
        json!({ "command": "kavi", "args": ["mcp"] })
    }

    fn after(program: AgentProgram, before: Option<&str>) -> Result<Option<String>, String> {
        merged(program, before.map(str::as_bytes), &entry())
    }

    #[test]
    fn one_entry_changes_and_nothing_else() -> Result<(), String> {
        let there =
            r#"{ "theme": "dark", "mcpServers": { "other": { "command": "x" }, "kavi": { "command": "old" } } }"#;
        let now = after(AgentProgram::Gemini, Some(there))?.unwrap_or_default();
        let now: Value = serde_json::from_str(&now).map_err(|error| error.to_string())?;
        assert_eq!(now, json!({ "theme": "dark", "mcpServers": { "other": { "command": "x" }, "kavi": entry() } }));
        assert_eq!(after(AgentProgram::Gemini, Some(&now.to_string()))?, None, "it is there already");
        for (program, member) in [
            (AgentProgram::VsCode, "servers"),
            (AgentProgram::Zed, "context_servers"),
            (AgentProgram::Windsurf, "mcpServers"),
        ] {
            let made: Value = serde_json::from_str(&after(program, None)?.unwrap_or_default()).unwrap_or_default();
            assert_eq!(made, json!({ member: { "kavi": entry() } }));
        }
        for odd in ["[]", "\"x\"", r#"{ "mcpServers": [] }"#, r#"{ "mcpServers": null }"#, "{ // mine\n}"] {
            assert!(after(AgentProgram::Cursor, Some(odd)).is_err(), "{odd}");
        }
        Ok(())
    }

    #[test]
    fn a_toml_file_keeps_every_byte_before_the_entry() -> Result<(), String> {
        let wanted = "[mcp_servers.kavi]\nargs = [\"mcp\"]\ncommand = \"kavi\"\n";
        assert_eq!(after(AgentProgram::Codex, None)?.as_deref(), Some(wanted));
        for before in ["# mine\nmodel = \"m\"", "[mcp_servers.other]\ncommand = \"x\"\n"] {
            let now = after(AgentProgram::Codex, Some(before))?.unwrap_or_default();
            assert!(now.starts_with(before) && now.ends_with(wanted), "{now}");
            assert_eq!(after(AgentProgram::Codex, Some(&now))?, None, "{now}");
        }
        for odd in [
            "mcp_servers = { other = { command = \"x\" } }",
            "[mcp_servers.kavi]\ncommand = \"old\"",
            "a = ",
            "mcp_servers = 7",
        ] {
            assert!(after(AgentProgram::Codex, Some(odd)).is_err(), "{odd}");
        }
        Ok(())
    }
}
