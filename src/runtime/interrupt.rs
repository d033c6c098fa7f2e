//! Ending a run from outside.
//!
//! The thread that asked for a run sets the reason; the guest's thread finds it at its next host call or heartbeat and
//! ends the run with it.

use std::sync::{Arc, OnceLock};

use crate::model::switch::Halt;

/// Where a guest learns that it must end. Clones are one.
#[derive(Debug, Clone, Default)]
pub(super) struct Interrupt(Arc<OnceLock<Halt>>);

impl Interrupt {
    /// Why it must end, if it must.
    pub(super) fn get(&self) -> Option<&Halt> {
        self.0.get()
    }

    pub(super) fn set(&self, halt: Halt) {
        // The first reason is the one that ended it.
        let _ = self.0.set(halt);
    }
}
