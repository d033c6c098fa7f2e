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

/// Findings that say the same about several places.
#[derive(Debug)]
pub struct FindingGroup<'a> {
    /// The first of them.
    pub first: &'a Finding,
    /// The others, in their order.
    pub others: Vec<&'a Finding>,
}

/// Most places that are listed for one group.
const LISTED: usize = 6;

impl<'a> FindingGroup<'a> {
    /// Puts findings with the same rule and message into one group, in the order of the first of
    /// each.
    pub fn of(findings: impl IntoIterator<Item = &'a Finding>) -> Vec<Self> {
        let mut groups: Vec<Self> = Vec::new();
        for finding in findings {
            let same = |group: &&mut Self| group.first.rule == finding.rule && group.first.message == finding.message;
            match groups.iter_mut().find(same) {
                Some(group) => group.others.push(finding),
                None => groups.push(Self { first: finding, others: Vec::new() }),
            }
        }
        groups
    }

    /// How many there are and where the others are: ` (3 times, also at src/lib.rs:7,
    /// src/lib.rs:9)`. Empty for a single one.
    pub fn count(&self) -> String {
        if self.others.is_empty() {
            return String::new();
        }
        let place = |finding: &&Finding| match (&finding.file, finding.line, &finding.test) {
            (Some(file), Some(line), _) => Some(format!("{file}:{line}")),
            (_, _, Some(test)) => Some(test.clone()),
            (Some(file), None, None) => Some(file.clone()),
            (None, ..) => None,
        };
        let places: Vec<String> = self.others.iter().filter_map(place).take(LISTED).collect();
        let more = if self.others.len() > places.len() && !places.is_empty() { ", …" } else { "" };
        let also = if places.is_empty() { String::new() } else { format!(", also at {}{more}", places.join(", ")) };
        format!(" ({} times{also})", self.others.len() + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_identical_findings_are_one_with_a_count() {
        let at = |line| Finding::new("policy/macro", "no `println!`").at("src/lib.rs", line);
        let mut findings: Vec<Finding> = (1..=10).map(at).collect();
        findings.push(Finding::new("policy/macro", "no `dbg!`").at("src/lib.rs", 3));
        let groups = FindingGroup::of(&findings);
        assert_eq!(groups.len(), 2);
        assert_eq!(groups[0].first.line, Some(1));
        let count = groups[0].count();
        assert!(count.starts_with(" (10 times, also at src/lib.rs:2, src/lib.rs:3,"), "{count}");
        assert_eq!(groups[1].count(), "");
    }
}
