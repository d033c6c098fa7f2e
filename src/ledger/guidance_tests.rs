use super::*;
use crate::model::time::Timestamp;

type Tested = Result<(), Box<dyn std::error::Error>>;

fn decided() -> Result<Decided<'static>, Box<dyn std::error::Error>> {
    Ok(Decided { by: "ada", at: Timestamp::from_millis(0)? })
}

fn publish(ledger: &Ledger, text: &str, seen: Option<u32>) -> Result<GuidanceRevision, Box<dyn std::error::Error>> {
    let (skill, body) = (SkillName::parse("peek")?, GuidanceText::parse(text)?);
    let new =
        NewGuidance { skill: &skill, body: &body, origin: GuidanceOrigin::Person, author: "ada", seen, why: "a test" };
    Ok(ledger.publish_guidance(&new, decided()?)?)
}

fn roll_back(ledger: &Ledger, to: u32, seen: u32) -> Result<GuidanceRevision, LedgerError> {
    let skill = SkillName::parse("peek").map_err(|error| LedgerError::BadValue(error.to_string()))?;
    let decided = decided().map_err(|error| LedgerError::BadValue(error.to_string()))?;
    ledger.roll_back_guidance(&GuidanceRollback { skill: &skill, to, seen, why: "worse" }, decided)
}

#[test]
fn published_and_previous_never_coincide() -> Tested {
    let (ledger, skill) = (Ledger::in_memory()?, SkillName::parse("peek")?);
    assert_eq!(ledger.published_guidance(&skill)?, None);
    publish(&ledger, "one", None)?;
    publish(&ledger, "two", Some(1))?;
    assert!(publish(&ledger, "three", Some(1)).is_err(), "the person saw another revision");
    assert!(matches!(roll_back(&ledger, 2, 2), Err(LedgerError::WrongState { .. })));
    assert!(matches!(roll_back(&ledger, 9, 2), Err(LedgerError::NotFound { .. })));
    assert!(matches!(roll_back(&ledger, 1, 1), Err(LedgerError::Conflict(_))));
    roll_back(&ledger, 1, 2)?;
    assert_eq!(
        ledger.published_guidance(&skill)?.map(|it| (it.number, it.body.as_str().to_owned())),
        Some((1, "one\n".to_owned()))
    );
    let decisions = ledger.guidance_decisions(&skill)?;
    let tags: Vec<_> = decisions.iter().map(|it| (it.published, it.previous)).collect();
    assert_eq!(tags, [(1, None), (2, Some(1)), (1, Some(2))]);
    // After a step back the next revision has the next number, and the demoted one stays.
    assert_eq!(publish(&ledger, "three", Some(1))?.number, 3);
    assert_eq!(ledger.guidance_revisions(&skill)?.len(), 3);
    assert!(ledger.conn.execute("UPDATE guidance_decisions SET previous = published", []).is_err());
    Ok(())
}

#[test]
fn an_edited_revision_or_decision_is_not_served() -> Tested {
    let skill = SkillName::parse("peek")?;
    let edits = [
        "UPDATE guidance_revisions SET body = 'other' || char(10) WHERE number = 2",
        "UPDATE guidance_revisions SET author = 'eve' WHERE number = 2",
        "UPDATE guidance_decisions SET why = 'other' WHERE number = 2",
        "INSERT INTO guidance_decisions SELECT 3, skill_name, 'ROLLBACK', 1, 2, 'eve', 'x', 0, created_at FROM guidance_decisions WHERE number = 1",
        "DELETE FROM guidance_decisions WHERE number = 2",
    ];
    for edit in edits {
        let ledger = Ledger::in_memory()?;
        publish(&ledger, "one", None)?;
        publish(&ledger, "two", Some(1))?;
        assert!(ledger.published_guidance(&skill)?.is_some());
        assert_eq!(ledger.conn.execute(edit, [])?, 1, "{edit}");
        let found = ledger.published_guidance(&skill);
        assert!(matches!(found, Err(LedgerError::Tampered(_))), "{edit}: {found:?}");
        assert!(!ledger.audit_history()?.problems.is_empty(), "{edit}");
    }
    Ok(())
}
