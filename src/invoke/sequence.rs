//! Runs whose data can meet: the steps of a chain, or all calls of the agents of one server.
//!
//! An agent sees what every earlier call gave it, and can open another session at will. So the calls of one server are one
//! sequence. The steps of a chain get only what their mappings take, so each has a sequence of its own that begins with the
//! labels of these steps.
//!
//! Guarantees: a run that can read the vault is labelled before its guest starts, also when it fails afterwards. Deliberately
//! never: decides about a run (that is `disposition`).

use std::sync::{Arc, Mutex};

use crate::model::data_label::DataLabel;
use crate::sync::lock;

/// What the data of a sequence of runs is labelled with. Clones are of the same sequence.
#[derive(Debug, Clone, Default)]
pub struct Sequence(Arc<Mutex<DataLabel>>);

impl Sequence {
    /// A sequence that begins with this label.
    pub(super) fn beginning_with(label: DataLabel) -> Self {
        Self(Arc::new(Mutex::new(label)))
    }

    /// The label that its data has now.
    pub fn label(&self) -> DataLabel {
        lock(&self.0).clone()
    }

    /// Adds the label of data that is in it from now on.
    pub fn join(&self, label: &DataLabel) {
        lock(&self.0).join(label);
    }
}
