//! A proposal, as `kavi show` prints it.

use serde_json::json;

use super::super::{capabilities, research, views};
use crate::app::Dossier;
use crate::app::{Build, GateRow, Proposal, Verification};
use crate::model::{execution::SecondWall, lifecycle::Verdict, text};

/// What a person asks for most, on one screen.
pub fn short(dossier: &Dossier) -> String {
    let proposal = &dossier.proposal;
    let mut out = views::facts(&facts(proposal));
    out.push_str(&asked(dossier));
    if let Some(newest) = dossier.builds.last() {
        let (number, summary) = (newest.attempt_number, text::line(&newest.summary, 300));
        out.push_str(&format!("\nattempt {number} by {}: {}\n  {summary}\n", newest.builder, newest.status));
        newest.findings.iter().for_each(|finding| out.push_str(&views::finding(finding)));
    }
    if let Some(newest) = dossier.verifications.last() {
        let gates = newest.gates.len();
        out.push_str(&format!("\nverification {}, {gates} gates, {}\n", newest.status, newest.created_at));
        let failed: Vec<GateRow> = newest
            .gates
            .iter()
            .filter(|gate| gate.status != Verdict::Passed || !gate.findings.is_empty())
            .cloned()
            .collect();
        if !failed.is_empty() {
            out.push_str(&views::gates(&failed));
        }
    }
    out.push_str(&decided(dossier));
    out.push_str(&format!("\nmore: kavi show {} --all\n", proposal.id.short()));
    out
}

/// Everything.
pub fn whole(dossier: &Dossier) -> String {
    let proposal = &dossier.proposal;
    let mut rows = facts(proposal);
    rows.extend(details(proposal));
    let mut out = views::facts(&rows);
    out.push_str(&asked(dossier));
    for build in &dossier.builds {
        out.push_str(&attempt(build));
    }
    for (build, go) in &dossier.acknowledgements {
        let triggers = views::list(go.escalations.iter().map(|escalation| escalation.trigger.to_string()));
        let by = text::line(&go.acknowledged_by, 100);
        out.push_str(&format!("\nbuild {} was let go ahead by {by}, in spite of {triggers}\n", build.short()));
    }
    if let Some(newest) = dossier.research.last() {
        out.push_str(&format!("\nresearch of build {}\n{}", newest.build_id.short(), research::human(newest)));
    }
    if let Some(newest) = dossier.verifications.last() {
        out.push_str(&verified(newest, dossier.verifications.len()));
    }
    out.push_str(&decided(dossier));
    let wall = match &dossier.second_wall {
        Ok(SecondWall::Landlock(version)) => format!("in force (landlock {version})"),
        Ok(SecondWall::Missing) => "not in force: the kernel has no Landlock".to_owned(),
        Err(error) => format!("cannot be put up: {}", text::line(error, 300)),
    };
    out.push_str(&format!("\nsecond wall around a run: {wall}\n"));
    out.push_str(&format!("\nlimits of a run\n{}", limits(dossier)));
    out.push_str(&format!("\nartifacts\n{}", artifacts(dossier)));
    out
}

/// Who asked for it, and what a person said to that.
fn asked(dossier: &Dossier) -> String {
    let mut out = String::new();
    if let Some(source) = &dossier.source {
        let (by, why) = (text::line(&source.by, 100), text::block(&source.why, 2_000));
        out.push_str(&format!(
            "\nproposed through {} by what calls itself {by}, which says (nobody checked this):\n",
            source.channel
        ));
        why.lines().for_each(|line| out.push_str(&format!("  | {line}\n")));
    }
    if let Some(origin) = &dossier.origin {
        let there = views::promoted_there(origin);
        out.push_str(&format!("\ncame in a bundle of {there}; that is evidence, and no trust\n"));
    }
    if dossier.times > 1 {
        out.push_str(&format!("\nthe same was proposed {} times\n", dossier.times));
    }
    if let Some(rejection) = &dossier.rejection {
        let (by, why) = (text::line(&rejection.by, 100), text::block(&rejection.why, 2_000));
        out.push_str(&format!("\n{} REJECT by {by}\n", rejection.at));
        why.lines().for_each(|line| out.push_str(&format!("  | {line}\n")));
    }
    out
}

/// The decisions about it, and the other proposals of its name.
fn decided(dossier: &Dossier) -> String {
    let mut out = String::new();
    for decision in &dossier.promotions {
        let why = decision.reason.as_ref().map(|why| format!(": {}", text::line(why, 300))).unwrap_or_default();
        let by = text::line(&decision.approved_by, 100);
        out.push_str(&format!(
            "\n{} {} by {by}{why}\n  component {}\n",
            decision.created_at, decision.decision, decision.component_sha256
        ));
    }
    if let Some(signed) = &dossier.signed_by {
        out.push_str(&format!(
            "  signed by {} with {}, level {}\n",
            signed.principal,
            signed.fingerprint,
            signed.level.as_str()
        ));
    }
    if let Some(at) = dossier.taken_over {
        out.push_str(&format!("\nthe ledger was taken over as found on {at}; nothing before that is proven\n"));
    }
    let others = dossier.lineage.iter().filter(|other| other.id != dossier.proposal.id);
    let others: Vec<String> =
        others.map(|other| format!("{} {}{}", other.id.short(), other.status, revision(other))).collect();
    if !others.is_empty() {
        out.push_str(&format!("\nother proposals of this name: {}\n", others.join(", ")));
    }
    out
}

fn revision(proposal: &Proposal) -> String {
    proposal.trust.map(|trust| format!(" (revision {})", trust.revision)).unwrap_or_default()
}

