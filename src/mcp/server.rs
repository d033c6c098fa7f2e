//! Who the server is, and which handler answers what.
//!
//! Guarantees: a method that is known is never answered as unknown because its parameters are off.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rmcp::handler::server::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CustomRequest, CustomResult, ErrorCode, ErrorData, GetPromptRequestParams,
    GetPromptResponse, GetSkillRequestParams, GetSkillResult, Implementation, ListPromptsResult,
    ListResourceTemplatesResult, ListResourcesResult, ListSkillsResult, ListToolsResult, PaginatedRequestParams,
    ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities, ServerConfig,
    SubscriptionFilter,
};
use rmcp::service::{NotificationContext, RequestContext, RoleServer, SubscriptionContext};
use tokio::sync::{oneshot, watch};

use super::guard::caught;
use super::question::Questions;
use super::session::{Session, over};
use super::{Offer, read, tools};
use crate::app::{AgentApi, AgentSkill, Reply};
use crate::error::Error;
use crate::model::text;

const INSTRUCTIONS: &str = "\
Beside a few tools of the server's own, each tool is a skill: a small program that a person read and promoted. It runs in a sandbox with \
what its class allows and nothing else. What a skill would write may be held until a person lets it happen: the answer then \
says so, and calling again does not help. When a skill is missing, ask for one with propose_skill and say why; a person \
decides about it. skill_status and list_proposals say how proposals stand, explain_failure why something failed.";

/// Methods that the SDK knows. What it cannot read of one of them it takes for a method of somebody's own.
const KNOWN: &[&str] = &[
    "completion/complete",
    "initialize",
    "logging/setLevel",
    "ping",
    "prompts/get",
    "prompts/list",
    "resources/list",
    "resources/read",
    "resources/subscribe",
    "resources/templates/list",
    "resources/unsubscribe",
    "server/discover",
    "skills/get",
    "skills/list",
    "subscriptions/listen",
    "tools/call",
    "tools/list",
];

/// Those that revision 2026-07-28 has no more.
const REMOVED: &[&str] = &["initialize", "logging/setLevel", "ping", "resources/subscribe", "resources/unsubscribe"];

/// The handlers, for as many connections as there are.
pub(super) struct Server {
    pub(super) door: AgentApi,
    pub(super) offer: Offer,
    /// Questions that a client of a later revision brings the answers to with another request.
    pub(super) questions: Questions,
    changes: watch::Receiver<u64>,
    at_work: watch::Sender<isize>,
    ending: AtomicBool,
}

impl Server {
    pub(super) fn new(door: AgentApi, offer: Offer) -> Self {
        let sender = watch::Sender::new(0_u64);
        let changes = sender.subscribe();
        door.on_change(Box::new(move || sender.send_modify(|number| *number += 1)));
        Self {
            door,
            offer,
            questions: Questions::default(),
            changes,
            at_work: watch::Sender::new(0),
            ending: AtomicBool::new(false),
        }
    }

    /// Every trusted skill, by name.
    pub(super) async fn skills(&self) -> Result<Vec<AgentSkill>, ErrorData> {
        ask(|reply| self.door.skills(reply)).await.map_err(|error| protocol(&error))
    }

    /// Counts a call as under way until what is given is dropped.
    pub(super) fn busy(&self) -> Counted<'_> {
        Counted::new(&self.at_work, 1)
    }

    /// Counts a call as not under way, while it waits for a person, until what is given is dropped.
    pub(super) fn waits(&self) -> Counted<'_> {
        Counted::new(&self.at_work, -1)
    }

    /// What is cancelled from now on is so because the server ends.
    pub(super) fn end(&self) {
        self.ending.store(true, Ordering::Relaxed);
    }

    /// Whether it ends.
    pub(super) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::Relaxed)
    }

    /// Waits until no call is under way.
    pub(super) async fn idle(&self) {
        let mut at_work = self.at_work.subscribe();
        // The sender lives as long as this.
        let _ = at_work.wait_for(|number| *number == 0).await;
    }
}

/// A change of how many calls are under way, until it is dropped.
pub(super) struct Counted<'a> {
    at_work: &'a watch::Sender<isize>,
    by: isize,
}

