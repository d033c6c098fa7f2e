//! The invariants gate: the component has exactly the imports and exports of its class, and comes from permitted sources.
//!
//! Guarantees: the check covers the bytes that are promoted. Deliberately never: runs the component.

use super::context::GateContext;
use crate::forge::intake;
use crate::model::{capabilities::SkillCapabilities, finding::Finding};
use crate::policy::capabilities;
use crate::runtime::inspect;

pub(super) fn check(context: &GateContext<'_>, component: &[u8]) -> Vec<Finding> {
    let mut findings = sources(context);
    findings.extend(interface(context, component));
    findings
}

/// The snapshot has only the files that a packet asks for. Checked again, because a snapshot may not have come through the
/// intake.
fn sources(context: &GateContext<'_>) -> Vec<Finding> {
    let outside = context.snapshot.sources().filter(|(path, _)| !intake::is_source(path));
    let outside =
        outside.map(|(path, _)| Finding::new("invariants/sources", "a skill has no such source file").in_file(path));
    let missing = context.snapshot.get("src/lib.rs").is_none();
    let missing =
        missing.then(|| Finding::new("invariants/sources", "the skill's source is missing").in_file("src/lib.rs"));
    outside.chain(missing).collect()
}

fn interface(context: &GateContext<'_>, component: &[u8]) -> Vec<Finding> {
    let class = context.proposal.spec.side_effect_class;
    let capabilities = SkillCapabilities::of(&context.proposal.spec);
    if let Err(error) = capabilities::check(class, &capabilities) {
        return vec![Finding::new("invariants/interface", error.to_string())];
    }
    let found = match inspect::interface(component) {
        Ok(found) => found,
        Err(error) => return vec![Finding::new("invariants/component", error.to_string())],
    };
    let mismatches = inspect::check(&found, &capabilities);
    mismatches.iter().map(|m| Finding::new("invariants/interface", format!("{m} (class {class})"))).collect()
}
