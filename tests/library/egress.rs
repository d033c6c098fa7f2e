//! Requests of skills against hostile servers: real TLS on the loopback interface, the exchanger of the broker in process.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

use std::io::{self, Write};
use std::net::{IpAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kavi::egress::{Exchanger, NameLookup};
use kavi::http::{PinnedClient, TlsRoots};
use kavi::model::exchange::{Exchanged, HeaderField, HttpCall, HttpFailureKind};
use kavi::model::host_grants::HostGrants;
use kavi::model::host_rule::RequestMethod;

use crate::support;
use crate::support::tls_server::{TlsRequest, TlsServer, response};

/// Gives one answer for every name, and counts how often it is asked.
#[derive(Debug, Clone, Default)]
struct Lookup {
    answer: Vec<IpAddr>,
    asked: Arc<AtomicUsize>,
}

impl NameLookup for Lookup {
    fn addresses(&self, _: &str, _: Duration) -> io::Result<Vec<IpAddr>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if self.answer.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(self.answer.clone()) }
    }

    fn is_own(&self, _: IpAddr) -> bool {
        false
    }
}

fn exchanger(server: &TlsServer, rules: &[String], private: &[String], lookup: Lookup) -> Exchanger<Lookup> {
    let folder = support::folder();
    let roots = TlsRoots::from_file(&server.roots(folder.path()).unwrap()).unwrap();
    let grants = HostGrants {
        rules: rules.iter().map(|rule| rule.parse().unwrap()).collect(),
        private: private.iter().map(|host| host.parse().unwrap()).collect(),
    };
    assert_eq!(grants.contradiction(), None);
    Exchanger::new(grants, PinnedClient::new(&roots).unwrap(), lookup)
}

/// One that may reach the server as `localhost`, within a second.
fn for_server(server: &TlsServer, more: &str) -> Exchanger<Lookup> {
    let port = server.port();
    let rules = [format!("GET https://localhost:{port}/** {more}"), format!("POST https://localhost:{port}/** {more}")];
    exchanger(server, &rules, &[format!("localhost:{port} -> 127.0.0.1")], Lookup::default())
}

fn get(url: String) -> HttpCall {
    HttpCall { method: RequestMethod::Get, url, headers: Vec::new(), body: Vec::new() }
}

fn ask(exchanger: &mut Exchanger<Lookup>, call: HttpCall) -> Exchanged {
    exchanger.exchange(call, Duration::from_secs(30))
}

fn kind(exchanged: &Exchanged) -> Result<u16, HttpFailureKind> {
    exchanged.end.as_ref().map(|reply| reply.status).map_err(|failure| failure.kind)
}

/// Servers that lie, stall, flood and redirect.
fn hostile(request: &TlsRequest, to: &mut dyn Write) -> io::Result<()> {
    let chunk = |to: &mut dyn Write, bytes: &[u8]| {
        to.write_all(format!("{:x}\r\n", bytes.len()).as_bytes())?;
        to.write_all(bytes)?;
        to.write_all(b"\r\n")
    };
    let endless = |to: &mut dyn Write, what: &[u8]| loop {
        to.write_all(what)?;
        to.flush()?;
    };
    match request.path.as_str() {
        "/good" => to.write_all(&response(200, &[("content-type", "application/json; charset=utf-8")], b"{}")),
        "/drip" => {
            to.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")?;
            let (gone, waits) = std::sync::mpsc::channel::<()>();
            loop {
                to.write_all(b" ")?;
                to.flush()?;
                // A pause, and no sleep: nothing is ever sent here.
                let _ = waits.recv_timeout(Duration::from_millis(20));
                let _ = &gone;
            }
        }
        "/headers" => {
            to.write_all(b"HTTP/1.1 200 OK\r\n")?;
            endless(to, b"x-flood: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n")
        }
        "/long-head" => {
            let long = "a".repeat(100_000);
            to.write_all(&response(200, &[("x-long", &long)], b""))
        }
        "/short" => to.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello"),
        "/length-and-chunked" => to.write_all(
            b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        ),
        "/two-lengths" => to.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 7\r\n\r\nhello"),
        "/gzip" => to.write_all(&response(200, &[("content-encoding", "gzip")], b"\x1f\x8b\x08bomb")),
        "/gigabyte" => to.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1073741824\r\n\r\n"),
        "/endless" => {
            to.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
            loop {
                chunk(to, &[b'x'; 65_536])?;
            }
        }
        "/no-http" => to.write_all(b"220 mail.example ESMTP\r\n"),
        "/loop" => to.write_all(&response(302, &[("location", "/loop")], b"")),
        "/first" => to.write_all(&response(302, &[("location", "/to")], b"")),
        "/nowhere" => to.write_all(&response(302, &[], b"stays")),
        "/see-other" => to.write_all(&response(303, &[("location", "/good")], b"")),
        "/to" => {
            let place = request.header("x-place").unwrap_or_default().to_owned();
            to.write_all(&response(307, &[("location", &place)], b""))
        }
        "/html" => to.write_all(&response(200, &[("content-type", "text/html")], b"<html>")),
        "/close" => Ok(()),
        _ => to.write_all(&response(404, &[], b"")),
    }
}

