use super::*;

type Tested = Result<(), Box<dyn std::error::Error>>;

fn at() -> Timestamp {
    Timestamp::from_millis(0).unwrap_or_else(|_| unreachable!("1970 is a year"))
}

fn ledger() -> Result<(tempfile::TempDir, Ledger), Box<dyn std::error::Error>> {
    let folder = tempfile::tempdir()?;
    let ledger = Ledger::open(&folder.path().join("ledger.db"), super::super::Create::IfMissing)?;
    Ok((folder, ledger))
}

#[test]
fn turns_are_kept_and_the_newest_holds() -> Tested {
    let (_folder, ledger) = ledger()?;
    assert!(ledger.authorize().is_ok());
    assert!(matches!(ledger.resume("ada", at()), Err(LedgerError::NotStopped)));
    ledger.stop("ada", "it smells", at())?;
    ledger.stop("bob", "it burns", at())?;
    let stopped = ledger.authorize();
    assert!(matches!(&stopped, Err(Stopped::By(event)) if event.by == "bob" && event.number == 3), "{stopped:?}");
    ledger.resume("ada", at())?;
    assert!(ledger.authorize().is_ok());
    let turns = ledger.switch_turns()?;
    assert_eq!(turns.iter().map(|event| event.by.as_str()).collect::<Vec<_>>(), ["kavi", "ada", "bob", "ada"]);
    Ok(())
}

#[test]
fn work_that_began_before_a_stop_is_over_also_when_it_was_resumed_at_once() -> Tested {
    let (_folder, ledger) = ledger()?;
    let authorization = ledger.authorize()?;
    let watch = ledger.watch(authorization);
    assert_eq!(watch.look(), Ok(()));
    ledger.stop("ada", "it smells", at())?;
    ledger.resume("ada", at())?;
    let halted = watch.look();
    assert!(matches!(&halted, Err(Halt::Stopped(Stopped::By(event))) if event.number == 2), "{halted:?}");
    assert_eq!(watch.look(), halted);
    assert_eq!(ledger.watch(ledger.authorize()?).look(), Ok(()));
    Ok(())
}

#[test]
fn a_stop_holds_although_another_process_holds_the_ledger() -> Tested {
    let (folder, ledger) = ledger()?;
    ledger.conn.busy_timeout(Duration::ZERO)?;
    let watch = ledger.watch(ledger.authorize()?);
    let other = Connection::open(folder.path().join("ledger.db"))?;
    other.execute_batch("BEGIN IMMEDIATE")?;
    let stopped = ledger.stop("ada", "it smells", at());
    assert!(matches!(&stopped, Err(LedgerError::Unrecorded(_))), "{stopped:?}");
    assert!(ledger.authorize().is_err() && watch.look().is_err());
    other.execute_batch("ROLLBACK")?;
    assert!(ledger.authorize().is_err(), "nobody let it run again");
    ledger.resume("ada", at())?;
    assert!(ledger.authorize().is_ok());
    ledger.stop("ada", "it smells", at())?;
    assert!(!folder.path().join(MARK).exists(), "what is recorded needs no mark");
    Ok(())
}

type Meanwhile = Box<dyn FnOnce()>;

thread_local! {
    static MEANWHILE: std::cell::RefCell<Option<Meanwhile>> = const { std::cell::RefCell::new(None) };
}

/// Another process holds the ledger, leaves a mark of its own, and lets go of the ledger while this one waits for it.
fn another_stop_meanwhile(folder: &std::path::Path, ledger: &mut Ledger) -> Tested {
    let other = Connection::open(folder.join("ledger.db"))?;
    other.execute_batch("BEGIN IMMEDIATE")?;
    let mark = StopMark::of(&other).ok_or("no mark")?;
    let meanwhile: Meanwhile = Box::new(move || {
        assert!(mark.put("bob", "it burns").is_some());
        assert!(other.execute_batch("ROLLBACK").is_ok());
    });
    MEANWHILE.set(Some(meanwhile));
    ledger.conn.busy_handler(Some(|_| MEANWHILE.take().map(|meanwhile| meanwhile()).is_some()))?;
    Ok(())
}

