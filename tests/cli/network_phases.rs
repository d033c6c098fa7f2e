//! An exchange that never ends by itself, in each of its phases: a stop, the deadline of the run and an agent that cancels end it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::io::{Read as _, Write};
use std::net::{SocketAddr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::process::{Child, Stdio};
use std::sync::{Mutex, mpsc};
use std::thread;

use serde_json::json;

use super::network;
use crate::support::mcp::client::{Client, newest};
use crate::support::tls_server::{TlsRequest, TlsServer};
use crate::support::{Called, Workspace};

/// A phase that a run stays in.
pub struct StalledPhase<'a> {
    pub name: &'static str,
    /// What the probe is to ask for.
    pub url: String,
    /// Returns when a run is in the phase.
    pub arrived: &'a dyn Fn(),
}

/// Lets agents reach hosts unasked.
pub fn allow_agents(workspace: &Workspace) {
    let config = workspace.path().join("kavi.toml");
    let settings = fs::read_to_string(&config).unwrap();
    assert!(settings.contains("[policy.mcp]\n"));
    fs::write(&config, settings.replace("[policy.mcp]\n", "[policy.mcp]\nNETWORK = \"allow\"\n")).unwrap();
}

/// Starts the probe at the command line.
pub fn start(workspace: &Workspace, url: &str) -> Child {
    let input = json!({ "url": url }).to_string();
    let mut command = workspace.command_with(&["run-skill", "probe", "--json", &input, "--output", "json"]);
    command.env("SSL_CERT_FILE", workspace.path().join("roots.pem"));
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// The message of the error that a run ended with.
pub fn ended_with(child: Child) -> String {
    let called: Called = child.wait_with_output().unwrap().into();
    assert_ne!(called.code, 0, "{called:?}");
    called.json()["error"]["message"].as_str().unwrap().to_owned()
}

/// Stops the workspace, and lets it go on when the run has ended.
pub fn stopped(workspace: &Workspace, waiting: Child) {
    workspace.json(&["stop", "--why", "a test", "--by", "test"]).expect(0);
    let message = ended_with(waiting);
    // Which of the two depends on whether the ledger has taken the stop before the run looked.
    assert!(message.contains("stopped by") || message.contains("counts as stopped"), "{message}");
    workspace.json(&["resume", "--by", "test"]).expect(0);
}

/// A run in this phase is ended by a stop, by an agent that cancels, and by its deadline.
pub fn ends(workspace: &Workspace, phase: &StalledPhase<'_>) {
    let StalledPhase { name, url, arrived } = phase;
    let waiting = start(workspace, url);
    arrived();
    stopped(workspace, waiting);

    let mut command = workspace.command();
    command.env("SSL_CERT_FILE", workspace.path().join("roots.pem"));
    let mut client = Client::of(command, "2025-11-25", json!({}));
    let id = client.send("tools/call", json!({ "name": "probe", "arguments": { "url": url } }));
    arrived();
    client.notify("notifications/cancelled", json!({ "requestId": id }));
    client.wait_for_record(workspace, "probe 0 mcp tester Cancelled: ", newest);
    client.close();

    let config = workspace.path().join("kavi.toml");
    let settings = fs::read_to_string(&config).unwrap();
    fs::write(&config, settings.replace("wall_ms = 10000", "wall_ms = 600")).unwrap();
    let late = ended_with(start(workspace, url));
    fs::write(&config, settings).unwrap();
    assert!(late.contains("`wall_ms` limit of 600 ms"), "{name}: {late}");
    // Each of the three calls is in the record of its run, without a response.
    let recorded = "SELECT count(*) FROM executions WHERE NOT success AND instr(said_json, ?1) > 0
         AND instr(said_json, '\"reply\"') = 0";
    let count: i64 = workspace.ledger().query_row(recorded, [url], |row| row.get(0)).unwrap();
    assert_eq!(count, 3, "{name}");
}

/// Returns when a socket of this network namespace waits for the answer of a server to its first packet.
pub fn wait_for_connecting(to: SocketAddrV4) {
    // As the kernel writes an address: the octets from the last to the first.
    let [a, b, c, d] = to.ip().octets();
    let peer = format!(" {d:02X}{c:02X}{b:02X}{a:02X}:{:04X} 02 ", to.port());
    let connecting = (0..1_000_000).any(|_| {
        thread::yield_now();
        fs::read_to_string("/proc/self/net/tcp").unwrap().contains(&peer)
    });
    assert!(connecting, "nothing connects to {to}");
}

/// A server that answers no first packet: its queue of connections is full. The connections are what fills it.
fn full_server() -> (TcpListener, Vec<TcpStream>) {
    use rustix::net::{AddressFamily, SocketType, bind, listen, socket};
    let socket: OwnedFd = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    bind(&socket, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    listen(&socket, 0).unwrap();
    let listener = TcpListener::from(socket);
    let filler = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (listener, vec![filler])
}

/// A server that takes the first message of TLS and never answers. Tells of each.
fn silent_server() -> (u16, mpsc::Receiver<()>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let (began, begins) = mpsc::channel();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let began = began.clone();
            thread::spawn(move || {
                let (mut connection, mut first) = (connection.unwrap(), [0; 1]);
                if connection.read_exact(&mut first).is_ok() {
                    let _ = began.send(());
                    // Until the client is gone.
                    let _ = connection.read_to_end(&mut Vec::new());
                }
            });
        }
    });
    (port, begins)
}

#[test]
fn a_connection_a_handshake_and_a_body_that_never_end_are_ended_from_outside() {
    let (arrived, arrival) = mpsc::channel();
    let arrived = Mutex::new(arrived);
    let server = TlsServer::start(&["localhost"], move |_: &TlsRequest, to: &mut dyn Write| {
        to.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n ")?;
        to.flush()?;
        let _ = arrived.lock().unwrap().send(());
        // Until the client is gone.
        network::wait_for_the_end_of(to)
    })
    .unwrap();
    let ((full, _filler), (silent, begins)) = (full_server(), silent_server());
    let full = full.local_addr().unwrap().port();
    let workspace = Workspace::new();
    server.roots(workspace.path()).unwrap();
    network::trust_probe(&workspace, &[full, silent, server.port()], "");
    allow_agents(&workspace);
    let url = |port: u16, name: &str| format!("https://localhost:{port}/v1/{name}");
    let connecting = || wait_for_connecting(SocketAddrV4::new([127, 0, 0, 1].into(), full));
    for phase in [
        StalledPhase { name: "connect", url: url(full, "connect"), arrived: &connecting },
        StalledPhase { name: "TLS", url: url(silent, "tls"), arrived: &|| begins.recv().unwrap() },
        StalledPhase { name: "body", url: url(server.port(), "body"), arrived: &|| arrival.recv().unwrap() },
    ] {
        ends(&workspace, &phase);
    }
}
