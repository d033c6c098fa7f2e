use super::*;
use crate::history::state::POLICY as POLICY_PART;
use crate::ledger::Ledger;
use crate::model::time::Timestamp;

type Tested = Result<(), Box<dyn std::error::Error>>;

fn decided() -> Result<Decided<'static>, Box<dyn std::error::Error>> {
    Ok(Decided { by: "ada", at: Timestamp::parse("2026-11-30T00:00:00.000Z")? })
}

fn charter(text: &str) -> NewCharter<'_> {
    NewCharter { content_md: text, content_sha256: Digest::of(text.as_bytes()), sections_json: "{}" }
}

#[test]
fn there_is_one_active_charter_and_the_history_names_it() -> Tested {
    let ledger = Ledger::in_memory()?;
    assert_eq!(ledger.governance()?, GovernanceRows::default());
    assert_eq!(ledger.set_charter(&charter("one"), decided()?)?, 1);
    assert_eq!(ledger.set_charter(&charter("two"), decided()?)?, 2);
    let rows = ledger.governance()?;
    assert_eq!(rows.charters.iter().map(|row| row.version).collect::<Vec<_>>(), [2]);
    assert_eq!(rows.pinned, Some(PinnedCharter { version: 2, content_sha256: Digest::of(b"two") }));
    assert_eq!((rows.charter_problem, ledger.charters()?.len()), (None, 2));
    assert_eq!(ledger.audit_history()?.problems, [""; 0]);
    Ok(())
}

#[test]
fn the_newest_value_and_grant_hold_and_none_gives_the_default_again() -> Tested {
    let ledger = Ledger::in_memory()?;
    let set = |key: &str, value: Option<&str>| {
        ledger.set_policy(&[(key.to_owned(), value.map(str::to_owned))], decided()?)?;
        Ok::<_, Box<dyn std::error::Error>>(ledger.governance()?.policy)
    };
    assert_eq!(set("rate_limit_per_minute", Some("60"))?["rate_limit_per_minute"], "60");
    assert_eq!(set("rate_limit_per_minute", Some("10"))?["rate_limit_per_minute"], "10");
    assert!(set("rate_limit_per_minute", None)?.is_empty());
    let before = ledger.governance_mark()?;
    set("disabled", Some("true"))?;
    let after = ledger.governance_mark()?;
    assert_eq!((before.disabled, after.disabled), (false, true));
    assert!(after.counter > before.counter);
    for granted in [false, true] {
        ledger.set_grant(&NewGrant { actor: "agent", capability: "run_skill", granted }, decided()?)?;
        let grants = ledger.governance()?.grants;
        assert_eq!(grants.iter().map(|grant| grant.granted).collect::<Vec<_>>(), [granted]);
    }
    let context = ledger.governance()?.context_set();
    assert_eq!(ledger.context_text(context.sha256)?, context.text);
    let unset = GovernanceRows::default().context_set();
    assert_eq!(Ledger::in_memory()?.context_text(unset.sha256)?, unset.text);
    assert_eq!(ledger.audit_history()?.problems, [""; 0]);
    Ok(())
}

#[test]
fn an_edit_behind_the_history_is_found() -> Tested {
    let edits = [
        "UPDATE policy_values SET value_json = '1000' WHERE number = 1",
        "INSERT INTO policy_values VALUES (9, 'disabled', 'false', 'eve', '2026-11-30T00:00:00.000Z')",
        "DELETE FROM policy_values",
        "UPDATE capability_grants SET granted = 1",
        "INSERT INTO capability_grants VALUES (9, 'agent', 'promote_skill', 1, 'eve', '2026-11-30T00:00:00.000Z')",
        "DELETE FROM capability_grants",
    ];
    for edit in edits {
        let ledger = Ledger::in_memory()?;
        ledger.set_policy(&[("rate_limit_per_minute".to_owned(), Some("60".to_owned()))], decided()?)?;
        ledger.set_grant(&NewGrant { actor: "agent", capability: "run_skill", granted: false }, decided()?)?;
        ledger.conn.execute(edit, [])?;
        let refused = ledger.governance().map_or_else(|error| error.to_string(), |_| String::new());
        assert!(refused.contains("changed outside of Kavi"), "{edit}: {refused}");
        assert!(ledger.check_trust(None).is_err(), "{edit}: a run would begin ({POLICY_PART})");
        assert!(!ledger.audit_history()?.problems.is_empty(), "{edit}");
    }
    let edits = [
        "UPDATE role_charters SET content_md = 'Three' WHERE version = 2",
        "UPDATE role_charters SET content_hash = 'x' WHERE version = 2",
        "UPDATE role_charters SET content_md = NULL WHERE version = 2",
        "UPDATE role_charters SET active = 0",
        "UPDATE role_charters SET active = 1 - active WHERE version = 1 OR active = 1 AND version = 3",
        "DELETE FROM role_charters WHERE version = 2",
    ];
    for edit in edits {
        let ledger = Ledger::in_memory()?;
        ledger.set_charter(&charter("one"), decided()?)?;
        ledger.set_charter(&charter("two"), decided()?)?;
        if edit.contains("1 - active") {
            // Two active ones: the index that forbids them has to go first.
            ledger.conn.execute("DROP INDEX role_charters_active", [])?;
        }
        ledger.conn.execute(edit, [])?;
        if edit.contains("1 - active") {
            assert!(ledger.governance().is_err(), "a ledger without the index is refused");
            continue;
        }
        // The person's own runs go on: only what needs a charter is refused, with its own error.
        assert!(ledger.check_trust(None).is_ok(), "{edit}");
        assert!(ledger.governance()?.charter_problem.is_some(), "{edit}");
    }
    Ok(())
}
