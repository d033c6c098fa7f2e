//! What a person reads before a promotion.
//!
//! Guarantees: it is a value, so it cannot change between the look and the decision. Deliberately never: reads anything itself.

use super::source_review::SourceReview;
use super::verify;
use crate::ledger::{Build, GateRow, Proposal, ProposalOrigin, ProposalSource, Verification};
use crate::model::{digest::Digest, finding::Finding};

/// What a person is about to trust, for that person to read.
#[derive(Debug)]
pub struct PromotionReport {
    /// The proposal.
    pub proposal: Proposal,
    /// The verification it rests on.
    pub verification: Verification,
    /// The component.
    pub component_sha256: Digest,
    /// Its size in bytes.
    pub component_bytes: usize,
    /// What it imports, with versions.
    pub imports: Vec<String>,
    /// What its specification asks for and it cannot use.
    pub unused: Vec<String>,
    /// The build that it was compiled from.
    pub build: Build,
    /// Who sent the proposal; none when it was typed at the command line.
    pub source: Option<ProposalSource>,
    /// The bundle that the proposal came in; none when it came in none.
    pub origin: Option<ProposalOrigin>,
    /// How often the same specification was proposed.
    pub times: u32,
    /// Its sources, and how they differ from the active revision.
    pub sources: SourceReview,
    /// Lines and files of its source.
    pub source_lines: usize,
    /// Files of its source.
    pub source_files: usize,
    /// The revision that is active now and would be superseded.
    pub replaces: Option<Proposal>,
    /// What differs from the active revision in what it may do.
    pub changes: Vec<String>,
    /// What the gates noticed and did not refuse: changes that no test notices, branches that no
    /// check reached, and others.
    pub remarks: Vec<Remark>,
}

/// Something that the gates noticed and that did not fail them, with the line of the source that it
/// is about.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Remark {
    /// The finding.
    #[serde(flatten)]
    pub finding: Finding,
    /// The text of its line, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

impl PromotionReport {
    /// The outputs of the component for inputs without an example. The person judges them.
    pub fn answers(&self) -> impl Iterator<Item = &str> {
        let findings = self.gates().iter().flat_map(|gate| &gate.findings);
        findings.filter(|finding| finding.rule == verify::ASKED_RULE).map(|finding| finding.message.as_str())
    }

    /// The remark that counts the recorded runs whose outcome differs from the trusted revision's.
    pub fn replayed(&self) -> Option<&str> {
        let mut findings = self.gates().iter().flat_map(|gate| &gate.findings);
        findings.find(|finding| finding.rule == verify::REPLAY_SUMMARY_RULE).map(|finding| finding.message.as_str())
    }

    /// The gates of the verification.
    pub fn gates(&self) -> &[GateRow] {
        &self.verification.gates
    }
}
