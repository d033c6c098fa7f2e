//! How many inputs the skill accepts: a skill that refuses nearly everything does nothing.
//!
//! Deliberately never: decides what the skill must do with an input that it accepts.

use super::trial::{Trial, TrialEnd};
use crate::model::finding::Finding;

/// Fewest valid inputs that the skill must accept. Only one, because a schema cannot express every condition: hardly any drawn
/// text is the path of a note. But a skill that refuses every input is useless.
const MIN_ACCEPTED: usize = 1;
/// From this many inputs on that no test and no example names, one of them must be accepted.
const MANY_UNNAMED: usize = 100;

/// How many valid inputs there were, and how many of them the skill accepted.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct InputCounts {
    pub(super) valid: usize,
    pub(super) accepted: usize,
    /// Inputs that no test and no example names.
    pub(super) unnamed: usize,
    pub(super) unnamed_accepted: usize,
}

impl InputCounts {
    pub(super) fn add(&mut self, trial: &Trial, is_named: bool) {
        let accepted = usize::from(matches!(trial.end, TrialEnd::Output(_)));
        self.accepted += accepted;
        if !is_named {
            self.unnamed += 1;
            self.unnamed_accepted += accepted;
        }
    }

    /// Why the skill refuses too many inputs, if it does: first what the author of the sources can
    /// do, then what only the author of the specification can.
    pub(super) fn refuses_too_much(self) -> Vec<Finding> {
        let both = |build: String, spec: &str| {
            vec![Finding::new("conformance/refusals", build), Finding::new("conformance/refusals-spec", spec)]
        };
        if self.accepted < MIN_ACCEPTED {
            let build = format!(
                "the skill refuses every one of {} inputs that match its schema: accept more of them, or call it in a test with an \
                 input that it accepts (`call(run, json!({{…}}))`). Inputs are drawn near those of the tests",
                self.valid
            );
            let spec = "only the specification can tell which inputs are meant: propose the skill with an example that it accepts \
                        (`--example`), or with a schema that permits less (`enum`, `pattern`, `minLength`)";
            return both(build, spec);
        }
        if self.unnamed < MANY_UNNAMED || self.unnamed_accepted > 0 {
            return Vec::new();
        }
        let build = format!(
            "the skill accepts only inputs that its tests and examples name, and refuses all {} others that match its schema: \
             compute the answer from the input instead of looking it up",
            self.unnamed
        );
        let spec = "if the skill is meant for a few inputs only, the specification must say so: propose it with a schema that lists \
                    them (`enum`, `pattern`)";
        both(build, spec)
    }
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn a_refusal_tells_builder_and_proposer_what_each_can_do() {
        let rules = |counts: InputCounts| {
            let found = counts.refuses_too_much();
            found.iter().map(|finding| (finding.rule.clone(), finding.message.clone())).collect::<Vec<_>>()
        };
        let all = InputCounts { valid: 375, accepted: 0, unnamed: 300, unnamed_accepted: 0 };
        let named = InputCounts { accepted: 20, ..all };
        for counts in [all, named] {
            let found = rules(counts);
            assert_eq!(found.len(), 2, "{found:?}");
            assert_eq!(found[0].0, "conformance/refusals");
            assert!(!found[0].1.contains("--example") && !found[0].1.contains("enum"), "{found:?}");
            assert_eq!(found[1].0, "conformance/refusals-spec");
            assert!(found[1].1.contains("propose"), "{found:?}");
        }
        assert!(rules(InputCounts { unnamed_accepted: 1, ..named }).is_empty());
    }
}
