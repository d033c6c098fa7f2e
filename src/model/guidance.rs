//! Guidance: Markdown that says how and when an agent should use a skill, apart from what the skill is.
//!
//! Name, description, schemas and class come from the specification that a person promoted. Guidance is the text beside them,
//! and has revisions of its own.
//!
//! Guarantees: a [`GuidanceText`] is not empty, is at most [`MAX_GUIDANCE_BYTES`] long, and shows everything that is in it.

use std::fmt;

use super::{characters::hides, digest::Digest, lifecycle::stored_words, spec::SkillSpec, text};

/// Longest guidance, in bytes.
pub const MAX_GUIDANCE_BYTES: usize = 16 << 10;
/// The file in which a builder may leave the first revision.
pub const GUIDANCE_FILE: &str = "GUIDANCE.md";
/// Begins every comment that Kavi writes into a `SKILL.md`. Guidance must not have it.
pub const KAVI_COMMENT: &str = "<!-- kavi:";

/// Most examples in the guidance that is made from a specification.
const MOST_EXAMPLES: usize = 3;

/// The text of one revision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuidanceText(String);

/// Why a text is no guidance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidGuidance {
    /// Nothing is in it.
    #[error("the guidance is empty")]
    Empty,
    /// It is too long.
    #[error("the guidance has {0} bytes, {MAX_GUIDANCE_BYTES} are allowed")]
    TooLong(usize),
    /// It is no text.
    #[error("the guidance is not UTF-8")]
    NotText,
    /// It has a character that a reader cannot see.
    #[error("line {0} of the guidance has control or invisible characters")]
    Hidden(usize),
    /// It begins with a frontmatter.
    #[error("the guidance begins with `---`: name and description come from the specification")]
    FrontMatter,
    /// It has a comment of the form that Kavi writes.
    #[error("line {0} of the guidance has `{KAVI_COMMENT}`, which only Kavi writes")]
    KaviComment(usize),
}

impl GuidanceText {
    /// Checks a text. Line ends become `\n`, and exactly one ends the text.
    ///
    /// # Errors
    /// [`InvalidGuidance`].
    pub fn parse(text: &str) -> Result<Self, InvalidGuidance> {
        // Before anything walks over it: a model may answer with megabytes.
        if text.len() > MAX_GUIDANCE_BYTES {
            return Err(InvalidGuidance::TooLong(text.len()));
        }
        let text = text.replace("\r\n", "\n");
        let body = text.trim_matches('\n').trim_end();
        if body.trim().is_empty() {
            return Err(InvalidGuidance::Empty);
        }
        if body.lines().next().is_some_and(|first| first.trim_end() == "---") {
            return Err(InvalidGuidance::FrontMatter);
        }
        let line = |odd: &dyn Fn(&str) -> bool| body.split('\n').position(odd).map(|index| index + 1);
        let is_control = |c: char| c.is_control() && c != '\t';
        if let Some(line) = line(&|line| line.chars().any(is_control) || hides(line)) {
            return Err(InvalidGuidance::Hidden(line));
        }
        if let Some(line) = line(&|line| line.contains(KAVI_COMMENT)) {
            return Err(InvalidGuidance::KaviComment(line));
        }
        Ok(Self(format!("{body}\n")))
    }

    /// The same for bytes.
    ///
    /// # Errors
    /// [`InvalidGuidance`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidGuidance> {
        if bytes.len() > MAX_GUIDANCE_BYTES {
            return Err(InvalidGuidance::TooLong(bytes.len()));
        }
        Self::parse(std::str::from_utf8(bytes).map_err(|_| InvalidGuidance::NotText)?)
    }

    /// The guidance of a skill whose builder left none: made from the specification, always the same way.
    pub fn template(spec: &SkillSpec) -> Self {
        let mut out = format!("# {}\n\n{}\n", spec.name, text::block(spec.description.trim(), 2_000));
        for example in spec.examples.iter().take(MOST_EXAMPLES) {
            // An example may contain a fence, which would end the block and put its rest into the guidance.
            let input = text::fenced(&format!("{:#}", example.input), 4_000);
            let part = format!("\n## Example: {}\n\n```json\n{input}\n```\n", text::line(&example.name, 100));
            if out.len() + part.len() <= MAX_GUIDANCE_BYTES {
                out.push_str(&part);
            }
        }
        // The comment of Kavi cannot come from a description, and nothing here hides: it was escaped.
        Self(out.replace(KAVI_COMMENT, "<!-- "))
    }

    /// The text. It ends with one line end.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its digest.
    pub fn sha256(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }
}

