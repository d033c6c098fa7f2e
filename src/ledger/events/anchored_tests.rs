//! What the head outside the ledger shows: copies, forks, adoptions, and a ledger that it may lag.

use super::*;

#[test]
fn an_older_copy_a_fork_and_a_missing_head_are_refused_until_a_person_adopts() -> Done {
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name);
    let anchor = MemoryAnchor::new(1);
    let open =
        |name: &str| -> Made<Ledger> { Ok(Ledger::open(&path(name), Create::IfMissing)?.with_anchor(anchor.clone())) };
    let copy = |from: &str, to: &str| -> Done {
        rusqlite::Connection::open(path(from))?.execute("VACUUM INTO ?1", [path(to).to_string_lossy()])?;
        Ok(())
    };
    let ledger = open("ledger.db")?;
    ledger.name_key(at(0)?)?;
    trust(&ledger, "one", 1)?;
    copy("ledger.db", "yesterday.db")?;
    ledger.revoke(&name("one")?, None, &request(2, Some("smells"))?)?;
    copy("ledger.db", "today.db")?;
    let head = anchor.head()?;

    let says = |ledger: &Ledger, what: &str| -> Done {
        let refused = ledger.trusted(&name("one")?);
        assert!(matches!(&refused, Err(LedgerError::Anchor(why)) if why.contains(what)), "{what}: {refused:?}");
        assert!(ledger.stop("ada", "a look", at(3)?).is_err(), "nothing is signed on it");
        Ok(())
    };
    says(&open("yesterday.db")?, "older than its head")?;
    // A new ledger with the same name has no checkpoint that the head could be the next of.
    says(&open("new.db")?, "another ledger was put in its place")?;
    *lock(&anchor.head) = None;
    says(&open("today.db")?, "the head of this ledger is missing")?;
    // The same key, another history of the same length.
    let fork = open("yesterday.db")?;
    *lock(&anchor.head) = texts(&fork.conn, "SELECT note FROM checkpoints ORDER BY size DESC LIMIT 1")?.pop();
    fork.revoke(&name("one")?, None, &request(4, Some("another reason"))?)?;
    *lock(&anchor.head) = head.clone();
    says(&fork, "fork")?;
    assert!(ledger.trusted(&name("one")?)?.is_none(), "the newest copy is the newest copy");

    let own = MemoryAnchor::new(2);
    let adoption = Adoption { workspace: &"a".repeat(32), anchor: own.as_ref(), why: "the other one is lost" };
    own.advance(&fork.adopt(&adoption, Decided { by: "ada", at: at(5)? })?)?;
    let fork = Ledger::open(&path("yesterday.db"), Create::Never)?.with_anchor(own.clone());
    assert_eq!(fork.workspace_id()?, "a".repeat(32));
    assert!(ledger.trusted(&name("one")?)?.is_none(), "the other copy stays what it is");
    assert!(fork.trusted(&name("one")?)?.is_none());
    trust(&fork, "two", 6)?;
    assert_eq!(fork.audit_history()?.problems, [""; 0]);
    Ok(())
}

/// The adoption covers what was verified and held before it, and no edit of that.
#[test]
fn what_was_reported_before_an_adoption_can_be_decided_after_it() -> Done {
    let folder = tempfile::tempdir()?;
    let ledger = Ledger::open(&folder.path().join("ledger.db"), Create::IfMissing)?.with_anchor(MemoryAnchor::new(1));
    ledger.name_key(at(0)?)?;
    let proposal = propose(&ledger, "before", 7)?;
    let (verification, component) = verified(&ledger, proposal, 7)?;
    let held = run(&ledger, 8, true)?;
    let other = MemoryAnchor::new(3);
    let adoption = Adoption { workspace: &"b".repeat(32), anchor: other.as_ref(), why: "a new machine" };
    other.advance(&ledger.adopt(&adoption, Decided { by: "ada", at: at(9)? })?)?;
    let ledger = ledger.reopen()?.with_anchor(other);
    unlocked(&ledger)?;
    let report_counts = |ledger: &Ledger| {
        state::check_subject(&ledger.conn, ledger.anchor.as_deref(), &verification, Some(EventKind::Verification))
            .is_ok()
    };
    let report = format!("WHERE kind = 'verification' AND subject = '{verification}'");
    let edits = [
        format!("UPDATE history SET body = replace(body, 'own', 'none') {report}"),
        format!("UPDATE history SET body = replace(body, 'own', 'none'), leaf = zeroblob(32) {report}"),
        "UPDATE history SET body = replace(body, 'a new machine', 'nothing') WHERE kind = 'adopted'".to_owned(),
        "UPDATE verifications SET confinement = 'none'".to_owned(),
    ];
    for sql in edits {
        assert_eq!(edited(&ledger, &sql, report_counts)?, Some(false), "{sql}");
    }
    ledger.promote(proposal, verification, component, &Narrowed::default(), &request(10, None)?)?;
    ledger.approve_commit(held.id, Decided { by: "ada", at: at(11)? }, Deadlines::Count, &[])?;
    assert_eq!(ledger.audit_history()?.problems, [""; 0]);
    Ok(())
}

