//! The coding agent as kavi.toml and the environment describe it.
//!
//! Deliberately never: starts it; the builder does.

use std::path::Path;
use std::time::Duration;

use super::open_workspace::OpenWorkspace;
use crate::error::Error;
use crate::forge::build::Builder;
use crate::forge::builder::command::{ClaudeConfig, ModelName, UsdCents};
use crate::forge::gateway::{self, Provider, ProviderKey, ProviderUrl};
use crate::forge::toolchain;
use crate::http::{HttpProxy, TlsRoots};

/// The Claude Code builder as configured, with this time limit or the configured one.
pub(super) fn claude(workspace: &OpenWorkspace, timeout: Option<Duration>) -> Result<Builder, Error> {
    let settings = &workspace.config.builder;
    let program = &settings.claude;
    // With a slash it is a path, and paths in kavi.toml start from its folder, as in a shell.
    let executable = if program.components().count() > 1 {
        Some(workspace.config.layout.root.join(program))
    } else {
        workspace.host.environment.program(program)
    };
    let missing = |program: String, hint: &str| toolchain::ToolchainError::Missing { program, hint: hint.to_owned() };
    let executable = executable.ok_or_else(|| {
        missing(program.display().to_string(), "install Claude Code, or name its program in [builder] of kavi.toml")
    })?;
    let model: ModelName = settings.model.parse().map_err(|error| Error::Usage(format!("kavi.toml: {error}")))?;
    Ok(Builder::Claude(Box::new(ClaudeConfig {
        executable,
        model,
        max_turns: settings.max_turns,
        max_budget: UsdCents((settings.max_budget_usd * 100.0).round() as u32),
        wall: timeout.unwrap_or(settings.timeout()),
        idle: Duration::from_secs(settings.idle_s),
        provider: provider(workspace)?,
        limits: gateway::GatewayLimits {
            max_requests: settings.max_requests,
            max_request_bytes: settings.max_request_bytes,
            max_response_bytes: settings.max_response_bytes,
            max_input_tokens: settings.max_input_tokens,
            max_output_tokens: settings.max_output_tokens,
        },
    })))
}

/// The model provider of the gateway. Reads the environment; a missing key is read from the key file.
fn provider(workspace: &OpenWorkspace) -> Result<Provider, Error> {
    let environment = &workspace.host.environment;
    let refused = |error: gateway::ProviderKeyError| Error::Refused(format!("{error}; {}", error.hint()));
    let file = workspace.config.builder.key_file.as_ref().map(|file| workspace.config.layout.root.join(file));
    let key = match (environment.get("ANTHROPIC_API_KEY"), file) {
        // The environment comes first: it is for this call, the file for all.
        (Some(key), _) => ProviderKey::parse(&key.to_string_lossy()).map_err(refused)?,
        (None, Some(file)) => ProviderKey::from_file(&file).map_err(refused)?,
        (None, None) => {
            let hint = "set it in the environment of kavi or name a key_file in kavi.toml; or write the skill \
                        yourself and use `--builder import --from DIR`";
            let missing =
                toolchain::ToolchainError::Missing { program: "ANTHROPIC_API_KEY".to_owned(), hint: hint.to_owned() };
            return Err(missing.into());
        }
    };
    let base_url = environment.text("ANTHROPIC_BASE_URL")?.map(|url| ProviderUrl::parse(&url)).transpose();
    let proxy = environment.text("HTTPS_PROXY")?.map(|url| HttpProxy::parse(&url)).transpose();
    let roots = environment.get("SSL_CERT_FILE").map(|file| TlsRoots::from_file(Path::new(file))).transpose();
    Ok(Provider {
        base_url: base_url.map_err(|error| Error::Usage(error.to_string()))?.unwrap_or_default(),
        proxy: proxy.map_err(|error| Error::Usage(format!("HTTPS_PROXY: {error}")))?,
        roots: roots.map_err(|error| Error::Usage(error.to_string()))?.unwrap_or_default(),
        key,
    })
}
