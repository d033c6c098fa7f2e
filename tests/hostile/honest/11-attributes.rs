//! The attributes that honest code has.
#![doc = "And documentation as an attribute: `#![allow(x)]` in it is text."]

use kavi_sdk::prelude::*;

/// Documented, with code in it:
///
/// ```
/// #[cfg(test)]
/// unsafe { std::fs::read("x") };
/// ```
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd, kavi_sdk::serde::Deserialize)]
#[serde(crate = "kavi_sdk::serde")]
#[repr(u8)]
#[non_exhaustive]
enum Level {
    #[default]
    Low = 1,
    /** High, in a block. */
    High = 5,
}

#[derive(Deserialize)]
struct Input {
    level: Level,
}

#[must_use]
#[derive(Serialize)]
struct Output {
    #[doc(alias = "weight")]
    value: u8,
}

#[inline]
#[must_use = "it only computes"]
const fn value(level: Level) -> u8 {
    level as u8
}

#[inline(never)]
#[cold]
#[track_caller]
fn fail(why: &str) -> SkillError {
    SkillError::failed(why)
}

#[deprecated(since = "0.2.0", note = "use `value`")]
#[doc(hidden)]
pub fn old() {}

#[rustfmt::skip]
const TABLE: [u8; 4] = [
    1, 0,
    0, 1,
];

fn run(input: Input) -> Result<Output, SkillError> {
    #[rustfmt::skip]
    let value = value(input.level);
    match TABLE.get(usize::from(value) % TABLE.len()) {
        Some(0) => Ok(Output { value }),
        Some(_) => Ok(Output { value: value << 1 }),
        None => Err(fail("the table is too short")),
    }
}

kavi_sdk::export_skill!(run);

/// Tests have documentation as well.
#[cfg(test)]
mod tests {
    use super::{Input, Level, run};

    /// One of them.
    #[test]
    fn levels_have_values() {
        let output = run(Input { level: Level::High }).unwrap();
        assert_eq!(output.value, 5);
    }

    mod deeper {
        use super::super::*;

        #[test]
        fn the_default_is_low() {
            assert_eq!(value(Level::default()), 1, "{:?}", Level::default());
        }
    }
}
