//! kavi.toml, with every path resolved.
//!
//! Guarantees: an unreadable or unknown setting is an error, never a silent default; every path that comes out is
//! absolute. Deliberately never: writes a file, or keeps a secret in a type that prints it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, Visitor, value::MapAccessDeserializer};

use super::context_settings::ContextSettings;
use super::discover::{self, check_root, resolve_new};
use super::environment::{Environment, below_home, expanded};
use super::error::ConfigError;
use super::notify_settings::NotifySettings;
use super::record_settings::RecordSettings;
use super::trust_settings::TrustSettings;
use crate::model::{
    layout::{self, Layout},
    limits::Limits,
    secret::{SecretName, SecretStore},
};
use crate::policy::channels::ChannelPolicy;

/// The kavi.toml that `kavi init` writes: every setting with its default.
pub const TEMPLATE: &str = include_str!("kavi.toml");

/// kavi.toml as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Settings {
    #[serde(deserialize_with = "text_or_table")]
    vault: VaultSettings,
    confinement: ConfinementSetting,
    builder: BuilderSettings,
    advice: AdviceSettings,
    policy: ChannelPolicy,
    effects: EffectsSettings,
    context: ContextSettings,
    limits: Limits,
    notify: NotifySettings,
    records: RecordSettings,
    secrets: BTreeMap<SecretName, SecretStore>,
    trust: TrustSettings,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            vault: VaultSettings::default(),
            confinement: ConfinementSetting::Required,
            builder: BuilderSettings::default(),
            advice: AdviceSettings::default(),
            policy: ChannelPolicy::default(),
            effects: EffectsSettings::default(),
            context: ContextSettings::default(),
            limits: Limits::default(),
            notify: NotifySettings::default(),
            records: RecordSettings::default(),
            secrets: BTreeMap::new(),
            trust: TrustSettings::default(),
        }
    }
}

/// `vault`, which is a path or a table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct VaultSettings {
    path: PathBuf,
    /// Links in the vault that skills follow.
    follow: Vec<String>,
}

impl Default for VaultSettings {
    fn default() -> Self {
        Self { path: "vault_out".into(), follow: Vec::new() }
    }
}

/// A vault that is a path alone is the same as a table with that path.
fn text_or_table<'de, D: Deserializer<'de>>(deserializer: D) -> Result<VaultSettings, D::Error> {
    struct TextOrTable;

    impl<'de> Visitor<'de> for TextOrTable {
        type Value = VaultSettings;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a path, or a table with `path` and `follow`")
        }

        fn visit_str<E: serde::de::Error>(self, path: &str) -> Result<VaultSettings, E> {
            Ok(VaultSettings { path: path.into(), follow: Vec::new() })
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<VaultSettings, A::Error> {
            let settings = VaultSettings::deserialize(MapAccessDeserializer::new(map))?;
            match settings.follow.iter().find(|name| !is_link_name(name)) {
                Some(name) => {
                    Err(A::Error::custom(format!("`follow`: `{name}` is not the path of a link in the vault")))
                }
                None => Ok(settings),
            }
        }
    }

    deserializer.deserialize_any(TextOrTable)
}

/// Whether a text can be the path of a link in the vault: relative, without `..` and without hidden names.
fn is_link_name(text: &str) -> bool {
    let is_name = |name: &str| !name.is_empty() && !name.starts_with('.') && !name.contains(['\0', '\\']);
    text.split('/').all(is_name)
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
    /// The paths of the links in the vault that skills follow.
    pub follow: Vec<String>,
    /// Whether tools may run without a cage.
    pub confinement: ConfinementSetting,
    /// The coding agent.
    pub builder: BuilderSettings,
    /// The model that is asked for advice.
    pub advice: AdviceSettings,
    /// Which channel may run which class.
    pub channels: ChannelPolicy,
    /// Held effects.
    pub effects: EffectsSettings,
    /// Who agents are.
    pub context: ContextSettings,
    /// Limits of a run.
    pub limits: Limits,
    /// What tells a person who is not looking.
    pub notify: NotifySettings,
    /// How records are kept.
    pub records: RecordSettings,
    /// Where the values of secrets are.
    pub secrets: BTreeMap<SecretName, SecretStore>,
    /// What decisions need.
    pub trust: TrustSettings,
}

