//! The state of one session: active requests, batches, the negotiated revision, and whether the connection is closed.
//!
//! Guarantees: the id of a request is free again after its response, or after the handler of a cancelled request has ended.
//!
//! Deliberately never: reads or writes.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard};

use rmcp::model::{
    ClientJsonRpcMessage, Extensions, GetExtensions as _, JsonRpcMessage, RequestId, ServerJsonRpcMessage, ServerResult,
};
use serde_json::Value;
use tokio::sync::watch;

use crate::sync::lock;

/// Most requests that are active at one time.
const MOST_ACTIVE: usize = 1_024;

/// One session.
#[derive(Debug)]
pub(super) struct McpSession {
    state: Mutex<SessionState>,
    phase: watch::Sender<Phase>,
    /// Changes whenever a request stops being active.
    ended_requests: watch::Sender<u64>,
}

/// How much of the connection is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// Both directions are open.
    Open,
    /// The client sends nothing more, and may still read.
    InputEnded,
    /// The client is gone.
    Closed,
}

#[derive(Debug, Default)]
struct SessionState {
    active: HashSet<RequestId>,
    cancelled: HashSet<RequestId>,
    initialized: bool,
    subscribe: bool,
    revision: Option<String>,
    batches: Vec<PendingBatch>,
}

/// Requests that came in one array. Their responses go out in one array.
#[derive(Debug)]
struct PendingBatch {
    unanswered: HashSet<RequestId>,
    answers: Vec<Value>,
}

/// What happens with a response.
#[derive(Debug, PartialEq)]
pub(super) enum AnswerRouting {
    /// It is sent.
    SendNow(Value),
    /// It waits for the other responses of its batch.
    InBatch,
}

impl McpSession {
    pub(super) fn new() -> Self {
        Self { state: Mutex::default(), phase: watch::Sender::new(Phase::Open), ended_requests: watch::Sender::new(0) }
    }

