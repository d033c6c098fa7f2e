//! A client of the Model Context Protocol that sends what it is told to, right or wrong.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::support::{Workspace, strings};

/// The revision without an opening.
pub const LATEST: &str = "2026-07-28";

/// What the newest record says.
pub fn newest(workspace: &Workspace) -> String {
    let sql = "SELECT skill_name || ' ' || success || ' ' || door || ' ' || asked_by || ' ' || coalesce(error, '')
         FROM executions ORDER BY rowid DESC LIMIT 1";
    strings(&workspace.ledger(), sql).pop().unwrap_or_default()
}

/// What write_note is given.
pub fn note(path: &str) -> Value {
    json!({ "path": path, "title": "Title", "body": "Body" })
}

/// Has policy say this of what agents would write.
pub fn policy(workspace: &Workspace, answer: &str) {
    let path = workspace.path().join("kavi.toml");
    let toml = fs::read_to_string(&path).unwrap();
    let own = "[policy.mcp]\nREAD_ONLY = \"allow\"\nFILE_WRITE = \"ask\"";
    assert!(toml.contains(own));
    fs::write(&path, toml.replace(own, &own.replace("ask", answer))).unwrap();
}

/// A server and the two ends of its pipes.
pub struct Client {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    sent: i64,
    /// What came while something else was waited for.
    aside: Vec<Value>,
    /// What goes with every request.
    meta: Option<Value>,
}

impl Client {
    /// A server that nothing was said to yet.
    pub fn start(workspace: &Workspace) -> Self {
        Self::spawn(workspace.command())
    }

    fn spawn(mut command: Command) -> Self {
        let mut child =
            command.arg("mcp").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, input, output, sent: 0, aside: Vec::new(), meta: None }
    }

    /// The request that opens a connection.
    pub fn opening(revision: &str, capabilities: Value) -> Value {
        let client = json!({ "name": "tester", "version": "1" });
        let params = json!({ "protocolVersion": revision, "capabilities": capabilities, "clientInfo": client });
        json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params })
    }

    /// A server that agreed on a revision.
    pub fn open(workspace: &Workspace, revision: &str, capabilities: Value) -> Self {
        Self::of(workspace.command(), revision, capabilities)
    }

    /// The same for a command of `kavi` without its verb.
    pub fn of(command: Command, revision: &str, capabilities: Value) -> Self {
        let mut client = Self::spawn(command);
        client.send_line(&Self::opening(revision, capabilities).to_string());
        let agreed = client.next();
        assert_eq!(agreed["result"]["protocolVersion"], revision, "{agreed}");
        assert_eq!(agreed["result"]["serverInfo"]["name"], "kavi", "{agreed}");
        client.notify("notifications/initialized", json!({}));
        client
    }

    /// Speaks the revision without an opening from now on.
    pub fn modern(&mut self, capabilities: Value) {
        self.meta = Some(json!({
            "io.modelcontextprotocol/protocolVersion": LATEST,
            "io.modelcontextprotocol/clientInfo": { "name": "tester", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": capabilities,
        }));
    }

    pub fn send_line(&mut self, line: &str) {
        let input = self.input.as_mut().unwrap();
        input.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    pub fn notify(&mut self, method: &str, params: Value) {
        self.send_line(&json!({ "jsonrpc": "2.0", "method": method, "params": params }).to_string());
    }

    /// Sends a request and gives its id.
    pub fn send(&mut self, method: &str, mut params: Value) -> i64 {
        if let Some(meta) = &self.meta {
            params["_meta"] = meta.clone();
        }
        self.sent += 1;
        let id = self.sent;
        self.send_line(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }).to_string());
        id
    }

    /// The next line, as it came.
    pub fn next_line(&mut self) -> String {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line
    }

    /// The next message.
    pub fn next(&mut self) -> Value {
        let line = self.next_line();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    fn wait(&mut self, fits: impl Fn(&Value) -> bool) -> Value {
        if let Some(at) = self.aside.iter().position(&fits) {
            return self.aside.remove(at);
        }
        loop {
            let message = self.next();
            if fits(&message) {
                return message;
            }
            self.aside.push(message);
        }
    }

    /// The answer to a request.
    pub fn answer(&mut self, id: i64) -> Value {
        self.wait(|message| message["id"] == id && message.get("method").is_none())
    }

    /// The next notification of this kind.
    pub fn told(&mut self, method: &str) -> Value {
        self.wait(|message| message["method"] == method && message.get("id").is_none())
    }

    pub fn request(&mut self, method: &str, params: Value) -> Value {
        let id = self.send(method, params);
        self.answer(id)
    }

    pub fn call(&mut self, name: &str, arguments: Value) -> Value {
        self.request("tools/call", json!({ "name": name, "arguments": arguments }))
    }

    /// Asks the server to answer until the newest record begins like this.
    pub fn wait_for_record(&mut self, workspace: &Workspace, begins: &str, newest: impl Fn(&Workspace) -> String) {
        let recorded = (0..100_000).any(|_| {
            self.request("ping", json!({}));
            workspace.count("SELECT count(*) FROM executions") > 0 && newest(workspace).starts_with(begins)
        });
        assert!(recorded, "{begins}: {}", newest(workspace));
    }

    /// Sends SIGTERM to the server, and waits for a normal end while the connection is open.
    pub fn terminate(mut self) {
        let process = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
        let mut rest = String::new();
        while self.output.read_line(&mut rest).unwrap() > 0 {}
        let _input = self.input.take();
        let output = self.child.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    /// Goes, and waits until the server has gone as well, without a word but the protocol's.
    pub fn close(self) {
        assert_eq!(self.end(), "");
    }

    /// The same. Gives what the server said beside the protocol.
    pub fn end(mut self) -> String {
        drop(self.input.take());
        let mut rest = String::new();
        while self.output.read_line(&mut rest).unwrap() > 0 {
            serde_json::from_str::<Value>(rest.lines().next_back().unwrap()).unwrap();
        }
        let output = self.child.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    }
}
