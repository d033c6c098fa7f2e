//! Turns a panic of a handler into an error response.
//!
//! On a connection for one client it also rejects a second `initialize`, and ends a cancelled request with its handler.
//!
//! Guarantees: the SDK receives a response for every request. Deliberately never: reads the parameters of a request.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use rmcp::model::{ClientNotification, ClientRequest, ErrorData, ProtocolVersion, ServerConfig, ServerResult};
use rmcp::service::{NotificationContext, RequestContext, RoleServer, Service};

use super::session::McpSession;
use super::stdio_transport::Outbox;

/// A handler whose panics are caught.
pub(super) struct GuardedService<H> {
    pub(super) handler: H,
    pub(super) session: Arc<McpSession>,
    pub(super) out: Outbox,
}

/// Runs a handler to its end. A panic is an internal error.
pub(super) async fn catch_panic<T>(work: impl Future<Output = Result<T, ErrorData>>) -> Result<T, ErrorData> {
    // Caught at each poll, because a panic can come at any of them. The future is not polled again
    // afterwards.
    let mut work = pin!(work);
    std::future::poll_fn(move |cx| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
        Ok(poll) => poll,
        Err(_) => Poll::Ready(Err(ErrorData::internal_error("internal error: the handler panicked", None))),
    })
    .await
}

impl<H: Service<RoleServer>> Service<RoleServer> for GuardedService<H> {
    async fn handle_request(
        &self,
        request: ClientRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<ServerResult, ErrorData> {
        // The SDK would take it, and later calls would run under another revision than earlier
        // ones.
        if matches!(request, ClientRequest::InitializeRequest(_)) && self.session.is_initialized() {
            return Err(ErrorData::invalid_request("this connection was initialized before", None));
        }
        let (id, cancelled) = (context.id.clone(), context.ct.clone());
        let answer = self.handler.handle_request(request, context).await;
        // A cancelled request gets no response, which the rest of its batch would wait for.
        if cancelled.is_cancelled()
            && let Some(rest) = self.session.abandon(&id)
        {
            // Sending fails only when the client has disconnected.
            let _ = self.out.send(Some(rest)).await;
        }
        answer
    }

    async fn handle_notification(
        &self,
        notification: ClientNotification,
        context: NotificationContext<RoleServer>,
    ) -> Result<(), ErrorData> {
        self.handler.handle_notification(notification, context).await
    }

    fn get_info(&self) -> ServerConfig {
        self.handler.get_info()
    }

    fn supported_protocol_versions(&self) -> Cow<'static, [ProtocolVersion]> {
        self.handler.supported_protocol_versions()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block<T>(work: impl Future<Output = T>) -> std::io::Result<T> {
        Ok(tokio::runtime::Builder::new_current_thread().build()?.block_on(work))
    }

    #[test]
    fn a_panic_is_an_answer() -> std::io::Result<()> {
        let answer =
            block(catch_panic::<()>(async { [].get(1).copied().map_or_else(|| unreachable!("on purpose"), Ok) }))?;
        assert_eq!(answer.map_err(|error| error.code.0), Err(-32_603));
        assert_eq!(block(catch_panic(async { Ok(7) }))?.ok(), Some(7));
        Ok(())
    }
}
