//! What one connection has in common: which requests are under way, which revision was agreed on, whether it is over.
//!
//! Deliberately never: reads or writes.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard};

use rmcp::model::{
    ClientJsonRpcMessage, Extensions, GetExtensions as _, JsonRpcMessage, RequestId, ServerJsonRpcMessage, ServerResult,
};
use serde_json::Value;
use tokio::sync::watch;

use crate::model::lock::lock;

/// Most requests that are under way at one time.
const MOST_UNDER_WAY: usize = 1_024;

/// One connection.
#[derive(Debug)]
pub(super) struct Session {
    state: Mutex<State>,
    over: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct State {
    under_way: HashSet<RequestId>,
    cancelled: HashSet<RequestId>,
    begun: bool,
    listens: bool,
    revision: Option<String>,
    batches: Vec<Batch>,
}

/// Requests that came in one array: their answers go out in one.
#[derive(Debug)]
struct Batch {
    missing: HashSet<RequestId>,
    answers: Vec<Value>,
}

/// What is to be done with an answer.
#[derive(Debug, PartialEq)]
pub(super) enum Outgoing {
    /// Out with it.
    Now(Value),
    /// It waits for others.
    Later,
}

impl Session {
    pub(super) fn new() -> Self {
        Self { state: Mutex::default(), over: watch::Sender::new(false) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Notes that a request is under way.
    ///
    /// # Errors
    /// When one with this id is already, or as many as may be.
    pub(super) fn begin(&self, id: &RequestId) -> Result<(), &'static str> {
        let mut state = self.state();
        if state.under_way.contains(id) {
            return Err("a request with this id is under way");
        }
        if state.under_way.len() >= MOST_UNDER_WAY {
            return Err("too many requests are under way: wait for an answer");
        }
        state.under_way.insert(id.clone());
        Ok(())
    }

    /// A request that will not be answered, because it was cancelled. Gives what its batch waited for it with, if that is whole now.
    pub(super) fn forget(&self, id: &RequestId) -> Option<Value> {
        let mut state = self.state();
        state.under_way.remove(id);
        state.cancelled.remove(id);
        let number = state.batches.iter().position(|batch| batch.missing.contains(id))?;
        state.batches[number].missing.remove(id);
        let whole = state.batches[number].missing.is_empty();
        let answers = whole.then(|| state.batches.swap_remove(number).answers)?;
        (!answers.is_empty()).then_some(Value::Array(answers))
    }

    /// The client takes a request back. Its id is free when its handler is done: what that still says must not answer another request.
    pub(super) fn cancelled(&self, id: &RequestId) {
        let mut state = self.state();
        if state.under_way.contains(id) {
            state.cancelled.insert(id.clone());
        }
    }

    /// A handler is done.
    fn handled(&self, id: &RequestId) {
        let mut state = self.state();
        if state.cancelled.remove(id) {
            state.under_way.remove(id);
        }
    }

    /// Notes that these requests came together, and what some of them were answered at once.
    pub(super) fn batch(&self, ids: impl IntoIterator<Item = RequestId>, answers: Vec<Value>) -> Option<Value> {
        let missing: HashSet<RequestId> = ids.into_iter().collect();
        if missing.is_empty() {
            return (!answers.is_empty()).then_some(Value::Array(answers));
        }
        self.state().batches.push(Batch { missing, answers });
        None
    }

    /// An answer to a request is ready.
    pub(super) fn answered(&self, id: &RequestId, answer: Value) -> Outgoing {
        let mut state = self.state();
        state.under_way.remove(id);
        let Some(number) = state.batches.iter().position(|batch| batch.missing.contains(id)) else {
            return Outgoing::Now(answer);
        };
        let batch = &mut state.batches[number];
        batch.missing.remove(id);
        batch.answers.push(answer);
        match batch.missing.is_empty() {
            true => Outgoing::Now(Value::Array(state.batches.swap_remove(number).answers)),
            false => Outgoing::Later,
        }
    }

    /// Notes that the opening is over: from now on there may be more than requests.
    pub(super) fn open(&self) {
        self.state().begun = true;
    }

    /// Whether the opening is over.
    pub(super) fn is_open(&self) -> bool {
        self.state().begun
    }

    /// Notes that the client is told of changes from now on. Says whether it was not told before.
    pub(super) fn listens(&self) -> bool {
        !std::mem::replace(&mut self.state().listens, true)
    }

    /// Notes the revision that was agreed on.
    pub(super) fn agreed(&self, revision: &str) {
        self.state().revision = Some(revision.to_owned());
    }

    /// Notes what goes out. Gives the id of the request that it answers, if it answers one.
    pub(super) fn sent<'m>(&self, message: &'m ServerJsonRpcMessage) -> Option<&'m RequestId> {
        match message {
            JsonRpcMessage::Response(answer) => {
                if let ServerResult::InitializeResult(agreed) = &answer.result {
                    self.agreed(agreed.protocol_version.as_str());
                }
                Some(&answer.id)
            }
            JsonRpcMessage::Error(answer) => answer.id.as_ref(),
            _ => None,
        }
    }