#[test]
fn a_hostile_server_gets_its_kind_of_failure_and_never_more() {
    let server = TlsServer::start(&["localhost"], hostile).unwrap();
    let url = |path: &str| format!("https://localhost:{}{path}", server.port());
    let mut exchanger = for_server(&server, "seconds=1 response_bytes=100000 calls_per_run=100");
    for (path, expected) in [
        ("/good", Ok(200)),
        ("/nowhere", Ok(302)),
        ("/missing", Ok(404)),
        ("/drip", Err(HttpFailureKind::Timeout)),
        ("/long-head", Err(HttpFailureKind::TooLarge)),
        ("/short", Err(HttpFailureKind::Invalid)),
        ("/two-lengths", Err(HttpFailureKind::Invalid)),
        ("/gzip", Err(HttpFailureKind::Invalid)),
        ("/gigabyte", Err(HttpFailureKind::TooLarge)),
        ("/endless", Err(HttpFailureKind::TooLarge)),
        ("/no-http", Err(HttpFailureKind::Invalid)),
        ("/close", Err(HttpFailureKind::Invalid)),
        ("/loop", Err(HttpFailureKind::Invalid)),
    ] {
        let exchanged = ask(&mut exchanger, get(url(path)));
        assert_eq!(kind(&exchanged), expected, "{path}: {exchanged:?}");
    }
    // Of a length and chunks, the chunks count, as the standard says: nothing is read beyond them.
    let both = ask(&mut exchanger, get(url("/length-and-chunked"))).end;
    assert!(both.as_ref().map_or(true, |reply| reply.body == b"hello"), "{both:?}");
    // Endless headers end at the limit of the library, or at the time of the rule.
    let flood = ask(&mut exchanger, get(url("/headers")));
    assert!(flood.end.is_err(), "{flood:?}");
    let looped = ask(&mut exchanger, get(url("/loop")));
    assert_eq!(looped.hops.len(), 1 + kavi::egress::MAX_HOPS);
}

#[test]
fn a_server_without_tls_or_with_another_name_or_without_a_port_is_told_apart() {
    let server = TlsServer::start(&["other.example"], hostile).unwrap();
    let port = server.port();
    // The certificate is trusted, and is of another name.
    let other = ask(&mut for_server(&server, "seconds=2"), get(format!("https://localhost:{port}/good")));
    assert_eq!(kind(&other), Err(HttpFailureKind::Tls), "{other:?}");
    assert!(server.requests().is_empty(), "nothing is sent to a server that is not the right one");

    let silent = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let closed = TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    for (port, expected) in [
        // It accepts and says nothing: TLS never begins.
        (silent.local_addr().unwrap().port(), HttpFailureKind::Timeout),
        (closed, HttpFailureKind::Connect),
    ] {
        let rules = [format!("GET https://localhost:{port}/** seconds=1")];
        let private = [format!("localhost:{port} -> 127.0.0.1")];
        let mut exchanger = exchanger(&server, &rules, &private, Lookup::default());
        let exchanged = ask(&mut exchanger, get(format!("https://localhost:{port}/")));
        assert_eq!(kind(&exchanged), Err(expected), "{exchanged:?}");
    }
}