/// What a person decides by.
fn facts(proposal: &Proposal) -> Vec<(&'static str, String)> {
    let spec = &proposal.spec;
    let mut rows = vec![
        ("skill", format!("{}{}", spec.name, revision(proposal))),
        ("status", proposal.status.to_string()),
        ("proposal", proposal.id.to_string()),
        ("proposed", proposal.created_at.to_string()),
        ("what it does", text::line(&spec.description, 400)),
        ("class", spec.side_effect_class.to_string()),
        ("may touch", capabilities::sentence(spec)),
        ("may write below", views::list(spec.paths.iter().map(|path| format!("{path}/")))),
        ("secrets", views::list(spec.required_secrets.iter().cloned())),
        ("example call", format!("kavi run-skill {} --json '{}'", spec.name, spec.example_input())),
    ];
    if spec.reads_clock {
        rows.push(("clock", "asks what time it is".to_owned()));
    }
    if spec.removes_files {
        rows.push(("removals", views::REMOVES.to_owned()));
    }
    if spec.coerce {
        rows.push(("arguments", views::COERCES.to_owned()));
    }
    rows
}

/// What identifies it.
fn details(proposal: &Proposal) -> Vec<(&'static str, String)> {
    let spec = &proposal.spec;
    let mut rows = vec![
        ("input", spec.io.input_schema().to_string()),
        ("output", spec.io.output_schema().to_string()),
        ("examples", views::list(spec.examples.iter().map(|example| text::line(&example.name, 100)))),
        ("spec sha256", proposal.spec_sha256.to_string()),
    ];
    if let Some(trust) = proposal.trust {
        rows.push(("component", trust.component_sha256.to_string()));
        rows.push(("snapshot", trust.snapshot_sha256.to_string()));
    }
    if let Some(parent) = proposal.parent {
        rows.push(("follows", parent.to_string()));
    }
    rows
}

fn attempt(build: &Build) -> String {
    let kind = build.failure_kind.map(|kind| format!(" ({kind})")).unwrap_or_default();
    let mut out = format!(
        "\nattempt {} by {}: {}{kind}\n  {}\n  build {}\n  packet {}\n  confinement {}\n",
        build.attempt_number,
        build.builder,
        build.status,
        text::line(&build.summary, 500),
        build.id,
        build.packet_sha256,
        build.confinement,
    );
    if let Some(snapshot) = build.snapshot_sha256 {
        out.push_str(&format!("  snapshot {snapshot}\n"));
    }
    build.findings.iter().for_each(|finding| out.push_str(&views::finding(finding)));
    out
}

fn verified(verification: &Verification, count: usize) -> String {
    format!(
        "\nverification {} ({}, the last of {count}), {}\n  snapshot {}\n  component {}\n  toolchain {}\n  SDK kit {}\n  confinement {}\n\n{}",
        verification.status,
        verification.id,
        verification.created_at,
        verification.snapshot_sha256,
        verification.component_sha256.map_or_else(|| "none".to_owned(), |digest| digest.to_string()),
        text::line(&verification.toolchain, 200),
        verification.sdk_sha256,
        verification.confinement,
        views::gates(&verification.gates),
    )
}

/// The limits in force, and where they come from.
fn limits(dossier: &Dossier) -> String {
    let narrowed = &dossier.proposal.limits;
    let from = |name: &str| match narrowed.entries().find(|(fixed, _)| *fixed == name) {
        Some((_, fixed)) => format!("narrowed to {fixed} at promotion"),
        None => String::new(),
    };
    let row = |(name, value): (&'static str, u64)| vec![format!("  {name}"), value.to_string(), from(name)];
    views::table(&["  limit", "value", ""], dossier.limits.entries().map(row).collect())
}

fn artifacts(dossier: &Dossier) -> String {
    dossier.artifacts.iter().map(|row| format!("  {} {} {}\n", row.kind, row.sha256.short(), row.path)).collect()
}

pub fn machine(dossier: &Dossier) -> serde_json::Value {
    let artifact = |row: &crate::app::ArtifactRow| json!({ "id": row.id, "kind": row.kind, "path": row.path, "sha256": row.sha256, "created_at": row.created_at });
    let acknowledgement = |(build, go): &(crate::model::id::BuildId, crate::app::Acknowledgement)| json!({ "build_id": build, "acknowledged_by": go.acknowledged_by, "escalations": go.escalations });
    let mut machine = views::proposal(&dossier.proposal);
    machine["spec"] = json!(dossier.proposal.spec);
    if let Some(source) = &dossier.source {
        machine["asker"] = views::asker(Some(source));
    }
    if let Some(origin) = &dossier.origin {
        machine["origin"] = json!(origin);
    }
    machine["times"] = json!(dossier.times);
    if let Some(rejection) = &dossier.rejection {
        machine["rejection"] = json!({ "by": rejection.by, "why": rejection.why, "at": rejection.at });
    }
    machine["builds"] = dossier.builds.iter().map(views::build).collect();
    machine["verifications"] = dossier.verifications.iter().map(views::verification).collect();
    machine["research"] = dossier.research.iter().map(research::document).collect();
    machine["acknowledgements"] = dossier.acknowledgements.iter().map(acknowledgement).collect();
    machine["promotions"] = dossier.promotions.iter().map(views::promotion).collect();
    let signed = dossier.signed_by.as_ref();
    machine["signed_by"] =
        json!(signed.map(|by| json!({ "signer": by.principal, "key": by.fingerprint, "level": by.level.as_str() })));
    machine["taken_over"] = json!(dossier.taken_over);
    machine["lineage"] = dossier.lineage.iter().map(views::proposal).collect();
    machine["second_wall"] = json!(dossier.second_wall.as_ref().ok());
    machine["limits"] = json!(dossier.limits);
    machine["narrowed_limits"] = json!(dossier.proposal.limits);
    machine["artifacts"] = dossier.artifacts.iter().map(artifact).collect();
    machine
}
