#![doc = include_str!("../README.md")]

#[cfg(target_family = "wasm")]
#[doc(hidden)]
#[allow(unsafe_code, reason = "generated: the only place that meets raw memory")]
#[allow(missing_docs, clippy::all, clippy::panic, clippy::unwrap_used, reason = "generated")]
pub mod bindings;
#[doc(hidden)]
pub mod call;
#[doc(hidden)]
pub mod characters;
pub mod clock;
mod error;
#[cfg(target_family = "wasm")]
mod export;
mod hash;
pub mod http;
pub mod log;
pub mod moment;
pub mod note;
mod path;
mod removals;
mod roots;
pub mod sign;
mod test_answers;
pub mod testing;
pub mod vault;
pub mod zone;

pub use error::SkillError;
pub use hash::sha256;
pub use serde::{self, Deserialize, Serialize};
pub use serde_json::{self, Value, json};

/// What a skill needs, with one `use kavi_sdk::prelude::*;`.
pub mod prelude {
    pub use crate::{Deserialize, Serialize, SkillError, Value, json, log, serde, serde_json, sha256, vault};
}

/// Makes a function `fn(Input) -> Result<Output, SkillError>` the skill that this crate is. Once in a crate.
///
/// `Input` is anything that deserialises from JSON and `Output` anything that serialises to it. An input that does
/// not fit is answered as invalid input before the function is called.
///
/// ```
/// use kavi_sdk::prelude::*;
///
/// fn run(input: String) -> Result<usize, SkillError> {
///     Ok(input.len())
/// }
/// kavi_sdk::export_skill!(run);
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! export_skill {
    ($run:path $(,)?) => {
        // Only the component itself exports: a test binary, for wasm or not, is a program with a `main`.
        #[cfg(all(target_family = "wasm", not(test)))]
        const _: () = {
            struct Skill;
            impl $crate::bindings::skill::Guest for Skill {
                fn run(
                    input: ::std::string::String,
                ) -> ::core::result::Result<::std::string::String, $crate::bindings::skill::Error> {
                    $crate::call::call($run, &input).map_err(::core::convert::Into::into)
                }
            }
            $crate::bindings::skill::__export_skill! { Skill with_types_in $crate::bindings::skill }
        };
        // Elsewhere the function's type is checked just the same.
        #[cfg(not(all(target_family = "wasm", not(test))))]
        const _: fn(&str) -> ::core::result::Result<::std::string::String, $crate::SkillError> =
            |input| $crate::call::call($run, input);
    };
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_example_of_the_guide_is_the_one_that_is_tested() {
        let block = format!("```rust,ignore\n{}```\n", include_str!("../tests/example/main.rs"));
        assert!(include_str!("../README.md").contains(&block), "copy tests/example/main.rs into README.md");
    }
}
