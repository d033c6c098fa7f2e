//! Notifications: `notifications/tools/list_changed` after a promotion, a rollback or a revocation.
//!
//! A client of an earlier revision receives them once it has initialized its session. A client of a later revision
//! subscribes with a request. Both are told of the same counter of changes.
//!
//! Deliberately never: says which skill changed; the client lists the tools again.

use std::sync::Arc;

use rmcp::model::{ErrorData, SubscriptionFilter};
use rmcp::service::{NotificationContext, RoleServer, SubscriptionContext};

use super::service::McpService;
use super::session::{McpSession, closed, input_ended};

impl McpService {
    /// Notifies a client of an earlier revision of every change, until its connection closes.
    pub(super) fn notify_of_changes(&self, context: NotificationContext<RoleServer>) {
        // A client may send `initialized` twice, and must not be notified twice.
        let is_first = context.extensions.get::<Arc<McpSession>>().is_some_and(|session| session.subscribe());
        if !is_first {
            return;
        }
        let mut changes = self.changes.clone();
        tokio::spawn(async move {
            loop {
                let changed = tokio::select! {
                    changed = changes.changed() => changed.is_ok(),
                    () = closed(&context.extensions) => false,
                };
                if !changed || context.peer.notify_tool_list_changed().await.is_err() {
                    return;
                }
            }
        });
    }

    /// Notifies a client of a later revision of every change, until it ends its subscription.
    pub(super) async fn serve_subscription(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let mut changes = self.changes.clone();
        loop {
            let changed = tokio::select! {
                changed = changes.changed() => changed.is_ok(),
                () = context.cancelled() => false,
                () = input_ended(&context.request_context().extensions) => false,
            };
            if !changed || context.sink().notify_tool_list_changed().await.is_err() {
                return Ok(());
            }
        }
    }
}

/// The notifications that a client can subscribe to.
pub(super) fn accepted_filter() -> SubscriptionFilter {
    SubscriptionFilter::builder().tools_list_changed().build()
}
