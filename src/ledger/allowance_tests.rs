use super::*;
use crate::model::time::Timestamp;

type Tested = Result<(), Box<dyn std::error::Error>>;

fn moment(wall_ms: i64, boot: u128, boot_ms: i64) -> Result<ClockMoment, Box<dyn std::error::Error>> {
    Ok(ClockMoment { wall: Timestamp::from_millis(1_800_000_000_000 + wall_ms)?, boot, boot_ms })
}

/// Uses one at a moment, and says whether one was left.
fn take_at(
    ledger: &Ledger,
    kind: AllowanceKind,
    most: u64,
    at: ClockMoment,
) -> Result<bool, Box<dyn std::error::Error>> {
    match ledger.write(|tx| take(tx, &Allowance { kind, most, at })) {
        Ok(()) => Ok(true),
        Err(LedgerError::OverLimit { key, most: said }) if key == kind.key() && said == most => Ok(false),
        Err(other) => Err(other.into()),
    }
}

#[test]
fn a_window_holds_no_more_than_its_limit_and_slides() -> Tested {
    let ledger = Ledger::in_memory()?;
    let take = |ms| take_at(&ledger, AllowanceKind::Run, 3, moment(ms, 1, ms)?);
    assert_eq!(
        [take(0)?, take(10_000)?, take(20_000)?, take(30_000)?, take(59_999)?],
        [true, true, true, false, false]
    );
    // The first one leaves the window after a minute, and no other.
    assert_eq!([take(60_000)?, take(60_001)?, take(70_000)?], [true, false, true]);
    // Another kind has a window of its own, and a limit of none allows none.
    assert!(take_at(&ledger, AllowanceKind::Override, 1, moment(70_000, 1, 70_000)?)?);
    assert!(!take_at(&ledger, AllowanceKind::Override, 1, moment(70_000 + 86_399_999, 1, 70_000 + 86_399_999)?)?);
    assert!(take_at(&ledger, AllowanceKind::Override, 1, moment(70_000 + 86_400_000, 1, 70_000 + 86_400_000)?)?);
    assert!(!take_at(&ledger, AllowanceKind::Override, 0, moment(900_000_000, 1, 900_000_000)?)?);
    Ok(())
}

#[test]
fn a_clock_that_is_set_refills_nothing() -> Tested {
    let ledger = Ledger::in_memory()?;
    let take = |wall, boot, boot_ms| take_at(&ledger, AllowanceKind::Run, 2, moment(wall, boot, boot_ms)?);
    assert!(take(0, 1, 0)? && take(1, 1, 1)?);
    let day = 24 * 60 * 60 * 1_000;
    for wall in [-day, -1, day, 365 * day] {
        assert!(!take(wall, 1, 2_000)?, "the wall clock was set by {wall} ms");
    }
    // After a restart there is only the wall clock. Set back, it stands still.
    assert!(!take(-day, 2, 0)? && !take(1, 2, 90_000)?);
    assert!(take(61_000, 2, 90_000)?, "a minute passed over the restart");
    Ok(())
}

#[test]
fn a_failure_is_noted_where_nothing_is_left() -> Tested {
    let ledger = Ledger::in_memory()?;
    let allowance = |ms| {
        Ok::<_, Box<dyn std::error::Error>>(Allowance { kind: AllowanceKind::Run, most: 1, at: moment(ms, 1, ms)? })
    };
    let first = allowance(0)?;
    ledger.check_allowance(&first)?;
    ledger.write(|tx| note(tx, &first))?;
    let later = allowance(59_000)?;
    assert!(ledger.check_allowance(&later).is_err());
    ledger.write(|tx| note(tx, &later))?;
    assert!(ledger.check_allowance(&allowance(61_000)?).is_err(), "the failure counts");
    assert!(ledger.check_allowance(&allowance(119_000)?).is_ok());
    Ok(())
}
