//! Findings as SARIF 2.1.0, the format that code hosts show beside the lines of a change.
//!
//! Guarantees: every finding has a place, because hosts leave others out: one without a line is put to the specification.
//! Deliberately never: reads or writes a file.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use serde_json::{Value, json};

use crate::app::GateRow;
use crate::model::{finding::Finding, lifecycle::Verdict, name::SkillName};

/// What the gates said of one crate.
pub struct CheckedCrate {
    /// Its folder, as it was given.
    pub folder: PathBuf,
    /// The skill that its specification names.
    pub name: SkillName,
    /// What was found before the sources were taken.
    pub findings: Vec<Finding>,
    /// The gates. None ran where the sources were not taken.
    pub gates: Vec<GateRow>,
}

impl CheckedCrate {
    /// Whether every gate ran and passed.
    pub fn passed(&self) -> bool {
        !self.gates.is_empty() && self.gates.iter().all(|gate| gate.status == Verdict::Passed)
    }
}

/// The log of these crates. What fails a gate is an error, the rest a note.
pub fn log(checked: &[CheckedCrate]) -> Value {
    let results: Vec<Value> = checked.iter().flat_map(results).collect();
    let rules: BTreeSet<&str> = results.iter().filter_map(|result| result["ruleId"].as_str()).collect();
    let rules: Vec<Value> = rules.iter().map(|rule| json!({ "id": rule })).collect();
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": { "name": "kavi", "version": env!("CARGO_PKG_VERSION"), "rules": rules } },
            "results": results,
        }],
    })
}

fn results(checked: &CheckedCrate) -> Vec<Value> {
    let taken = checked.findings.iter().map(|finding| result(checked, "error", finding));
    let gates = checked.gates.iter().flat_map(|gate| {
        let level = match gate.status {
            Verdict::Failed => Some("error"),
            Verdict::Passed => Some("note"),
            // A gate that did not run found nothing in the sources.
            Verdict::Skipped => None,
        };
        gate.findings.iter().filter_map(move |finding| Some(result(checked, level?, finding)))
    });
    taken.chain(gates).collect()
}

fn result(checked: &CheckedCrate, level: &str, finding: &Finding) -> Value {
    let file = finding.file.as_deref().unwrap_or("spec.json");
    let mut place = json!({ "artifactLocation": { "uri": uri(&checked.folder.join(file)) } });
    if let Some(line) = finding.line.filter(|_| finding.file.is_some()) {
        place["region"] = json!({ "startLine": line });
    }
    let test = finding.test.as_deref().map(|test| format!("({test}) ")).unwrap_or_default();
    json!({
        "ruleId": finding.rule,
        "level": level,
        "message": { "text": format!("{test}{}", finding.message) },
        "locations": [{ "physicalLocation": place }],
    })
}

/// A path as a reference of a URI: relative as it was given, with `/`, and everything but letters, digits and `-._~` encoded.
fn uri(path: &Path) -> String {
    let parts = path.components().filter_map(|component| match component {
        Component::RootDir => Some(String::new()),
        Component::CurDir => None,
        component => Some(component.as_os_str().as_encoded_bytes().iter().map(encoded).collect()),
    });
    parts.collect::<Vec<String>>().join("/")
}

fn encoded(byte: &u8) -> String {
    match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(*byte).to_string(),
        _ => format!("%{byte:02X}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_reference_of_a_uri() {
        assert_eq!(uri(Path::new("./skills/a b/src/lib.rs")), "skills/a%20b/src/lib.rs");
        assert_eq!(uri(Path::new("/skills/ü/spec.json")), "/skills/%C3%BC/spec.json");
    }
}
