//! The switch of an instrumented program: a number, which the host sets in the environment of the program.
//!
//! Every insertion asks for the number and does nothing unless it is its own. 0 is off.
//!
//! Guarantees: only inserted code reads the switch. The policy gate refuses the environment to a skill and to its tests, and
//! a component that is not instrumented is given none. A report of a branch carries a mark that is drawn for every
//! verification, so nothing else that a program prints is taken for one.

use std::collections::{BTreeMap, BTreeSet};

/// The variable of the environment that holds the number.
const SWITCH: &str = "KAVI_SWITCH";
/// The variable that holds the mark of the counters. Without it nothing is counted.
const MARK: &str = "KAVI_MARK";
/// The variable that holds the number of the call, for a program that answers the calls of a test: each call is a new instance.
const CALL: &str = "KAVI_CALL";
/// The size of the table of branches in a counted program.
pub(crate) const MOST_BRANCHES: usize = 8_192;
/// Most values of one branch that are kept: as many as a table that is told apart has elements.
const MOST_VALUES: usize = 64;

/// The environment in which the switch is on `number`, and nothing is counted.
pub(crate) fn environment(number: u32) -> Vec<(String, String)> {
    vec![(SWITCH.to_owned(), number.to_string())]
}

/// The environment in which the switch is off, and each branch reports its first time with this mark.
pub(crate) fn counting(mark: &str) -> Vec<(String, String)> {
    vec![(SWITCH.to_owned(), "0".to_owned()), (MARK.to_owned(), mark.to_owned())]
}

/// The same environment for this call of a test.
pub(crate) fn of_call(environment: &[(String, String)], number: u64) -> Vec<(String, String)> {
    let mut environment = environment.to_vec();
    environment.push((CALL.to_owned(), number.to_string()));
    environment
}

/// What a program reported with this mark, and the rest of what it printed.
pub(crate) fn counted(stderr: &[u8], mark: &str) -> CountedOutput {
    let mut output = CountedOutput::default();
    let text = String::from_utf8_lossy(stderr);
    let mut parts = text.split(mark);
    output.rest.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (report, rest) = part.split_once(';').unwrap_or((part, ""));
        match report.split_once('=') {
            None => output.taken.branches.extend(report.parse::<u32>()),
            Some((number, value)) => {
                if let (Ok(number), Ok(value)) = (number.parse::<u32>(), value.parse::<u64>()) {
                    output.taken.add(number, value);
                }
            }
        }
        output.rest.push_str(rest);
    }
    output
}

/// What a counted program printed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct CountedOutput {
    /// What it took.
    pub(crate) taken: Taken,
    /// What else it printed.
    pub(crate) rest: String,
}

/// The branches that runs took, and the values that they chose by.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) branches: BTreeSet<u32>,
    /// By the number of the branch. Not all of them, but more than one if there was more than one.
    pub(crate) values: BTreeMap<u32, BTreeSet<u64>>,
}

impl Taken {
    fn add(&mut self, number: u32, value: u64) {
        let values = self.values.entry(number).or_default();
        if values.len() < MOST_VALUES {
            values.insert(value);
        }
    }

    /// Adds what other runs took.
    pub(crate) fn extend(&mut self, other: &Self) {
        self.branches.extend(&other.branches);
        for (number, values) in &other.values {
            values.iter().for_each(|value| self.add(*number, *value));
        }
    }
}

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
/// The first change of a text. The others follow.
pub(super) const FIRST_TEXT: u32 = 1_000_000;

