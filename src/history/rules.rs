//! What comes from outside of the ledger about who may decide: pins of signers, what kavi.toml proposes, and who asks for
//! signatures.
//!
//! Guarantees: everything here can only make a decision harder than the policy in force does. Deliberately never: replaces it.

use std::sync::Arc;

use serde_json::Value;

use super::approval::DecisionSigner;
use super::signers::Signer;
use super::trust_policy::RequirementTable;

/// What kavi.toml proposes.
#[derive(Debug, Clone, Default)]
pub struct ProposedPolicy {
    /// What decisions need; none when it does not say.
    pub require: Option<RequirementTable>,
    /// What each channel may do.
    pub channels: Value,
    /// Where key and head are kept, if not in the user's state folder.
    pub anchor: Option<String>,
    /// The file of a witness.
    pub witness: Option<String>,
}

/// What comes from outside of the ledger about who may decide.
#[derive(Debug, Clone)]
pub struct DecisionRules {
    /// Who asks a person for a signature. Without one nothing can be signed.
    pub signer: Option<Arc<dyn DecisionSigner>>,
    /// Signers that another user of this machine pinned. Only what one of them signed counts.
    pub pinned: Option<Vec<Signer>>,
    /// Signers of the workspace that was in this folder. Only they may have another ledger take its place, and decide in one
    /// that has no signers.
    pub of_this_place: Option<Vec<Signer>>,
    /// Whether kavi.toml names another place for key and head than the one that was pinned with these signers.
    pub other_anchor: bool,
    /// What kavi.toml proposes.
    pub proposed: ProposedPolicy,
}

/// No rules.
pub static NO_RULES: DecisionRules = DecisionRules {
    signer: None,
    pinned: None,
    of_this_place: None,
    other_anchor: false,
    proposed: ProposedPolicy { require: None, channels: Value::Null, anchor: None, witness: None },
};

/// The first channel and class for which one table of `[policy]` allows more than another one.
pub fn weaker_channel(table: &Value, than: &Value) -> Option<String> {
    // What is missing or unknown is the strictest, as where rules are read: a class that no rule
    // names is denied.
    let rank = |rule: &Value| match rule.as_str() {
        Some("allow") => 0,
        Some("ask") => 1,
        _ => 2,
    };
    let channels = than.as_object()?;
    channels.iter().find_map(|(channel, classes)| {
        let classes = classes.as_object()?;
        let weaker = classes.iter().find(|(class, rule)| rank(&table[channel][class]) < rank(rule))?;
        Some(format!("policy.{channel}.{}", weaker.0))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_table_that_allows_more_is_named_by_its_key() {
        let strict = json!({ "cli": { "FILE_WRITE": "ask", "READ_ONLY": "allow" } });
        assert_eq!(weaker_channel(&strict, &strict), None);
        let loose = json!({ "cli": { "FILE_WRITE": "allow", "READ_ONLY": "allow" } });
        assert_eq!(weaker_channel(&loose, &strict), Some("policy.cli.FILE_WRITE".to_owned()));
        assert_eq!(weaker_channel(&strict, &loose), None);
        // What is missing runs nothing.
        assert_eq!(weaker_channel(&Value::Null, &strict), None);
    }
}
