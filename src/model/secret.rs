//! A secret: its name, and the store that has its value.
//!
//! Guarantees: a name is valid, and a checked store names exactly one place. Deliberately never: holds a value.

use std::fmt;
use std::path::{Component, Path, PathBuf};

use serde::{Deserialize, Serialize};

/// The longest name, in characters.
const MAX_NAME: usize = 64;
/// The longest description of a key that the kernel takes is 4095 bytes. More than this is a mistake.
const MAX_KEY: usize = 255;

/// A secret's name: `[A-Z][A-Z0-9_]{0,63}`. It is no secret itself.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretName(String);

/// A text that names no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a valid name of a secret: use A-Z, 0-9 and `_`, starting with a letter, 64 characters at most")]
pub struct InvalidSecretName(pub String);

impl SecretName {
    /// Checks a name.
    ///
    /// # Errors
    /// [`InvalidSecretName`]
    pub fn parse(text: &str) -> Result<Self, InvalidSecretName> {
        let first = text.starts_with(|c: char| c.is_ascii_uppercase());
        let rest = text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
        if first && rest && text.len() <= MAX_NAME {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidSecretName(text.to_owned()))
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for SecretName {
    type Error = InvalidSecretName;

    fn try_from(text: String) -> Result<Self, InvalidSecretName> {
        Self::parse(&text)
    }
}

impl From<SecretName> for String {
    fn from(name: SecretName) -> Self {
        name.0
    }
}

/// One `[secrets.NAME]` table of kavi.toml: where the value is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "store", rename_all = "lowercase", deny_unknown_fields)]
pub enum SecretStore {
    /// A variable of the environment that Kavi was started with.
    Environment {
        /// Its name.
        variable: String,
    },
    /// A file of the person's own.
    File {
        /// Its absolute path.
        path: PathBuf,
        /// Whether one line break at the end is cut.
        #[serde(default)]
        cut_newline: bool,
    },
    /// What a program prints, such as `pass show`.
    Command {
        /// The absolute path of the program, and its arguments.
        command: Vec<String>,
        /// The variables of Kavi's environment that it receives. It receives no other.
        #[serde(default)]
        variables: Vec<String>,
        /// Whether one line break at the end is cut.
        #[serde(default)]
        cut_newline: bool,
    },
    /// A key of type `user` in a keyring of the kernel. It is gone after a restart of the machine.
    Keyring {
        /// Its description.
        key: String,
        /// Which keyring is searched.
        #[serde(default)]
        keyring: KernelKeyring,
    },
}

/// A keyring of the kernel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KernelKeyring {
    /// The keyring of the user, `@u`.
    #[default]
    User,
    /// The keyring of the login session, `@s`.
    Session,
}

/// A store that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidStore {
    /// A name that no variable of the environment can have.
    #[error("`{0}` cannot be the name of an environment variable")]
    Variable(String),
    /// A path that is not absolute, or climbs.
    #[error("`{0}` must be an absolute path without `..`")]
    Path(String),
    /// No program.
    #[error("`command` needs the absolute path of a program")]
    NoProgram,
    /// An argument that no program can receive.
    #[error("an argument of `command` contains a NUL")]
    Argument,
    /// A description that no key can have.
    #[error("`key` must have 1 to 255 bytes without NUL")]
    Key,
}

impl SecretStore {
    /// Checks what the types alone do not say.
    ///
    /// # Errors
    /// [`InvalidStore`]
    pub fn check(&self) -> Result<(), InvalidStore> {
        match self {
            Self::Environment { variable } => check_variable(variable),
            Self::File { path, .. } => check_path(path),
            Self::Command { command, variables, .. } => {
                let program = command.first().ok_or(InvalidStore::NoProgram)?;
                check_path(Path::new(program))?;
                if command.iter().any(|argument| argument.contains('\0')) {
                    return Err(InvalidStore::Argument);
                }
                variables.iter().try_for_each(|name| check_variable(name))
            }
            Self::Keyring { key, .. } => {
                let fits = !key.is_empty() && key.len() <= MAX_KEY && !key.contains('\0');
                if fits { Ok(()) } else { Err(InvalidStore::Key) }
            }
        }
    }

    /// The store in a word, as kavi.toml names it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Environment { .. } => "environment",
            Self::File { .. } => "file",
            Self::Command { .. } => "command",
            Self::Keyring { .. } => "keyring",
        }
    }

    /// Where in the store the value is. Of a command the program alone: an argument can be long.
    pub fn place(&self) -> String {
        match self {
            Self::Environment { variable } => variable.clone(),
            Self::File { path, .. } => path.display().to_string(),
            Self::Command { command, .. } => command.first().cloned().unwrap_or_default(),
            Self::Keyring { key, keyring } => {
                let keyring = match keyring {
                    KernelKeyring::User => "@u",
                    KernelKeyring::Session => "@s",
                };
                format!("{key} in {keyring}")
            }
        }
    }

    /// The file of the machine that it uses: the one with the value, or the program.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File { path, .. } => Some(path),
            Self::Command { command, .. } => command.first().map(Path::new),
            Self::Environment { .. } | Self::Keyring { .. } => None,
        }
    }
}

fn check_variable(name: &str) -> Result<(), InvalidStore> {
    let fits = !name.is_empty() && !name.contains(['=', '\0']);
    if fits { Ok(()) } else { Err(InvalidStore::Variable(name.to_owned())) }
}

fn check_path(path: &Path) -> Result<(), InvalidStore> {
    let climbs = path.components().any(|part| part == Component::ParentDir);
    let text = path.to_str().filter(|text| !text.contains('\0'));
    if path.is_absolute() && !climbs && text.is_some() {
        Ok(())
    } else {
        Err(InvalidStore::Path(path.display().to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_upper_case() {
        for good in ["A", "EXAMPLE_TOKEN", "A1_"] {
            assert_eq!(SecretName::parse(good).map(String::from).as_deref(), Ok(good));
        }
        for bad in ["", "_A", "1A", "a", "A-B", "A B", "\u{c4}", &"A".repeat(65)] {
            assert!(SecretName::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_store_names_one_place() {
        let refused = |text: &str| toml::from_str::<SecretStore>(text).map(|store| store.check());
        for (text, why) in [
            ("store='environment'\nvariable='A=B'", InvalidStore::Variable("A=B".to_owned())),
            ("store='environment'\nvariable=''", InvalidStore::Variable(String::new())),
            ("store='file'\npath='a/b'", InvalidStore::Path("a/b".to_owned())),
            ("store='file'\npath='/a/../b'", InvalidStore::Path("/a/../b".to_owned())),
            ("store='command'\ncommand=[]", InvalidStore::NoProgram),
            ("store='command'\ncommand=['pass']", InvalidStore::Path("pass".to_owned())),
            ("store='command'\ncommand=['/bin/x', \"a\\u0000\"]", InvalidStore::Argument),
            ("store='command'\ncommand=['/bin/x']\nvariables=['']", InvalidStore::Variable(String::new())),
            ("store='keyring'\nkey=''", InvalidStore::Key),
        ] {
            assert_eq!(refused(text), Ok(Err(why)), "{text}");
        }
        for unknown in [
            "store='vault'\npath='/a'",
            "path='/a'",
            "store='file'\npath='/a'\nvalue='x'",
            "store='keyring'\nkey='a'\nkeyring='process'",
            "store='environment'\nvariable='A'\ncut_newline=true",
        ] {
            assert!(refused(unknown).is_err(), "{unknown}");
        }
    }
}
