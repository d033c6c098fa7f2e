//! What a gate found: one sentence with a place and a rule.

use serde::{Deserialize, Serialize};

/// One thing a gate found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The rule that was broken, `gate/rule`, e.g. `policy/path`.
    pub rule: String,
    /// The file, relative to the skill's source, when there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line in that file, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The test or example, when one failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<String>,
    /// What is wrong, in one sentence. May quote text that a model wrote.
    pub message: String,
}

impl Finding {
    /// A finding without a place.
    pub fn new(rule: impl Into<String>, message: impl Into<String>) -> Self {
        Self { rule: rule.into(), file: None, line: None, test: None, message: message.into() }
    }

    /// The same at a place in the source.
    #[must_use]
    pub fn at(mut self, file: impl Into<String>, line: u32) -> Self {
        self.file = Some(file.into());
        self.line = (line > 0).then_some(line);
        self
    }

    /// The same about a file as a whole.
    #[must_use]
    pub fn in_file(mut self, file: impl Into<String>) -> Self {
        self.file = Some(file.into());
        self
    }

    /// The same about a test or an example.
    #[must_use]
    pub fn in_test(mut self, test: impl Into<String>) -> Self {
        self.test = Some(test.into());
        self
    }
}
