//! The switch of an instrumented program: a number, which the host sets in the environment of the program.
//!
//! Every insertion asks for the number and does nothing unless it is its own. 0 is off.
//!
//! Guarantees: only inserted code reads the switch. The policy gate refuses the environment to a skill and to its tests, and
//! a component that is not instrumented is given none. A report of a branch carries a mark that is drawn for every
//! verification, so nothing else that a program prints is taken for one.

use std::collections::BTreeSet;

/// The variable of the environment that holds the number.
const SWITCH: &str = "KAVI_SWITCH";
/// The variable that holds the mark of the counters. Without it nothing is counted.
const MARK: &str = "KAVI_MARK";
/// The variable that holds the number of the call, for a program that answers the calls of a test: each call is a new instance.
const CALL: &str = "KAVI_CALL";
/// The size of the table of branches in a counted program.
pub(crate) const MOST_BRANCHES: usize = 8_192;

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
        let (number, rest) = part.split_once(';').unwrap_or((part, ""));
        output.taken.extend(number.parse::<u32>());
        output.rest.push_str(rest);
    }
    output
}

/// What a counted program printed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct CountedOutput {
    /// The branches that were taken.
    pub(crate) taken: BTreeSet<u32>,
    /// What else it printed.
    pub(crate) rest: String,
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
        let output = counted(b"m3f1;thread panicked\nm3f22;m3fx;m4f5;", "m3f");
        assert_eq!(output.taken, [1, 22].into());
        assert_eq!(output.rest, "thread panicked\nm4f5;");
    }

    #[test]
    fn the_guest_reads_the_switch_that_the_host_sets() {
        assert!(SUPPORT.contains(SWITCH) && SUPPORT.contains(MARK) && SUPPORT.contains(CALL));
        assert!(SUPPORT.contains(&format!("{MOST_BRANCHES}]")));
        assert!(SUPPORT.contains("on(5)") && CALLS_SUCCEED == 5);
    }
}
