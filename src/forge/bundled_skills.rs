//! The skills that come with Kavi, embedded in the binary: specification and sources of each.
//!
//! Guarantees: they are the files of this repository that its tests bring through every gate. Deliberately never: trusts
//! one. They go through the forge like any other skill.

use serde_json::{Value, json};

use super::propose::{self, ProposeError};
use crate::model::digest::Digest;
use crate::model::host_grants::PrivateHost;
use crate::model::host_rule::{HostPattern, HostRule, PathPattern};
use crate::model::json::{self, JsonLimits};
use crate::model::snapshot::Snapshot;
use crate::model::spec::SkillSpec;

/// One skill.
#[derive(Debug, Clone, Copy)]
pub struct BundledSkill {
    /// Its name.
    pub name: &'static str,
    /// Its specification, as `kavi propose-skill --spec` takes it.
    pub spec: &'static [u8],
    /// Its sources, by path below the folder of its crate.
    pub sources: &'static [(&'static str, &'static [u8])],
}

macro_rules! skill {
    ($name:literal: $($path:literal),+ $(,)?) => {
        BundledSkill {
            name: $name,
            spec: include_bytes!(concat!("../../skills/", $name, "/spec.json")),
            sources: &[$(($path, include_bytes!(concat!("../../skills/", $name, "/", $path)))),+],
        }
    };
}

/// All of them, by name.
pub const SKILLS: &[BundledSkill] = &[
    skill!("create_daily_note": "src/lib.rs"),
    skill!("edit_note": "src/lib.rs", "src/tests.rs"),
    skill!("http_get_json": "src/lib.rs", "src/tests.rs"),
    skill!("list_notes": "src/filter.rs", "src/lib.rs", "src/links.rs", "src/tests.rs"),
    skill!("move_note": "src/lib.rs", "src/rewrite.rs", "src/tests.rs"),
    skill!("read_note": "src/lib.rs", "src/tests.rs"),
    skill!("read_notes_by_tag": "src/lib.rs", "src/tests.rs"),
    skill!("search_notes": "src/engine.rs", "src/lib.rs", "src/operators.rs", "src/tests.rs"),
    skill!("summarize_note": "src/lib.rs", "src/tests.rs", "src/text.rs"),
    skill!("write_note": "src/lib.rs"),
];

/// The hosts that a person names for a bundled skill that reaches none by itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostChoice {
    /// The rules.
    pub rules: Vec<HostRule>,
    /// Those of the hosts that may have a private address.
    pub private: Vec<PrivateHost>,
}

/// Why a bundled skill has no specification for some hosts.
#[derive(Debug, thiserror::Error)]
pub enum HostChoiceError {
    /// The result is refused.
    #[error(transparent)]
    Spec(#[from] ProposeError),
    /// It reaches no host.
    #[error("`{0}` reaches no host, so none can be named for it")]
    NoHosts(&'static str),
    /// The examples need more than one path.
    #[error("the first host rule must end in `/**`")]
    OnePath,
}

/// What stands for the host in a bundled specification and its examples.
const PLACEHOLDER: &str = "https://host.example/";

/// The one of a name.
pub fn find(name: &str) -> Option<&'static BundledSkill> {
    SKILLS.iter().find(|skill| skill.name == name)
}

impl BundledSkill {
    /// Whether it reaches only hosts that a person names.
    pub fn needs_hosts(&self) -> bool {
        self.spec.windows(PLACEHOLDER.len()).any(|window| window == PLACEHOLDER.as_bytes())
    }

    /// Its specification for these hosts.
    ///
    /// # Errors
    /// [`HostChoiceError`] when it reaches none, or the result is refused.
    pub fn spec_for(&self, choice: &HostChoice) -> Result<SkillSpec, HostChoiceError> {
        let Some(first) = choice.rules.first() else { return Ok(propose::parse_file(self.spec)?) };
        if !self.needs_hosts() {
            return Err(HostChoiceError::NoHosts(self.name));
        }
        let base = base_of(first).ok_or(HostChoiceError::OnePath)?;
        let mut spec = json::parse(self.spec, JsonLimits::default()).map_err(ProposeError::from)?;
        // In the examples alone: their exchanges must be requests that the rules allow.
        replace(&mut spec["examples"], &base);
        spec["hosts"] = json!(choice.rules);
        spec["allow_private"] = json!(choice.private);
        Ok(propose::parse_file(json::canonical(&spec).as_bytes())?)
    }