    fn state(&self) -> MutexGuard<'_, SessionState> {
        lock(&self.state)
    }

    /// Registers a request as active.
    ///
    /// # Errors
    /// When its id is already active, or too many requests are.
    pub(super) fn begin(&self, id: &RequestId) -> Result<(), &'static str> {
        let mut state = self.state();
        // The response goes to a stream by its id. With two active requests of one id, it could go
        // to the wrong one.
        if state.active.contains(id) {
            return Err("a request with this id is active");
        }
        if state.active.len() >= MOST_ACTIVE {
            return Err("too many requests are active: wait for a response");
        }
        state.active.insert(id.clone());
        Ok(())
    }

    /// The request is no longer active.
    fn release(&self, state: &mut SessionState, id: &RequestId) {
        if state.active.remove(id) {
            self.ended_requests.send_modify(|ended| *ended = ended.wrapping_add(1));
        }
    }

    /// Ends a cancelled request, which gets no response. Returns the responses of its batch when they are complete now.
    pub(super) fn abandon(&self, id: &RequestId) -> Option<Value> {
        let mut state = self.state();
        self.release(&mut state, id);
        state.cancelled.remove(id);
        let number = state.batches.iter().position(|batch| batch.unanswered.contains(id))?;
        state.batches[number].unanswered.remove(id);
        // The cancelled one may have been the last that the others waited for.
        let whole = state.batches[number].unanswered.is_empty();
        let answers = whole.then(|| state.batches.swap_remove(number).answers)?;
        (!answers.is_empty()).then_some(Value::Array(answers))
    }

    /// The client cancels a request. Its id stays taken until its handler ends: a late response must not answer another request.
    pub(super) fn cancelled(&self, id: &RequestId) {
        let mut state = self.state();
        // An unknown id is ignored: the response may have crossed the cancellation on its way.
        if state.active.contains(id) {
            state.cancelled.insert(id.clone());
        }
    }

    /// A handler has ended.
    fn handled(&self, id: &RequestId) {
        let mut state = self.state();
        // Only for a cancelled request. Otherwise its response frees the id, and that comes later.
        if state.cancelled.remove(id) {
            self.release(&mut state, id);
        }
    }

    /// Registers requests that came in one array, with the responses that exist already.
    pub(super) fn batch(&self, ids: impl IntoIterator<Item = RequestId>, answers: Vec<Value>) -> Option<Value> {
        let unanswered: HashSet<RequestId> = ids.into_iter().collect();
        if unanswered.is_empty() {
            return (!answers.is_empty()).then_some(Value::Array(answers));
        }
        self.state().batches.push(PendingBatch { unanswered, answers });
        None
    }

    /// Ends a request with its response.
    pub(super) fn answered(&self, id: &RequestId, answer: Value) -> AnswerRouting {
        let mut state = self.state();
        self.release(&mut state, id);
        let Some(number) = state.batches.iter().position(|batch| batch.unanswered.contains(id)) else {
            return AnswerRouting::SendNow(answer);
        };
        let batch = &mut state.batches[number];
        batch.unanswered.remove(id);
        batch.answers.push(answer);
        match batch.unanswered.is_empty() {
            true => AnswerRouting::SendNow(Value::Array(state.batches.swap_remove(number).answers)),
            false => AnswerRouting::InBatch,
        }
    }

    /// The opening of the session is over. From now on the client may send notifications and responses.
    pub(super) fn open(&self) {
        self.state().initialized = true;
    }

    /// Whether the opening of the session is over.
    pub(super) fn is_open(&self) -> bool {
        self.state().initialized
    }

    /// Subscribes the client to changes. Says whether it was not subscribed before.
    pub(super) fn subscribe(&self) -> bool {
        !std::mem::replace(&mut self.state().subscribe, true)
    }

    /// Records the negotiated revision.
    pub(super) fn negotiated(&self, revision: &str) {
        self.state().revision = Some(revision.to_owned());
    }

    /// Records an outgoing message. Returns the id of the request that it answers.
    pub(super) fn note_sent<'m>(&self, message: &'m ServerJsonRpcMessage) -> Option<&'m RequestId> {
        match message {
            JsonRpcMessage::Response(answer) => {
                if let ServerResult::InitializeResult(negotiated) = &answer.result {
                    self.negotiated(negotiated.protocol_version.as_str());
                }
                Some(&answer.id)
            }
            JsonRpcMessage::Error(answer) => answer.id.as_ref(),
            _ => None,
        }
    }

    /// Whether requests may come in arrays, which only one revision permits.
    pub(super) fn takes_batches(&self) -> bool {
        self.state().revision.as_deref() == Some("2025-03-26")
    }

    /// Whether `initialize` has negotiated a revision.
    pub(super) fn is_initialized(&self) -> bool {
        self.state().revision.is_some()
    }

    /// The client has disconnected.
    pub(super) fn close(&self) {
        self.advance(Phase::Closed);
    }

    /// The client sends nothing more. A question to its person can no longer be answered, but its calls can.
    pub(super) fn end_input(&self) {
        self.advance(Phase::InputEnded);
    }

    fn advance(&self, to: Phase) {
        self.phase.send_if_modified(|phase| {
            let later = to > *phase;
            *phase = to.max(*phase);
            later
        });
    }

    async fn reached(&self, wanted: Phase) {
        let mut phase = self.phase.subscribe();
        // This cannot fail: the sender lives as long as `self`.
        let _ = phase.wait_for(|phase| *phase >= wanted).await;
    }

    /// Waits until the client has disconnected.
    pub(super) async fn closed(&self) {
        self.reached(Phase::Closed).await;
    }

    /// Waits until the client sends nothing more.
    pub(super) async fn input_ended(&self) {
        self.reached(Phase::InputEnded).await;
    }

    /// Waits until every request has its answer.
    pub(super) async fn all_answered(&self) {
        let mut ended = self.ended_requests.subscribe();
        // The value is marked as seen before the requests are counted, so that no end of one is missed.
        while self.has_requests() && ended.changed().await.is_ok() {}
    }

    /// Whether a request is active.
    pub(super) fn has_requests(&self) -> bool {
        !self.state().active.is_empty()
    }
}

/// Frees the id of a cancelled request when its handler ends. Each copy of the request holds it.
#[derive(Debug)]
struct HandlerGuard {
    session: Arc<McpSession>,
    id: RequestId,
}

impl Drop for HandlerGuard {
    fn drop(&mut self) {
        self.session.handled(&self.id);
    }
}

