//! kavi.toml and the environment, resolved once: the only reader of the environment.
//!
//! Guarantees: an unreadable or unknown setting is an error, never a silent default; every path that comes out is
//! absolute. Deliberately never: writes a file, or keeps a secret in a type that prints it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use crate::model::{
    layout::{self, Layout},
    limits::Limits,
};
use crate::policy::channels::ChannelPolicy;

/// The kavi.toml that `kavi init` writes: every setting with its default.
pub const TEMPLATE: &str = include_str!("config/kavi.toml");

/// What can go wrong with the configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// No kavi.toml upwards from here.
    #[error("there is no kavi.toml in {0} or any folder above it")]
    NoWorkspace(PathBuf),
    /// The file cannot be read.
    #[error("{path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It was found by looking upwards, and somebody else made it.
    #[error("the workspace {0} belongs to somebody else")]
    Foreign(PathBuf),
    /// The folder cannot be named in the ledger, in reports, or in JSON.
    #[error("{} is no text (UTF-8): give the workspace another folder", .0.to_string_lossy())]
    NoText(PathBuf),
    /// The file says something that Kavi does not know.
    #[error("{path}: {message}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// Neither KAVI_CACHE_DIR nor XDG_CACHE_HOME nor HOME says where caches go.
    #[error("there is no folder for caches: none of KAVI_CACHE_DIR, XDG_CACHE_HOME and HOME is set")]
    NoCacheFolder,
}

/// The part of the environment that Kavi looks at, read once in `main`.
#[derive(Clone, Default)]
pub struct Environment(BTreeMap<&'static str, OsString>);

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Everything that is ever read from the environment.
const VARIABLES: &[&str] = &[
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_BASE_URL",
    "CARGO_HOME",
    "HOME",
    "HTTPS_PROXY",
    "KAVI_CACHE_DIR",
    "KAVI_WORKSPACE",
    "NO_COLOR",
    "PATH",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "USER",
    "XDG_CACHE_HOME",
];

impl Environment {
    /// Reads the process's environment.
    pub fn read() -> Self {
        // A list: a variable that is not on it cannot change what Kavi does.
        let set = VARIABLES.iter().filter_map(|name| std::env::var_os(name).map(|value| (*name, value)));
        Self(set.filter(|(_, value)| !value.is_empty()).collect())
    }

    /// A variable's value. Unset and empty are the same.
    pub fn get(&self, name: &str) -> Option<&OsString> {
        self.0.get(name)
    }

    /// A variable's value as text.
    pub fn text(&self, name: &str) -> Option<String> {
        self.get(name).and_then(|value| value.to_str()).map(str::to_owned)
    }

    /// The first file of this name in the folders of PATH.
    pub fn program(&self, name: &Path) -> Option<PathBuf> {
        let path = self.get("PATH")?;
        // Resolved here once. The cage never searches PATH, where a tool could be put in the way.
        std::env::split_paths(path).map(|folder| folder.join(name)).find(|file| file.is_file())
    }

    /// The folder that caches go to: KAVI_CACHE_DIR, or `kavi` below XDG_CACHE_HOME or `~/.cache`.
    ///
    /// # Errors
    /// [`ConfigError::NoCacheFolder`] when none is set.
    pub fn cache_folder(&self) -> Result<PathBuf, ConfigError> {
        let below = |name: &str, rest: &str| self.get(name).map(|base| Path::new(base).join(rest));
        below("KAVI_CACHE_DIR", "")
            .or_else(|| below("XDG_CACHE_HOME", "kavi"))
            .or_else(|| below("HOME", ".cache/kavi"))
            .ok_or(ConfigError::NoCacheFolder)
    }
}

/// kavi.toml as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    vault: PathBuf,
    confinement: ConfinementSetting,
    builder: BuilderSettings,
    advice: AdviceSettings,
    policy: ChannelPolicy,
    effects: EffectsSettings,
    limits: Limits,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            vault: "vault_out".into(),
            confinement: ConfinementSetting::Required,
            builder: BuilderSettings::default(),
            advice: AdviceSettings::default(),
            policy: ChannelPolicy::default(),
            effects: EffectsSettings::default(),
            limits: Limits::default(),
        }
    }
}

