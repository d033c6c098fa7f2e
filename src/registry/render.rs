//! `registry.yaml`: the trusted skills as a file for people and other programs.
//!
//! Deliberately never: read back. An edit of the file changes nothing.

use serde::Serialize;

use crate::ledger::Proposal;
use crate::model::name::SkillName;

/// One line of the registry.
#[derive(Debug, Serialize)]
struct RegistryEntry<'a> {
    name: &'a SkillName,
    module: String,
    description: &'a str,
    input_model: &'a serde_json::Value,
    output_model: &'a serde_json::Value,
    side_effect_class: &'a str,
    paths: Vec<&'a str>,
    required_secrets: &'a [String],
    version: u32,
    hash: String,
    proposal_id: String,
}

/// The registry could not be written as YAML.
#[derive(Debug, thiserror::Error)]
#[error("the registry cannot be written as YAML: {0}")]
pub struct RenderError(String);

/// `registry.yaml`: the same trusted skills give the same bytes.
///
/// # Errors
/// [`RenderError`] when a value has no YAML form.
pub fn render(trusted: &[Proposal]) -> Result<String, RenderError> {
    // The caller's order, which is by name. Another order would make other bytes of the same state.
    let entries: Vec<RegistryEntry<'_>> = trusted.iter().filter_map(entry).collect();
    let yaml = serde_saphyr::to_string(&serde_json::json!({ "v": 1, "skills": entries }))
        .map_err(|error| RenderError(error.to_string()))?;
    Ok(format!(
        "# Derived from the ledger by kavi. Never read: an edit here changes nothing. `kavi rebuild` writes it again.\n{yaml}"
    ))
}

fn entry(proposal: &Proposal) -> Option<RegistryEntry<'_>> {
    let trust = proposal.trust?;
    let spec = &proposal.spec;
    Some(RegistryEntry {
        name: &spec.name,
        module: format!("sha256:{}", trust.component_sha256),
        description: &spec.description,
        input_model: spec.io.input_schema(),
        output_model: spec.io.output_schema(),
        side_effect_class: spec.side_effect_class.as_str(),
        paths: spec.paths.iter().map(|path| path.as_str()).collect(),
        required_secrets: &spec.required_secrets,
        version: trust.revision,
        hash: trust.component_sha256.to_string(),
        proposal_id: proposal.id.to_string(),
    })
}
