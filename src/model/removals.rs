//! The manifest of removals: what a run asks the host to remove, `.kavi-changes.json` in its staging folder.
//!
//! Guarantees: what is read names each file once, by a valid path, with the digest of the content that the run saw. Deliberately
//! never: decides whether the run may remove anything.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde_json::json;

use super::{
    digest::Digest,
    json::{self, JsonError, JsonLimits},
    vault_path::VaultPath,
};

/// The name of the manifest in the staging folder. A path of the vault has no hidden name, so none can be the same.
pub const MANIFEST: &str = ".kavi-changes.json";

/// One file that a run removes.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RequestedRemoval {
    /// Its path in the vault.
    pub path: VaultPath,
    /// The digest of the content that is removed.
    pub sha256: Digest,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    v: u32,
    remove: Vec<RequestedRemoval>,
}

/// Why a manifest is refused.
#[derive(Debug, thiserror::Error)]
pub enum InvalidManifest {
    /// It is no JSON.
    #[error("it is not JSON: {0}")]
    Json(#[from] JsonError),
    /// It is another JSON.
    #[error("it is not a manifest: {0}")]
    Shape(String),
    /// A later version.
    #[error("its version is {0}, and this Kavi reads version 1")]
    Version(u32),
    /// A path occurs twice.
    #[error("it names `{0}` twice")]
    Twice(VaultPath),
}

/// Reads a manifest.
///
/// # Errors
/// [`InvalidManifest`].
pub fn parse(bytes: &[u8]) -> Result<Vec<RequestedRemoval>, InvalidManifest> {
    let value = json::parse(bytes, JsonLimits::default())?;
    let Manifest { v, remove } =
        serde_json::from_value(value).map_err(|error| InvalidManifest::Shape(error.to_string()))?;
    if v != 1 {
        return Err(InvalidManifest::Version(v));
    }
    let mut paths = BTreeSet::new();
    match remove.iter().find(|removal| !paths.insert(&removal.path)) {
        Some(removal) => Err(InvalidManifest::Twice(removal.path.clone())),
        None => Ok(remove),
    }
}

/// The text of a manifest with these removals.
pub fn render(removals: &[RequestedRemoval]) -> String {
    let entry = |removal: &RequestedRemoval| json!({ "path": removal.path, "sha256": removal.sha256 });
    json!({ "v": 1, "remove": removals.iter().map(entry).collect::<Vec<_>>() }).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_names_files_by_path_and_digest() -> Result<(), Box<dyn std::error::Error>> {
        let digest = Digest::of(b"a");
        let text = format!(r#"{{"v":1,"remove":[{{"path":"a/b.md","sha256":"{digest}"}}]}}"#);
        let removal = RequestedRemoval { path: VaultPath::parse("a/b.md")?, sha256: digest };
        let removals = [removal];
        assert_eq!(parse(text.as_bytes())?, removals);
        assert_eq!(parse(render(&removals).as_bytes())?, removals);
        let one = format!(r#"{{"path":"a.md","sha256":"{digest}"}}"#);
        let refused = |text: &str| parse(text.as_bytes()).err().map(|error| error.to_string()).unwrap_or_default();
        for (text, why) in [
            ("no", "not JSON".to_owned()),
            ("[]", "not a manifest".to_owned()),
            (r#"{"v":1}"#, "missing field `remove`".to_owned()),
            (r#"{"v":1,"remove":[],"more":1}"#, "unknown field `more`".to_owned()),
            (&format!(r#"{{"v":2,"remove":[{one}]}}"#), "version is 2".to_owned()),
            (&format!(r#"{{"v":1,"remove":[{one},{one}]}}"#), "names `a.md` twice".to_owned()),
            (&format!(r#"{{"v":1,"remove":[{}]}}"#, one.replace("a.md", "../a.md")), "not a path".to_owned()),
            (&format!(r#"{{"v":1,"remove":[{}]}}"#, one.replace("a.md", ".git/a")), "not a path".to_owned()),
            (r#"{"v":1,"remove":[{"path":"a.md"}]}"#, "missing field `sha256`".to_owned()),
            (r#"{"v":1,"remove":[{"path":"a.md","sha256":"0"}]}"#, "not a manifest".to_owned()),
        ] {
            assert!(refused(text).contains(&why), "{text}: {}", refused(text));
        }
        Ok(())
    }
}
