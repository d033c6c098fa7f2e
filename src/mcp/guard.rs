//! What stands around the handlers: a panic is an answer; on a connection for one client an opening happens once, and a
//! cancelled request is over when its handler is.
//!
//! Guarantees: whatever a handler does, the SDK gets an answer for it. Deliberately never: looks into a request.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use rmcp::model::{ClientNotification, ClientRequest, ErrorData, ProtocolVersion, ServerConfig, ServerResult};
use rmcp::service::{NotificationContext, RequestContext, RoleServer, Service};

use super::session::Session;
use super::wire::Outbox;

/// A handler behind the guard.
pub(super) struct Guarded<H> {
    pub(super) handler: H,
    pub(super) session: Arc<Session>,
    pub(super) out: Outbox,
}

/// Runs to the end, or until it panics.
pub(super) async fn caught<T>(work: impl Future<Output = Result<T, ErrorData>>) -> Result<T, ErrorData> {
    let mut work = pin!(work);
    std::future::poll_fn(move |cx| match catch_unwind(AssertUnwindSafe(|| work.as_mut().poll(cx))) {
        Ok(poll) => poll,
        Err(_) => Poll::Ready(Err(ErrorData::internal_error("an error of the server's own", None))),
    })
    .await
}

impl<H: Service<RoleServer>> Service<RoleServer> for Guarded<H> {
    async fn handle_request(
        &self,
        request: ClientRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<ServerResult, ErrorData> {
        if matches!(request, ClientRequest::InitializeRequest(_)) && self.session.is_agreed() {
            return Err(ErrorData::invalid_request("this connection was initialized before", None));
        }
        let (id, cancelled) = (context.id.clone(), context.ct.clone());
        let answer = self.handler.handle_request(request, context).await;
        if cancelled.is_cancelled()
            && let Some(rest) = self.session.forget(&id)
        {
            // Nobody is there to be told when it cannot be sent.
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
        let answer = block(caught::<()>(async { [].get(1).copied().map_or_else(|| unreachable!("on purpose"), Ok) }))?;
        assert_eq!(answer.map_err(|error| error.code.0), Err(-32_603));
        assert_eq!(block(caught(async { Ok(7) }))?.ok(), Some(7));
        Ok(())
    }
}