#[test]
fn several_decisions_of_one_transaction_have_a_checkpoint_each() -> Done {
    let anchor = MemoryAnchor::new(1);
    let ledger = Ledger::in_memory()?.with_anchor(anchor.clone());
    ledger.name_key(at(0)?)?;
    let mut subjects = Vec::new();
    let limits = Narrowed::default();
    for skill in ["one", "two", "three"] {
        let id = propose(&ledger, skill, 1)?;
        let (verification, component) = verified(&ledger, id, 2)?;
        let request = request(3, None)?;
        subjects.push(PromotionSubject {
            id,
            verification,
            component,
            limits: &limits,
            request,
            statements: Vec::new(),
        });
    }
    assert_eq!(ledger.promote_all(&subjects)?.len(), 3);
    assert!(ledger.trusted(&name("two")?)?.is_some());
    ledger.revoke(&name("three")?, None, &request(4, Some("smells"))?)?;
    assert_eq!(ledger.audit_history()?.problems, [""; 0]);
    Ok(())
}

#[test]
fn held_runs_that_are_recorded_together_have_a_checkpoint_each() -> Done {
    let anchor = MemoryAnchor::new(1);
    let ledger = Ledger::in_memory()?.with_anchor(anchor.clone());
    ledger.name_key(at(0)?)?;
    let count = || ledger.conn.query_row("SELECT count(*) FROM checkpoints", [], |row| row.get::<_, u64>(0));
    let before = count()?;
    let when = at(1)?;
    crate::ledger::write_transaction::write(&ledger, |tx| {
        for subject in ["one", "two"] {
            append(tx, &NewEvent::new(EventKind::Held, &subject, when))?;
        }
        Ok(())
    })?;
    assert_eq!(count()?, before + 2);
    Ok(())
}

#[test]
fn a_head_may_lag_the_ledger() -> Done {
    let anchor = MemoryAnchor::new(1);
    let ledger = Ledger::in_memory()?.with_anchor(anchor.clone());
    ledger.name_key(at(0)?)?;
    let first = anchor.head()?;
    trust(&ledger, "one", 1)?;
    // A crash after the commit and before the head.
    *lock(&anchor.head) = first;
    assert!(ledger.trusted(&name("one")?)?.is_some());
    trust(&ledger, "two", 2)?;
    assert_eq!(ledger.audit_history()?.problems, [""; 0]);
    Ok(())
}

#[test]
fn runs_are_signed_from_time_to_time_and_a_refused_one_leaves_no_gap() -> Done {
    let ledger = Ledger::in_memory()?.with_anchor(MemoryAnchor::new(1));
    ledger.name_key(at(0)?)?;
    let signed = || Ok::<_, LedgerError>(ledger.count_events()?.signed);
    let before = signed()?;
    for _ in 0..5 {
        ledger.insert_execution(&record(10)?)?;
    }
    assert_eq!(signed()?, before);
    ledger.insert_execution(&record(70)?)?;
    assert_eq!(signed()?, before + 6, "a minute has passed");
    let wanted = record(71)?;
    ledger.insert_execution(&wanted)?;
    assert!(ledger.insert_execution(&wanted).is_err());
    ledger.write(|tx| {
        let step = crate::ledger::executions::RecordStep::insert(&wanted)?;
        assert!(tx.attempt(|tx| step.apply(tx))?.is_err());
        let good = record(72).map_err(|error| LedgerError::BadValue(error.to_string()))?;
        tx.attempt(|tx| crate::ledger::executions::RecordStep::insert(&good)?.apply(tx))?
    })?;
    for _ in 0..1_000 {
        ledger.insert_execution(&record(73)?)?;
    }
    assert!(signed()? > before + 900);
    assert_eq!(ledger.audit_history()?.problems, [""; 0]);
    Ok(())
}