#[test]
fn a_redirect_reaches_no_host_that_no_rule_names_and_carries_nothing_to_another_origin() {
    let server = TlsServer::start(&["localhost", "second.example"], hostile).unwrap();
    let private = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    private.set_nonblocking(true).unwrap();
    let (port, inside) = (server.port(), private.local_addr().unwrap().port());
    let rules = [
        format!("GET https://localhost:{port}/**"),
        format!("POST https://localhost:{port}/**"),
        format!("GET https://second.example:{port}/good"),
        format!("POST https://second.example:{port}/good"),
    ];
    let hosts = [format!("localhost:{port} -> 127.0.0.1"), format!("second.example:{port} -> 127.0.0.1")];
    let mut exchanger = exchanger(&server, &rules, &hosts, Lookup::default());
    let mut to = |method: RequestMethod, place: &str, body: &str| {
        let field = |name: &str, value: &str| HeaderField { name: name.to_owned(), value: value.to_owned() };
        let headers = vec![field("x-place", place), field("x-api-key", "made-up")];
        let url = format!("https://localhost:{port}/to");
        ask(&mut exchanger, HttpCall { method, url, headers, body: body.into() })
    };
    for place in [
        format!("https://127.0.0.1:{inside}/"),
        format!("http://127.0.0.1:{inside}/"),
        "http://169.254.169.254/latest/meta-data/".to_owned(),
        "https://evil.test/".to_owned(),
        format!("https://second.example:{port}/admin"),
        format!("http://localhost:{port}/good"),
        "file:///etc/passwd".to_owned(),
        format!("https://user@localhost:{port}/good"),
    ] {
        let exchanged = to(RequestMethod::Get, &place, "");
        assert_eq!(kind(&exchanged), Err(HttpFailureKind::Refused), "{place}");
        assert!(!format!("{exchanged:?}").contains("meta-data"), "the rewritten target is not quoted: {exchanged:?}");
    }
    assert!(private.accept().is_err(), "no connection to what is not allowed");

    // To the same origin all of it goes on. To another one no header and no body.
    assert_eq!(kind(&to(RequestMethod::Post, "/good", "body")), Ok(200));
    let last = server.requests().pop().unwrap();
    assert_eq!((last.method.as_str(), last.header("x-api-key"), &*last.body), ("POST", Some("made-up"), &b"body"[..]));
    let second = format!("https://second.example:{port}/good");
    assert_eq!(kind(&to(RequestMethod::Get, &second, "")), Ok(200));
    let last = server.requests().pop().unwrap();
    assert_eq!((last.header("host"), last.header("x-api-key")), (Some(&*format!("second.example:{port}")), None));
    let made = server.requests().len();
    assert_eq!(kind(&to(RequestMethod::Post, &second, "body")), Err(HttpFailureKind::Refused));
    assert_eq!(server.requests().len(), made + 1, "the body went no further than the first origin");

    let call = HttpCall {
        method: RequestMethod::Post,
        url: format!("https://localhost:{port}/see-other"),
        headers: Vec::new(),
        body: b"body".to_vec(),
    };
    assert_eq!(kind(&ask(&mut exchanger, call)), Ok(200));
    let last = server.requests().pop().unwrap();
    assert_eq!((last.method.as_str(), last.body.len()), ("GET", 0));
}

#[test]
fn a_name_that_has_a_private_address_is_never_connected_to_and_one_without_a_rule_never_looked_up() {
    let server = TlsServer::start(&["localhost", "a.example"], hostile).unwrap();
    let port = server.port();
    let rules = [format!("GET https://a.example:{port}/**")];
    let loopback: IpAddr = "127.0.0.1".parse().unwrap();
    let lookup = Lookup { answer: vec!["1.1.1.1".parse().unwrap(), loopback], asked: Arc::default() };
    let asked = Arc::clone(&lookup.asked);
    let mut exchanger = exchanger(&server, &rules, &[], lookup);
    let mixed = ask(&mut exchanger, get(format!("https://a.example:{port}/good")));
    assert_eq!((kind(&mixed), asked.load(Ordering::SeqCst)), (Err(HttpFailureKind::Dns), 1));
    let unnamed = ask(&mut exchanger, get(format!("https://b.example:{port}/good")));
    assert_eq!((kind(&unnamed), asked.load(Ordering::SeqCst)), (Err(HttpFailureKind::Refused), 1));
    assert_eq!(server.connections(), 0);
}

#[test]
fn a_chain_of_redirects_that_ends_at_a_private_address_ends_before_it() {
    let server = TlsServer::start(&["localhost", "inside.example"], hostile).unwrap();
    let port = server.port();
    // Both hosts are named. The second one turns out to be this machine.
    let rules = [format!("GET https://localhost:{port}/**"), format!("GET https://inside.example:{port}/**")];
    let lookup = Lookup { answer: vec!["127.0.0.1".parse().unwrap()], asked: Arc::default() };
    let asked = Arc::clone(&lookup.asked);
    let mut exchanger = exchanger(&server, &rules, &[format!("localhost:{port} -> 127.0.0.1")], lookup);
    let place = format!("https://inside.example:{port}/good");
    let headers = vec![HeaderField { name: "x-place".to_owned(), value: place }];
    let call = HttpCall { headers, ..get(format!("https://localhost:{port}/first")) };
    let chain = ask(&mut exchanger, call);
    assert_eq!((kind(&chain), asked.load(Ordering::SeqCst)), (Err(HttpFailureKind::Dns), 1), "{chain:?}");
    assert_eq!((chain.hops.len(), server.connections()), (3, 2), "{chain:?}");
    let paths: Vec<String> = server.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(paths, ["/first", "/to"]);
}

