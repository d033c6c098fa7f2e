//! A server of the Model Context Protocol that somebody would write by hand: the same SDK, one thread, the fastest transport that
//! it has, and two tools that are plain functions. `tally` counts what is in a text; `write_note` writes a file below the folder
//! that is its argument, and waits for the disk. It keeps no record, checks no output, contains nothing.

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;

use rmcp::handler::server::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::{RequestContext, RoleServer, serve_server};
use rmcp::transport::stdio_pipes;
use serde_json::{Value, json};

struct Native {
    folder: PathBuf,
}

fn tally(text: &str) -> Value {
    let (mut words, mut letters, mut longest) = (0, 0, 0);
    for word in text.split_whitespace() {
        words += 1;
        letters += word.len();
        longest = longest.max(word.len());
    }
    json!({ "words": words, "letters": letters, "longest": longest })
}

impl Native {
    fn write_note(&self, path: &str, title: &str, body: &str) -> std::io::Result<Value> {
        let path = self.folder.join(path);
        let mut file = File::create(&path)?;
        file.write_all(format!("# {title}\n\n{body}\n").as_bytes())?;
        file.sync_all()?;
        Ok(json!({ "written_path": path.display().to_string(), "sha256": "" }))
    }
}

impl ServerHandler for Native {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let schema = Arc::new(json!({ "type": "object" }).as_object().cloned().unwrap_or_default());
        let tool = |name: &'static str| Tool::new(name, "Is measured.", Arc::clone(&schema));
        Ok(ListToolsResult::with_all_items(vec![tool("tally"), tool("write_note")]))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let arguments = request.arguments.unwrap_or_default();
        let text = |name: &str| arguments.get(name).and_then(Value::as_str).unwrap_or_default();
        let output = match request.name.as_ref() {
            "tally" => tally(text("text")),
            _ => self
                .write_note(text("path"), text("title"), text("body"))
                .map_err(|error| ErrorData::internal_error(error.to_string(), None))?,
        };
        let mut result = CallToolResult::success(vec![ContentBlock::text(output.to_string())]);
        result.structured_content = Some(output);
        Ok(result.into())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args_os().nth(1).ok_or("usage: kavi-native-mcp FOLDER")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        serve_server(Native { folder: folder.into() }, stdio_pipes()).await?.waiting().await?;
        Ok(())
    })
}
