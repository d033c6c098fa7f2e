//! The sessions of clients that open one: the SDK's own, with what it leaves out around them.
//!
//! Guarantees: no more than [`MOST`] at a time, of which one that nobody uses makes room; an id that is under way is not taken a
//! second time; a session is opened once; when one ends, what runs for it is told.
//!
//! Deliberately never: remembers a session once it is closed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::Either;
use futures_util::stream::{self, Stream};
use rmcp::model::{
    ClientJsonRpcMessage, ClientNotification, ClientRequest, ErrorCode, ErrorData, JsonRpcMessage, RequestId,
    ServerJsonRpcMessage,
};
use rmcp::service::RoleServer;
use rmcp::transport::Transport;
use rmcp::transport::streamable_http_server::session::local::{LocalSessionManager, LocalSessionManagerError};
use rmcp::transport::streamable_http_server::session::{ServerSseMessage, SessionId, SessionManager};
use tokio::time::Instant;

use super::super::session::{self, Session};
use crate::model::lock::lock;

/// Most sessions at a time.
pub(super) const MOST: usize = 100;
/// How long a session lives in which nothing happens. A person may think about a question for that long.
const IDLE: Duration = Duration::from_secs(30 * 60);

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionsError {
    /// All of them are at work.
    #[error("{MOST} sessions are open, and each has a request under way: try again later")]
    Full,
    /// The SDK says no.
    #[error(transparent)]
    Local(#[from] LocalSessionManagerError),
}

/// All sessions.
#[derive(Debug)]
pub(super) struct Sessions {
    local: LocalSessionManager,
    known: Mutex<HashMap<SessionId, Known>>,
}

#[derive(Debug)]
struct Known {
    session: Arc<Session>,
    used: Instant,
}

impl Sessions {
    pub(super) fn new() -> Self {
        let mut local = LocalSessionManager::default();
        local.session_config.keep_alive = Some(IDLE);
        Self { local, known: Mutex::default() }
    }

    /// The open session of this id, which is used now.
    pub(super) fn used(&self, id: &str) -> Option<Arc<Session>> {
        let mut known = lock(&self.known);
        let known = known.get_mut(id)?;
        known.used = Instant::now();
        Some(Arc::clone(&known.session))
    }

    /// Whether another session can be opened, and which has to go for it.
    pub(super) fn room(&self) -> Result<Option<SessionId>, SessionsError> {
        let known = lock(&self.known);
        if known.len() < MOST {
            return Ok(None);
        }
        let idle = known.iter().filter(|(_, known)| !known.session.is_at_work());
        let oldest = idle.min_by_key(|(_, known)| known.used).map(|(id, _)| Arc::clone(id));
        oldest.map(Some).ok_or(SessionsError::Full)
    }
}

/// The transport of one session, with its beginning and end.
pub(super) struct Watched<T> {
    inner: T,
    session: Arc<Session>,
}

impl<T: Transport<RoleServer>> Transport<RoleServer> for Watched<T> {
    type Error = T::Error;

    fn send(&mut self, item: ServerJsonRpcMessage) -> impl Future<Output = Result<(), T::Error>> + Send + 'static {
        if let Some(id) = self.session.sent(&item) {
            self.session.forget(id);
        }
        self.inner.send(item)
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        let Some(mut message) = self.inner.receive().await else {
            self.session.hang_up();
            return None;
        };
        session::mark(&mut message, &self.session);
        session::follow(&mut message, &self.session);
        // What is cancelled is not answered.
        if let JsonRpcMessage::Notification(notification) = &message
            && let ClientNotification::CancelledNotification(cancelled) = &notification.notification
            && let Some(id) = &cancelled.params.request_id
        {
            self.session.cancelled(id);
        }
        Some(message)
    }

    async fn close(&mut self) -> Result<(), T::Error> {
        self.session.hang_up();
        self.inner.close().await
    }
}

impl<T> Drop for Watched<T> {
    fn drop(&mut self) {
        self.session.hang_up();
    }
}

/// A stream that says why there is none.
fn refusal(id: RequestId, why: &'static str) -> impl Stream<Item = ServerSseMessage> + Send + Sync + 'static {
    let error = ErrorData::new(ErrorCode::INVALID_REQUEST, why, None);
    stream::iter([ServerSseMessage::from_message(ServerJsonRpcMessage::error(error, Some(id)))])
}

impl SessionManager for Sessions {
    type Error = SessionsError;
    type Transport = Watched<<LocalSessionManager as SessionManager>::Transport>;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), SessionsError> {
        if let Some(oldest) = self.room()? {
            self.close_session(&oldest).await?;
        }
        let (id, inner) = self.local.create_session().await?;
        let session = Arc::new(Session::new());
        session.open();
        let known = Known { session: Arc::clone(&session), used: Instant::now() };
        lock(&self.known).insert(Arc::clone(&id), known);
        Ok((id, Watched { inner, session }))
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, SessionsError> {
        Ok(self.local.initialize_session(id, message).await?)
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, SessionsError> {
        Ok(self.used(id).is_some() && self.local.has_session(id).await?)
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), SessionsError> {
        if let Some(known) = lock(&self.known).remove(id) {
            known.session.hang_up();
        }
        Ok(self.local.close_session(id).await?)
    }

    async fn create_stream(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionsError> {
        let session = self.used(id).ok_or_else(|| LocalSessionManagerError::SessionNotFound(Arc::clone(id)))?;
        let begun = match &message {
            JsonRpcMessage::Request(request) => Some(request.id.clone()),
            _ => None,
        };
        if let JsonRpcMessage::Request(request) = &message {
            let opens = matches!(request.request, ClientRequest::InitializeRequest(_));
            let fits = if opens { Err("this session was initialized before") } else { session.begin(&request.id) };
            if let Err(why) = fits {
                return Ok(Either::Left(refusal(request.id.clone(), why)));
            }
        }
        match self.local.create_stream(id, message).await {
            Ok(stream) => Ok(Either::Right(stream)),
            Err(error) => {
                begun.inspect(|id| drop(session.forget(id)));
                Err(error.into())
            }
        }
    }

    async fn accept_message(&self, id: &SessionId, message: ClientJsonRpcMessage) -> Result<(), SessionsError> {
        Ok(self.local.accept_message(id, message).await?)
    }

    async fn create_standalone_stream(
        &self,
        id: &SessionId,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionsError> {
        Ok(self.local.create_standalone_stream(id).await?)
    }

    async fn resume(
        &self,
        id: &SessionId,
        last_event_id: String,
    ) -> Result<impl Stream<Item = ServerSseMessage> + Send + Sync + 'static, SessionsError> {
        Ok(self.local.resume(id, last_event_id).await?)
    }
}
