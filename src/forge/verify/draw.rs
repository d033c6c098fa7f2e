//! What a verification draws: the clock and the seed of every run, the inputs, the texts of its vaults.
//!
//! Everything follows from the id of the verification, which is random. So a guest cannot recognise a check by its clock or by
//! the order of a hash map, and the record of a verification is enough to repeat it.
//!
//! Guarantees: the same id and the same start give the same draws. Deliberately never: gives two runs of different purposes the
//! same seed.

use crate::model::{digest::Digest, execution::Determinism, id::VerificationId, time::Timestamp};

const SECOND_MS: i64 = 1_000;
const DAY_MS: i64 = 86_400 * SECOND_MS;
/// Times are drawn from 2001 up to 2101. Runs are recorded within that span.
const FIRST_YEAR: u64 = 2001;
const YEARS: u64 = 100;

/// The source of everything that one verification draws.
#[derive(Debug, Clone)]
pub(super) struct Draw {
    root: [u8; 32],
    today: Timestamp,
}

impl Draw {
    /// The draws of the verification with this id, which started at `today`.
    pub(super) fn new(id: VerificationId, today: Timestamp) -> Self {
        let root = *Digest::of(&[b"kavi verification 1 ".as_slice(), id.as_bytes()].concat()).as_bytes();
        Self { root, today }
    }

    fn bytes(&self, purpose: &str, number: u64) -> [u8; 32] {
        *Digest::of(&[&self.root, purpose.as_bytes(), &[0], &number.to_be_bytes()].concat()).as_bytes()
    }

    /// A number for one purpose.
    pub(super) fn roll(&self, purpose: &str, number: u64) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.bytes(purpose, number);
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    /// A seed for whoever draws by itself.
    pub(super) fn seed(&self, purpose: &str) -> [u8; 32] {
        self.bytes(purpose, 0)
    }

    /// The mark of what an instrumented program reports. No guest can guess it.
    pub(super) fn mark(&self) -> String {
        format!("<{:016x}>", self.roll("mark", 0))
    }

    /// The clock and the seed of one run.
    pub(super) fn determinism(&self, purpose: &str, number: u64) -> Determinism {
        Determinism { clock: self.moment(purpose, number), seed: self.bytes(purpose, number) }
    }

    /// A time at which a run may happen: around today, years ahead, at the ends of months and years, on leap days.
    pub(super) fn moment(&self, purpose: &str, number: u64) -> Timestamp {
        let roll = |salt: &str, below: u64| self.roll(&format!("{purpose} {salt}"), number) % below;
        let within = |span: u64| i64::try_from(roll("within", span)).unwrap_or(0);
        let near_today = |span_ms: i64| self.today.as_millis() - span_ms / 2 + within(span_ms.unsigned_abs());
        let (year, month) = (FIRST_YEAR + roll("year", YEARS), 1 + roll("month", 12));
        // A second before or a second after a boundary, or anywhere within a day.
        let at_boundary = [-SECOND_MS, 0, SECOND_MS][usize::try_from(roll("side", 3)).unwrap_or(0)];
        let millis = match roll("kind", 8) {
            0 | 1 => Some(near_today(6 * DAY_MS)),
            2 => Some(near_today(730 * DAY_MS)),
            3 => Some(self.today.as_millis() + DAY_MS * 365 + within(DAY_MS.unsigned_abs() * 365 * 30)),
            4 => day(year, month, 1).map(|start| start + at_boundary),
            5 => day(year, 1, 1).map(|start| start + at_boundary),
            6 => day(2004 + 4 * roll("leap", 24), 2, 29).map(|start| start + within(DAY_MS.unsigned_abs())),
            _ => day(year, month, 1).map(|start| start + within(28 * DAY_MS.unsigned_abs())),
        };
        let (first, last) = (day(FIRST_YEAR, 1, 2), day(FIRST_YEAR + YEARS, 1, 1));
        let millis = millis.map(|millis| millis.clamp(first.unwrap_or(millis), last.unwrap_or(millis)));
        millis.and_then(|millis| Timestamp::from_millis(millis).ok()).unwrap_or(self.today)
    }
}

/// The start of a day in milliseconds since 1970.
fn day(year: u64, month: u64, day: u64) -> Option<i64> {
    Timestamp::parse(&format!("{year:04}-{month:02}-{day:02}T00:00:00Z")).ok().map(Timestamp::as_millis)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::model::id::RandomIds;

    fn draw() -> Result<Draw, Box<dyn std::error::Error>> {
        Ok(Draw::new(VerificationId::new(&RandomIds), Timestamp::parse("2026-11-20T08:30:00Z")?))
    }

    #[test]
    fn no_two_verifications_and_no_two_runs_draw_the_same() -> Result<(), Box<dyn std::error::Error>> {
        let (one, other) = (draw()?, draw()?);
        assert_ne!(one.determinism("example", 0).seed, other.determinism("example", 0).seed);
        let seeds: BTreeSet<[u8; 32]> = (0..100).map(|number| one.determinism("example", number).seed).collect();
        assert_eq!(seeds.len(), 100);
        assert_ne!(one.determinism("a", 0).seed, one.determinism("b", 0).seed);
        assert_eq!(one.determinism("a", 7), one.clone().determinism("a", 7));
        Ok(())
    }

    #[test]
    fn moments_are_those_at_which_calendars_break() -> Result<(), Box<dyn std::error::Error>> {
        let draw = draw()?;
        let moments: Vec<String> = (0..2_000).map(|number| draw.moment("run", number).to_string()).collect();
        let some = |test: &dyn Fn(&str) -> bool| moments.iter().filter(|moment| test(moment)).count();
        assert!(some(&|moment| moment.starts_with("2026-11-")) > 100);
        assert!(some(&|moment| moment > "2028") > 300);
        assert!(some(&|moment| moment.contains("-02-29T")) > 50);
        assert!(some(&|moment| moment.contains("-12-31T23:59:59")) > 20);
        assert!(some(&|moment| moment.contains("-01-01T00:00:0")) > 20);
        assert!(some(&|moment| moment[8..].starts_with("01T00:00:0")) > 50);
        assert!(moments.iter().all(|moment| ("2001-01-01".."2101-01-02").contains(&moment.as_str())));
        Ok(())
    }
}
