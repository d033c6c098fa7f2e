//! Whether private data is in what a run gives, and which hosts it may have gone to.
//!
//! A run that can read the vault gives private data. The label goes on with the data: to the steps of a chain that take from
//! the run, and to everything that an agent asks for afterwards.
//!
//! Guarantees: labels are only joined, so nothing takes one away. Deliberately never: says what follows from one (that is
//! `policy::access`).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{exchange::ExchangeRecord, id::ExecutionId};

/// Most origins that a label names. A rule with `*.` can allow any number of them.
const MOST_ORIGINS: usize = 32;

/// Where data comes from, and where it may have gone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataLabel {
    /// The first run that could read the vault; none where no private data is in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub private: Option<ExecutionId>,
    /// The origins that were connected to.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub reached: BTreeSet<String>,
}

impl DataLabel {
    /// The label of data that a run read in the vault.
    pub fn of_vault(run: ExecutionId) -> Self {
        Self { private: Some(run), reached: BTreeSet::new() }
    }

    /// The label of data that was exchanged with hosts. A request without a connection reached nobody.
    pub fn of_exchanges(exchanges: &[ExchangeRecord]) -> Self {
        let hops = exchanges.iter().flat_map(|exchange| &exchange.hops).filter(|hop| hop.address.is_some());
        Self { private: None, reached: hops.map(|hop| hop.origin().to_owned()).take(MOST_ORIGINS).collect() }
    }

    /// Adds another label. The run that was named first stays.
    pub fn join(&mut self, other: &Self) {
        self.private = self.private.or(other.private);
        let room = MOST_ORIGINS.saturating_sub(self.reached.len());
        let new: Vec<String> = other.reached.difference(&self.reached).take(room).cloned().collect();
        self.reached.extend(new);
    }

    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        self.private.is_none() && self.reached.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::model::id::IdSource;

    #[derive(Debug)]
    struct Fixed(u128);

    impl IdSource for Fixed {
        fn next(&self) -> Uuid {
            Uuid::from_u128(self.0)
        }
    }

    #[test]
    fn a_label_only_grows_and_names_the_first_run() {
        let (first, second) = (ExecutionId::new(&Fixed(1)), ExecutionId::new(&Fixed(2)));
        let mut label = DataLabel::default();
        assert!(label.is_empty());
        label.join(&DataLabel::of_vault(first));
        label.join(&DataLabel::of_vault(second));
        label.join(&DataLabel::default());
        assert_eq!(label.private, Some(first));
        let many = (0..100).map(|number| format!("https://{number}.example.com")).collect();
        label.join(&DataLabel { private: None, reached: many });
        assert_eq!(label.reached.len(), MOST_ORIGINS);
    }
}