/// Attaches a [`HandlerGuard`] to a request.
pub(super) fn track_handler(message: &mut ClientJsonRpcMessage, session: &Arc<McpSession>) {
    if let JsonRpcMessage::Request(request) = message {
        let handled = HandlerGuard { session: Arc::clone(session), id: request.id.clone() };
        // Shared, because the SDK clones requests. The last copy that goes frees the id.
        request.request.extensions_mut().insert(Arc::new(handled));
    }
}

/// Attaches the session to a message, so that its handler can find it.
pub(super) fn attach_session(message: &mut ClientJsonRpcMessage, session: &Arc<McpSession>) {
    match message {
        JsonRpcMessage::Request(request) => {
            request.request.extensions_mut().insert(Arc::clone(session));
        }
        JsonRpcMessage::Notification(notification) => {
            notification.notification.extensions_mut().insert(Arc::clone(session));
        }
        JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_) => {}
    }
}

/// Waits until the client has disconnected. A request without a session never sees that; its client cancels it instead.
pub(super) async fn closed(extensions: &Extensions) {
    match extensions.get::<Arc<McpSession>>() {
        Some(session) => session.closed().await,
        None => std::future::pending().await,
    }
}

/// Waits until the client sends nothing more, so that it can neither answer a question nor end a subscription.
pub(super) async fn input_ended(extensions: &Extensions) {
    match extensions.get::<Arc<McpSession>>() {
        Some(session) => session.input_ended().await,
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn id(number: i64) -> RequestId {
        RequestId::Number(number)
    }

    #[test]
    fn an_id_is_free_again_when_its_request_was_answered_or_cancelled() {
        let session = McpSession::new();
        assert!(session.begin(&id(1)).is_ok() && session.begin(&id(1)).is_err() && session.begin(&id(2)).is_ok());
        assert_eq!(session.answered(&id(1), json!(1)), AnswerRouting::SendNow(json!(1)));
        assert_eq!(session.abandon(&id(2)), None);
        assert!(session.begin(&id(1)).is_ok() && session.begin(&id(2)).is_ok());
    }

    #[test]
    fn the_id_of_what_was_cancelled_is_free_when_its_handler_is_done() {
        let session = Arc::new(McpSession::new());
        let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
        let Ok(mut message) = serde_json::from_str::<ClientJsonRpcMessage>(ping) else { unreachable!("it is one") };
        track_handler(&mut message, &session);
        assert!(session.begin(&id(1)).is_ok());
        session.cancelled(&id(1));
        session.cancelled(&id(2));
        assert!(session.begin(&id(1)).is_err());
        drop(message);
        assert!(session.begin(&id(1)).is_ok() && session.begin(&id(2)).is_ok());
        assert!(session.state().cancelled.is_empty());
    }

    #[test]
    fn one_request_too_many_is_refused_until_another_was_answered() {
        let session = McpSession::new();
        let most = i64::try_from(MOST_ACTIVE).unwrap_or_default();
        assert!((0..most).all(|number| session.begin(&id(number)).is_ok()));
        assert!(session.begin(&id(most)).is_err());
        session.answered(&id(7), json!({}));
        assert!(session.begin(&id(most)).is_ok());
    }

    #[test]
    fn answers_to_a_batch_go_out_together_without_those_of_what_was_cancelled() {
        let session = McpSession::new();
        assert_eq!(session.batch([id(1), id(2), id(3)], vec![json!("bad")]), None);
        assert_eq!(session.answered(&id(9), json!(9)), AnswerRouting::SendNow(json!(9)));
        assert_eq!(session.answered(&id(2), json!(2)), AnswerRouting::InBatch);
        assert_eq!(session.abandon(&id(1)), None);
        assert_eq!(session.answered(&id(3), json!(3)), AnswerRouting::SendNow(json!(["bad", 2, 3])));
        assert_eq!(session.batch([], vec![json!("bad")]), Some(json!(["bad"])));
        assert_eq!(session.batch([], vec![]), None);
        session.batch([id(4), id(5)], Vec::new());
        session.answered(&id(4), json!(4));
        assert_eq!(session.abandon(&id(5)), Some(json!([4])));
        session.batch([id(6)], Vec::new());
        assert_eq!(session.abandon(&id(6)), None, "there is nothing to say");
    }
}