impl<'a> Counted<'a> {
    fn new(at_work: &'a watch::Sender<isize>, by: isize) -> Self {
        at_work.send_modify(|number| *number += by);
        Self { at_work, by }
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.at_work.send_modify(|number| *number -= self.by);
    }
}

/// Waits for the answer to something that was asked at the door.
pub(super) async fn ask<T: Send + 'static>(asked: impl FnOnce(Reply<T>)) -> Result<T, Error> {
    let (tell, told) = oneshot::channel();
    asked(Box::new(move |answer| {
        // Whoever asked may be gone.
        let _ = tell.send(answer);
    }));
    told.await.unwrap_or_else(|_| Err(Error::Refused("the server is ending".to_owned())))
}

/// An error that the client is told about, not its model.
pub(super) fn protocol(error: &Error) -> ErrorData {
    ErrorData::internal_error(text::block(&error.to_string(), 2_000), None)
}

/// What a client calls itself, for records.
pub(super) fn client_name(context: &RequestContext<RoleServer>) -> String {
    let name = context.client_info().map(|client| text::line(client.name.trim(), 100));
    name.filter(|name| !name.is_empty()).unwrap_or_else(|| "an unnamed client".to_owned())
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_tool_list_changed()
            .enable_resources()
            .enable_prompts()
            .enable_skills()
            .build();
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("kavi", env!("CARGO_PKG_VERSION")).with_title("Kavi"))
            .with_instructions(INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let cursor = request.and_then(|request| request.cursor);
        caught(async { tools::page(&self.skills().await?, self.offer, cursor.as_deref()) }).await
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        caught(self.call(request, context)).await
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let cursor = request.and_then(|request| request.cursor);
        caught(async { read::page(&self.skills().await?, cursor.as_deref()) }).await
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(ListResourceTemplatesResult::with_all_items(read::templates()))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        caught(self.read(&request.uri)).await.map(ReadResourceResponse::from)
    }

    async fn list_skills(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListSkillsResult, ErrorData> {
        let cursor = request.and_then(|request| request.cursor);
        caught(async { read::skills(&self.skills().await?, cursor.as_deref()) }).await
    }

    async fn get_skill(
        &self,
        request: GetSkillRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetSkillResult, ErrorData> {
        caught(async { read::skill(&self.skills().await?, &request.uri).map(GetSkillResult::new) }).await
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(ListPromptsResult::with_all_items(vec![read::prompt()]))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        caught(async { read::get_prompt(&request).map(GetPromptResponse::from) }).await
    }

    /// Clients of later revisions listen for changes instead, which is a request of their own.
    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        let first = context.extensions.get::<Arc<Session>>().is_some_and(|session| session.listens());
        if !first {
            return;
        }
        let mut changes = self.changes.clone();
        tokio::spawn(async move {
            loop {
                let changed = tokio::select! {
                    changed = changes.changed() => changed.is_ok(),
                    () = over(&context.extensions) => false,
                };
                if !changed || context.peer.notify_tool_list_changed().await.is_err() {
                    return;
                }
            }
        });
    }

    fn accepted_subscription_filter(&self, _: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(SubscriptionFilter::builder().tools_list_changed().build())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        let mut changes = self.changes.clone();
        loop {
            let changed = tokio::select! {
                changed = changes.changed() => changed.is_ok(),
                () = context.cancelled() => false,
                () = over(&context.request_context().extensions) => false,
            };
            if !changed || context.sink().notify_tool_list_changed().await.is_err() {
                return Ok(());
            }
        }
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        let method = text::line(&request.method, 200);
        let latest = context.protocol_version().is_some_and(|revision| revision >= ProtocolVersion::NO_INITIALIZE);
        let removed = latest && REMOVED.contains(&request.method.as_str());
        Err(match KNOWN.contains(&request.method.as_str()) && !removed {
            true => ErrorData::invalid_params(format!("the parameters are not those of {method}"), None),
            false => ErrorData::new(ErrorCode::METHOD_NOT_FOUND, format!("there is no method {method}"), None),
        })
    }
}
