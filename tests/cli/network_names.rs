//! Names of hosts against a DNS server that lies or says nothing. Test and server run in a network namespace of their own, whose
//! kernel counts every connection that is begun in it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;

use serde_json::json;

use super::network::{PROBE, PROBE_SCHEMA};
use super::network_phases::{self, StalledPhase};
use crate::support::tls_server::TlsServer;
use crate::support::{self, Called, Skill, Workspace};

/// The folder of the workspace, for the process in the namespace.
const INSIDE: &str = "KAVI_TEST_NAMES";
const READY: &str = "the namespace is ready";
const PORT: u16 = 8443;
/// A public address. Here it is on a network without anybody else, so nobody answers.
const PUBLIC: Ipv4Addr = Ipv4Addr::new(11, 0, 0, 1);
const LOOPBACK: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// Makes interfaces and a resolver of its own, says so, and becomes the test.
const SETUP: &str = "ip link set lo up && ip link add v0 type veth peer name v1 \
    && ip addr add 11.0.0.2/24 dev v0 && ip link set v0 up && ip link set v1 up \
    && ip neigh add 11.0.0.1 lladdr 02:00:00:00:00:01 dev v0 \
    && mount --bind \"$1\" /etc/resolv.conf && echo \"$2\" && shift 2 && exec \"$@\"";

#[test]
fn a_name_is_looked_up_once_and_nothing_but_its_checked_address_is_connected_to() {
    const NAME: &str = "a_name_is_looked_up_once_and_nothing_but_its_checked_address_is_connected_to";
    if let Some(folder) = std::env::var_os(INSIDE) {
        return inside(&Workspace::copy_of(Path::new(&folder)));
    }
    let workspace = Workspace::new();
    let rules =
        ["rebound", "private", "mixed", "silent"].map(|name| format!("GET https://{name}.example:{PORT}/v1/**"));
    // A skill of the tests is made of constants.
    let more: Vec<&'static str> = rules.into_iter().flat_map(|rule| ["--host", &*rule.leak()]).collect();
    workspace.trust(&Skill { name: "probe", class: "NETWORK", schema: PROBE_SCHEMA, source: PROBE, more: more.leak() });
    network_phases::allow_agents(&workspace);
    // Any certificate: no handshake is ever finished here.
    TlsServer::start(&["localhost"], |_, _| Ok(())).unwrap().roots(workspace.path()).unwrap();
    let resolver = workspace.path().join("resolv.conf");
    fs::write(&resolver, "nameserver 127.0.0.1\noptions timeout:30 attempts:1\n").unwrap();
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--net", "--mount", "sh", "-c", SETUP, "sh"]).arg(&resolver).arg(READY);
    let alone = support::alone(module_path!(), NAME);
    command.arg(alone.get_program()).args(alone.get_args()).env(INSIDE, workspace.path());
    let Ok(output) = command.output() else {
        eprintln!("{NAME} is skipped: there is no `unshare`");
        return;
    };
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !said.contains(READY) {
        eprintln!("{NAME} is skipped: this machine gives no network namespace: {errors}");
        return;
    }
    assert!(output.status.success() && said.contains("1 passed"), "{said}{errors}");
}

/// A DNS server on the loopback interface. It knows four names, one of which it never answers.
struct NameServer {
    asked: Arc<Mutex<Vec<String>>>,
    silence: mpsc::Receiver<()>,
}

impl NameServer {
    fn start() -> Self {
        let socket = UdpSocket::bind((LOOPBACK, 53)).unwrap();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (unanswered, silence) = mpsc::channel();
        let names = Arc::clone(&asked);
        thread::spawn(move || {
            let mut query = [0; 512];
            loop {
                let (length, from) = socket.recv_from(&mut query).unwrap();
                let (name, kind, end) = question(&query[..length]);
                if kind == A {
                    names.lock().unwrap().push(name.clone());
                }
                let before = names.lock().unwrap().iter().filter(|asked| **asked == name).count();
                let answers: &[Ipv4Addr] = match (name.as_str(), kind) {
                    ("silent.example", A) => {
                        let _ = unanswered.send(());
                        continue;
                    }
                    // The first answer is public, and every later one is not.
                    ("rebound.example", A) if before == 1 => &[PUBLIC],
                    ("rebound.example" | "private.example", A) => &[LOOPBACK],
                    ("mixed.example", A) => &[PUBLIC, Ipv4Addr::new(10, 0, 0, 1)],
                    _ => &[],
                };
                socket.send_to(&response(&query[..end], answers), from).unwrap();
            }
        });
        Self { asked, silence }
    }

