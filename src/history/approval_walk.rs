//! Approvals in the order of the history: each event against the policy that was in force before it.
//!
//! Guarantees: an event that needed a signature by then and has none, or one that does not count, is an error. Deliberately never:
//! knows rows or leaves; whoever calls it has checked the bytes of the events.

use serde_json::Value;

use super::approval::{ApprovalIssue, Approved, of_event, verify_event};
use super::event::EventKind;
use super::trust_policy::{Requirement, TrustPolicy, only_stops_agents};

/// The policy and the ids of the workspace, as far as the events say.
#[derive(Debug, Clone, Default)]
pub struct ApprovalWalk {
    policy: TrustPolicy,
    workspaces: Vec<String>,
}

impl ApprovalWalk {
    /// Before the first event. `workspace` is an id that is known by other means.
    pub fn new(workspace: Option<&str>) -> Self {
        Self { policy: TrustPolicy::default(), workspaces: workspace.into_iter().map(str::to_owned).collect() }
    }

    /// Takes the next event, with its bytes as JSON.
    ///
    /// # Errors
    /// [`ApprovalIssue`] when it is not approved as it had to be.
    pub fn step(&mut self, body: &Value) -> Result<Option<Approved>, ApprovalIssue> {
        let Some(kind) = body["kind"].as_str().and_then(EventKind::parse) else { return Ok(None) };
        let detail = &body["detail"];
        // A workspace that was adopted has a new id. Approvals from before it name the old one, and
        // stay good.
        for name in ["workspace", "was"] {
            self.workspaces.extend(detail[name].as_str().map(str::to_owned));
        }
        let changes_policy = matches!(kind, EventKind::TrustPolicy | EventKind::Signers);
        let new = changes_policy.then(|| TrustPolicy::of_value(&detail["policy"])).transpose();
        let new = new.map_err(|_| ApprovalIssue::Malformed("its policy cannot be read"))?;
        // The first signer shows that they have the key.
        // Nobody may sign before the first policy with signers, so nobody could sign that one. It
        // is judged by itself.
        let judge = match &new {
            Some(new) if !self.policy.has_signers() => new,
            _ => &self.policy,
        };
        let mut required = judge.require.of(kind).unwrap_or_default();
        if (changes_policy || kind == EventKind::Adopted) && judge.has_signers() {
            // Otherwise a policy that asks for nothing could be put in force without a signature,
            // and take the signers away.
            required = required.max(Requirement::Signed);
        }
        if only_stops_agents(body) {
            required = Requirement::None;
        }
        let approved = match of_event(body)? {
            Some(signed) => Some(verify_event(body, &signed, &judge.signers, &self.workspaces)?),
            None => None,
        };
        let enough = match &approved {
            Some(approved) => approved.level.satisfies(required),
            None => required == Requirement::None,
        };
        // Also where the approval is too weak: the history has the event, and what follows was
        // decided under it.
        self.policy = new.unwrap_or_else(|| std::mem::take(&mut self.policy));
        if enough { Ok(approved) } else { Err(ApprovalIssue::TooWeak(required.as_str())) }
    }
}
