//! The switch of an instrumented program: a number, which the host sets through the virtual clock.
//!
//! The program reads the clock once: the seconds after [`SWITCH_ZERO_MS`] are the number. Every insertion asks for the number
//! and does nothing unless it is its own. 0 is off. The clock is the only value that the host can give to a test program
//! and to a skill alike.
//!
//! Guarantees: the skill cannot read the switch. The policy gate refuses the clock of `std`, and the clock of the SDK shows one
//! fixed time for all of the year 2000.

/// 2000-01-01T00:00:00Z: the time at which the switch is off.
pub(crate) const SWITCH_ZERO_MS: i64 = 946_684_800_000;

/// The exported function returns an error at once.
pub(crate) const RUN_FAILS: u32 = 1;
/// Every other function of a simple type returns the empty value of that type at once.
pub(crate) const EMPTY_VALUES: u32 = 2;
/// Every other function of a simple type returns some other value at once.
pub(crate) const OTHER_VALUES: u32 = 3;
/// Every `if` takes the other branch.
pub(crate) const OTHER_BRANCHES: u32 = 4;
/// `kavi_sdk::testing::call` returns a meaningless output, another one each time.
pub(crate) const CALLS_SUCCEED: u32 = 5;
/// The first mutant. The others follow.
pub(super) const FIRST_MUTANT: u32 = 100;

/// The module that every instrumented program gets: it reads the switch.
pub(super) const SUPPORT: &str = concat!(
    "\nmod __kavi { ",
    "pub(crate) fn on(number: u64) -> bool { ",
    "static SWITCH: ::std::sync::OnceLock<u64> = ::std::sync::OnceLock::new(); ",
    "*SWITCH.get_or_init(|| ::std::time::SystemTime::now().duration_since(::std::time::UNIX_EPOCH)",
    ".map_or(0, |now| now.as_secs().wrapping_sub(946_684_800))) == number } ",
    "pub(crate) fn flip(number: u64, value: bool) -> bool { value != on(number) } ",
    "#[cfg(test)] pub(crate) fn answer(got: ::core::result::Result<::kavi_sdk::Value, ::kavi_sdk::SkillError>) ",
    "-> ::core::result::Result<::kavi_sdk::Value, ::kavi_sdk::SkillError> { ",
    "if on(5) { ::core::result::Result::Ok(::kavi_sdk::Value::String(word())) } else { got } } ",
    // A new word each time, so that a test which compares two outputs notices as well.
    "pub(crate) fn word() -> ::std::string::String { ",
    "static COUNT: ::std::sync::atomic::AtomicU64 = ::std::sync::atomic::AtomicU64::new(0); ",
    "::std::format!(\"kavi {}\", COUNT.fetch_add(1, ::std::sync::atomic::Ordering::Relaxed)) } }\n"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guest_reads_the_switch_that_the_host_sets() {
        assert!(SUPPORT.contains("946_684_800)") && SWITCH_ZERO_MS == 946_684_800_000);
        assert!(SUPPORT.contains("on(5)") && CALLS_SUCCEED == 5);
    }
}