/// The module that every instrumented program gets: it reads the switch.
pub(super) const SUPPORT: &str = concat!(
    "\nmod __kavi { ",
    "pub(crate) fn on(number: u64) -> bool { ",
    "static SWITCH: ::std::sync::OnceLock<u64> = ::std::sync::OnceLock::new(); ",
    "*SWITCH.get_or_init(|| ::std::env::var(\"KAVI_SWITCH\").ok().and_then(|number| number.parse().ok())",
    ".unwrap_or(0)) == number } ",
    "pub(crate) fn hit(branch: usize) { ",
    "static TAKEN: [::std::sync::atomic::AtomicBool; 8192] = ",
    "[const { ::std::sync::atomic::AtomicBool::new(false) }; 8192]; ",
    "static MARK: ::std::sync::OnceLock<::std::string::String> = ::std::sync::OnceLock::new(); ",
    "let Some(taken) = TAKEN.get(branch) else { return }; ",
    "if taken.swap(true, ::std::sync::atomic::Ordering::Relaxed) { return } ",
    "let mark = MARK.get_or_init(|| ::std::env::var(\"KAVI_MARK\").unwrap_or_default()); ",
    "if !mark.is_empty() { let _ = ::std::io::Write::write_all(&mut ::std::io::stderr(), ",
    "::std::format!(\"{mark}{branch};\").as_bytes()); } } ",
    "fn report(branch: usize, value: u64) { ",
    "let mark = ::std::env::var(\"KAVI_MARK\").unwrap_or_default(); ",
    "if !mark.is_empty() { let _ = ::std::io::Write::write_all(&mut ::std::io::stderr(), ",
    "::std::format!(\"{mark}{branch}={value};\").as_bytes()); } } ",
    // Reports the first value, and the first other one.
    "fn saw(branch: usize, value: u64) { ",
    "static FIRST: [::std::sync::atomic::AtomicU64; 8192] = ",
    "[const { ::std::sync::atomic::AtomicU64::new(0) }; 8192]; ",
    "static COUNT: [::std::sync::atomic::AtomicU8; 8192] = ",
    "[const { ::std::sync::atomic::AtomicU8::new(0) }; 8192]; ",
    "let (Some(first), Some(count)) = (FIRST.get(branch), COUNT.get(branch)) else { return }; ",
    "let order = ::std::sync::atomic::Ordering::Relaxed; ",
    "match count.load(order) { 0 => { first.store(value, order); } ",
    "1 if first.load(order) != value => {} _ => return } ",
    "count.fetch_add(1, order); report(branch, value) } ",
    // Reports each value up to 63.
    "fn picked(branch: usize, value: u64) { ",
    "static PICKED: [::std::sync::atomic::AtomicU64; 8192] = ",
    "[const { ::std::sync::atomic::AtomicU64::new(0) }; 8192]; ",
    "let Some(seen) = PICKED.get(branch).filter(|_| value < 64) else { return }; ",
    "let bit = 1_u64 << value; ",
    "if seen.fetch_or(bit, ::std::sync::atomic::Ordering::Relaxed) & bit == 0 { report(branch, value) } } ",
    "pub(crate) struct Look<'a, T>(pub(crate) &'a T); ",
    "pub(crate) trait Known { fn number(&self) -> u64; ",
    "fn look(&self, branch: usize) { saw(branch, self.number()) } ",
    "fn pick(&self, branch: usize) { picked(branch, self.number()) } } ",
    // A type that is not known is found by one reference more, so it comes second.
    "pub(crate) trait Unknown { fn look(&self, _: usize) {} fn pick(&self, _: usize) {} } ",
    "impl<T> Unknown for &Look<'_, T> {} ",
    "macro_rules! known { ($($kind:ty),*) => { $(impl Known for Look<'_, $kind> { ",
    "fn number(&self) -> u64 { *self.0 as u64 } })* } } ",
    "known!(bool, char, u8, u16, u32, u64, u128, usize, i8, i16, i32, i64, i128, isize); ",
    "impl<T> Known for Look<'_, ::core::option::Option<T>> { fn number(&self) -> u64 { u64::from(self.0.is_some()) } } ",
    "impl<T, E> Known for Look<'_, ::core::result::Result<T, E>> { fn number(&self) -> u64 { u64::from(self.0.is_ok()) } } ",
    "impl Known for Look<'_, ::core::ops::Range<usize>> { ",
    "fn number(&self) -> u64 { (self.0.start as u64).wrapping_mul(1_000_003).wrapping_add(self.0.end as u64) } } ",
    "impl Known for Look<'_, ::core::ops::RangeFrom<usize>> { fn number(&self) -> u64 { self.0.start as u64 } } ",
    "impl Known for Look<'_, ::core::ops::RangeTo<usize>> { fn number(&self) -> u64 { self.0.end as u64 } } ",
    "pub(crate) fn took(branch: usize, value: bool) -> bool { hit(branch + usize::from(!value)); value } ",
    "pub(crate) trait Exits { fn exits(&self) -> bool; } ",
    "impl<T> Exits for ::core::option::Option<T> { fn exits(&self) -> bool { self.is_none() } } ",
    "impl<T, E> Exits for ::core::result::Result<T, E> { fn exits(&self) -> bool { self.is_err() } } ",
    "impl<B, C> Exits for ::core::ops::ControlFlow<B, C> { fn exits(&self) -> bool { self.is_break() } } ",
    "pub(crate) fn tried<T: Exits>(branch: usize, value: T) -> T { if value.exits() { hit(branch) } value } ",
    "pub(crate) fn flip(number: u64, value: bool) -> bool { value != on(number) } ",
    "#[cfg(test)] pub(crate) fn answer(got: ::core::result::Result<::kavi_sdk::Value, ::kavi_sdk::SkillError>) ",
    "-> ::core::result::Result<::kavi_sdk::Value, ::kavi_sdk::SkillError> { ",
    "if on(5) { ::core::result::Result::Ok(::kavi_sdk::Value::String(word())) } else { got } } ",
    // A new word each time, also in the next instance, so that a test which compares two outputs notices as well.
    "pub(crate) fn word() -> ::std::string::String { ",
    "static COUNT: ::std::sync::atomic::AtomicU64 = ::std::sync::atomic::AtomicU64::new(0); ",
    "let call = ::std::env::var(\"KAVI_CALL\").unwrap_or_default(); ",
    "::std::format!(\"kavi {call} {}\", COUNT.fetch_add(1, ::std::sync::atomic::Ordering::Relaxed)) } }\n"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_reports_with_the_mark_count() {
        let output = counted(b"m3f1;thread panicked\nm3f22;m3fx;m3f7=0;m3f7=9;m4f5;", "m3f");
        assert_eq!(output.taken.branches, [1, 22].into());
        assert_eq!(output.taken.values, [(7, [0, 9].into())].into());
        assert_eq!(output.rest, "thread panicked\nm4f5;");
    }

    #[test]
    fn the_guest_reads_the_switch_that_the_host_sets() {
        assert!(SUPPORT.contains(SWITCH) && SUPPORT.contains(MARK) && SUPPORT.contains(CALL));
        assert!(SUPPORT.contains(&format!("{MOST_BRANCHES}]")));
        assert!(SUPPORT.contains("on(5)") && CALLS_SUCCEED == 5);
    }
}
