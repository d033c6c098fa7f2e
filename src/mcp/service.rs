//! The state that the handlers of all connections share.
//!
//! Deliberately never: handles a request; each method has a file of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rmcp::model::ErrorData;
use rmcp::service::{RequestContext, RoleServer};
use tokio::sync::{oneshot, watch};

use super::elicitation::Elicitations;
use crate::app::{AgentApi, AgentSkill, ReplyFn, ToolListing};
use crate::error::Error;
use crate::model::text;

/// The shared state of all connections.
pub(super) struct McpService {
    pub(super) api: Arc<dyn AgentApi>,
    pub(super) tools: ToolListing,
    /// Questions whose answer a client of a later revision brings with another request.
    pub(super) elicitations: Elicitations,
    /// Counts the changes of the trusted skills.
    pub(super) changes: watch::Receiver<u64>,
    active_calls: watch::Sender<isize>,
    shutting_down: AtomicBool,
}

impl McpService {
    /// The state of a server with nothing under way.
    pub(super) fn new(api: Arc<dyn AgentApi>, tools: ToolListing) -> Self {
        // A counter and not a message: a slow client misses steps, and still learns that something
        // changed.
        let sender = watch::Sender::new(0_u64);
        let changes = sender.subscribe();
        api.on_skills_changed(Box::new(move || sender.send_modify(|number| *number += 1)));
        Self {
            api,
            tools,
            elicitations: Elicitations::default(),
            changes,
            active_calls: watch::Sender::new(0),
            shutting_down: AtomicBool::new(false),
        }
    }

    /// Every trusted skill, by name.
    pub(super) async fn skills(&self) -> Result<Vec<AgentSkill>, ErrorData> {
        ask(|reply| self.api.skills(reply)).await.map_err(|error| protocol_error(&error))
    }

    /// Counts a call as active until the result is dropped.
    pub(super) fn count_call(&self) -> CallCount<'_> {
        CallCount::new(&self.active_calls, 1)
    }

    /// Counts a call as inactive, while it waits for a person, until the result is dropped.
    pub(super) fn pause_count(&self) -> CallCount<'_> {
        CallCount::new(&self.active_calls, -1)
    }

    /// Calls that are cancelled from now on are so because the server ends, not because the client wanted it.
    pub(super) fn begin_shutdown(&self) {
        self.shutting_down.store(true, Ordering::Relaxed);
    }

    /// Whether the server ends.
    pub(super) fn is_shutting_down(&self) -> bool {
        self.shutting_down.load(Ordering::Relaxed)
    }

    /// Waits until no call is active.
    pub(super) async fn wait_until_idle(&self) {
        let mut active_calls = self.active_calls.subscribe();
        // This cannot fail: the sender lives as long as `self`.
        let _ = active_calls.wait_for(|number| *number == 0).await;
    }
}

/// A change of the number of active calls, until it is dropped.
pub(super) struct CallCount<'a> {
    active_calls: &'a watch::Sender<isize>,
    by: isize,
}

impl<'a> CallCount<'a> {
    fn new(active_calls: &'a watch::Sender<isize>, by: isize) -> Self {
        // Signed, because a call that waits for a person is counted out while it is still counted
        // in.
        active_calls.send_modify(|number| *number += by);
        Self { active_calls, by }
    }
}

impl Drop for CallCount<'_> {
    fn drop(&mut self) {
        self.active_calls.send_modify(|number| *number -= self.by);
    }
}

/// Sends a request to the API, and waits for its answer.
pub(super) async fn ask<T: Send + 'static>(request: impl FnOnce(ReplyFn<T>)) -> Result<T, Error> {
    let (answer, answered) = oneshot::channel();
    request(Box::new(move |result| {
        // The receiver is gone when the client cancelled the request.
        let _ = answer.send(result);
    }));
    // A dropped reply means that no thread serves requests anymore.
    answered.await.unwrap_or_else(|_| Err(Error::Refused("the server is ending".to_owned())))
}

/// An error for the client, not for its model.
pub(super) fn protocol_error(error: &Error) -> ErrorData {
    ErrorData::internal_error(text::block(&error.message(), 2_000), None)
}

/// The name that the client gives itself, for records.
pub(super) fn client_name(context: &RequestContext<RoleServer>) -> String {
    let name = context.client_info().map(|client| text::line(client.name.trim(), 100));
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| "an unnamed client".to_owned())
}
