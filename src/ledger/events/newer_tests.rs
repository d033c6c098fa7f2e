//! Rows of the tables that came after the history: guidance, improvements, the charter, policies. And which tables no event holds.

use super::*;
use crate::history::trust_policy::TrustPolicy;
use crate::ledger::{
    GuidancePair, ImprovementStep, ModelCost, NewAttempt, NewCharter, NewGrant, NewGuidance, NewShadowOrder,
    OutcomeReport, PolicyChange, Rejection, ShadowRun,
};
use crate::model::evidence::RunEvidence;
use crate::model::guidance::{Fault, GuidanceOrigin, GuidanceText, PairResult, UseVerdict};
use crate::model::limits::Limits;
use crate::model::run_flips::RunFlip;

/// Tables whose rows decide nothing by themselves, and that no event holds.
pub(super) const NO_EVENT: [&str; 4] = [
    // How often somebody asked again, and what agents think: both are shown, and never counted.
    "proposal_repeats",
    "outcome_opinions",
    // What was used of a limit. An edit refills it, and lets nobody do what they may not.
    "network_calls",
    "used_allowances",
];

fn guidance(ledger: &Ledger, skill: &SkillName) -> Done {
    let decided = Decided { by: "ada", at: at(60)? };
    for (text, seen) in [("one", None), ("two", Some(1))] {
        let body = GuidanceText::parse(text)?;
        let origin = GuidanceOrigin::Person;
        ledger.publish_guidance(
            &NewGuidance { skill, body: &body, origin, author: "ada", seen, why: "a test" },
            decided,
        )?;
    }
    ledger.give_step_back_order(skill, 1, at(90)?, decided)?;
    ledger.withdraw_step_back_order(skill, decided)?;
    let new = NewAttempt { skill, revision: 1, attempt: 1, e_value: 20.0, at: at(61)? };
    let number = ledger.begin_improvement(&new)?.number;
    ledger.step_improvement(number, ImprovementStep::Answered { model: "m", answer: "a" }, at(62)?)?;
    ledger.begin_code_attempt(&new)?;
    ledger.begin_pair(number, 1, at(63)?)?;
    let cost = ModelCost { calls: 2, sent: 3, received: 4 };
    ledger.end_pair(number, &GuidancePair { evidence: 1, result: PairResult::Gain, cost }, at(64)?)?;
    Ok(())
}

fn runs(ledger: &Ledger, skill: &SkillName, proposal: ProposalId) -> Done {
    let decided = Decided { by: "ada", at: at(65)? };
    let record = record(65)?;
    ledger.insert_execution(&record)?;
    let (run, why) = (record.execution_id, "it was wrong".to_owned());
    let (verdict, fault) = (UseVerdict::Bad, Fault::Guidance);
    ledger.report_outcome(&OutcomeReport { run, verdict, fault, by: "ada".to_owned(), why, at: at(66)? })?;
    let input = json!({ "path": "a.md" });
    let (error, output) = (Some("one".to_owned()), None);
    let evidence = RunEvidence { run, skill: skill.clone(), input, output, error, now: None, expect: None };
    ledger.release_evidence(&evidence, &evidence.text()?, decided)?;
    let component = Digest::of(b"component");
    let order = ledger.give_shadow_order(&NewShadowOrder { skill, proposal, component, calls: 3 }, decided)?;
    let shadow = ShadowRun { execution: run, flip: RunFlip::Same, trusted: Some(component), candidate: None };
    Ok(ledger.add_shadow_runs(order.number, &[shadow], at(67)?)?)
}

/// A run whose record names its limits, and the charter, policy and capabilities of now.
fn run_under_what_holds(ledger: &Ledger) -> Done {
    let context_sha256 = Some(ledger.governance()?.context_set().sha256);
    let record = ExecutionRecord { limits: Some(Limits::default()), context_sha256, ..record(71)? };
    Ok(ledger.insert_execution(&record)?)
}

/// A ledger in which everything happened, with a row in every table that events hold.
pub(super) fn everything() -> Made<Ledger> {
    let ledger = anchored()?;
    let decided = Decided { by: "ada", at: at(70)? };
    let skill = name("two")?;
    let proposal = propose(&ledger, "eight", 70)?;
    ledger.reject_proposal(proposal, &Rejection { by: "ada".to_owned(), why: "no".to_owned(), at: at(70)? })?;
    runs(&ledger, &skill, proposal)?;
    guidance(&ledger, &skill)?;
    for text in ["one", "two"] {
        let charter = NewCharter { content_md: text, content_sha256: Digest::of(text.as_bytes()), sections_json: "{}" };
        ledger.set_charter(&charter, decided)?;
        run_under_what_holds(&ledger)?;
    }
    ledger.set_policy(&[("rate_limit_per_minute".to_owned(), Some("60".to_owned()))], decided)?;
    run_under_what_holds(&ledger)?;
    ledger.set_grant(&NewGrant { actor: "agent", capability: "run_skill", granted: false }, decided)?;
    run_under_what_holds(&ledger)?;
    let policy = TrustPolicy { v: 1, channels: json!({}), ..TrustPolicy::default() };
    ledger.change_policy(&PolicyChange { from: None, to: &policy }, decided)?;
    Ok(ledger)
}

#[test]
fn every_table_has_a_row_that_is_tried_or_a_reason_why_not() -> Done {
    let ledger = everything()?;
    assert_eq!(ledger.audit_history()?.problems, [""; 0]);
    let tables =
        texts(&ledger.conn, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'")?;
    for table in &tables {
        let rows: u64 = ledger.conn.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0))?;
        assert_eq!(rows == 0, NO_EVENT.contains(&table.as_str()), "{table} has {rows} rows");
    }
    assert!(NO_EVENT.iter().all(|known| tables.iter().any(|table| table == known)));
    Ok(())
}
