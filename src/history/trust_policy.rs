//! The policy in force: what each decision needs, who may sign, and what each channel may do. It is an event of the history.
//!
//! Guarantees: an unknown field or version is an error. Deliberately never: reads kavi.toml, which only proposes a policy.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::event::EventKind;
use super::signers::{Signer, is_principal};
use super::ssh_key::Presence;

/// What a decision needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Requirement {
    /// A name is enough.
    #[default]
    None,
    /// A signature by a signer.
    Signed,
    /// The same by a key whose owner is asked before each use, or by hardware that was touched.
    Confirm,
    /// The same by hardware that was touched.
    Touch,
}

impl Requirement {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Signed => "signed",
            Self::Confirm => "confirm",
            Self::Touch => "touch",
        }
    }
}

/// How sure a signature is to come from a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SignatureLevel {
    /// Any program that can use the key file or the agent can have made it.
    File,
    /// Its owner says that the agent asks before each use.
    AgentConfirm,
    /// The hardware was touched.
    Touch,
    /// The hardware was touched, and a PIN given.
    TouchAndPin,
}

impl SignatureLevel {
    /// The level of a signature by a signer.
    pub fn of(signer: &Signer, presence: Presence) -> Self {
        match presence {
            Presence::TouchedWithPin => Self::TouchAndPin,
            Presence::Touched => Self::Touch,
            Presence::Unknown if signer.confirms => Self::AgentConfirm,
            Presence::Unknown => Self::File,
        }
    }

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::AgentConfirm => "agent-confirm",
            Self::Touch => "touch",
            Self::TouchAndPin => "touch+pin",
        }
    }

    /// Whether it is enough.
    pub fn satisfies(self, required: Requirement) -> bool {
        let least = match required {
            Requirement::None | Requirement::Signed => Self::File,
            Requirement::Confirm => Self::AgentConfirm,
            Requirement::Touch => Self::Touch,
        };
        self >= least
    }
}

/// What each kind of decision needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RequirementTable {
    /// A promotion.
    pub promotion: Requirement,
    /// A rollback.
    pub rollback: Requirement,
    /// The approval of held changes.
    pub effects: Requirement,
    /// A change of the policy or the signers, and an adoption.
    pub policy: Requirement,
}

impl RequirementTable {
    /// The same for every decision.
    pub fn all(requirement: Requirement) -> Self {
        Self { promotion: requirement, rollback: requirement, effects: requirement, policy: requirement }
    }

    /// What the event of a decision needs. `None` for an event that nobody signs.
    pub fn of(&self, kind: EventKind) -> Option<Requirement> {
        match kind {
            EventKind::Promotion => Some(self.promotion),
            // An order is a rollback that is decided beforehand.
            EventKind::Rollback | EventKind::StandingOrder => Some(self.rollback),
            EventKind::EffectApproved => Some(self.effects),
            EventKind::TrustPolicy | EventKind::Signers | EventKind::Adopted => Some(self.policy),
            _ => None,
        }
    }

    /// Each kind and what it needs.
    pub fn entries(&self) -> [(&'static str, Requirement); 4] {
        [("promotion", self.promotion), ("rollback", self.rollback), ("effects", self.effects), ("policy", self.policy)]
    }

    /// The first kind for which `self` asks for less than `other`.
    pub fn weaker_than(&self, other: &Self) -> Option<&'static str> {
        let pairs = self.entries().into_iter().zip(other.entries());
        pairs.filter(|(ours, theirs)| ours.1 < theirs.1).map(|(ours, _)| ours.0).next()
    }

    /// The stricter of the two for each kind.
    pub fn stricter(&self, other: &Self) -> Self {
        Self {
            promotion: self.promotion.max(other.promotion),
            rollback: self.rollback.max(other.rollback),
            effects: self.effects.max(other.effects),
            policy: self.policy.max(other.policy),
        }
    }
}

/// The policy in force.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustPolicy {
    /// The version of the form, 1.
    pub v: u32,
    /// What each decision needs.
    pub require: RequirementTable,
    /// Who may sign.
    pub signers: Vec<Signer>,
    /// What each channel may do: the `[policy]` of kavi.toml.
    pub channels: Value,
    /// Where key and head are kept, if not in the user's state folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anchor: Option<String>,
    /// The file of a witness.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub witness: Option<String>,
}

/// Why a policy cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the policy cannot be used: {0}")]
pub struct InvalidPolicy(String);

impl TrustPolicy {
    /// Reads a policy.
    ///
    /// # Errors
    /// [`InvalidPolicy`].
    pub fn parse(text: &str) -> Result<Self, InvalidPolicy> {
        let policy: Self = serde_json::from_str(text).map_err(|error| InvalidPolicy(error.to_string()))?;
        policy.checked()
    }

    /// Reads a policy out of an event.
    ///
    /// # Errors
    /// [`InvalidPolicy`].
    pub fn of_value(value: &Value) -> Result<Self, InvalidPolicy> {
        let policy: Self = serde_json::from_value(value.clone()).map_err(|error| InvalidPolicy(error.to_string()))?;
        policy.checked()
    }

    fn checked(self) -> Result<Self, InvalidPolicy> {
        if self.v != 1 {
            return Err(InvalidPolicy(format!("its version is {}, and this Kavi knows 1", self.v)));
        }
        for signer in &self.signers {
            if !is_principal(&signer.principal) {
                return Err(InvalidPolicy(format!("`{}` is no plain name", signer.principal)));
            }
            signer.public_key().map_err(|error| InvalidPolicy(format!("the key of {}: {error}", signer.principal)))?;
        }
        Ok(self)
    }

    /// Whether anybody may sign.
    pub fn has_signers(&self) -> bool {
        !self.signers.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_that_is_not_understood_is_an_error() {
        let good = r#"{"v":1,"require":{"promotion":"signed"},"signers":[],"channels":{}}"#;
        assert!(TrustPolicy::parse(good).is_ok_and(|policy| policy.require.promotion == Requirement::Signed));
        for (from, to) in [
            ("\"v\":1", "\"v\":2"),
            ("signed", "maybe"),
            ("\"promotion\"", "\"promotions\""),
            ("\"channels\"", "\"x\":1,\"channels\""),
            ("\"signers\":[]", "\"signers\":[{\"principal\":\"a b\",\"key\":\"ssh-ed25519 AAAA\"}]"),
            ("\"signers\":[]", "\"signers\":[{\"principal\":\"ada\",\"key\":\"ssh-ed25519 AAAA\"}]"),
        ] {
            assert!(TrustPolicy::parse(&good.replace(from, to)).is_err(), "{to}");
        }
    }

    #[test]
    fn a_level_is_enough_only_for_what_asks_for_no_more() {
        use SignatureLevel as Level;
        let needs = [Requirement::Signed, Requirement::Confirm, Requirement::Touch];
        for (level, enough) in [
            (Level::File, [true, false, false]),
            (Level::AgentConfirm, [true, true, false]),
            (Level::Touch, [true, true, true]),
            (Level::TouchAndPin, [true, true, true]),
        ] {
            assert_eq!(needs.map(|need| level.satisfies(need)), enough, "{level:?}");
        }
        let (none, all) = (RequirementTable::default(), RequirementTable::all(Requirement::Signed));
        assert_eq!(none.weaker_than(&all), Some("promotion"));
        assert_eq!((all.weaker_than(&none), all.stricter(&none)), (None, all));
    }
}
