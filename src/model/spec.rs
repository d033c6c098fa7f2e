//! The spec of a skill: what a person agreed that it should be.

use serde::{Deserialize, Serialize};

use super::{
    characters::hides,
    effect::EffectClass,
    example::{Example, ExampleSignature, Expectation},
    host_grants::{HostGrants, PrivateHost},
    host_rule::{HostRule, MAX_HOST_RULES},
    name::SkillName,
    read_scope::ReadScope,
    schema::IoSchema,
    secret_binding::SecretBinding,
    signing::SignatureBytes,
    text,
    vault_path::VaultPath,
};

/// What a skill is to be. Everything a person reads before a promotion is in here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SkillSpec {
    /// Version of this format.
    pub v: u32,
    /// Its name.
    pub name: SkillName,
    /// What it does, for people and agents.
    pub description: String,
    /// The label of what it may touch: see [`super::capabilities`].
    pub side_effect_class: EffectClass,
    /// Vault folders it may write below.
    pub paths: Vec<VaultPath>,
    /// Names of secrets it needs.
    pub required_secrets: Vec<String>,
    /// What it reads, where that is not the default of its other capabilities. Left out otherwise, as below.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reads: Option<ReadScope>,
    /// The hosts that it may reach, one rule each. Left out when empty, as below.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<HostRule>,
    /// Those of its hosts that may have a private address. Left out when empty, as below.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub allow_private: Vec<PrivateHost>,
    /// Where the values of its secrets are put. Left out when empty, as below.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<SecretBinding>,
    /// Its input and output.
    pub io: IoSchema,
    /// Whether it may ask for the time. Left out when false, so that older specs keep their bytes and digest.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reads_clock: bool,
    /// Whether `"5"` is taken for 5 and the like, where the schema leaves no doubt. Left out when false, as above.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub coerce: bool,
    /// Whether it may remove files below its folders. Left out when false, as above.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub removes_files: bool,
    /// Golden cases.
    pub examples: Vec<Example>,
    /// Tests that the skill must have, by name. Left out when empty, so that older specs keep their bytes and digest.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub required_tests: Vec<String>,
}

#[cfg(test)]
impl SkillSpec {
    /// A skill of a test: it reads, and has no examples.
    pub(crate) fn reading(name: &str, io: &str) -> Result<Self, Box<dyn std::error::Error>> {
        Ok(Self {
            v: 1,
            name: SkillName::parse(name)?,
            description: "Counts".to_owned(),
            side_effect_class: EffectClass::ReadOnly,
            paths: Vec::new(),
            required_secrets: Vec::new(),
            reads: None,
            hosts: Vec::new(),
            allow_private: Vec::new(),
            secrets: Vec::new(),
            io: IoSchema::parse(io)?,
            reads_clock: false,
            coerce: false,
            removes_files: false,
            examples: Vec::new(),
            required_tests: Vec::new(),
        })
    }
}

/// Longest description, in bytes.
pub const MAX_DESCRIPTION_BYTES: usize = 2_000;
/// Most write folders.
pub const MAX_PATHS: usize = 16;
/// Most examples.
pub const MAX_EXAMPLES: usize = 64;
/// Most required tests.
pub const MAX_REQUIRED_TESTS: usize = 64;

/// Why a spec is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidSpec {
    /// No description.
    #[error("the description is empty")]
    EmptyDescription,
    /// Too long, or with characters that hide.
    #[error("the description is longer than {MAX_DESCRIPTION_BYTES} bytes or has control or invisible characters")]
    BadDescription,
    /// FILE_WRITE without a folder.
    #[error("a FILE_WRITE skill needs at least one vault folder that it may write below")]
    NoPaths,
    /// Folders for a class that writes nothing.
    #[error("a {0} skill writes no files, so it cannot have vault folders to write below")]
    PathsWithoutWrite(EffectClass),
    /// Removals for a class that writes nothing.
    #[error("a {0} skill writes no files, so it cannot remove any")]
    RemovalsWithoutWrite(EffectClass),
    /// A class for hosts without one.
    #[error("a {0} skill needs at least one host that it may reach")]
    NoHosts(EffectClass),
    /// Hosts for a class that reaches none.
    #[error("a {0} skill reaches no host, so it cannot have host rules")]
    HostsWithoutGrant(EffectClass),
    /// Host rules that contradict each other.
    #[error("the host rules contradict each other: {0}")]
    BadHosts(String),
    /// SECRET_READ without a secret.
    #[error("a SECRET_READ skill needs at least one secret")]
    NoSecrets,
    /// A binding that cannot be used.
    #[error("the binding of secret `{name}` cannot be used: {why}")]
    BadBinding {
        /// The name of the secret.
        name: String,
        /// Why.
        why: &'static str,
    },
    /// Too many folders or examples.
    #[error("more than {1} {0}")]
    TooMany(&'static str, usize),
    /// Secrets for a class that has none.
    #[error("a {0} skill gets no secrets, so it cannot require any")]
    SecretsWithoutGrant(EffectClass),
    /// The name of a secret is invalid.
    #[error(
        "`{0}` is not a valid name of a secret: use A-Z, 0-9 and `_`, starting with a letter, 64 characters at most"
    )]
    BadSecretName(String),
    /// The name of a required test is invalid.
    #[error(
        "`{0}` is not a valid name of a test: use a-z, 0-9 and `_`, starting with a letter, 100 characters at most"
    )]
    BadTestName(String),
    /// An example does not fit the schema or the paths.
    #[error("example `{name}`: {why}")]
    BadExample {
        /// Which example.
        name: String,
        /// What does not fit.
        why: String,
    },
}

