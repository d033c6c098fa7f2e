//! What all connections of one attempt share: provider, budget, log.
//!
//! Guarantees: one request is at the provider at a time. Never: opens a socket.

use std::sync::{Arc, Mutex, PoisonError};

use tracing::Span;

use super::access_log::{AccessLog, GatewayReport};
use super::budget::{AttemptBudget, GatewayLimits};
use super::upstream::Provider;
use crate::http::{HttpClient, HttpError};
use crate::sync::lock;

/// The gateway of one attempt.
pub(super) struct Gateway {
    pub(super) provider: Provider,
    pub(super) client: HttpClient,
    /// What the agent shows instead of a key.
    pub(super) token: String,
    pub(super) budget: Mutex<AttemptBudget>,
    /// Held while a request is at the provider.
    pub(super) turn: Arc<tokio::sync::Mutex<()>>,
    limits: GatewayLimits,
    pub(super) log: Mutex<AccessLog>,
    /// The span of the attempt, which is on another thread.
    pub(super) span: Span,
}

impl Gateway {
    pub(super) fn new(provider: &Provider, limits: GatewayLimits, token: &str) -> Result<Self, HttpError> {
        Ok(Self {
            client: provider.client()?,
            provider: provider.clone(),
            token: token.to_owned(),
            budget: Mutex::new(AttemptBudget::new(limits)),
            turn: Arc::default(),
            limits,
            log: Mutex::default(),
            span: Span::current(),
        })
    }

    /// What the attempt did. Empties the log.
    pub(super) fn report(&self) -> GatewayReport {
        let log = std::mem::take(&mut *self.log.lock().unwrap_or_else(PoisonError::into_inner));
        let budget = lock(&self.budget);
        log.into_report(self.limits, budget.used(), budget.exceeded())
    }
}