/// Whether tools may run without a cage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConfinementSetting {
    /// No cage, no build and no verification.
    Required,
    /// A person's choice; recorded with every attempt.
    Unconfined,
}

/// The `[builder]` table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BuilderSettings {
    /// The Claude Code executable: a name on PATH, or a path.
    pub claude: PathBuf,
    /// The model; always passed.
    pub model: String,
    /// Turns of one attempt.
    pub max_turns: u32,
    /// Dollars of one attempt.
    pub max_budget_usd: f64,
    /// Wall clock of one attempt, in seconds.
    pub timeout_s: u64,
    /// Longest silence of the agent, in seconds.
    pub idle_s: u64,
    /// A file that holds the provider's key, relative to kavi.toml. The environment comes first.
    pub key_file: Option<PathBuf>,
    /// Requests to the provider in one attempt.
    pub max_requests: u64,
    /// Bytes of all requests of one attempt.
    pub max_request_bytes: u64,
    /// Bytes of all answers of one attempt.
    pub max_response_bytes: u64,
    /// Tokens sent in one attempt, the cached ones included.
    pub max_input_tokens: u64,
    /// Tokens received in one attempt.
    pub max_output_tokens: u64,
}

impl Default for BuilderSettings {
    fn default() -> Self {
        Self {
            claude: "claude".into(),
            model: "claude-sonnet-4-5".into(),
            max_turns: 40,
            max_budget_usd: 2.0,
            timeout_s: 600,
            idle_s: 240,
            key_file: None,
            max_requests: 200,
            max_request_bytes: 64 * 1024 * 1024,
            max_response_bytes: 64 * 1024 * 1024,
            max_input_tokens: 8_000_000,
            max_output_tokens: 400_000,
        }
    }
}

impl BuilderSettings {
    /// Wall clock of one attempt.
    pub fn timeout(&self) -> Duration {
        Duration::from_secs(self.timeout_s)
    }
}

/// The `[advice]` table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdviceSettings {
    /// Whether a model is asked when the command line does not say.
    pub ask: bool,
    /// An OpenAI-compatible server.
    pub base_url: String,
    /// The model; empty means the first that the server lists.
    pub model: String,
    /// From asking to the last byte of the answer, in seconds.
    pub timeout_s: u64,
    /// Longest question, in characters.
    pub prompt_chars: usize,
}

impl Default for AdviceSettings {
    fn default() -> Self {
        Self {
            ask: false,
            base_url: "http://localhost:8000/v1".to_owned(),
            model: String::new(),
            timeout_s: 60,
            prompt_chars: 24_000,
        }
    }
}

/// The `[effects]` table.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct EffectsSettings {
    /// How long what is held waits for a person, in hours.
    pub held_hours: u32,
}

impl Default for EffectsSettings {
    fn default() -> Self {
        Self { held_hours: 24 }
    }
}

impl EffectsSettings {
    /// How long what is held waits for a person.
    pub fn held(&self) -> Duration {
        Duration::from_secs(u64::from(self.held_hours) * 3_600)
    }
}

/// One workspace's configuration, resolved.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where things lie.
    pub layout: Layout,
    /// Whether tools may run without a cage.
    pub confinement: ConfinementSetting,
    /// The coding agent.
    pub builder: BuilderSettings,
    /// The model that is asked for advice.
    pub advice: AdviceSettings,
    /// Which door may do what.
    pub channels: ChannelPolicy,
    /// Held effects.
    pub effects: EffectsSettings,
    /// Limits of a run.
    pub limits: Limits,
}

