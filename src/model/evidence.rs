//! Evidence: what one run was given and what came of it, as the exact text that a person releases.
//!
//! Guarantees: a text is JSON in which no character hides, so a person sees all of it. It is read back as what it was made from.
//!
//! Deliberately never: reads a record. A text says what its maker put into it, and its digest is what a person agrees to.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::{
    characters::is_hidden,
    digest::Digest,
    example::{Example, Expectation},
    id::ExecutionId,
    json::{self, JsonError},
    name::SkillName,
    time::Timestamp,
};

/// Longest text of evidence, in bytes.
pub const MAX_EVIDENCE_BYTES: usize = 8 << 10;

/// What a text of evidence says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunEvidence {
    /// The run.
    pub run: ExecutionId,
    /// Its skill.
    pub skill: SkillName,
    /// Its input.
    pub input: Value,
    /// Its output, if it succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "given")]
    pub output: Option<Value>,
    /// Its error, if it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// What its clock said, if the skill may ask for the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub now: Option<Timestamp>,
    /// What should have come of it, as a person says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expect: Option<Expectation>,
}

/// Why there is no text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidEvidence {
    /// It is too long.
    #[error("the text of the run has {0} bytes, {MAX_EVIDENCE_BYTES} can be released")]
    TooLong(usize),
    /// It is no text of evidence.
    #[error("the text is not evidence: {0}")]
    Malformed(String),
    /// The JSON in it cannot be read.
    #[error(transparent)]
    Json(#[from] JsonError),
}

/// The exact text of evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvidenceText(String);

impl EvidenceText {
    /// The text. It ends with one line end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its digest: what a person releases.
    pub fn sha256(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }
}

impl RunEvidence {
    /// The text of it.
    ///
    /// # Errors
    /// [`InvalidEvidence::TooLong`].
    pub fn text(&self) -> Result<EvidenceText, InvalidEvidence> {
        let malformed = |error: serde_json::Error| InvalidEvidence::Malformed(error.to_string());
        let plain = serde_json::to_string_pretty(self).map_err(malformed)?;
        let mut text = String::with_capacity(plain.len() + 1);
        for c in plain.chars() {
            match c {
                // Outside of strings JSON has none of these, so the escape is always one inside a string.
                c if is_hidden(c) || (c.is_control() && c != '\n') => escape(&mut text, c),
                c => text.push(c),
            }
        }
        text.push('\n');
        match text.len() {
            0..=MAX_EVIDENCE_BYTES => Ok(EvidenceText(text)),
            length => Err(InvalidEvidence::TooLong(length)),
        }
    }

    /// Reads a text back.
    ///
    /// # Errors
    /// [`InvalidEvidence`] when it is not exactly a text that [`RunEvidence::text`] gives.
    pub fn parse(text: &str) -> Result<Self, InvalidEvidence> {
        let value = json::parse_kept(text.as_bytes())?;
        let evidence: Self =
            serde_json::from_value(value).map_err(|error| InvalidEvidence::Malformed(error.to_string()))?;
        match evidence.text()?.as_str() == text {
            true => Ok(evidence),
            false => Err(InvalidEvidence::Malformed("it is written in another way".to_owned())),
        }
    }

    /// Whether the run succeeded.
    pub fn succeeded(&self) -> bool {
        self.error.is_none()
    }

    /// The example that it is, where a person said what should come of it. The vault of the example is empty.
    pub fn example(&self) -> Option<Example> {
        Some(Example {
            name: format!("run {}", self.run.short()),
            input: self.input.clone(),
            vault: BTreeMap::new(),
            now: self.now,
            exchanges: Vec::new(),
            signatures: Vec::new(),
            expect: self.expect.clone()?,
            files: BTreeMap::new(),
            removed: BTreeSet::new(),
        })
    }
}

/// A value that is there, also where it is null.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// Writes a character as JSON escapes it.
fn escape(text: &mut String, c: char) {
    let mut units = [0_u16; 2];
    for unit in c.encode_utf16(&mut units) {
        // Writing to a string never fails.
        let _ = write!(text, "\\u{unit:04x}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::characters::hides;
    use proptest::prelude::*;
    use serde_json::json;

    fn evidence(input: Value, error: &str) -> Result<RunEvidence, Box<dyn std::error::Error>> {
        Ok(RunEvidence {
            run: ExecutionId::parse("0198c0de-0000-7000-8000-000000000001")?,
            skill: SkillName::parse("peek")?,
            input,
            output: None,
            error: Some(error.to_owned()),
            now: None,
            expect: None,
        })
    }

    #[test]
    fn only_what_a_person_expects_becomes_an_example() -> Result<(), Box<dyn std::error::Error>> {
        let mut of_a_run = evidence(json!({"path": "a.md"}), "RuntimeError: x")?;
        assert_eq!(of_a_run.example(), None);
        of_a_run.expect = Some(Expectation::Ok(json!({"text": "x"})));
        let example = of_a_run.example().ok_or("no example")?;
        assert_eq!((example.input, example.expect), (json!({"path": "a.md"}), Expectation::Ok(json!({"text": "x"}))));
        Ok(())
    }

    #[test]
    fn a_text_that_is_too_long_or_written_in_another_way_is_none() -> Result<(), Box<dyn std::error::Error>> {
        let long = evidence(json!("x".repeat(MAX_EVIDENCE_BYTES)), "e")?.text();
        assert!(matches!(long, Err(InvalidEvidence::TooLong(_))), "{long:?}");
        let text = evidence(json!(1), "e")?.text()?;
        assert!(RunEvidence::parse(text.as_str()).is_ok());
        for other in [text.as_str().trim_end().to_owned(), text.as_str().replace("  ", " "), "{}\n".to_owned()] {
            assert!(RunEvidence::parse(&other).is_err(), "{other}");
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn nothing_hides_in_a_text_and_it_is_read_back(input in "(.|\n|\u{202e}|\u{feff}|\u{e0041}|\u{9b})*", error in ".*") {
            // No record has it: JSON with it is refused, and errors are escaped.
            prop_assume!(!input.contains('\0') && !error.contains('\0'));
            let made = evidence(json!({ "a": input }), &error).map_err(|error| TestCaseError::fail(error.to_string()))?;
            if let Ok(text) = made.text() {
                prop_assert!(!hides(text.as_str()) && !text.as_str().chars().any(|c| c.is_control() && c != '\n'));
                prop_assert_eq!(RunEvidence::parse(text.as_str()), Ok(made));
            }
        }
    }
}
