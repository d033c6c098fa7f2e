//! The keyword for a `pattern` in ECMA-262, and the bounds of the engine that matches it.

use jsonschema::{Keyword, ValidationError, paths::Location};
use regex::{Regex, RegexBuilder};
use serde_json::{Map, Value};

use super::super::json::shown;
use super::ecma;

/// The keyword that stands for a `pattern` in ECMA-262 in the schema that the validator is made from.
pub(super) const KEYWORD: &str = "patternOfEcma";

/// Most memory one compiled pattern may take.
const MAX_COMPILED_BYTES: usize = 64 << 10;

/// The validator's own engine, for patterns that cannot be translated: linear in the text, bounded in memory.
pub(super) fn engine() -> jsonschema::PatternOptions<jsonschema::Regex> {
    jsonschema::PatternOptions::regex().size_limit(MAX_COMPILED_BYTES).dfa_size_limit(MAX_COMPILED_BYTES)
}

pub(super) fn build(translated: &str) -> Option<Regex> {
    RegexBuilder::new(translated).size_limit(MAX_COMPILED_BYTES).dfa_size_limit(MAX_COMPILED_BYTES).build().ok()
}

/// A pattern in ECMA-262.
struct EcmaPattern {
    regex: Regex,
    written: String,
}

impl<'i> Keyword<'i> for EcmaPattern {
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        if Keyword::is_valid(self, instance) {
            Ok(())
        } else {
            Err(ValidationError::custom(format!("must match `{}`", shown(&self.written))))
        }
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        instance.as_str().is_none_or(|text| self.regex.is_match(text))
    }
}

/// Makes the keyword for [`jsonschema`], whose own one reads `.` and `\b` in another way.
pub(super) fn keyword<'a>(
    _: &'a Map<String, Value>,
    pattern: &'a Value,
    _: Location,
) -> Result<Box<dyn for<'i> Keyword<'i>>, ValidationError<'a>> {
    let written = pattern.as_str().unwrap_or_default().to_owned();
    let regex = ecma::to_engine(&written).ok().and_then(|translated| build(&translated));
    let regex = regex.ok_or_else(|| ValidationError::custom(format!("`{}` is no pattern", shown(&written))))?;
    Ok(Box::new(EcmaPattern { regex, written }))
}
