//! A workspace: how it is found, what its kavi.toml says, and the environment around it.
//!
//! `discover` finds it, `config` reads its settings, `environment` is the only reader of the environment. Where things lie
//! inside is [`model::layout`](crate::model::layout), a plain value. `app` makes what is missing.
//!
//! Guarantees: an unknown setting is an error. A workspace of another user is used only when it is named.
//!
//! Deliberately never: writes a file, or keeps a secret in a type that prints it.

mod config;
mod context_settings;
mod discover;
mod environment;
mod error;
mod notify_settings;
mod origins;
mod record_settings;
mod trust_settings;

pub use config::{AdviceSettings, BuilderSettings, Config, ConfinementSetting, EffectsSettings, TEMPLATE};
pub use context_settings::{CharterSetting, ContextSettings, LEDGER_STORE};
pub use discover::{check_root, resolve_new};
pub use environment::{Environment, with_home};
pub use error::ConfigError;
pub use notify_settings::NotifySettings;
pub use origins::{Setting, SettingOrigin, settings};
pub use record_settings::RecordSettings;
pub use trust_settings::TrustSettings;