impl Config {
    /// Finds the workspace (`explicit`, then KAVI_WORKSPACE, then upwards from `cwd`) and reads its kavi.toml.
    ///
    /// # Errors
    /// [`ConfigError`] when there is none, or it says something unknown.
    pub fn find(explicit: Option<&Path>, environment: &Environment, cwd: &Path) -> Result<Self, ConfigError> {
        Self::load(&discover::find(explicit, environment, cwd)?, environment)
    }

    /// Reads the kavi.toml in `root`.
    ///
    /// # Errors
    /// [`ConfigError`] when it cannot be read or says something unknown.
    pub fn load(root: &Path, environment: &Environment) -> Result<Self, ConfigError> {
        let home = environment.get("HOME").map(Path::new);
        let unreadable = |path: &Path, source| ConfigError::Unreadable { path: path.to_owned(), source };
        let path = root.join(layout::MARKER);
        // Without links, because paths below it are compared by their text.
        let root = root.canonicalize().map_err(|source| unreadable(root, source))?;
        check_root(&root)?;
        let text = std::fs::read_to_string(&path).map_err(|source| unreadable(&path, source))?;
        let malformed = |message: String| ConfigError::Malformed { path: path.clone(), message };
        let settings: Settings = toml::from_str(&text).map_err(|error| malformed(error.to_string()))?;
        let vault = root.join(expanded(&settings.vault.path, home).map_err(malformed)?);
        // Skills read all of the vault: what the workspace itself is made of must not be in it.
        // Resolved: a vault that is a link could lead to the folder with the ledger.
        let unclear = || malformed("`vault` must not contain `..` after a folder that does not exist".to_owned());
        let real = resolve_new(&vault).ok_or_else(unclear)?;
        let state = resolve_new(&root.join(".kavi")).ok_or_else(unclear)?;
        // In both directions: a vault below `.kavi/` would let a skill that writes reach the
        // ledger's own folder.
        if root.starts_with(&real) || state.starts_with(&real) || real.starts_with(&state) {
            return Err(malformed(
                "`vault` must be a folder of its own, not one that the workspace lies in".to_owned(),
            ));
        }
        // Against the resolved vault: a link in its path must not hide where it is.
        let secrets = checked_secrets(settings.secrets, home, &real).map_err(malformed)?;
        let trust = settings.trust.resolved(&root, |path| below_home(&path, "trust", home)).map_err(malformed)?;
        if trust.is_in(&real) {
            return Err(malformed("`anchor` and `witness` must not be in the vault, where skills read".to_owned()));
        }
        Ok(Self {
            layout: Layout { vault, root },
            follow: settings.vault.follow,
            confinement: settings.confinement,
            builder: settings.builder,
            advice: settings.advice,
            channels: settings.policy,
            effects: settings.effects,
            context: settings.context,
            limits: settings.limits,
            notify: settings.notify,
            records: settings.records,
            secrets,
            trust,
        })
    }
}

