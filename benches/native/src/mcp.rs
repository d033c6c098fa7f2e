//! A server of the Model Context Protocol that somebody would write by hand: the same SDK, one thread, the fastest transport that
//! it has, and two tools that are plain functions. `tally` counts what is in a text; `write_note` writes a file.
//!
//! - `kavi-native-mcp WORKSPACE` keeps no record. A note waits for the disk once.
//! - `kavi-native-mcp WORKSPACE recorded` writes the same rows as Kavi into the ledger of that workspace, in the same mode.
//!   What changed nothing is committed before the answer, and one sync within 20 ms puts many such records on the disk. A note
//!   has fixed steps: fsync of the file, rename, fsync of the folder, and one commit that waits for the disk.
//!
//! It looks nothing up, checks no output, contains nothing, and keeps no history.

mod ledger;

use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use ledger::{Call, NewFile, Run};
use rmcp::handler::server::ServerHandler;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::{RequestContext, RoleServer, serve_server};
use rmcp::transport::stdio_pipes;
use rusqlite::Connection;
use serde_json::{Value, json};

/// From a commit that does not wait to its sync, as in Kavi.
const DELAY: Duration = Duration::from_millis(8);

struct Native {
    vault: PathBuf,
    records: Option<Mutex<Records>>,
}

/// A ledger, and the thread that puts on the disk what was committed without a wait.
struct Records {
    ledger: Connection,
    waits: bool,
    committed: Sender<()>,
}

impl Records {
    fn open(workspace: &Path) -> Result<Self, Box<dyn Error>> {
        let path = workspace.join(".kavi/ledger.db");
        let ledger = ledger::open(&path)?;
        let log = OpenOptions::new().read(true).write(true).open(path.with_file_name("ledger.db-wal"))?;
        let (committed, commits) = mpsc::channel();
        thread::spawn(move || {
            while commits.recv().is_ok() {
                thread::sleep(DELAY);
                while commits.try_recv().is_ok() {}
                log.sync_data().expect("the disk takes it");
            }
        });
        Ok(Self { ledger, waits: true, committed })
    }

    /// Whether the next commit waits for the disk.
    fn set_waits(&mut self, waits: bool) -> rusqlite::Result<()> {
        if self.waits != waits {
            self.ledger.pragma_update(None, "synchronous", if waits { "FULL" } else { "NORMAL" })?;
            self.waits = waits;
        }
        Ok(())
    }

    fn record(&mut self, run: &Run, call: &Call<'_>) -> Result<(), Box<dyn Error>> {
        self.set_waits(false)?;
        ledger::record(&self.ledger, run, call)?;
        Ok(self.committed.send(())?)
    }

    fn record_with_file(&mut self, run: &Run, call: &Call<'_>, file: &NewFile<'_>) -> Result<(), Box<dyn Error>> {
        self.set_waits(true)?;
        ledger::record_with_file(&mut self.ledger, run, call, file)
    }
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
    fn call(&self, name: &str, arguments: &Value) -> Result<Value, Box<dyn Error>> {
        let text = |name: &str| arguments.get(name).and_then(Value::as_str).unwrap_or_default();
        let run = Run::start();
        if name == "tally" {
            let output = tally(text("text"));
            if let Some(records) = &self.records {
                let (input, said) = (arguments.to_string(), output.to_string());
                let call = Call { skill: "tally", input: &input, output: &said };
                records.lock().map_err(|error| error.to_string())?.record(&run, &call)?;
            }
            return Ok(output);
        }
        let note = format!("# {}\n\n{}\n", text("title"), text("body"));
        let file = NewFile { vault: &self.vault, path: text("path"), text: &note };
        let output = json!({ "written_path": file.path, "sha256": ledger::digest(note.as_bytes()) });
        match &self.records {
            None => {
                let mut written = File::create(file.vault.join(file.path))?;
                written.write_all(note.as_bytes())?;
                written.sync_all()?;
            }
            Some(records) => {
                ledger::place(&run, &file)?;
                let (input, said) = (arguments.to_string(), output.to_string());
                let call = Call { skill: "write_note", input: &input, output: &said };
                records.lock().map_err(|error| error.to_string())?.record_with_file(&run, &call, &file)?;
            }
        }
        Ok(output)
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
        let arguments = Value::Object(request.arguments.unwrap_or_default());
        let output = self
            .call(request.name.as_ref(), &arguments)
            .map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        let mut result = CallToolResult::success(vec![ContentBlock::text(output.to_string())]);
        result.structured_content = Some(output);
        Ok(result.into())
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let (workspace, records) = match arguments.as_slice() {
        [workspace] => (Path::new(workspace), None),
        [workspace, word] if word == "recorded" => {
            (Path::new(workspace), Some(Mutex::new(Records::open(Path::new(workspace))?)))
        }
        _ => return Err("usage: kavi-native-mcp WORKSPACE [recorded]".into()),
    };
    let native = Native { vault: workspace.join("vault_out"), records };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        serve_server(native, stdio_pipes()).await?.waiting().await?;
        Ok(())
    })
}
