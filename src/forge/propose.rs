//! Propose: a spec becomes a proposal in the ledger.
//!
//! Guarantees: parsing is pure and comes first; a spec that is refused leaves nothing behind.
//! Deliberately never: reads a file, or asks anybody.

use std::path::Path;
use std::str::FromStr;

use serde::Deserialize;
use serde_json::Value;

use super::context::{ForgeContext, NewArtifact};
use super::record::{AffectedViews, RecordError, record};
use crate::egress::authorize;
use crate::ledger::{NewProposal, Proposal, ProposalOrigin, ProposalSource};
use crate::model::{
    artifact::ArtifactKind,
    capabilities::{ReadScope, SkillCapabilities},
    digest::Digest,
    effect::{EffectClass, UnknownClass},
    example::{Example, Expectation},
    id::ProposalId,
    json::{self, JsonError, JsonLimits},
    name::{InvalidName, SkillName},
    schema::{IoSchema, SchemaError},
    secret_binding::{InvalidBinding, SecretBinding},
    spec::{InvalidSpec, SkillSpec},
    text,
    vault_path::{InvalidVaultPath, VaultPath},
    web_origin::InvalidHostRule,
};

/// The arguments of a proposal, as typed.
#[derive(Debug, Clone, Default)]
pub struct ProposalRequest {
    /// `--name`
    pub name: String,
    /// `--desc`
    pub description: String,
    /// `--side-effect`
    pub side_effect: String,
    /// `--io-schema-json`
    pub io_schema: String,
    /// `--required-secrets`, a JSON list of names.
    pub required_secrets: String,
    /// `--path`
    pub paths: Vec<String>,
    /// `--example`: the contents of the files.
    pub examples: Vec<ExampleText>,
    /// `--required-test`
    pub required_tests: Vec<String>,
    /// `--reads`: vault or nothing; empty for the default.
    pub reads: String,
    /// `--host`
    pub hosts: Vec<String>,
    /// `--allow-private`
    pub allow_private: Vec<String>,
    /// `--secret`
    pub secrets: Vec<String>,
    /// `--reads-clock`
    pub reads_clock: bool,
    /// `--removes-files`
    pub removes_files: bool,
}

/// A whole specification as a file holds it: the members of a `SKILL_SPEC.json`. Empty members may be left out, and schemas
/// may be written in shorthand.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SpecFile {
    #[serde(default = "this_version")]
    v: u32,
    name: String,
    description: String,
    side_effect_class: String,
    #[serde(default)]
    paths: Vec<String>,
    #[serde(default)]
    required_secrets: Vec<String>,
    #[serde(default)]
    reads: Option<ReadScope>,
    #[serde(default)]
    hosts: Vec<String>,
    #[serde(default)]
    allow_private: Vec<String>,
    #[serde(default)]
    secrets: Vec<SecretBinding>,
    #[serde(default)]
    reads_clock: bool,
    #[serde(default)]
    coerce: bool,
    #[serde(default)]
    removes_files: bool,
    io: Value,
    #[serde(default)]
    examples: Vec<Example>,
    #[serde(default)]
    required_tests: Vec<String>,
}

/// The version of the format that is written.
const VERSION: u32 = 1;

fn this_version() -> u32 {
    VERSION
}

/// One example as it was read.
#[derive(Debug, Clone)]
pub struct ExampleText {
    /// Its name in reports.
    pub name: String,
    /// The input, or a whole golden case when there is no output.
    pub input: Vec<u8>,
    /// The output that must come back.
    pub output: Option<Vec<u8>>,
}

