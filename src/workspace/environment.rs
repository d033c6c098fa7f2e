//! The environment, read once in `main`: this is its only reader.
//!
//! Guarantees: only the variables of one list are read, and no value is ever printed. Deliberately never: sets a variable.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::error::ConfigError;

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
    "COLUMNS",
    "DBUS_SESSION_BUS_ADDRESS",
    "DISPLAY",
    "HOME",
    "HTTPS_PROXY",
    "KAVI_CACHE_DIR",
    "KAVI_COMPLETE",
    "KAVI_LOG",
    "KAVI_PAGER",
    "KAVI_STATE_DIR",
    "KAVI_WORKSPACE",
    "NO_COLOR",
    "PAGER",
    "PATH",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "SSH_ASKPASS",
    "SSH_ASKPASS_REQUIRE",
    "SSH_AUTH_SOCK",
    "SSH_SK_PROVIDER",
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "USER",
    "WAYLAND_DISPLAY",
    "XDG_CACHE_HOME",
    "XDG_RUNTIME_DIR",
    "XDG_STATE_HOME",
];

impl Environment {
    /// Reads the process's environment.
    pub fn read() -> Self {
        // A list: a variable that is not on it cannot change what Kavi does.
        let set = VARIABLES.iter().filter_map(|name| std::env::var_os(name).map(|value| (*name, value)));
        Self(set.filter(|(_, value)| !value.is_empty()).collect())
    }

    /// The same environment, but for the folder of what must outlive a cache.
    pub fn with_state_folder(mut self, folder: PathBuf) -> Self {
        self.0.insert("KAVI_STATE_DIR", folder.into_os_string());
        self
    }

    /// A variable's value. Unset and empty are the same.
    pub fn get(&self, name: &str) -> Option<&OsString> {
        self.0.get(name)
    }

    /// A variable's value as text.
    ///
    /// # Errors
    /// [`ConfigError::NoTextValue`] when it is set to something else. Ignoring it would be another setting than the
    /// person made.
    pub fn text(&self, name: &'static str) -> Result<Option<String>, ConfigError> {
        let text = |value: &OsString| value.to_str().map(str::to_owned).ok_or(ConfigError::NoTextValue(name));
        self.get(name).map(text).transpose()
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
        let found = below("KAVI_CACHE_DIR", "")
            .or_else(|| below("XDG_CACHE_HOME", "kavi"))
            .or_else(|| below("HOME", ".cache/kavi"))
            .ok_or(ConfigError::NoCacheFolder)?;
        // A file of settings that no shell reads leaves `~` as it is.
        with_home(&found, self)
    }

    /// The folder for what must outlive a cache, such as keys: KAVI_STATE_DIR, or `kavi` below XDG_STATE_HOME or
    /// `~/.local/state`.
    pub fn state_folder(&self) -> Option<PathBuf> {
        let below = |name: &str, rest: &str| self.get(name).map(|base| Path::new(base).join(rest));
        let found = below("KAVI_STATE_DIR", "")
            .or_else(|| below("XDG_STATE_HOME", "kavi"))
            .or_else(|| below("HOME", ".local/state/kavi"))?;
        with_home(&found, self).ok()
    }
}

/// A path that somebody wrote, with `~/` as the person's home folder. A shell leaves `~` in quotes as it is.
///
/// # Errors
/// [`ConfigError::NoHome`] when HOME is not set.
pub fn with_home(path: &Path, environment: &Environment) -> Result<PathBuf, ConfigError> {
    let home = environment.get("HOME").map(Path::new);
    expanded(path, home).map_err(|_| ConfigError::NoHome(path.to_owned()))
}

/// A path of the settings, with `~/` as the person's home folder.
pub(super) fn expanded(path: &Path, home: Option<&Path>) -> Result<PathBuf, String> {
    below_home(path, "vault", home)
}

/// The same of the setting with this name.
pub(super) fn below_home(path: &Path, setting: &str, home: Option<&Path>) -> Result<PathBuf, String> {
    match path.strip_prefix("~") {
        Err(_) => Ok(path.to_owned()),
        Ok(below) => match home {
            Some(home) => Ok(home.join(below)),
            None => Err(format!("`{setting}` is {}, and HOME is not set: write the whole path", path.display())),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn a_value_that_is_no_text_is_an_error_and_not_unset() {
        use std::os::unix::ffi::OsStringExt as _;
        let environment = Environment([("HTTPS_PROXY", OsString::from_vec(vec![0xff]))].into());
        assert!(matches!(environment.text("HTTPS_PROXY"), Err(ConfigError::NoTextValue("HTTPS_PROXY"))));
        assert!(matches!(environment.text("USER"), Ok(None)));
    }

    #[test]
    fn an_environment_prints_names_only() {
        let environment = Environment([("ANTHROPIC_API_KEY", OsString::from("made-up"))].into());
        assert!(!format!("{environment:?}").contains("made-up"));
    }
}
