//! The sessions of HTTP clients: the session manager of the SDK, with limits and checks that it lacks.
//!
//! Guarantees: at most [`MOST`] sessions are open; an idle one is closed to make room. An active id is not accepted twice. A
//! session is initialized once. When a session closes, its active calls are cancelled.
//!
//! Deliberately never: keeps a closed session.

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

use super::super::session::{self, McpSession};
use crate::sync::lock;

/// Most open sessions.
pub(super) const MOST: usize = 100;
/// How long an idle session stays open. A person may think about a question for that long.
const IDLE: Duration = Duration::from_secs(30 * 60);

/// Why there is no session.
#[derive(Debug, thiserror::Error)]
pub(super) enum SessionsError {
    /// All of them have active requests.
    #[error("{MOST} sessions are open, and each has an active request: try again later")]
    Full,
    /// The SDK rejects it.
    #[error(transparent)]
    Local(#[from] LocalSessionManagerError),
}

/// All sessions.
#[derive(Debug)]
pub(super) struct Sessions {
    local: LocalSessionManager,
    known: Mutex<HashMap<SessionId, KnownSession>>,
}

#[derive(Debug)]
struct KnownSession {
    session: Arc<McpSession>,
    used: Instant,
}

impl Sessions {
    pub(super) fn new() -> Self {
        let mut local = LocalSessionManager::default();
        local.session_config.keep_alive = Some(IDLE);
        Self { local, known: Mutex::default() }
    }

    /// The open session with this id. It counts as used now.
    pub(super) fn used(&self, id: &str) -> Option<Arc<McpSession>> {
        let mut known = lock(&self.known);
        let known = known.get_mut(id)?;
        known.used = Instant::now();
        Some(Arc::clone(&known.session))
    }

    /// Whether another session can be opened, and which one must be closed for it.
    pub(super) fn room(&self) -> Result<Option<SessionId>, SessionsError> {
        let known = lock(&self.known);
        if known.len() < MOST {
            return Ok(None);
        }
        // A session with an active request is never closed for a newcomer: its call would be lost.
        let idle = known.iter().filter(|(_, known)| !known.session.has_requests());
        let oldest = idle.min_by_key(|(_, known)| known.used).map(|(id, _)| Arc::clone(id));
        oldest.map(Some).ok_or(SessionsError::Full)
    }
}

/// The transport of one session. Reports its end.
pub(super) struct SessionTransport<T> {
    inner: T,
    session: Arc<McpSession>,
}

impl<T: Transport<RoleServer>> Transport<RoleServer> for SessionTransport<T> {
    type Error = T::Error;

    fn send(&mut self, item: ServerJsonRpcMessage) -> impl Future<Output = Result<(), T::Error>> + Send + 'static {
        if let Some(id) = self.session.note_sent(&item) {
            // Before it is sent: the client may use the id again as soon as it has read the
            // response.
            self.session.abandon(id);
        }
        self.inner.send(item)
    }

    async fn receive(&mut self) -> Option<ClientJsonRpcMessage> {
        let Some(mut message) = self.inner.receive().await else {
            self.session.close();
            return None;
        };
        session::attach_session(&mut message, &self.session);
        // The guard lives in the request and is dropped with its handler, however that ends.
        session::track_handler(&mut message, &self.session);
        // A cancelled request gets no response.
        if let JsonRpcMessage::Notification(notification) = &message
            && let ClientNotification::CancelledNotification(cancelled) = &notification.notification
            && let Some(id) = &cancelled.params.request_id
        {
            self.session.cancelled(id);
        }
        Some(message)
    }

    async fn close(&mut self) -> Result<(), T::Error> {
        self.session.close();
        self.inner.close().await
    }
}

impl<T> Drop for SessionTransport<T> {
    fn drop(&mut self) {
        self.session.close();
    }
}

/// A stream with one error response.
fn refusal(id: RequestId, why: &'static str) -> impl Stream<Item = ServerSseMessage> + Send + Sync + 'static {
    let error = ErrorData::new(ErrorCode::INVALID_REQUEST, why, None);
    stream::iter([ServerSseMessage::from_message(ServerJsonRpcMessage::error(error, Some(id)))])
}

impl SessionManager for Sessions {
    type Error = SessionsError;
    type Transport = SessionTransport<<LocalSessionManager as SessionManager>::Transport>;

    async fn create_session(&self) -> Result<(SessionId, Self::Transport), SessionsError> {
        // Asked again: between the filter's look and this, another client may have taken the place.
        if let Some(oldest) = self.room()? {
            self.close_session(&oldest).await?;
        }
        let (id, inner) = self.local.create_session().await?;
        let session = Arc::new(McpSession::new());
        // The SDK makes a session only for a valid `initialize`, so the opening is over.
        session.open();
        let known = KnownSession { session: Arc::clone(&session), used: Instant::now() };
        lock(&self.known).insert(Arc::clone(&id), known);
        Ok((id, SessionTransport { inner, session }))
    }

    async fn initialize_session(
        &self,
        id: &SessionId,
        message: ClientJsonRpcMessage,
    ) -> Result<ServerJsonRpcMessage, SessionsError> {
        Ok(self.local.initialize_session(id, message).await?)
    }

    async fn has_session(&self, id: &SessionId) -> Result<bool, SessionsError> {
        // Both must know it. Otherwise a request could run in a session whose end nobody would
        // notice.
        Ok(self.used(id).is_some() && self.local.has_session(id).await?)
    }

    async fn close_session(&self, id: &SessionId) -> Result<(), SessionsError> {
        if let Some(known) = lock(&self.known).remove(id) {
            // First: active calls are cancelled even if the SDK cannot close its side.
            known.session.close();
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
            // The SDK would initialize the session again, with another revision than its calls
            // have.
            let fits = if opens { Err("this session was initialized before") } else { session.begin(&request.id) };
            if let Err(why) = fits {
                return Ok(Either::Left(refusal(request.id.clone(), why)));
            }
        }
        match self.local.create_stream(id, message).await {
            Ok(stream) => Ok(Either::Right(stream)),
            Err(error) => {
                // The request never started, so its id must be free for another attempt.
                begun.inspect(|id| drop(session.abandon(id)));
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