impl fmt::Display for GuidanceText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

stored_words!(
    /// Where the text of a revision comes from.
    GuidanceOrigin {
        /// Made from the specification.
        Template = "TEMPLATE",
        /// The builder left it with the sources, and a person promoted them.
        Builder = "BUILDER",
        /// A person wrote it.
        Person = "PERSON",
        /// A person took it from a `SKILL.md`.
        Import = "IMPORT",
        /// A model wrote it, and a person published it.
        Model = "MODEL",
    }
);

stored_words!(
    /// A decision about which revision is published.
    GuidanceStep {
        /// A new revision.
        Publish = "PUBLISH",
        /// An earlier one again.
        Rollback = "ROLLBACK",
        /// An earlier one again, by a standing order that a person signed.
        StepBack = "STEP_BACK",
    }
);

stored_words!(
    /// What a failed use says something about.
    Fault {
        /// The agent used the skill wrongly.
        Guidance = "GUIDANCE",
        /// The skill did the wrong thing.
        Code = "CODE",
        /// Neither.
        Neither = "NEITHER",
    }
);

stored_words!(
    /// How a use went, in somebody's words.
    UseVerdict {
        /// Well.
        Ok = "OK",
        /// Not well, though it may have succeeded.
        Bad = "BAD",
    }
);

stored_words!(
    /// The state of an attempt to improve a guidance.
    ImprovementState {
        /// The model is asked, or was when the pass ended.
        Started = "STARTED",
        /// The model answered.
        Answered = "ANSWERED",
        /// The answer has a text that waits for a person.
        Candidate = "CANDIDATE",
        /// There is no text, or it did not pass the checks.
        Refused = "REFUSED",
        /// The pass ended while the model was asked.
        Lost = "LOST",
        /// A person published it.
        Published = "PUBLISHED",
        /// A person rejected it.
        Rejected = "REJECTED",
    }
);

stored_words!(
    /// What a pair of episodes says about a rewritten guidance.
    PairResult {
        /// The model is asked, or was when the pass ended.
        Started = "STARTED",
        /// The rewritten text did better.
        Gain = "GAIN",
        /// It did worse.
        Loss = "LOSS",
        /// Both did the same.
        Same = "SAME",
        /// The pass ended, or the model did, while it was asked.
        Lost = "LOST",
    }
);

stored_words!(
    /// The state of an attempt to improve the code of a skill.
    CodeAttemptState {
        /// It is on record, and nothing is proposed yet.
        Started = "STARTED",
        /// Its proposal is written. A builder is asked, or could not be.
        Proposed = "PROPOSED",
        /// Every gate passed, and it waits for a person.
        Candidate = "CANDIDATE",
        /// A builder or a gate failed, or runs that succeeded fail with it.
        Refused = "REFUSED",
        /// A person promoted it.
        Published = "PUBLISHED",
        /// A person rejected it.
        Rejected = "REJECTED",
    }
);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_hides_or_poses_as_something_else_is_refused() {
        let refused = |text: &str| GuidanceText::parse(text).err();
        assert_eq!(refused(" \n\t\n"), Some(InvalidGuidance::Empty));
        assert_eq!(refused(&"x".repeat(MAX_GUIDANCE_BYTES + 1)), Some(InvalidGuidance::TooLong(16_385)));
        assert_eq!(refused("# a\n\u{202e}b"), Some(InvalidGuidance::Hidden(2)));
        assert_eq!(refused("# a\n\n\u{1b}[2J"), Some(InvalidGuidance::Hidden(3)));
        assert_eq!(refused("# a\rb"), Some(InvalidGuidance::Hidden(1)));
        assert_eq!(refused("---\nname: x\n---\n"), Some(InvalidGuidance::FrontMatter));
        assert_eq!(refused("a\n<!-- kavi: revision 9 -->"), Some(InvalidGuidance::KaviComment(2)));
        assert_eq!(GuidanceText::from_bytes(b"a\xff").err(), Some(InvalidGuidance::NotText));
        assert_eq!(GuidanceText::parse("\n# a\r\n\r\n\tb \n\n").map(|it| it.0), Ok("# a\n\n\tb\n".to_owned()));
    }

    proptest! {
        #[test]
        fn what_was_parsed_is_parsed_as_itself(text in "(.|\n)*") {
            if let Ok(guidance) = GuidanceText::parse(&text) {
                prop_assert_eq!(GuidanceText::parse(guidance.as_str()), Ok(guidance));
            }
        }
    }
}