    /// The digest of its sources, as an import of them has it.
    pub fn snapshot(&self) -> Digest {
        let files = self.sources.iter().map(|(path, bytes)| ((*path).to_owned(), bytes.to_vec()));
        Snapshot::new(files.collect()).digest()
    }
}

/// How the URLs begin that a rule allows.
fn base_of(rule: &HostRule) -> Option<String> {
    let PathPattern::Below(prefix) = &rule.path else { return None };
    let host = match &rule.host {
        HostPattern::Exact(host) => host.clone(),
        HostPattern::OneLabelBelow(parent) => format!("host.{parent}"),
    };
    let port = if rule.port == rule.scheme.default_port() { String::new() } else { format!(":{}", rule.port) };
    Some(format!("{}://{host}{port}{prefix}", rule.scheme.as_str()))
}

fn replace(value: &mut Value, base: &str) {
    match value {
        Value::String(text) => *text = text.replace(PLACEHOLDER, base),
        Value::Array(items) => items.iter_mut().for_each(|item| replace(item, base)),
        Value::Object(members) => members.values_mut().for_each(|member| replace(member, base)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;
    use std::{fs, io};

    use super::*;

    #[test]
    fn every_skill_of_the_repository_is_embedded_whole() -> io::Result<()> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("skills");
        let mut expected = BTreeSet::new();
        for entry in fs::read_dir(&root)? {
            let folder = entry?.path();
            if !folder.join("spec.json").is_file() {
                continue;
            }
            for source in fs::read_dir(folder.join("src"))? {
                let path = source?.path();
                expected.extend(path.strip_prefix(&root).ok().map(|path| path.to_string_lossy().into_owned()));
            }
        }
        let embedded =
            SKILLS.iter().flat_map(|skill| skill.sources.iter().map(|(path, _)| format!("{}/{path}", skill.name)));
        assert_eq!(embedded.collect::<BTreeSet<_>>(), expected);
        Ok(())
    }

    #[test]
    fn a_skill_without_a_host_of_its_own_gets_those_of_the_person() -> Result<(), Box<dyn std::error::Error>> {
        let skill = find("http_get_json").ok_or("not embedded")?;
        let choice = |rule: &str| -> Result<HostChoice, Box<dyn std::error::Error>> {
            Ok(HostChoice { rules: vec![rule.parse()?], private: Vec::new() })
        };
        let spec = skill.spec_for(&choice("GET https://*.example.com:8443/v1/** seconds=3")?)?;
        assert_eq!(
            spec.hosts.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ["GET https://*.example.com:8443/v1/** seconds=3"]
        );
        let urls: Vec<&str> = spec
            .examples
            .iter()
            .flat_map(|example| example.exchanges.iter().map(|exchange| exchange.url.as_str()))
            .collect();
        assert!(urls.iter().all(|url| url.starts_with("https://host.example.com:8443/v1/")), "{urls:?}");
        assert!(matches!(skill.spec_for(&choice("GET https://a.example.com/one")?), Err(HostChoiceError::OnePath)));
        let reader = find("read_note").ok_or("not embedded")?;
        let refused = reader.spec_for(&choice("GET https://a.example.com/**")?);
        assert!(matches!(refused, Err(HostChoiceError::NoHosts("read_note"))));
        Ok(())
    }

    #[test]
    fn each_has_a_valid_specification_of_its_name() -> Result<(), ProposeError> {
        for skill in SKILLS {
            let spec = propose::parse_file(skill.spec)?;
            assert_eq!(spec.name.as_str(), skill.name);
            assert!(!spec.examples.is_empty(), "{}", skill.name);
        }
        Ok(())
    }
}