    /// How often a name was asked for.
    fn asked(&self, name: &str) -> usize {
        self.asked.lock().unwrap().iter().filter(|asked| *asked == name).count()
    }
}

/// The type of a query for addresses of IPv4.
const A: u16 = 1;

/// The name that a query asks for, the type, and where the question ends.
fn question(query: &[u8]) -> (String, u16, usize) {
    let (mut at, mut labels) = (12, Vec::new());
    while query[at] != 0 {
        let length = usize::from(query[at]);
        labels.push(String::from_utf8_lossy(&query[at + 1..=at + length]).to_ascii_lowercase());
        at += length + 1;
    }
    (labels.join("."), u16::from_be_bytes([query[at + 1], query[at + 2]]), at + 5)
}

/// A response to a query that is cut behind its question.
fn response(question: &[u8], addresses: &[Ipv4Addr]) -> Vec<u8> {
    let mut message = question.to_vec();
    // A response without an error, one question, these answers, and nothing more.
    message[2..4].copy_from_slice(&[0x81, 0x80]);
    message[6..12].copy_from_slice(&[0, addresses.len().try_into().unwrap(), 0, 0, 0, 0]);
    for address in addresses {
        // The name of the question, IPv4, the class of the internet, no time to keep it.
        message.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
        message.extend(address.octets());
    }
    message
}

/// How many connections were begun in this network namespace, by any process.
fn connections_begun() -> u64 {
    let counters = fs::read_to_string("/proc/self/net/snmp").unwrap();
    let mut lines = counters.lines().filter(|line| line.starts_with("Tcp:"));
    let (names, values) = (lines.next().unwrap(), lines.next().unwrap());
    let place = names.split_whitespace().position(|name| name == "ActiveOpens").unwrap();
    values.split_whitespace().nth(place).unwrap().parse().unwrap()
}

fn inside(workspace: &Workspace) {
    let names = NameServer::start();
    let trap = TcpListener::bind((LOOPBACK, PORT)).unwrap();
    trap.set_nonblocking(true).unwrap();
    let url = |host: &str| format!("https://{host}.example:{PORT}/v1/{host}");
    let error = |host: &str| {
        let called: Called = network_phases::start(workspace, &url(host)).wait_with_output().unwrap().into();
        called.expect(0).json()["output_json"]["error"].as_str().unwrap().to_owned()
    };
    // One bad address refuses the name. A name that no rule has is not looked up.
    assert_eq!((error("private"), names.asked("private.example")), ("dns".to_owned(), 1));
    assert_eq!((error("mixed"), names.asked("mixed.example")), ("dns".to_owned(), 1));
    assert_eq!((error("other"), names.asked("other.example")), ("refused".to_owned(), 0));
    assert_eq!(connections_begun(), 0, "no connection to anything that is not allowed");

    // The address that was checked is the one that is connected to, also where a second look would find another one.
    let waiting = network_phases::start(workspace, &url("rebound"));
    network_phases::wait_for_connecting(SocketAddrV4::new(PUBLIC, PORT));
    network_phases::stopped(workspace, waiting);
    assert_eq!((names.asked("rebound.example"), connections_begun()), (1, 1));

    let arrived = || names.silence.recv().unwrap();
    network_phases::ends(workspace, &StalledPhase { name: "DNS", url: url("silent"), arrived: &arrived });
    assert_eq!(connections_begun(), 1);
    assert!(trap.accept().is_err(), "nobody came to the loopback interface");
    // What the public address got was asked for by a rule, and an agent gets the reason and no address.
    let input = json!({ "url": url("private") }).to_string();
    let shown = workspace.json(&["run-skill", "probe", "--json", &input]).expect(0).stdout;
    assert!(shown.contains("not public") && !shown.contains("127.0.0.1"), "{shown}");
}
