//! What the server says of itself, and the handler of each method.
//!
//! Guarantees: a known method with invalid parameters is never answered as an unknown method.

use rmcp::handler::server::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CustomRequest, CustomResult, DiscoverResult, ErrorCode, ErrorData,
    GetPromptRequestParams, GetPromptResponse, GetSkillRequestParams, GetSkillResult, Implementation,
    InitializeRequestParams, InitializeResult, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult,
    ListSkillsResult, ListToolsResult, PaginatedRequestParams, ProtocolVersion, ReadResourceRequestParams,
    ReadResourceResponse, ServerCapabilities, ServerConfig, SubscriptionFilter,
};
use rmcp::service::{NotificationContext, RequestContext, RoleServer, SubscriptionContext};

use super::catch_panic::catch_panic;
use super::service::{McpService, ask, client_name};
use super::{notifications, prompts, resources, tools};
use crate::model::text;

const INSTRUCTIONS: &str = "\
Apart from a few built-in tools, each tool is a skill: a small program that a person reviewed and promoted. It runs in a sandbox \
and can do only what its class allows. Files that a skill writes may be held until a person approves them. The answer then says \
so, and calling again does not help. When a skill is missing, propose one with propose_skill and say why; a person decides. \
skill_status and list_proposals report the state of proposals, explain_failure reports why something failed.";

impl McpService {
    /// What a client's model is told: how the server works, and who the agent is. A block that cannot be made is named with the
    /// reason, because every call is refused for the same one.
    async fn instructions(&self, by: String) -> String {
        match ask(|reply| self.api.identity(by, reply)).await {
            Ok(Some(identity)) => format!("{INSTRUCTIONS}\n\n{}", identity.block),
            Ok(None) => INSTRUCTIONS.to_owned(),
            Err(error) => {
                format!("{INSTRUCTIONS}\n\nThere is no identity block: {}", text::line(&error.message(), 1_000))
            }
        }
    }
}

/// Methods that the SDK knows. It treats a known method with invalid parameters as a custom method.
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

/// Methods that revision 2026-07-28 has removed.
const REMOVED: &[&str] = &["initialize", "logging/setLevel", "ping", "resources/subscribe", "resources/unsubscribe"];

impl ServerHandler for McpService {
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

    async fn initialize(
        &self,
        request: InitializeRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<InitializeResult, ErrorData> {
        let name = text::line(request.client_info.name.trim(), 100);
        context.peer.set_peer_info(request.clone());
        let mut result = self.negotiate_initialize(&request)?;
        result.instructions = Some(self.instructions(name).await);
        Ok(result)
    }

    async fn discover(&self, context: RequestContext<RoleServer>) -> Result<DiscoverResult, ErrorData> {
        let info = self.get_info().with_instructions(self.instructions(client_name(&context)).await);
        Ok(DiscoverResult::from_server_info(self.supported_protocol_versions().into_owned(), info))
    }

    async fn list_tools(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let cursor = request.and_then(|request| request.cursor);
        catch_panic(async { tools::page(&self.skills().await?, self.tools, cursor.as_deref()) }).await
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        catch_panic(self.call(request, context)).await
    }

    async fn list_resources(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        let cursor = request.and_then(|request| request.cursor);
        catch_panic(async { resources::page(&self.skills().await?, cursor.as_deref()) }).await
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(ListResourceTemplatesResult::with_all_items(resources::templates()))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        catch_panic(self.read_uri(&request.uri, client_name(&context))).await.map(ReadResourceResponse::from)
    }

    async fn list_skills(
        &self,
        request: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListSkillsResult, ErrorData> {
        let cursor = request.and_then(|request| request.cursor);
        catch_panic(async { resources::skills(&self.skills().await?, cursor.as_deref()) }).await
    }

    async fn get_skill(
        &self,
        request: GetSkillRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetSkillResult, ErrorData> {
        catch_panic(async { resources::skill(&self.skills().await?, &request.uri).map(GetSkillResult::new) }).await
    }

    async fn list_prompts(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        Ok(ListPromptsResult::with_all_items(vec![prompts::prompt()]))
    }

    async fn get_prompt(
        &self,
        request: GetPromptRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        catch_panic(async { prompts::get_prompt(&request).map(GetPromptResponse::from) }).await
    }

    async fn on_initialized(&self, context: NotificationContext<RoleServer>) {
        self.notify_of_changes(context);
    }

    fn accepted_subscription_filter(&self, _: &SubscriptionFilter) -> Option<SubscriptionFilter> {
        Some(notifications::accepted_filter())
    }

    async fn listen(&self, context: SubscriptionContext) -> Result<(), ErrorData> {
        self.serve_subscription(context).await
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        let method = text::line(&request.method, 200);
        // In that revision a removed method is unknown, also when its parameters are wrong.
        let latest = context.protocol_version().is_some_and(|revision| revision >= ProtocolVersion::NO_INITIALIZE);
        let removed = latest && REMOVED.contains(&request.method.as_str());
        Err(match KNOWN.contains(&request.method.as_str()) && !removed {
            true => ErrorData::invalid_params(format!("the parameters are not those of {method}"), None),
            false => ErrorData::new(ErrorCode::METHOD_NOT_FOUND, format!("there is no method {method}"), None),
        })
    }
}