/// The `[secrets]` tables, with every path absolute and none of them in the vault.
fn checked_secrets(
    mut secrets: BTreeMap<SecretName, SecretStore>,
    home: Option<&Path>,
    vault: &Path,
) -> Result<BTreeMap<SecretName, SecretStore>, String> {
    for (name, store) in &mut secrets {
        let at = |why: String| format!("[secrets.{name}]: {why}");
        match store {
            SecretStore::File { path, .. } => *path = below_home(path, "path", home).map_err(at)?,
            SecretStore::Command { command, .. } => {
                if let Some(program) = command.first_mut() {
                    let whole = below_home(Path::new(program), "command", home).map_err(at)?;
                    *program = whole.to_str().map(str::to_owned).ok_or_else(|| at("it is not UTF-8".to_owned()))?;
                }
            }
            SecretStore::Environment { .. } | SecretStore::Keyring { .. } => {}
        }
        store.check().map_err(|error| at(error.to_string()))?;
        // Skills read the vault, and those that write could replace the file.
        if store.file().and_then(resolve_new).is_some_and(|file| file.starts_with(vault)) {
            return Err(at("its file must not be in the vault, which skills read".to_owned()));
        }
    }
    Ok(secrets)
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
    fn a_vault_may_be_in_the_home_folder() {
        let home = Some(Path::new("/home/ada"));
        let of = |path: &str| expanded(Path::new(path), home);
        assert_eq!(of("~/Notes"), Ok("/home/ada/Notes".into()));
        assert_eq!(of("~"), Ok("/home/ada".into()));
        for plain in ["vault_out", "/srv/~/x", "~ada/x", "a~"] {
            assert_eq!(of(plain), Ok(plain.into()));
        }
        assert!(expanded(Path::new("~/Notes"), None).is_err());
    }

    #[test]
    fn a_vault_is_a_path_or_a_table() -> Result<(), toml::de::Error> {
        let vault = |text: &str| toml::from_str(text).map(|settings: Settings| settings.vault);
        for text in ["vault = 'a'", "vault = { path = 'a' }", "[vault]\npath = 'a'\nfollow = []"] {
            assert_eq!(vault(text)?.path, Path::new("a"), "{text}");
        }
        let follow = vault("[vault]\nfollow = ['Linked', 'Areas/Shared notes', '\u{1f5c2}\u{fe0f}']")?;
        assert_eq!(follow.path, Path::new("vault_out"));
        assert_eq!(follow.follow, ["Linked", "Areas/Shared notes", "\u{1f5c2}\u{fe0f}"]);
        for name in ["", "/etc", "..", "a/../b", "a/", "a//b", ".git", "a/.hidden", "a\0", "a\\b"] {
            let text = format!("[vault]\nfollow = [{}]", serde_json::Value::from(name));
            assert!(vault(&text).is_err(), "{name:?}");
        }
        for text in ["vault = 3", "vault = ['a']", "[vault]\nlinks = ['a']", "[vault]\nfollow = 'a'"] {
            assert!(vault(text).is_err(), "{text}");
        }
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
    fn a_secret_lies_outside_of_the_vault_at_an_absolute_path() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let root = folder.path().canonicalize()?;
        std::fs::create_dir(root.join("vault_out"))?;
        std::os::unix::fs::symlink(root.join("vault_out"), root.join("link"))?;
        let load = |table: &str| {
            std::fs::write(root.join(layout::MARKER), table.replace("ROOT", &root.to_string_lossy()))?;
            Ok::<_, std::io::Error>(Config::load(&root, &Environment::default()))
        };
        for bad in [
            "[secrets.TOKEN]\nstore = 'file'\npath = 'token'",
            "[secrets.TOKEN]\nstore = 'file'\npath = '~/token'",
            "[secrets.TOKEN]\nstore = 'file'\npath = 'ROOT/vault_out/token'",
            "[secrets.TOKEN]\nstore = 'file'\npath = 'ROOT/link/token'",
            "[secrets.TOKEN]\nstore = 'command'\ncommand = ['ROOT/vault_out/pass', 'show']",
            "[secrets.TOKEN]\nstore = 'command'\ncommand = ['pass']",
            "[secrets.token]\nstore = 'environment'\nvariable = 'TOKEN'",
            "[secrets.TOKEN]\nvalue = 'made-up'",
        ] {
            let loaded = load(bad)?;
            assert!(matches!(loaded, Err(ConfigError::Malformed { .. })), "{bad}: {loaded:?}");
        }
        let config = load("[secrets.TOKEN]\nstore = 'file'\npath = 'ROOT/token'\ncut_newline = true")??;
        assert_eq!(config.secrets.len(), 1);
        Ok(())
    }

    #[test]
    fn a_vault_that_does_not_exist_yet_is_resolved_too() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let root = folder.path().join("above/workspace");
        std::fs::create_dir_all(root.join("docs"))?;
        std::fs::create_dir_all(root.join(".kavi"))?;
        std::os::unix::fs::symlink(root.join(".kavi"), root.join("link"))?;
        let load = |vault: &str| {
            std::fs::write(root.join(layout::MARKER), format!("vault = '{vault}'"))?;
            Ok::<_, std::io::Error>(Config::load(&root, &Environment::default()))
        };
        for bad in [
            "x/../..",
            "x/y/../../../other",
            ".",
            "..",
            "../..",
            "x/..",
            ".kavi",
            ".kavi/new",
            "docs/../.kavi/new",
            "link",
            "link/new",
            "docs/../..",
        ] {
            let loaded = load(bad)?;
            assert!(matches!(loaded, Err(ConfigError::Malformed { .. })), "{bad}: {loaded:?}");
        }
        for good in ["notes", "notes/deep", "../notes", "docs/../notes", "./notes"] {
            assert!(load(good)?.is_ok(), "{good}");
        }
        Ok(())
    }

    #[test]
    fn this_repository_has_the_default_settings() -> Result<(), toml::de::Error> {
        let ours: Settings = toml::from_str(include_str!("../../kavi.toml"))?;
        assert_eq!(format!("{ours:?}"), format!("{:?}", Settings::default()));
        Ok(())
    }
}