    /// Whether requests may come in arrays: one revision says so.
    pub(super) fn takes_batches(&self) -> bool {
        self.state().revision.as_deref() == Some("2025-03-26")
    }

    /// Whether a revision was agreed on by `initialize`.
    pub(super) fn is_agreed(&self) -> bool {
        self.state().revision.is_some()
    }

    /// Nobody is there any more.
    pub(super) fn hang_up(&self) {
        self.over.send_replace(true);
    }

    /// Waits until nobody is there any more.
    pub(super) async fn over(&self) {
        let mut over = self.over.subscribe();
        // The sender lives as long as this.
        let _ = over.wait_for(|over| *over).await;
    }

    /// Whether a request is under way.
    pub(super) fn is_at_work(&self) -> bool {
        !self.state().under_way.is_empty()
    }
}

/// A request that has a handler, until that is done with it.
#[derive(Debug)]
struct Handled {
    session: Arc<Session>,
    id: RequestId,
}

impl Drop for Handled {
    fn drop(&mut self) {
        self.session.handled(&self.id);
    }
}

/// Has a request tell its session when its handler is done with it.
pub(super) fn follow(message: &mut ClientJsonRpcMessage, session: &Arc<Session>) {
    if let JsonRpcMessage::Request(request) = message {
        let handled = Handled { session: Arc::clone(session), id: request.id.clone() };
        request.request.extensions_mut().insert(Arc::new(handled));
    }
}

/// Has a message carry the connection that it came over to its handler.
pub(super) fn mark(message: &mut ClientJsonRpcMessage, session: &Arc<Session>) {
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

/// Waits until nobody is there any more. A request that stands alone has no connection that could end: its client takes it back.
pub(super) async fn over(extensions: &Extensions) {
    match extensions.get::<Arc<Session>>() {
        Some(session) => session.over().await,
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
        let session = Session::new();
        assert!(session.begin(&id(1)).is_ok() && session.begin(&id(1)).is_err() && session.begin(&id(2)).is_ok());
        assert_eq!(session.answered(&id(1), json!(1)), Outgoing::Now(json!(1)));
        assert_eq!(session.forget(&id(2)), None);
        assert!(session.begin(&id(1)).is_ok() && session.begin(&id(2)).is_ok());
    }

    #[test]
    fn the_id_of_what_was_cancelled_is_free_when_its_handler_is_done() {
        let session = Arc::new(Session::new());
        let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
        let Ok(mut message) = serde_json::from_str::<ClientJsonRpcMessage>(ping) else { unreachable!("it is one") };
        follow(&mut message, &session);
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
        let session = Session::new();
        let most = i64::try_from(MOST_UNDER_WAY).unwrap_or_default();
        assert!((0..most).all(|number| session.begin(&id(number)).is_ok()));
        assert!(session.begin(&id(most)).is_err());
        session.answered(&id(7), json!({}));
        assert!(session.begin(&id(most)).is_ok());
    }

    #[test]
    fn answers_to_a_batch_go_out_together_without_those_of_what_was_cancelled() {
        let session = Session::new();
        assert_eq!(session.batch([id(1), id(2), id(3)], vec![json!("bad")]), None);
        assert_eq!(session.answered(&id(9), json!(9)), Outgoing::Now(json!(9)));
        assert_eq!(session.answered(&id(2), json!(2)), Outgoing::Later);
        assert_eq!(session.forget(&id(1)), None);
        assert_eq!(session.answered(&id(3), json!(3)), Outgoing::Now(json!(["bad", 2, 3])));
        assert_eq!(session.batch([], vec![json!("bad")]), Some(json!(["bad"])));
        assert_eq!(session.batch([], vec![]), None);
        session.batch([id(4), id(5)], Vec::new());
        session.answered(&id(4), json!(4));
        assert_eq!(session.forget(&id(5)), Some(json!([4])));
        session.batch([id(6)], Vec::new());
        assert_eq!(session.forget(&id(6)), None, "there is nothing to say");
    }
}
