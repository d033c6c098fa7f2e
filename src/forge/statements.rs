//! What is stated about a promotion: SLSA provenance v1, an in-toto test result, and a verification summary.
//!
//! Guarantees: every value comes from the report that the person saw, or from the rows that the transaction checks again. The
//! program that is named as the builder is the one that compiled and checked, not the one that promotes. Where nobody wrote that
//! down, the statement says so.
//!
//! Deliberately never: asks a person. Who approved is in the event of the promotion.

use serde_json::{Value, json};

use super::context::ForgeContext;
use super::promotion_report::PromotionReport;
use crate::history::anchor::HistoryAnchor;
use crate::history::approval::STATEMENT_TYPE;
use crate::history::statement::{self, StatementKind};
use crate::ledger::{LedgerError, PromotionRequest, SignedEnvelope};
use crate::model::{digest::Digest, lifecycle::Verdict, program::ProgramIdentity};

/// The builder of what an older Kavi verified, which did not write down which program it was.
const UNRECORDED: &str = "urn:kavi:program:unrecorded";

/// The statements about a promotion, signed with the key of the workspace. A ledger without an anchor has no key, and no
/// statements.
///
/// # Errors
/// [`LedgerError`] when the key cannot be used.
pub(super) fn signed(
    forge: &ForgeContext<'_>,
    report: &PromotionReport,
    request: &PromotionRequest,
) -> Result<Vec<SignedEnvelope>, LedgerError> {
    let Some(anchor) = forge.ledger.anchor() else { return Ok(Vec::new()) };
    let provenance = seal(anchor.as_ref(), StatementKind::Provenance, report, &provenance(report))?;
    let tests = seal(anchor.as_ref(), StatementKind::TestResult, report, &test_result(report))?;
    let summary = summary(forge.identity().ok().as_ref(), report, request, &[&provenance, &tests]);
    let summary = seal(anchor.as_ref(), StatementKind::VerificationSummary, report, &summary)?;
    Ok(vec![provenance, tests, summary])
}

/// Puts a predicate into a signed statement about the component.
fn seal(
    anchor: &dyn HistoryAnchor,
    kind: StatementKind,
    report: &PromotionReport,
    predicate: &Value,
) -> Result<SignedEnvelope, LedgerError> {
    let unusable = |error: crate::history::anchor::AnchorError| LedgerError::UnusableAnchor(error.to_string());
    let payload = json!({
        "_type": STATEMENT_TYPE,
        "subject": [{ "name": "component", "digest": sha256(report.component_sha256) }],
        "predicateType": kind.predicate_type(),
        "predicate": predicate,
    });
    // Rendered once: these bytes are signed and stored.
    let payload = payload.to_string();
    let signature = anchor.sign(&statement::to_be_signed(&payload)).map_err(unusable)?;
    let envelope = statement::envelope(&payload, &anchor.key().map_err(unusable)?, &signature);
    Ok(SignedEnvelope { predicate_type: kind.predicate_type(), envelope })
}

fn sha256(digest: Digest) -> Value {
    json!({ "sha256": digest })
}

/// The version of a program as statements have it. Without a commit the sources say what it is.
fn version(program: &ProgramIdentity) -> Value {
    let mut version = json!({ "kavi": program.version, "sources_sha256": program.sources_sha256 });
    if let Some(commit) = &program.commit {
        version["commit"] = json!(commit);
    }
    version
}

fn gates_uri(report: &PromotionReport) -> String {
    format!("urn:kavi:gates:v{}", report.verification.gates_version)
}

fn provenance(report: &PromotionReport) -> Value {
    let (verification, build) = (&report.verification, &report.build);
    let mut builder = json!({ "id": UNRECORDED });
    let mut dependencies = vec![
        json!({ "name": "source", "digest": sha256(verification.snapshot_sha256) }),
        json!({ "name": "sdk", "digest": sha256(verification.sdk_sha256) }),
        json!({ "name": "toolchain", "digest": sha256(Digest::of(verification.toolchain.as_bytes())),
            "annotations": { "version": verification.toolchain } }),
    ];
    if let Some(program) = &verification.program {
        builder = json!({ "id": program.uri(), "version": version(program) });
        dependencies.push(json!({ "name": "contract", "digest": sha256(program.contract_sha256) }));
    }
    json!({
        "buildDefinition": {
            "buildType": "urn:kavi:build:v1",
            "externalParameters": {
                "skill": report.proposal.spec.name,
                "specification": { "digest": sha256(report.proposal.spec_sha256) },
                "packet": { "digest": sha256(build.packet_sha256) },
            },
            "internalParameters": { "author": build.builder, "confinement": verification.confinement },
            "resolvedDependencies": dependencies,
        },
        "runDetails": {
            "builder": builder,
            "metadata": { "invocationId": verification.id, "startedOn": verification.created_at },
        },
    })
}

fn test_result(report: &PromotionReport) -> Value {
    let named = |verdict: Verdict| -> Vec<&str> {
        let gates = report.gates().iter().filter(|gate| gate.status == verdict);
        gates.map(|gate| gate.gate.as_str()).collect()
    };
    let passed = report.verification.status == Verdict::Passed;
    json!({
        "result": if passed { "PASSED" } else { "FAILED" },
        "configuration": [{ "name": "gates", "uri": gates_uri(report) }],
        "passedTests": named(Verdict::Passed),
        "warnedTests": [],
        "failedTests": named(Verdict::Failed),
    })
}

/// `inputs` are the statements that it follows from.
fn summary(
    program: Option<&ProgramIdentity>,
    report: &PromotionReport,
    request: &PromotionRequest,
    inputs: &[&SignedEnvelope],
) -> Value {
    let verifier = match program {
        Some(program) => json!({ "id": program.uri(), "version": version(program) }),
        None => json!({ "id": UNRECORDED }),
    };
    let input = |input: &&SignedEnvelope| json!({ "digest": sha256(Digest::of(input.envelope.as_bytes())) });
    json!({
        "verifier": verifier,
        "timeVerified": request.at,
        "resourceUri": format!("urn:kavi:skill:{}", report.proposal.spec.name),
        "policy": { "uri": gates_uri(report) },
        "inputAttestations": inputs.iter().map(input).collect::<Vec<_>>(),
        "verificationResult": "PASSED",
        // The workspace builds for itself, so nobody else vouches for the build.
        "verifiedLevels": ["SLSA_BUILD_LEVEL_1"],
        "slsaVersion": "1.0",
    })
}