impl SkillSpec {
    /// An input to show: that of an example that succeeds, of those with the fewest files first; else one drawn from the schema.
    pub fn example_input(&self) -> serde_json::Value {
        let good = self.examples.iter().filter(|example| matches!(example.expect, Expectation::Ok(_)));
        let found = good.min_by_key(|example| example.vault.len()).map(|example| example.input.clone());
        found.unwrap_or_else(|| self.io.example_input())
    }

    /// Checks the rules that the types alone do not enforce.
    ///
    /// # Errors
    /// [`InvalidSpec`] for the first rule that is broken.
    pub fn check(&self) -> Result<(), InvalidSpec> {
        if self.description.trim().is_empty() {
            return Err(InvalidSpec::EmptyDescription);
        }
        // A person decides by this text. What they cannot see must not be in it.
        let is_control = |c: char| c.is_control() && c != '\n';
        let description = &self.description;
        if description.len() > MAX_DESCRIPTION_BYTES || description.chars().any(is_control) || hides(description) {
            return Err(InvalidSpec::BadDescription);
        }
        self.check_paths()?;
        if self.examples.len() > MAX_EXAMPLES {
            return Err(InvalidSpec::TooMany("examples", MAX_EXAMPLES));
        }
        if self.required_tests.len() > MAX_REQUIRED_TESTS {
            return Err(InvalidSpec::TooMany("required tests", MAX_REQUIRED_TESTS));
        }
        self.required_tests.iter().try_for_each(|name| check_test_name(name))?;
        self.check_secrets()?;
        self.check_hosts()?;
        // Last, because examples are checked against the schemas and folders that come before.
        self.examples.iter().try_for_each(|example| self.check_example(example))
    }

    fn check_paths(&self) -> Result<(), InvalidSpec> {
        let class = self.side_effect_class;
        if class == EffectClass::FileWrite && self.paths.is_empty() {
            return Err(InvalidSpec::NoPaths);
        }
        let writes = matches!(class, EffectClass::FileWrite | EffectClass::Network | EffectClass::SecretRead);
        // Folders make the write capability, so a label that writes nothing would be wrong.
        if !writes && !self.paths.is_empty() {
            return Err(InvalidSpec::PathsWithoutWrite(class));
        }
        if self.paths.is_empty() && self.removes_files {
            return Err(InvalidSpec::RemovalsWithoutWrite(class));
        }
        if self.paths.len() > MAX_PATHS {
            return Err(InvalidSpec::TooMany("vault folders", MAX_PATHS));
        }
        Ok(())
    }

    fn check_hosts(&self) -> Result<(), InvalidSpec> {
        let class = self.side_effect_class;
        if class == EffectClass::Network && self.hosts.is_empty() {
            return Err(InvalidSpec::NoHosts(class));
        }
        let reaches = matches!(class, EffectClass::Network | EffectClass::SecretRead);
        let names_hosts = !self.hosts.is_empty() || !self.allow_private.is_empty();
        if !reaches && names_hosts {
            return Err(InvalidSpec::HostsWithoutGrant(class));
        }
        if self.hosts.len() > MAX_HOST_RULES || self.allow_private.len() > MAX_HOST_RULES {
            return Err(InvalidSpec::TooMany("host rules", MAX_HOST_RULES));
        }
        let grants = HostGrants { rules: self.hosts.clone(), private: self.allow_private.clone() };
        grants.contradiction().map_or(Ok(()), |why| Err(InvalidSpec::BadHosts(why)))
    }

