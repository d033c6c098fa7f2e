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
    /// Letting things run again after a stop.
    pub resume: Requirement,
    /// Putting back what a run replaced.
    pub undo: Requirement,
    /// The role charter of agents.
    pub charter: Requirement,
    /// Values of the policy registry, but for a stop of all agents.
    pub policy_values: Requirement,
    /// A grant or a denial of a capability.
    pub capability: Requirement,
}

/// What each kind of decision needs, by the name that it has in kavi.toml.
type RequirementEntries = [(&'static str, Requirement); 9];

impl RequirementTable {
    /// The same for every decision.
    pub fn all(requirement: Requirement) -> Self {
        Self::default().with_each(|_| requirement)
    }

    /// What the event of a decision needs. `None` for an event that nobody signs.
    pub fn of(&self, kind: EventKind) -> Option<Requirement> {
        match kind {
            EventKind::Promotion => Some(self.promotion),
            // An order is a rollback that is decided beforehand.
            EventKind::Rollback | EventKind::StandingOrder => Some(self.rollback),
            EventKind::EffectApproved => Some(self.effects),
            EventKind::TrustPolicy | EventKind::Signers | EventKind::Adopted => Some(self.policy),
            EventKind::Resume => Some(self.resume),
            EventKind::Undo => Some(self.undo),
            EventKind::Charter => Some(self.charter),
            EventKind::Policy => Some(self.policy_values),
            EventKind::Capability => Some(self.capability),
            _ => None,
        }
    }

    /// Each kind and what it needs.
    pub fn entries(&self) -> RequirementEntries {
        [
            ("promotion", self.promotion),
            ("rollback", self.rollback),
            ("effects", self.effects),
            ("policy", self.policy),
            ("resume", self.resume),
            ("undo", self.undo),
            ("charter", self.charter),
            ("policy_values", self.policy_values),
            ("capability", self.capability),
        ]
    }

    /// The same kinds with other requirements, each chosen by its place in [`RequirementTable::entries`].
    fn with_each(mut self, choose: impl Fn(usize) -> Requirement) -> Self {
        let all = [
            &mut self.promotion,
            &mut self.rollback,
            &mut self.effects,
            &mut self.policy,
            &mut self.resume,
            &mut self.undo,
            &mut self.charter,
            &mut self.policy_values,
            &mut self.capability,
        ];
        all.into_iter().enumerate().for_each(|(place, kind)| *kind = choose(place));
        self
    }

    /// The first kind for which `self` asks for less than `other`.
    pub fn weaker_than(&self, other: &Self) -> Option<&'static str> {
        let pairs = self.entries().into_iter().zip(other.entries());
        pairs.filter(|(ours, theirs)| ours.1 < theirs.1).map(|(ours, _)| ours.0).next()
    }

    /// The stricter of the two for each kind.
    pub fn stricter(&self, other: &Self) -> Self {
        let (ours, theirs) = (self.entries(), other.entries());
        self.with_each(|place| ours[place].1.max(theirs[place].1))
    }
}

/// Whether an event only stops the agents of a workspace. A stop never waits for a signature, because it can be urgent.
pub fn only_stops_agents(body: &Value) -> bool {
    if body["kind"] != EventKind::Policy.as_str() {
        return false;
    }
    let stops = |rows: &Value| {
        let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
        // Exactly this text. Any other value could let agents act again.
        !rows.is_empty() && rows.iter().all(|row| row["key"] == "disabled" && row["value_json"] == "true")
    };
    body["rows"].as_object().is_some_and(|rows| !rows.is_empty() && rows.values().all(stops))
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

    #[test]
    fn each_kind_of_decision_has_a_requirement_of_its_own() {
        let names = RequirementTable::default().entries().map(|(name, _)| name);
        for (place, name) in names.into_iter().enumerate() {
            let one: RequirementTable =
                serde_json::from_value(serde_json::json!({ name: "touch" })).unwrap_or_default();
            let needs = one.entries().map(|(_, need)| need);
            let expected: [Requirement; 9] =
                std::array::from_fn(|other| if other == place { Requirement::Touch } else { Requirement::None });
            assert_eq!(needs, expected, "{name}");
            assert_eq!(RequirementTable::default().weaker_than(&one), Some(name));
            assert_eq!(one.stricter(&RequirementTable::default()), one);
            let kinds = EventKind::ALL.into_iter().filter(|kind| one.of(*kind) == Some(Requirement::Touch));
            assert!(kinds.count() > 0, "{name}: no event needs it");
        }
    }

    #[test]
    fn only_a_stop_of_agents_needs_no_signature() {
        let event = |rows: Value| serde_json::json!({ "kind": "policy", "rows": rows });
        let row = |key: &str, value: &str| serde_json::json!([{ "key": key, "value_json": value }]);
        assert!(only_stops_agents(&event(serde_json::json!({ "policy_values/1": row("disabled", "true") }))));
        let others = [
            serde_json::json!({}),
            serde_json::json!({ "policy_values/1": [] }),
            serde_json::json!({ "policy_values/1": "ab" }),
            serde_json::json!({ "policy_values/1": row("disabled", "false") }),
            serde_json::json!({ "policy_values/1": row("disabled", "null") }),
            serde_json::json!({ "policy_values/1": [{ "key": "disabled", "value_json": null }] }),
            serde_json::json!({ "policy_values/1": row("rate_limit_per_minute", "true") }),
            serde_json::json!({ "policy_values/1": row("disabled", "true"), "policy_values/2": row("x", "true") }),
        ];
        for rows in others {
            assert!(!only_stops_agents(&event(rows.clone())), "{rows}");
        }
        let stop = serde_json::json!({ "policy_values/1": row("disabled", "true") });
        assert!(!only_stops_agents(&serde_json::json!({ "kind": "capability", "rows": stop })));
    }
}