impl Config {
    /// Finds the workspace (`explicit`, then KAVI_WORKSPACE, then upwards from `cwd`) and reads its kavi.toml.
    ///
    /// # Errors
    /// [`ConfigError`] when there is none, or it says something unknown.
    pub fn find(explicit: Option<&Path>, environment: &Environment, cwd: &Path) -> Result<Self, ConfigError> {
        let named = explicit.map(Path::to_owned).or_else(|| environment.get("KAVI_WORKSPACE").map(PathBuf::from));
        let root = match named {
            Some(named) => {
                let root = cwd.join(named);
                if !root.join(layout::MARKER).is_file() {
                    return Err(ConfigError::NoWorkspace(root));
                }
                root
            }
            None => {
                // Like git: any folder below the workspace is inside of it.
                let found = cwd.ancestors().find(|folder| folder.join(layout::MARKER).is_file());
                let root = found.ok_or_else(|| ConfigError::NoWorkspace(cwd.to_owned()))?.to_owned();
                check_owner(&root)?;
                root
            }
        };
        Self::load(&root)
    }

    /// Reads the kavi.toml in `root`.
    ///
    /// # Errors
    /// [`ConfigError`] when it cannot be read or says something unknown.
    pub fn load(root: &Path) -> Result<Self, ConfigError> {
        let unreadable = |path: &Path, source| ConfigError::Unreadable { path: path.to_owned(), source };
        let path = root.join(layout::MARKER);
        // Without links, because paths below it are compared by their text.
        let root = root.canonicalize().map_err(|source| unreadable(root, source))?;
        check_root(&root)?;
        let text = std::fs::read_to_string(&path).map_err(|source| unreadable(&path, source))?;
        let malformed = |message: String| ConfigError::Malformed { path: path.clone(), message };
        let settings: Settings = toml::from_str(&text).map_err(|error| malformed(error.to_string()))?;
        let vault = root.join(&settings.vault);
        // Skills read all of the vault: what the workspace itself is made of must not be in it.
        // Resolved: a vault that is a link could lead to the folder with the ledger.
        let real = vault.canonicalize().unwrap_or_else(|_| vault.clone());
        if root.starts_with(&real) || real.starts_with(root.join(".kavi")) {
            return Err(malformed(
                "`vault` must be a folder of its own, not one that the workspace lies in".to_owned(),
            ));
        }
        Ok(Self {
            layout: Layout { vault, root },
            confinement: settings.confinement,
            builder: settings.builder,
            advice: settings.advice,
            channels: settings.policy,
            effects: settings.effects,
            limits: settings.limits,
        })
    }
}

/// Whether a workspace that nobody named may be taken: not one that somebody else laid in the way. Its settings say which
/// programs are started.
fn check_owner(root: &Path) -> Result<(), ConfigError> {
    use std::os::unix::fs::MetadataExt as _;
    let us = rustix::process::geteuid().as_raw();
    // The folder as well: its owner could replace the file after it was checked.
    for path in [root.to_owned(), root.join(layout::MARKER)] {
        let owner =
            std::fs::metadata(&path).map_err(|source| ConfigError::Unreadable { path: path.clone(), source })?;
        if owner.uid() != us {
            return Err(ConfigError::Foreign(root.to_owned()));
        }
    }
    Ok(())
}

/// Whether a folder can be a workspace.
///
/// # Errors
/// [`ConfigError::NoText`] when its name is no text.
pub fn check_root(root: &Path) -> Result<(), ConfigError> {
    root.to_str().map(|_| ()).ok_or_else(|| ConfigError::NoText(root.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_says_the_defaults() -> Result<(), toml::de::Error> {
        let template: Settings = toml::from_str(TEMPLATE)?;
        assert_eq!(format!("{template:?}"), format!("{:?}", Settings::default()));
        Ok(())
    }

    #[test]
    fn unknown_settings_are_errors() {
        for bad in
            ["valut = 'x'", "confinement = 'none'", "[builder]\nmodel = 3", "[advice]\nkey = 'x'", "[limits]\nwall = 1"]
        {
            assert!(toml::from_str::<Settings>(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn an_environment_prints_names_only() {
        let environment = Environment([("ANTHROPIC_API_KEY", OsString::from("made-up"))].into());
        assert!(!format!("{environment:?}").contains("made-up"));
    }
}