    fn check_binding(&self, binding: &SecretBinding) -> Result<(), InvalidSpec> {
        let bad = |why| Err(InvalidSpec::BadBinding { name: binding.name.clone(), why });
        if !self.required_secrets.contains(&binding.name) {
            return bad("it is not one of the required secrets");
        }
        if !self.hosts.iter().any(|rule| rule.reaches(&binding.origin)) {
            return bad("no host rule reaches its origin");
        }
        // What is signed is for one reader. Another host could pass it on as the skill's own words.
        if binding.place.signs().is_some() && !self.hosts.iter().all(|rule| rule.is_only(&binding.origin)) {
            return bad("it signs, and a host rule reaches another origin");
        }
        // Two places would be two ways out for one value.
        if self.secrets.iter().filter(|other| other.name == binding.name).count() > 1 {
            return bad("it has more than one binding");
        }
        Ok(())
    }

    fn check_secrets(&self) -> Result<(), InvalidSpec> {
        let granted = self.side_effect_class == EffectClass::SecretRead;
        if granted && self.required_secrets.is_empty() {
            return Err(InvalidSpec::NoSecrets);
        }
        self.secrets.iter().try_for_each(|binding| self.check_binding(binding))?;
        if !granted && !self.required_secrets.is_empty() {
            return Err(InvalidSpec::SecretsWithoutGrant(self.side_effect_class));
        }
        for name in &self.required_secrets {
            let first = name.starts_with(|c: char| c.is_ascii_uppercase());
            let rest = name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
            if !first || !rest || name.len() > 64 {
                return Err(InvalidSpec::BadSecretName(name.clone()));
            }
        }
        Ok(())
    }

    fn check_example(&self, example: &Example) -> Result<(), InvalidSpec> {
        let bad = |why: String| Err(InvalidSpec::BadExample { name: example.name.clone(), why });
        if let Err(error) = self.io.check_input(&example.input) {
            return bad(format!("input: {error}"));
        }
        if let super::example::Expectation::Ok(output) = &example.expect
            && let Err(error) = self.io.check_output(output)
        {
            return bad(format!("output: {error}"));
        }
        if example.now.is_some() && !self.reads_clock {
            return bad("it names a time (`now`), and the skill does not ask for the time (`reads_clock`)".to_owned());
        }
        for exchange in &example.exchanges {
            if self.hosts.is_empty() {
                return bad("it declares an exchange, and the skill reaches no host".to_owned());
            }
            if exchange.reply.is_some() == exchange.fail.is_some() {
                return bad("an exchange needs either a `reply` or a `fail`".to_owned());
            }
            if exchange.reply.as_ref().is_some_and(|reply| !(100..=599).contains(&reply.status)) {
                return bad("the status of an exchange is not from 100 to 599".to_owned());
            }
        }
        if let Some(why) = example.signatures.iter().find_map(|signature| self.fault_of(signature)) {
            return bad(why);
        }
        match example.files.keys().find(|path| !self.may_write(path)) {
            Some(path) => bad(format!("`{path}` is outside the folders it may write below")),
            None => Ok(()),
        }
    }

    /// What is wrong with a signature of an example.
    fn fault_of(&self, signature: &ExampleSignature) -> Option<String> {
        let ExampleSignature { secret, signature, fail } = signature;
        let name = text::line(secret, 64);
        let bound = self.secrets.iter().find(|binding| binding.name == *secret);
        let Some(algorithm) = bound.and_then(|binding| binding.place.signs()) else {
            return Some(format!("it declares a signature with `{name}`, and no secret of this name signs"));
        };
        let length = algorithm.signature_bytes();
        match (signature, fail) {
            (Some(SignatureBytes(bytes)), None) if bytes.len() == length => None,
            (Some(_), None) => Some(format!("a signature with `{name}` has {length} bytes, in hexadecimal")),
            (None, Some(_)) => None,
            _ => Some("a signature needs either a `signature` or a `fail`".to_owned()),
        }
    }
}

/// The name of a function in the skill's tests, without the path of its module.
fn check_test_name(name: &str) -> Result<(), InvalidSpec> {
    let first = name.starts_with(|c: char| c.is_ascii_lowercase());
    let rest = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if first && rest && name.len() <= 100 { Ok(()) } else { Err(InvalidSpec::BadTestName(name.to_owned())) }
}
