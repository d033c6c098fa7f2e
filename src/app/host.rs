//! What a process of Kavi has before it opens a workspace.
//!
//! Deliberately never: reads the environment; `main` reads it once and hands it in.

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::forge::toolchain::HostTools;
use crate::trust::SshTools;
use crate::workspace::Environment;

/// The environment variables that Kavi's own tools receive.
const TOOL_VARIABLES: [&str; 7] =
    ["HOME", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "HTTPS_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"];

/// The environment variables that `ssh-keygen` receives.
const SSH_VARIABLES: [&str; 7] =
    ["HOME", "PATH", "DISPLAY", "SSH_ASKPASS", "SSH_ASKPASS_REQUIRE", "SSH_AUTH_SOCK", "SSH_SK_PROVIDER"];

/// What every process of Kavi has before it opens a workspace.
#[derive(Debug, Clone)]
pub struct Host {
    /// This binary.
    pub exe: PathBuf,
    /// The environment, read once.
    pub environment: Environment,
    /// The folder that relative paths start from.
    pub cwd: PathBuf,
}

impl Host {
    /// The account of this process by its number, for where the environment does not name its user.
    pub fn account_number(&self) -> String {
        format!("uid {}", rustix::process::getuid().as_raw())
    }

    /// What asks a person for signatures.
    pub(super) fn ssh(&self) -> SshTools {
        let value = |name: &&str| self.environment.get(name).map(|value| ((*name).to_owned(), value.clone()));
        SshTools {
            keygen: self.environment.program(Path::new("ssh-keygen")),
            vars: SSH_VARIABLES.iter().filter_map(value).collect(),
            folder: self.environment.get("HOME").map(|home| Path::new(home).join(".ssh")),
        }
    }

    /// The tools that the forge starts, and the environment that they receive.
    pub(super) fn tools(&self) -> Result<HostTools, Error> {
        let value = |name: &&str| self.environment.get(name).map(|value| ((*name).to_owned(), value.clone()));
        Ok(HostTools {
            rustc: self.environment.program(Path::new("rustc")),
            cargo: self.environment.program(Path::new("cargo")),
            rustup: self.environment.program(Path::new("rustup")),
            path: self.environment.get("PATH").cloned().unwrap_or_default(),
            vars: TOOL_VARIABLES.iter().filter_map(value).collect(),
            cache: self.environment.cache_folder()?,
        })
    }
}

/// Whether this call asks to run tools without a cage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Walls {
    /// As kavi.toml says.
    AsConfigured,
    /// `--unconfined`: no cage. The record says so.
    Unconfined,
}
