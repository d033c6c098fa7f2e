//! Several promotions in one decision: all of them, or none.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use kavi::ledger::{Create, Ledger, LedgerError, PromotionRequest, PromotionSubject};
use kavi::model::digest::Digest;
use kavi::model::id::{PromotionId, RandomIds};
use kavi::model::limits::Narrowed;
use kavi::model::name::SkillName;
use kavi::model::time::{Clock as _, SystemClock};

use crate::support::{PEEK, Skill, Workspace};

#[test]
fn several_skills_are_promoted_together_or_not_at_all() {
    let workspace = Workspace::new();
    for name in ["one", "two"] {
        workspace.verified(&Skill { name, ..PEEK });
    }
    let ledger = Ledger::open(&workspace.path().join(".kavi/ledger.db"), Create::Never).unwrap();
    let limits = Narrowed::default();
    let subject = |name: &str| {
        let proposal = ledger.proposals_named(&SkillName::parse(name).unwrap()).unwrap().pop().unwrap();
        let verification = ledger.latest_verification(proposal.id).unwrap().unwrap();
        PromotionSubject {
            id: proposal.id,
            verification: verification.id,
            component: verification.component_sha256.unwrap(),
            limits: &limits,
            request: PromotionRequest {
                id: PromotionId::new(&RandomIds),
                approved_by: "ada".to_owned(),
                reason: None,
                at: SystemClock.now(),
            },
            statements: Vec::new(),
        }
    };
    let other = PromotionSubject { component: Digest::of(b"other"), ..subject("two") };
    let refused = ledger.promote_all(&[subject("one"), other]);
    assert!(matches!(refused, Err(LedgerError::Conflict(_))), "{refused:?}");
    assert_eq!((workspace.status_of("one"), workspace.status_of("two")), ("VERIFIED".into(), "VERIFIED".into()));
    let promoted = ledger.promote_all(&[subject("one"), subject("two")]).unwrap();
    assert_eq!(promoted.len(), 2);
    assert_eq!((workspace.status_of("one"), workspace.status_of("two")), ("TRUSTED".into(), "TRUSTED".into()));
}