#[test]
fn the_limits_of_a_rule_hold() {
    let server = TlsServer::start(&["localhost"], hostile).unwrap();
    let url = |path: &str| format!("https://localhost:{}{path}", server.port());
    let mut exchanger = for_server(&server, "calls_per_run=2 request_bytes=3 response_bytes=2 types=application/json");
    let post = |body: &str| HttpCall {
        method: RequestMethod::Post,
        url: url("/good"),
        headers: Vec::new(),
        body: body.into(),
    };
    assert_eq!(kind(&ask(&mut exchanger, post("abcd"))), Err(HttpFailureKind::TooLarge));
    assert_eq!(server.connections(), 0);
    assert_eq!(kind(&ask(&mut exchanger, get(url("/good")))), Ok(200));
    assert_eq!(kind(&ask(&mut exchanger, get(url("/html")))), Err(HttpFailureKind::TooLarge));
    let third = ask(&mut exchanger, get(url("/good")));
    assert_eq!(kind(&third), Err(HttpFailureKind::Refused));
    assert!(third.end.is_err_and(|failure| failure.message.contains("calls_per_run")));
    let mut typed = for_server(&server, "types=application/json");
    assert_eq!(kind(&ask(&mut typed, get(url("/html")))), Err(HttpFailureKind::Invalid));
    assert_eq!(kind(&ask(&mut typed, get(url("/good")))), Ok(200));
    let spent = typed.exchange(get(url("/good")), Duration::ZERO);
    assert_eq!(kind(&spent), Err(HttpFailureKind::Timeout));
}

/// Names the folder and the ports of a process that confines itself.
const CONFINED: &str = "KAVI_TEST_CONFINED";

#[test]
fn a_confined_service_reads_its_files_connects_to_its_ports_and_does_nothing_else() {
    if let Ok(given) = std::env::var(CONFINED) {
        let mut given = given.split(' ');
        let folder = given.next().unwrap().to_owned();
        let mut port = || given.next().unwrap().parse().unwrap();
        return inside(&folder, port(), port());
    }
    if !cfg!(target_os = "linux") {
        eprintln!("skipped: only Linux can confine a service");
        return;
    }
    let folder = support::folder();
    std::fs::write(folder.path().join("note.md"), "a note").unwrap();
    let (allowed, other) = (TcpListener::bind("127.0.0.1:0").unwrap(), TcpListener::bind("127.0.0.1:0").unwrap());
    let port = |listener: &TcpListener| listener.local_addr().unwrap().port();
    let mut command = support::alone(
        module_path!(),
        "a_confined_service_reads_its_files_connects_to_its_ports_and_does_nothing_else",
    );
    command.env(CONFINED, format!("{} {} {}", folder.path().display(), port(&allowed), port(&other)));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(std::fs::read_to_string(folder.path().join("note.md")).unwrap(), "a note");
    other.set_nonblocking(true).unwrap();
    assert!(other.accept().is_err(), "nobody came to the other port");
}

/// What a service can do once it is confined.
fn inside(folder: &str, allowed: u16, other: u16) {
    let own = format!("{folder}/own.conf");
    std::fs::write(&own, "x").unwrap();
    let scope = kavi::cage::ServiceScope { readable: &[&own], ports: &[allowed] };
    kavi::cage::confine_service(scope).unwrap();
    let connect = |port: u16| std::net::TcpStream::connect(("127.0.0.1", port));
    assert!(std::fs::read(&own).is_ok() && connect(allowed).is_ok());
    assert!(std::thread::spawn(|| 1).join().is_ok_and(|one| one == 1));
    let note = format!("{folder}/note.md");
    assert!(std::fs::read(&note).is_err(), "the vault");
    assert!(std::fs::write(&note, "changed").is_err() && std::fs::write(&own, "changed").is_err());
    assert!(std::fs::create_dir(format!("{folder}/made")).is_err() && std::fs::remove_file(&own).is_err());
    assert!(std::fs::read_dir("/").is_err() && std::fs::read("/etc/passwd").is_err());
    assert!(connect(other).is_err(), "another port");
    assert!(TcpListener::bind("127.0.0.1:0").is_err(), "listening");
    assert!(std::os::unix::net::UnixStream::pair().is_err(), "a Unix socket");
    assert!(std::process::Command::new("/bin/true").spawn().is_err(), "a program");
}
