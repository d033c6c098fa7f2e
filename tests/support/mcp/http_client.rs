//! A client of the Model Context Protocol over HTTP that sends what it is told to, right or wrong.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use serde_json::{Value, json};

use super::client::LATEST;
use crate::support::Workspace;
use crate::support::watch::ends_within;

impl Drop for Served {
    fn drop(&mut self) {
        // When a test ends early, so does its server.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What every message is sent with.
const ORDINARY: &[(&str, &str)] =
    &[("Content-Type", "application/json"), ("Accept", "application/json, text/event-stream")];

/// A server on loopback.
pub struct Served {
    child: Child,
    output: BufReader<std::process::ChildStdout>,
    /// Where it listens.
    pub address: String,
    /// What it calls itself.
    pub url: String,
    pub token: String,
}

/// An answer, as far as it has come.
pub struct Reply<S = TcpStream> {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    stream: BufReader<S>,
    text: String,
    ended: bool,
}

/// Reads the head of an answer.
pub fn reply<S: std::io::Read>(stream: S) -> Reply<S> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    stream.read_line(&mut line).unwrap();
    let status = line.split(' ').nth(1).unwrap_or_else(|| panic!("{line:?}")).parse().unwrap();
    let mut headers = BTreeMap::new();
    loop {
        line.clear();
        stream.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(": ") else { break };
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    Reply { status, headers, stream, text: String::new(), ended: false }
}

impl<S: std::io::Read> Reply<S> {
    fn more(&mut self) {
        if let Some(length) = self.headers.get("content-length") {
            let mut bytes = vec![0; length.parse().unwrap()];
            self.stream.read_exact(&mut bytes).unwrap();
            self.text.push_str(std::str::from_utf8(&bytes).unwrap());
            self.ended = true;
            return;
        }
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        let size = usize::from_str_radix(line.trim_end(), 16).unwrap_or(0);
        let mut bytes = vec![0; size + 2];
        self.ended = size == 0 || self.stream.read_exact(&mut bytes).is_err();
        self.text.push_str(std::str::from_utf8(&bytes[..size]).unwrap());
    }

    /// All that comes.
    pub fn body(mut self) -> String {
        while !self.ended {
            self.more();
        }
        self.text
    }

    /// The one document that this is.
    pub fn json(self) -> Value {
        let status = self.status;
        let body = self.body();
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{status} {error}: {body:?}"))
    }

    /// The next message, or nothing when the stream has ended.
    pub fn event(&mut self) -> Option<Value> {
        loop {
            while let Some((event, rest)) = self.text.split_once("\n\n") {
                let data = event.lines().find_map(|line| line.strip_prefix("data: ")).unwrap_or_default();
                let message = serde_json::from_str(data).ok();
                self.text = rest.to_owned();
                if message.is_some() {
                    return message;
                }
            }
            if self.ended {
                return None;
            }
            self.more();
        }
    }

    /// The next answer.
    pub fn answer(mut self) -> Value {
        let status = self.status;
        if status != 200 {
            panic!("{status}: {}", self.body());
        }
        if self.headers["content-type"] == "application/json" {
            return self.json();
        }
        std::iter::from_fn(|| self.event()).find(|message| message.get("method").is_none()).unwrap()
    }
}

/// Writes a request.
pub fn send(stream: &mut impl Write, method: &str, path: &str, headers: &[(&str, &str)], body: &str) {
    let mut text = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    headers.iter().for_each(|(name, value)| text.push_str(&format!("{name}: {value}\r\n")));
    // A server that refuses the head need not read the rest.
    let _ = stream.write_all(format!("{text}\r\n{body}").as_bytes());
}

impl Served {
    pub fn start(workspace: &Workspace, more: &[&str]) -> Self {
        let mut command = workspace.command_with(&["--output", "json", "mcp", "--listen", "127.0.0.1:0"]);
        let mut child = command.args(more).stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let said: Value = serde_json::Deserializer::from_reader(&mut output).into_iter().next().unwrap().unwrap();
        output.read_line(&mut String::new()).unwrap();
        let url = said["url"].as_str().unwrap().to_owned();
        let port = url.rsplit_once(':').unwrap().1.split('/').next().unwrap();
        let token = std::fs::read_to_string(said["token_file"].as_str().unwrap()).unwrap().trim().to_owned();
        Self { child, output, address: format!("127.0.0.1:{port}"), url, token }
    }

    /// A request with just these headers beside `Host`.
    pub fn bare(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let host = [("Host", self.address.as_str())];
        let host = if headers.iter().any(|(name, _)| *name == "Host") { &host[1..] } else { &host };
        send(&mut stream, method, path, &[host, headers].concat(), body);
        reply(stream)
    }

    /// A request with the token, and these headers.
    pub fn with(&self, method: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let token = format!("Bearer {}", self.token);
        let own = [("Authorization", token.as_str())];
        self.bare(method, "/mcp", &[&own, ORDINARY, headers].concat(), body)
    }

    /// A message of the revision without sessions.
    pub fn modern(&self, method: &str, params: Value, capabilities: Value) -> Reply {
        self.modern_as("tester", method, params, capabilities)
    }

    /// The same by a client of this name.
    pub fn modern_as(&self, client: &str, method: &str, mut params: Value, capabilities: Value) -> Reply {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": LATEST,
            "io.modelcontextprotocol/clientInfo": { "name": client, "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": capabilities,
            "progressToken": 7,
        });
        let name = params["name"].as_str().or(params["uri"].as_str()).unwrap_or_default().to_owned();
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params }).to_string();
        let mut headers = vec![("MCP-Protocol-Version", LATEST), ("Mcp-Method", method)];
        if !name.is_empty() {
            headers.push(("Mcp-Name", &name));
        }
        self.with("POST", &headers, &body)
    }

    /// A session that agreed on a revision.
    pub fn session(&self, revision: &str, capabilities: Value) -> Session<'_> {
        let opening = super::client::Client::opening(revision, capabilities).to_string();
        let reply = self.with("POST", &[], &opening);
        let id = reply.headers["mcp-session-id"].clone();
        let agreed = reply.answer();
        assert_eq!(agreed["result"]["protocolVersion"], revision, "{agreed}");
        let session = Session { served: self, id };
        let told = session.post(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
        assert_eq!(told.status, 202);
        session
    }

    /// Leaves it so many descriptors.
    pub fn limit_descriptors(&self, most: u64) {
        let limit = Rlimit { current: Some(most), maximum: Some(most) };
        prlimit(Some(Pid::from_child(&self.child)), Resource::Nofile, limit).unwrap();
    }

    /// Asks it to end until it has. Gives its exit code.
    pub fn insist(mut self) -> Option<i32> {
        loop {
            // It may just have ended.
            let _ = kill_process(Pid::from_child(&self.child), Signal::TERM);
            if ends_within(&self.child, 20) {
                return self.child.wait().unwrap().code();
            }
        }
    }

    /// Asks it to end.
    pub fn ask_to_end(&self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
    }

    /// Waits until it has ended, as it was asked to, without another word.
    pub fn ended(mut self) {
        let mut rest = String::new();
        self.output.read_to_string(&mut rest).unwrap();
        assert!(self.child.wait().unwrap().success());
        assert_eq!(rest, "");
    }

    pub fn end(self) {
        self.ask_to_end();
        self.ended();
    }
}

/// A client that opened a session.
pub struct Session<'a> {
    served: &'a Served,
    pub id: String,
}

impl Session<'_> {
    pub fn with(&self, method: &str, body: &str) -> Reply {
        self.served.with(method, &[("Mcp-Session-Id", &self.id)], body)
    }

    pub fn post(&self, message: &Value) -> Reply {
        self.with("POST", &message.to_string())
    }

    /// Sends a request.
    pub fn send(&self, id: i64, method: &str, params: Value) -> Reply {
        self.post(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }))
    }

    pub fn call(&self, id: i64, name: &str, arguments: Value) -> Reply {
        self.send(id, "tools/call", json!({ "name": name, "arguments": arguments, "_meta": { "progressToken": id } }))
    }
}
