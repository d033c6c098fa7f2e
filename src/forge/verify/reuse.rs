//! Results of before. A gate whose inputs are unchanged is not run again: its result is taken from the ledger, by a
//! digest over everything it depends on.
//!
//! The ledger is what trust is decided by, so a result in it is as good as it was. Files are never asked.

use std::collections::BTreeMap;

use serde_json::json;

use super::gate::{Gate, VERSIONS};
use super::replay::Earlier;
use super::{Subject, VerifyError};
use crate::artifacts::StoredKind;
use crate::forge::Forge;
use crate::ledger::Reusable;
use crate::model::{digest::Digest, id::VerificationId, json as canonical, lifecycle::Verdict};

/// Whether results of before may stand for new ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reuse {
    /// Where nothing changed.
    Allowed,
    /// Every gate is run.
    Never,
}

/// A digest over all that the gate's result depends on, for each gate.
pub(super) fn keys(subject: &Subject<'_>, earlier: Option<&Earlier>) -> BTreeMap<&'static str, Digest> {
    VERSIONS.iter().map(|(gate, version)| (*gate, key((subject, earlier), gate, *version))).collect()
}

fn key((subject, earlier): (&Subject<'_>, Option<&Earlier>), gate: &str, version: u32) -> Digest {
    let mut inputs = json!({
        "kavi": env!("CARGO_PKG_VERSION"),
        "gate": gate,
        "version": version,
        "skill": subject.proposal.spec.name,
        "snapshot": subject.snapshot.digest(),
        "toolchain": subject.toolchain.version,
        "kit": subject.toolchain.kit_sha256,
        "confinement": format!("{:?}", subject.cage.confinement()),
    });
    if gate == "policy" && subject.proposal.spec.reads_clock {
        inputs["reads_clock"] = json!(true);
    }
    if !matches!(gate, "format" | "lint" | "policy" | "compile" | "reproducible") {
        inputs["limits"] = json!(subject.limits);
        inputs["spec"] = json!(subject.proposal.spec_sha256);
    }
    if gate == "replay" {
        // With nothing to repeat it says the same every time.
        inputs["earlier"] = json!(earlier.is_some());
    }
    Digest::of(canonical::canonical(&inputs).as_bytes())
}

/// What of before can be used.
#[derive(Default)]
pub(super) struct Before {
    pub(super) gates: Vec<Gate>,
    /// The component of a reused compilation, and the cage it was made in.
    pub(super) component_sha256: Option<Digest>,
    pub(super) confinement: Option<String>,
}

impl Before {
    /// Whether all of it passed.
    pub(super) fn verdict(&self) -> Verdict {
        if self.gates.iter().all(|gate| gate.verdict == Verdict::Passed) { Verdict::Passed } else { Verdict::Failed }
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.gates.iter().any(|gate| gate.name == name)
    }
}

/// Finds the results of before.
pub(super) fn find(
    forge: &Forge<'_>,
    keys: &BTreeMap<&'static str, Digest>,
    reuse: Reuse,
) -> Result<Before, VerifyError> {
    let mut before = Before::default();
    if reuse == Reuse::Never {
        return Ok(before);
    }
    for (name, _) in VERSIONS {
        let Some(found) = keys.get(name).map(|key| forge.ledger.gate_result(*key)).transpose()?.flatten() else {
            continue;
        };
        let Reusable { row, verification, component_sha256, confinement } = found;
        if name == "compile" {
            before.component_sha256 = component_sha256;
            before.confinement = Some(confinement);
        }
        before.gates.push(reused(name, row, verification));
    }
    // The gates that look at the component need its bytes, and so does a promotion.
    let component = before.component_sha256.map(|digest| forge.store.get(StoredKind::Component, digest));
    let looks = ["limits", "invariants", "examples", "conformance", "replay"];
    let all_looked = before.has("reproducible") && looks.iter().all(|gate| before.has(gate));
    if !matches!(component, Some(Ok(_))) || !all_looked {
        // What is compiled anew is looked at anew: nobody has seen these bytes yet.
        before.gates.retain(|gate| gate.name != "compile" && !looks.contains(&gate.name));
        (before.component_sha256, before.confinement) = (None, None);
    }
    Ok(before)
}

fn reused(name: &'static str, row: crate::ledger::GateRow, verification: VerificationId) -> Gate {
    Gate {
        name,
        verdict: row.status,
        findings: row.findings,
        lasting: super::gate::Lasting::Yes,
        millis: 0,
        // Where it was run, however often it was taken from there.
        reused_from: Some(row.reused_from.unwrap_or(verification)),
    }
}
