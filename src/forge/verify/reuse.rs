//! Reuse of earlier results. A gate whose inputs are unchanged is not run again: its result comes from the ledger.
//!
//! Guarantees: the key of a result is a digest over everything that the gate depends on. Results come from the ledger alone,
//! which trust rests on anyway. Deliberately never: reads a file to find a result.

use std::collections::BTreeMap;

use serde_json::json;

use super::context::GateContext;
use super::error::VerifyError;
use super::gate::{GateResult, Repeatable, VERSIONS};
use super::replay::Baseline;
use crate::artifacts::StoredKind;
use crate::forge::context::ForgeContext;
use crate::ledger::{GateRow, Reusable};
use crate::model::{digest::Digest, id::VerificationId, json as canonical, lifecycle::Verdict};

/// Whether earlier results may be reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reuse {
    /// Where the inputs are unchanged.
    Allowed,
    /// Every gate runs.
    Never,
}

/// For each gate the digest over everything that its result depends on.
pub(super) fn keys(context: &GateContext<'_>, baseline: Option<&Baseline>) -> BTreeMap<&'static str, Digest> {
    VERSIONS.iter().map(|(gate, version)| (*gate, key(context, baseline, gate, *version))).collect()
}

fn key(context: &GateContext<'_>, baseline: Option<&Baseline>, gate: &str, version: u32) -> Digest {
    let mut inputs = json!({
        "kavi": env!("CARGO_PKG_VERSION"),
        "gate": gate,
        "version": version,
        "skill": context.proposal.spec.name,
        "snapshot": context.snapshot.digest(),
        "toolchain": context.toolchain.version,
        "kit": context.toolchain.kit_sha256,
        "confinement": format!("{:?}", context.cage.confinement()),
    });
    if gate == "policy" && context.proposal.spec.reads_clock {
        inputs["reads_clock"] = json!(true);
    }
    if !matches!(gate, "lint" | "policy" | "compile" | "reproducible") {
        inputs["limits"] = json!(context.limits);
        inputs["spec"] = json!(context.proposal.spec_sha256);
    }
    if gate == "replay" {
        // Without recorded runs the gate always passes. With them its result is never kept (`Repeatable::No`).
        inputs["earlier"] = json!(baseline.is_some());
    }
    Digest::of(canonical::canonical(&inputs).as_bytes())
}

/// The earlier results that can be reused.
#[derive(Default)]
pub(super) struct ReusedResults {
    pub(super) gates: Vec<GateResult>,
    /// The component of a reused compilation, and the confinement of that compilation.
    pub(super) component_sha256: Option<Digest>,
    pub(super) confinement: Option<String>,
}

impl ReusedResults {
    /// Passed when every reused gate passed.
    pub(super) fn verdict(&self) -> Verdict {
        if self.gates.iter().all(|gate| gate.verdict == Verdict::Passed) { Verdict::Passed } else { Verdict::Failed }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.gates.iter().any(|gate| gate.name == name)
    }
}

/// Finds the earlier results.
pub(super) fn find(
    forge: &ForgeContext<'_>,
    keys: &BTreeMap<&'static str, Digest>,
    reuse: Reuse,
) -> Result<ReusedResults, VerifyError> {
    let mut reused = ReusedResults::default();
    if reuse == Reuse::Never {
        return Ok(reused);
    }
    for (name, _) in VERSIONS {
        let Some(found) = keys.get(name).map(|key| forge.ledger.gate_result(*key)).transpose()?.flatten() else {
            continue;
        };
        let Reusable { row, verification, component_sha256, confinement } = found;
        if name == "compile" {
            reused.component_sha256 = component_sha256;
            reused.confinement = Some(confinement);
        }
        reused.gates.push(result_of(name, row, verification));
    }
    // The gates that check the component need its bytes, and so does a promotion.
    let component = reused.component_sha256.map(|digest| forge.store.get(StoredKind::Component, digest));
    let of_component = ["limits", "invariants", "examples", "conformance", "replay", "coverage"];
    let all_checked = reused.has("reproducible") && of_component.iter().all(|gate| reused.has(gate));
    if !matches!(component, Some(Ok(_))) || !all_checked {
        // The component is compiled again. No result may stand for bytes that no gate has checked.
        reused.gates.retain(|gate| gate.name != "compile" && !of_component.contains(&gate.name));
        (reused.component_sha256, reused.confinement) = (None, None);
    }
    Ok(reused)
}

fn result_of(name: &'static str, row: GateRow, verification: VerificationId) -> GateResult {
    GateResult {
        name,
        verdict: row.status,
        findings: row.findings,
        repeatable: Repeatable::Yes,
        millis: 0,
        // The verification that ran the gate, however often its result was reused since.
        reused_from: Some(row.reused_from.unwrap_or(verification)),
    }
}