#[test]
fn a_ledger_from_before_the_history_is_taken_over_as_it_is_found() -> Done {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("ledger.db");
    let ledger = Ledger::open(&path, Create::IfMissing)?;
    assert_eq!(ledger.taken_over()?, None);
    let id = ledger.workspace_id()?;
    eventful(&ledger)?;
    let proposal = propose(&ledger, "six", 40)?;
    let (verification, component) = verified(&ledger, proposal, 40)?;
    let held = run(&ledger, 41, true)?;
    // As a kavi before the history left it.
    ledger.conn.execute_batch("DELETE FROM history; DELETE FROM trust_state; DELETE FROM checkpoints")?;
    drop(ledger);
    let ledger = Ledger::open(&path, Create::Never)?.with_anchor(MemoryAnchor::new(1));
    assert!(ledger.taken_over()?.is_some() && ledger.workspace_id()? != id);
    ledger.name_key(at(60)?)?;
    let audit = ledger.audit_history()?;
    assert_eq!(audit.problems, [""; 0], "what an earlier prune took has no event that could be pruned");
    assert!(ledger.trusted(&name("one")?)?.is_some());
    // What waited for a person can still be decided, as it was found.
    let edit = "UPDATE verifications SET sdk_sha256 = lower(hex(zeroblob(32)))";
    let promote = |ledger: &Ledger| {
        let request = request(61, None).map_err(|error| LedgerError::BadValue(error.to_string()))?;
        ledger.promote(proposal, verification, component, &Narrowed::default(), &request)
    };
    let refused = edited(&ledger, edit, |ledger| {
        state::check_subject(&ledger.conn, ledger.anchor.as_deref(), &verification, Some(EventKind::Verification))
    })?;
    assert!(matches!(&refused, Some(Err(LedgerError::Tampered(why))) if why.contains("taken-over")), "{refused:?}");
    promote(&ledger)?;
    assert_eq!(ledger.commit_difference(held.id)?, None);
    ledger.approve_commit(held.id, Decided { by: "ada", at: at(62)? }, Deadlines::Count, &[])?;
    assert_eq!(ledger.audit_history()?.problems, [""; 0]);
    ledger.conn.execute_batch("UPDATE skill_proposals SET component_sha256 = lower(hex(zeroblob(32))) WHERE name = 'one' AND status = 'TRUSTED'")?;
    let refused = ledger.trusted(&name("one")?);
    assert!(matches!(&refused, Err(LedgerError::Tampered(why)) if why.contains("taken-over")), "{refused:?}");
    Ok(())
}

/// Another program appends an event between a check and the signature. What is signed then would be believed.
#[test]
fn no_checkpoint_is_signed_over_an_event_that_another_program_appended() -> Done {
    let forged = || -> Made<Ledger> {
        let ledger = anchored()?;
        unlocked(&ledger)?;
        assert!(ledger.sign_tail()?);
        ledger.insert_execution(&record(15)?)?;
        Ok(ledger)
    };
    let refused = |what: &str, ledger: &Ledger| -> Done {
        let signed = ledger.sign_tail();
        assert!(matches!(signed, Err(LedgerError::Tampered(_))), "{what}: {signed:?}");
        let proposed = propose(ledger, "nine", 40);
        assert!(proposed.is_err(), "{what}: a report signed it");
        Ok(())
    };
    let ledger = forged()?;
    ledger.conn.execute_batch("UPDATE skill_proposals SET status = 'TRUSTED' WHERE name = 'three'")?;
    let state = state::found(&ledger.conn)?;
    for (key, leaf) in state.leaves() {
        ledger.conn.execute("UPDATE trust_state SET leaf = ?2 WHERE key = ?1", params![key, leaf])?;
    }
    forge(&ledger, EventKind::Promotion, "three", Some(state.digest()))?;
    refused("a decision", &ledger)?;
    let ledger = forged()?;
    forge(&ledger, EventKind::Verification, "x", None)?;
    refused("a report", &ledger)?;
    // The leaf of a decision under the bytes of a run, which are put back after the signature. Without any bytes nothing is signed.
    let planted = |body: &str| -> Made<Ledger> {
        let ledger = forged()?;
        let sql = format!(
            "INSERT INTO history SELECT position + 1, kind, decides, subject, {body}, zeroblob(32), chain FROM history
                 ORDER BY position DESC LIMIT 1"
        );
        ledger.conn.execute(&sql, [])?;
        Ok(ledger)
    };
    refused("another leaf", &planted("body")?)?;
    let ledger = planted("NULL")?;
    let _ = ledger.sign_tail();
    let counts = ledger.count_events()?;
    assert!(counts.signed < counts.events, "{counts:?}: a leaf without bytes was signed");
    // What Kavi itself left unsigned is signed.
    assert!(forged()?.sign_tail()?);
    Ok(())
}