#[test]
fn a_stop_that_comes_while_another_is_lifted_is_not_lifted() -> Tested {
    for first_is_recorded in [true, false] {
        let (folder, mut ledger) = ledger()?;
        ledger.stop("ada", "it smells", at())?;
        if !first_is_recorded {
            assert!(StopMark::of(&ledger.conn).and_then(|mark| mark.put("ada", "it smells more")).is_some());
        }
        another_stop_meanwhile(folder.path(), &mut ledger)?;
        let resumed = ledger.resume("ada", at());
        assert!(matches!(&resumed, Err(LedgerError::StoppedAgain)), "{resumed:?}");
        let stopped = ledger.authorize();
        assert!(matches!(&stopped, Err(Stopped::Unreadable(why)) if why.contains("it burns")), "{stopped:?}");
        ledger.resume("ada", at())?;
        assert!(ledger.authorize().is_ok());
    }
    Ok(())
}

#[test]
fn a_stop_that_is_recorded_leaves_the_mark_of_another_one() -> Tested {
    let (folder, mut ledger) = ledger()?;
    another_stop_meanwhile(folder.path(), &mut ledger)?;
    ledger.stop("ada", "it smells", at())?;
    let stopped = ledger.authorize();
    assert!(matches!(&stopped, Err(Stopped::Unreadable(why)) if why.contains("it burns")), "{stopped:?}");
    Ok(())
}

#[test]
fn a_mark_that_went_before_the_ledger_failed_is_made_again() -> Tested {
    let (folder, mut ledger) = ledger()?;
    let other = Connection::open(folder.path().join("ledger.db"))?;
    other.execute_batch("BEGIN IMMEDIATE")?;
    let mark = folder.path().join(MARK);
    MEANWHILE.set(Some(Box::new(move || assert!(std::fs::remove_file(mark).is_ok()))));
    ledger.conn.busy_handler(Some(|_| MEANWHILE.take().map(|meanwhile| meanwhile()).is_some()))?;
    let stopped = ledger.stop("ada", "it smells", at());
    assert!(matches!(&stopped, Err(LedgerError::Unrecorded(_))), "{stopped:?}");
    assert!(ledger.authorize().is_err());
    Ok(())
}

/// Each of these is done to a ledger whose switch says RUNNING.
const UNREADABLE: &[&str] = &[
    "DELETE FROM switch_turns",
    "DROP TABLE switch_turns",
    "PRAGMA ignore_check_constraints = ON; UPDATE switch_turns SET position = 'running'",
    "PRAGMA ignore_check_constraints = ON; UPDATE switch_turns SET position = ''",
    "UPDATE switch_turns SET created_at = 'yesterday'",
    "ALTER TABLE switch_turns RENAME COLUMN position TO place",
    "DROP TABLE switch_turns; CREATE TABLE switch_turns (number, position, turned_by, why, created_at);
     INSERT INTO switch_turns VALUES (1, x'52554e4e494e47ff', 'ada', NULL, '2026-11-20T00:00:00.000Z')",
    "DROP TABLE switch_turns; CREATE TABLE switch_turns (number, position, turned_by, why, created_at);
     INSERT INTO switch_turns VALUES ('one', 'RUNNING', 'ada', NULL, '2026-11-20T00:00:00.000Z')",
];

#[test]
fn a_switch_that_cannot_be_read_is_a_stop() -> Tested {
    for harm in UNREADABLE {
        let (_folder, ledger) = ledger()?;
        let watch = ledger.watch(ledger.authorize()?);
        ledger.conn.execute_batch(harm)?;
        assert!(matches!(ledger.authorize(), Err(Stopped::Unreadable(_))), "{harm}");
        assert!(matches!(watch.look(), Err(Halt::Stopped(Stopped::Unreadable(_)))), "{harm}");
    }
    Ok(())
}

#[test]
fn a_ledger_that_is_gone_or_no_ledger_any_more_is_a_stop() -> Tested {
    type Harm = fn(&std::path::Path) -> std::io::Result<()>;
    let harms: [Harm; 4] = [
        |path| std::fs::remove_file(path),
        |path| std::fs::rename(path, path.with_extension("old")),
        |path| std::fs::write(path, "not a database at all, but long enough to be one of a hundred bytes or more"),
        |path| std::fs::remove_file(path).and_then(|()| std::os::unix::fs::symlink("/dev/null", path)),
    ];
    for (number, harm) in harms.iter().enumerate() {
        let (folder, ledger) = ledger()?;
        let watch = ledger.watch(ledger.authorize()?);
        assert_eq!(watch.look(), Ok(()));
        // What is still in the log beside the file would be read from there.
        ledger.conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
        harm(&folder.path().join("ledger.db"))?;
        assert!(matches!(watch.look(), Err(Halt::Stopped(Stopped::Unreadable(_)))), "harm {number}");
    }
    Ok(())
}
