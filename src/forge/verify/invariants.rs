//! The invariants gate: the component is what the spec says. Its world, its exact imports and exports for its class, and
//! the sources it may come from.

use super::Subject;
use crate::forge::gate;
use crate::model::{capabilities::SkillCapabilities, finding::Finding};
use crate::policy::capabilities;
use crate::runtime::inspect;

pub(super) fn check(subject: &Subject<'_>, component: &[u8]) -> Vec<Finding> {
    let mut findings = sources(subject);
    findings.extend(interface(subject, component));
    findings
}

/// The snapshot holds what a packet asks for and nothing else: also when it did not come through the workspace gate.
fn sources(subject: &Subject<'_>) -> Vec<Finding> {
    let outside = subject.snapshot.files().filter(|(path, _)| !gate::is_source(path));
    let outside =
        outside.map(|(path, _)| Finding::new("invariants/sources", "no packet asks for this file").in_file(path));
    let missing = subject.snapshot.get("src/lib.rs").is_none();
    let missing =
        missing.then(|| Finding::new("invariants/sources", "the skill's source is missing").in_file("src/lib.rs"));
    outside.chain(missing).collect()
}

fn interface(subject: &Subject<'_>, component: &[u8]) -> Vec<Finding> {
    let spec = &subject.proposal.spec;
    let class = spec.side_effect_class;
    let capabilities = SkillCapabilities::of(spec);
    if let Err(error) = capabilities::check(class, &capabilities) {
        return vec![Finding::new("invariants/interface", error.to_string())];
    }
    let found = match inspect::interface(component) {
        Ok(found) => found,
        Err(error) => return vec![Finding::new("invariants/component", error.to_string())],
    };
    let mismatches = inspect::check(&found, &capabilities, inspect::SKILL_VERSION);
    mismatches.iter().map(|m| Finding::new("invariants/interface", format!("{m} (class {class})"))).collect()
}