/// Why a proposal is refused. Nothing has been written then.
#[derive(Debug, thiserror::Error)]
pub enum ProposeError {
    /// `--name`
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// `--side-effect`
    #[error(transparent)]
    Class(#[from] UnknownClass),
    /// `--io-schema-json`
    #[error("the schema is refused: {0}")]
    Schema(#[from] SchemaError),
    /// `--required-secrets`
    #[error("the required secrets are not a JSON list of names: {0}")]
    Secrets(String),
    /// `--path`
    #[error(transparent)]
    Path(#[from] InvalidVaultPath),
    /// `--host` or `--allow-private`
    #[error(transparent)]
    Host(#[from] InvalidHostRule),
    /// `--secret`
    #[error(transparent)]
    Binding(#[from] InvalidBinding),
    /// `--reads`
    #[error("`{0}` is not what a skill can read: use vault or nothing")]
    Reads(String),
    /// `--example`
    #[error("example `{name}` cannot be read: {source}")]
    Example {
        /// Which example.
        name: String,
        /// What is wrong with its JSON.
        source: JsonError,
    },
    /// `--example` with one file that is not a golden case.
    #[error("example `{name}` is not a golden case {{name, input, vault, now, expect, files, removed}}: {message}")]
    Case {
        /// Which example.
        name: String,
        /// What is wrong.
        message: String,
    },
    /// `--spec` with a file that is not JSON.
    #[error("the specification cannot be read: {0}")]
    File(#[from] JsonError),
    /// `--spec` with JSON that is not a specification.
    #[error("the file is not a specification: {0}")]
    NotASpec(String),
    /// The parts contradict each other.
    #[error(transparent)]
    Spec(#[from] InvalidSpec),
}

/// Turns the typed arguments into a valid spec.
///
/// # Errors
/// [`ProposeError`] for the first part that is refused.
pub fn parse(request: &ProposalRequest) -> Result<SkillSpec, ProposeError> {
    let mut required: Vec<String> = match request.required_secrets.trim() {
        "" => Vec::new(),
        text => serde_json::from_str(text).map_err(|error| ProposeError::Secrets(error.to_string()))?,
    };
    let secrets = parse_all::<SecretBinding, _>(&request.secrets)?;
    // A binding names its secret, so the name need not be given twice.
    let unnamed = secrets.iter().map(|binding| &binding.name).filter(|name| !required.contains(name));
    let unnamed: Vec<String> = unnamed.cloned().collect();
    required.extend(unnamed);
    let reads = match request.reads.as_str() {
        "" => None,
        "vault" => Some(ReadScope::Vault),
        "nothing" => Some(ReadScope::Nothing),
        other => return Err(ProposeError::Reads(text::line(other, 60))),
    };
    let spec = SkillSpec {
        v: VERSION,
        name: SkillName::parse(&request.name)?,
        description: request.description.trim().to_owned(),
        side_effect_class: request.side_effect.parse::<EffectClass>()?,
        paths: request.paths.iter().map(|path| VaultPath::parse(path)).collect::<Result<_, _>>()?,
        required_secrets: required,
        reads,
        hosts: parse_all(&request.hosts)?,
        allow_private: parse_all(&request.allow_private)?,
        secrets,
        io: IoSchema::parse(&request.io_schema)?,
        reads_clock: request.reads_clock,
        coerce: false,
        removes_files: request.removes_files,
        examples: request.examples.iter().map(parse_example).collect::<Result<_, _>>()?,
        required_tests: request.required_tests.clone(),
    };
    check(&spec)?;
    Ok(spec)
}

/// Reads a whole specification from the bytes of a file.
///
/// # Errors
/// [`ProposeError`] for the first part that is refused.
pub fn parse_file(bytes: &[u8]) -> Result<SkillSpec, ProposeError> {
    // By the strict parser and not straight into the struct: serde would take a name that is there
    // twice, and the last one would win.
    let value = json::parse(bytes, JsonLimits::default())?;
    let file: SpecFile = serde_json::from_value(value).map_err(|error| ProposeError::NotASpec(error.to_string()))?;
    if file.v != VERSION {
        return Err(ProposeError::NotASpec(format!(
            "its version is {}, and this Kavi reads version {VERSION}",
            file.v
        )));
    }
    let spec = SkillSpec {
        v: file.v,
        name: SkillName::parse(&file.name)?,
        description: file.description.trim().to_owned(),
        side_effect_class: file.side_effect_class.parse::<EffectClass>()?,
        paths: file.paths.iter().map(|path| VaultPath::parse(path)).collect::<Result<_, _>>()?,
        required_secrets: file.required_secrets,
        reads: file.reads,
        hosts: parse_all(&file.hosts)?,
        allow_private: parse_all(&file.allow_private)?,
        secrets: file.secrets,
        io: IoSchema::from_value(&file.io)?,
        reads_clock: file.reads_clock,
        coerce: file.coerce,
        removes_files: file.removes_files,
        examples: file.examples,
        required_tests: file.required_tests,
    };
    check(&spec)?;
    Ok(spec)
}

fn check(spec: &SkillSpec) -> Result<(), ProposeError> {
    spec.check()?;
    // After the spec by itself: only then its host rules are known to be readable.
    let grants = SkillCapabilities::of(spec).hosts;
    for example in &spec.examples {
        for exchange in &example.exchanges {
            // An example of what the skill may not ask would never be reached.
            authorize::authorize(&grants, exchange.method, &exchange.url).map_err(|refused| {
                InvalidSpec::BadExample { name: example.name.clone(), why: format!("an exchange: {refused}") }
            })?;
        }
    }
    Ok(())
}

fn parse_all<T: FromStr<Err = E>, E>(texts: &[String]) -> Result<Vec<T>, E> {
    texts.iter().map(|text| text.parse()).collect()
}

fn parse_example(text: &ExampleText) -> Result<Example, ProposeError> {
    let parse = |bytes: &[u8]| {
        json::parse(bytes, JsonLimits::default())
            .map_err(|source| ProposeError::Example { name: text.name.clone(), source })
    };
    let input = parse(&text.input)?;
    match &text.output {
        Some(output) => Ok(Example {
            name: text.name.clone(),
            input,
            vault: Default::default(),
            now: None,
            exchanges: Vec::new(),
            signatures: Vec::new(),
            expect: Expectation::Ok(parse(output)?),
            files: Default::default(),
            removed: Default::default(),
        }),
        None => serde_json::from_value(input)
            .map_err(|error| ProposeError::Case { name: text.name.clone(), message: error.to_string() }),
    }
}

/// Why a checked proposal could not be written.
#[derive(Debug, thiserror::Error)]
pub enum ProposalWriteError {
    /// The artifact.
    #[error(transparent)]
    Artifact(#[from] crate::artifacts::ArtifactError),
    /// The spec has no JSON form.
    #[error("the specification cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The ledger, or what is derived from it.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// Writes a proposal of an agent, unless the same specification was proposed before: then it is counted with that one.
///
/// # Errors
/// [`ProposalWriteError`]; the ledger is unchanged unless it is [`RecordError::Views`].
pub fn write_once(
    forge: &ForgeContext<'_>,
    spec: &SkillSpec,
    source: &ProposalSource,
) -> Result<Proposal, ProposalWriteError> {
    let text = json::canonical(&serde_json::to_value(spec)?);
    let (sha256, now) = (Digest::of(text.as_bytes()), forge.clock.now());
    // By the digest of the canonical text. An agent that asks for the same thing again in a loop
    // must not fill a person's inbox.
    let same = forge.ledger.repeat_proposal(&spec.name, sha256, source, now).map_err(RecordError::from)?;
    same.map_or_else(|| write(forge, spec, Some(source)), Ok)
}

/// Writes a proposal: the spec's artifact first, then the row of the ledger that makes it valid.
///
/// # Errors
/// [`ProposalWriteError`]; the ledger is unchanged unless it is [`RecordError::Views`].
pub fn write(
    forge: &ForgeContext<'_>,
    spec: &SkillSpec,
    source: Option<&ProposalSource>,
) -> Result<Proposal, ProposalWriteError> {
    write_from(forge, spec, source, None)
}

/// Writes a proposal that came in a bundle of another workspace.
///
/// # Errors
/// [`ProposalWriteError`]; the ledger is unchanged unless it is [`RecordError::Views`].
pub fn write_imported(
    forge: &ForgeContext<'_>,
    spec: &SkillSpec,
    origin: &ProposalOrigin,
) -> Result<Proposal, ProposalWriteError> {
    write_from(forge, spec, None, Some(origin))
}

fn write_from(
    forge: &ForgeContext<'_>,
    spec: &SkillSpec,
    source: Option<&ProposalSource>,
    origin: Option<&ProposalOrigin>,
) -> Result<Proposal, ProposalWriteError> {
    let id = ProposalId::new(forge.ids);
    // Canonical: the keys are sorted, so that one spec has one digest.
    let text = json::canonical(&serde_json::to_value(spec)?);
    let path = Path::new(spec.name.as_str()).join(id.to_string()).join("SKILL_SPEC.json");
    let artifact = forge.write_artifact(NewArtifact {
        kind: ArtifactKind::SkillSpec,
        path: &path,
        bytes: text.as_bytes(),
        related_id: id.to_string(),
    })?;
    let (spec_json, context_sha256) = (text.as_str(), forge.context_sha256);
    let proposal = NewProposal { id, spec, spec_json, artifact: &artifact, source, origin, context_sha256 };
    Ok(record(forge, &spec.name, AffectedViews::Index, |ledger| ledger.insert_proposal(&proposal))?)
}
