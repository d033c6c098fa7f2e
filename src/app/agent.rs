//! The coding agent as kavi.toml and the environment describe it.

use std::time::Duration;

use super::{App, Builder};
use crate::error::Error;
use crate::forge::builder::command::{ClaudeConfig, ModelName, Network, UsdCents};
use crate::forge::toolchain;

impl App {
    /// The Claude Code builder as configured, with this wall clock or the configured one.
    ///
    /// # Errors
    /// When the program, the key or the model's name is missing or odd.
    pub fn claude(&self, timeout: Option<Duration>) -> Result<Builder, Error> {
        let settings = &self.config.builder;
        let program = &settings.claude;
        let executable = if program.components().count() > 1 {
            Some(self.config.layout.root.join(program))
        } else {
            self.host.environment.program(program)
        };
        let missing =
            |program: String, hint: &str| toolchain::ToolchainError::Missing { program, hint: hint.to_owned() };
        let executable = executable.ok_or_else(|| {
            missing(program.display().to_string(), "install Claude Code, or name its program in [builder] of kavi.toml")
        })?;
        let api_key = self.host.environment.text("ANTHROPIC_API_KEY").ok_or_else(|| {
            missing(
                "ANTHROPIC_API_KEY".to_owned(),
                "set it in the environment of kavi; or write the skill yourself and use `--builder import --from DIR`",
            )
        })?;
        let model: ModelName = settings.model.parse().map_err(|error| Error::Usage(format!("kavi.toml: {error}")))?;
        Ok(Builder::Claude(ClaudeConfig {
            executable,
            model,
            max_turns: settings.max_turns,
            max_budget: UsdCents((settings.max_budget_usd * 100.0).round() as u32),
            wall: timeout.unwrap_or(settings.timeout()),
            idle: Duration::from_secs(settings.idle_s),
            base_url: self.host.environment.text("ANTHROPIC_BASE_URL"),
            api_key: api_key.into(),
            network: Network::Host,
        }))
    }
}
