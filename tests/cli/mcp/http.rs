//! The server for agents over streamable HTTP, driven byte by byte.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::{fs, thread};

use serde_json::{Value, json};

use crate::support::guests::{guest, with_guest};
use crate::support::mcp::client::{self, newest, note, policy};
use crate::support::mcp::http_client::{Served, reply, send};
use crate::support::{Workspace, strings};

pub fn ping(id: i64) -> String {
    json!({ "jsonrpc": "2.0", "id": id, "method": "ping" }).to_string()
}

/// Asks until there are so many records.
pub fn recorded(workspace: &Workspace, served: &Served, count: i64) -> String {
    let there = (0..20_000).any(|_| {
        served.with("POST", &[], "{}").body();
        workspace.count("SELECT count(*) FROM executions") >= count
    });
    assert!(there, "no record was written");
    newest(workspace)
}

pub fn peek() -> Value {
    json!({ "path": "Inbox/hello.md" })
}

pub fn greeting() -> Workspace {
    let workspace = Workspace::trusted();
    fs::write(workspace.vault("Inbox/hello.md"), "hello").unwrap();
    workspace
}

/// A guest that stays until it is ended, and may write.
pub fn staying() -> Workspace {
    let workspace = with_guest("act", &guest("stay"));
    policy(&workspace, "allow");
    workspace
}

pub fn stay() -> Value {
    json!({ "act": "sleep", "path": "Inbox/AI/a.md" })
}

#[test]
fn nothing_is_answered_without_the_token_or_for_another_host_or_page() {
    let workspace = greeting();
    let served = Served::start(&workspace, &[]);
    let file = workspace.path().join(".kavi/mcp-token");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(served.token.len(), 64);
    assert!(served.url.starts_with("http://127.0.0.1:") && served.url.ends_with("/mcp"), "{}", served.url);

    let right = format!("Bearer {}", served.token);
    let (longer, basic) = (format!("{right}a"), format!("Basic {}", served.token));
    let twice = [("Authorization", right.as_str()), ("Authorization", "Bearer no")];
    let none: [&[(&str, &str)]; 7] = [
        &[],
        &[("Authorization", "Bearer")],
        &[("Authorization", "Bearer ")],
        &[("Authorization", &right[..right.len() - 1])],
        &[("Authorization", &longer)],
        &[("Authorization", &basic)],
        &twice,
    ];
    for headers in none {
        for method in ["POST", "GET", "DELETE", "OPTIONS"] {
            let refused = served.bare(method, "/mcp", headers, &ping(1));
            assert_eq!((refused.status, refused.headers["www-authenticate"].as_str()), (401, "Bearer"), "{headers:?}");
            assert!(!refused.body().contains(&served.token));
        }
    }
    let small = format!("bearer {}", served.token);
    assert_eq!(served.bare("GET", "/else", &[("Authorization", &small)], "").status, 404);

    let port = served.address.split_once(':').unwrap().1.to_owned();
    let (own, named) = (format!("http://127.0.0.1:{port}"), format!("http://localhost:{port}"));
    let (other, secure) = ("http://127.0.0.1:1".to_owned(), format!("https://127.0.0.1:{port}"));
    let opening = client::Client::opening("2025-11-25", json!({})).to_string();
    for (name, value, status) in [
        ("Origin", own.as_str(), 200),
        ("Origin", &named, 200),
        ("Origin", &other, 403),
        ("Origin", &secure, 403),
        ("Origin", "http://evil.example", 403),
        ("Origin", "null", 403),
        ("Host", &format!("localhost:{port}"), 200),
        ("Host", "evil.example", 403),
        ("Host", &format!("evil.example:{port}"), 403),
        ("Host", "127.0.0.1:1", 403),
    ] {
        assert_eq!(served.with("POST", &[(name, value)], &opening).status, status, "{name}: {value}");
    }
    let user = format!("http://evil.example@127.0.0.1:{port}");
    let page = format!("{own}/evil");
    let (here, userinfo) = (served.address.clone(), format!("evil.example@127.0.0.1:{port}"));
    for headers in [
        &[("Host", here.as_str()), ("Host", "evil.example")][..],
        &[("Host", &userinfo)],
        &[("Origin", &own), ("Origin", "http://evil.example")],
        &[("Origin", &user)],
        &[("Origin", &page)],
    ] {
        assert_eq!(served.with("POST", headers, &opening).status, 403, "{headers:?}");
    }
    let token = [("Authorization", right.as_str())];
    assert_eq!(served.bare("GET", "http://evil.example/mcp", &token, "").status, 403);
    served.end();
}

#[test]
fn a_client_is_answered_in_a_form_that_it_accepts() {
    let workspace = greeting();
    let served = Served::start(&workspace, &[]);
    let opening = client::Client::opening("2025-11-25", json!({})).to_string();
    let token = format!("Bearer {}", served.token);
    let own = [("Authorization", token.as_str()), ("Content-Type", "application/json")];
    for (accept, form) in [
        (&[][..], "text/event-stream"),
        (&[("Accept", "*/*")], "text/event-stream"),
        (&[("Accept", "text/event-stream")], "text/event-stream"),
        (&[("Accept", "application/json")], "application/json"),
    ] {
        let marked = format!("\u{feff}{opening}");
        for text in [&opening, &marked] {
            let reply = served.bare("POST", "/mcp", &[&own, accept].concat(), text);
            assert_eq!((reply.status, reply.headers["content-type"].as_str()), (200, form), "{accept:?}");
            let answer = if form == "application/json" { reply.json() } else { reply.answer() };
            assert_eq!(answer["result"]["serverInfo"]["name"], "kavi", "{answer}");
        }
    }
    let refused = served.bare("POST", "/mcp", &[&own[..], &[("Accept", "text/html")]].concat(), &opening);
    assert_eq!(refused.status, 406);
    // A client that takes JSON alone gets the results of its calls in it.
    let latest = "2026-07-28";
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": latest,
        "io.modelcontextprotocol/clientInfo": { "name": "tester", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let call = json!({ "name": "peek", "arguments": peek(), "_meta": meta });
    let call = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call }).to_string();
    let more = [
        ("Accept", "application/json"),
        ("MCP-Protocol-Version", latest),
        ("Mcp-Method", "tools/call"),
        ("Mcp-Name", "peek"),
    ];
    let called = served.bare("POST", "/mcp", &[&own[..], &more].concat(), &call).json();
    assert_eq!(called["result"]["structuredContent"], json!({ "text": "hello" }), "{called}");
    served.end();
}

#[test]
fn another_name_of_this_host_is_served_when_it_is_allowed() {
    let workspace = greeting();
    let served = Served::start(&workspace, &["--allow-host", "host.docker.internal", "--allow-host", "gate.lan:9000"]);
    let port = served.address.split_once(':').unwrap().1.to_owned();
    let opening = client::Client::opening("2025-11-25", json!({})).to_string();
    for (host, status) in [
        (format!("host.docker.internal:{port}"), 200),
        ("host.docker.internal".to_owned(), 200),
        ("gate.lan:9000".to_owned(), 200),
        ("gate.lan".to_owned(), 403),
        (format!("evil.example:{port}"), 403),
    ] {
        assert_eq!(served.with("POST", &[("Host", host.as_str())], &opening).status, status, "{host}");
    }
    assert!(served.url.starts_with("http://127.0.0.1:"), "{}", served.url);
    served.end();
    let refused = workspace.json(&["mcp", "--listen", "127.0.0.1:0", "--allow-host", "*"]).expect(2);
    assert!(refused.json()["error"]["message"].as_str().unwrap().contains("Host header"), "{refused:?}");
}

/// Who has no token is told so once on a connection, and many of them keep nobody out who has it.
#[test]
fn strangers_take_no_place_of_those_who_are_known() {
    let workspace = greeting();
    let served = Served::start(&workspace, &[]);
    let session = served.session("2025-11-25", json!({}));
    let mut waiting = session.with("GET", "");
    let head = format!("POST /mcp HTTP/1.1\r\nHost: {}\r\nContent-Length: 0\r\n\r\n", served.address);
    let mut twice = TcpStream::connect(&served.address).unwrap();
    let _ = std::io::Write::write_all(&mut twice, head.repeat(2).as_bytes());
    let mut said = String::new();
    let _ = std::io::Read::read_to_string(&mut twice, &mut said);
    assert_eq!((said.matches("HTTP/1.1 401").count(), said.contains("connection: close")), (1, true), "{said}");
    let strangers: Vec<TcpStream> = (0..600)
        .map(|number| {
            let mut stranger = TcpStream::connect(&served.address).unwrap();
            let begun = if number % 2 == 0 { &head[..10] } else { &head };
            let _ = std::io::Write::write_all(&mut stranger, begun.as_bytes());
            stranger
        })
        .collect();
    assert_eq!(session.call(1, "peek", peek()).answer()["result"]["structuredContent"]["text"], "hello");
    workspace.call(&["revoke", "peek", "--why", "not needed", "--approved-by", "ada"]).expect(0);
    assert_eq!(waiting.event().unwrap()["method"], "notifications/tools/list_changed", "whoever is known stays");
    drop(strangers);
    served.limit_descriptors(120);
    let strangers: Vec<TcpStream> = (0..300).map(|_| TcpStream::connect(&served.address).unwrap()).collect();
    assert_eq!(session.send(2, "ping", json!({})).answer()["result"], json!({}), "also where descriptors are few");
    drop(strangers);
    served.end();
}

/// Nobody's word is a person's: what was asked stays held when the server ends, and is thrown away by the client that takes the call back.
#[test]
fn a_question_that_nobody_answered_is_no_ones_answer() {
    let workspace = greeting();
    let decided =
        || strings(&workspace.ledger(), "SELECT state || ' ' || coalesce(decided_by, '') FROM commits ORDER BY rowid");
    let served = Served::start(&workspace, &[]);
    let session = served.session("2025-11-25", json!({ "elicitation": {} }));
    let mut first = session.call(1, "write_note", note("Inbox/AI/a.md"));
    assert_eq!(first.event().unwrap()["method"], "elicitation/create");
    let cancelled = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 1 } });
    assert_eq!(session.post(&cancelled).status, 202);
    assert!(
        (0..2_000).any(|_| {
            served.with("POST", &[], "{}").body();
            decided() == ["REJECTED tester, which cancelled the call"]
        }),
        "{:?}",
        decided()
    );
    let mut second = session.call(2, "write_note", note("Inbox/AI/b.md"));
    assert_eq!(second.event().unwrap()["method"], "elicitation/create");
    served.end();
    assert_eq!(decided()[1..], ["HELD "]);
}

/// What other clients have held does not take the place of what a person is asked about.
#[test]
fn one_clients_held_files_do_not_push_out_anothers() {
    let workspace = greeting();
    let served = Served::start(&workspace, &[]);
    let session = served.session("2025-11-25", json!({ "elicitation": {} }));
    let mut call = session.call(1, "write_note", note("Inbox/AI/a.md"));
    let asked = call.event().unwrap();
    for number in 0..260 {
        let call = json!({ "name": "write_note", "arguments": note(&format!("Inbox/AI/{number}.md")) });
        let held = served.modern_as("bob", "tools/call", call, json!({})).answer();
        assert!(held["result"]["_meta"]["kavi/held"].is_string(), "{held}");
    }
    let yes = json!({ "action": "accept", "content": { "decision": "write" } });
    session.post(&json!({ "jsonrpc": "2.0", "id": asked["id"], "result": yes }));
    assert_eq!(call.event().unwrap()["result"]["isError"], false);
    served.end();
}

/// While another process holds the ledger, whoever insists need not wait for it.
#[test]
fn asked_again_it_ends_whatever_it_waits_for() {
    let workspace = greeting();
    let served = Served::start(&workspace, &[]);
    let session = served.session("2025-11-25", json!({}));
    let writer = workspace.ledger();
    writer.execute_batch("BEGIN IMMEDIATE").unwrap();
    let io = json!({ "input": { "text": "str" }, "output": { "words": "int" } });
    let proposal = json!({
        "name": "count_words", "description": "Counts", "why": "often", "side_effect_class": "READ_ONLY", "io": io,
    });
    let _waiting = session.call(1, "propose_skill", proposal);
    let _running = session.call(2, "peek", peek());
    assert_eq!(served.insist(), Some(1));
    writer.execute_batch("ROLLBACK").unwrap();
    assert!(workspace.json(&["doctor"]).json()["checks"].is_array());
}

#[test]
fn servers_that_start_at_once_make_one_token() {
    let workspace = greeting();
    let served: Vec<Served> = thread::scope(|scope| {
        let starts: Vec<_> = (0..4).map(|_| scope.spawn(|| Served::start(&workspace, &[]))).collect();
        starts.into_iter().map(|start| start.join().unwrap()).collect()
    });
    assert!(served.iter().all(|one| one.token == served[0].token));
    served.into_iter().for_each(Served::end);
}

/// A question is answered by the client that was asked, and by no other that heard of it.
#[test]
fn a_question_is_not_answered_by_somebody_else() {
    let workspace = greeting();
    let served = Served::start(&workspace, &[]);
    let elicits = json!({ "elicitation": {} });
    let mut call = json!({ "name": "write_note", "arguments": note("Inbox/AI/a.md") });
    let asked = served.modern("tools/call", call.clone(), elicits.clone()).answer();
    let secret = asked["result"]["requestState"].clone();
    let run = strings(&workspace.ledger(), "SELECT execution_id FROM executions").remove(0);
    let yes = json!({ "decision": { "action": "accept", "content": { "decision": "write" } } });
    call["inputResponses"] = yes.clone();
    call["requestState"] = json!(run);
    let guessed = served.modern("tools/call", call.clone(), elicits.clone()).answer();
    assert_eq!(guessed["error"]["code"], -32_602, "what everybody can look up is no secret");
    call["requestState"] = secret.clone();
    for (name, capabilities) in [("tester", json!({})), ("mallory", elicits.clone())] {
        let stolen = served.modern_as(name, "tools/call", call.clone(), capabilities).answer();
        assert_eq!(stolen["error"]["code"], -32_602, "{stolen}");
    }
    call["inputResponses"] = json!({ "decision": { "action": "accept", "content": { "decision": "yes" } } });
    let again = served.modern("tools/call", call.clone(), elicits.clone()).answer();
    assert_eq!(again["result"]["requestState"], secret, "what is not clear is asked once more: {again}");
    assert!(!workspace.vault("Inbox/AI/a.md").exists());
    call["inputResponses"] = yes;
    assert_eq!(served.modern("tools/call", call, elicits).answer()["result"]["isError"], false);
    assert!(workspace.vault("Inbox/AI/a.md").exists());
    served.end();
}

#[test]
fn messages_of_one_array_wait_for_nobody_and_none_is_lost() {
    let workspace = staying();
    fs::write(workspace.vault("Inbox/hello.md"), "hello").unwrap();
    let served = Served::start(&workspace, &[]);
    let session = served.session("2025-03-26", json!({}));
    let request = |id: i64, method: &str, params: Value| json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params });
    let meta = json!({ "_meta": { "io.modelcontextprotocol/protocolVersion": client::LATEST } });
    let run = request(1, "tools/call", json!({ "name": "peek", "arguments": peek() }));
    let mut both = session.post(&json!([run, request(2, "tools/list", meta)]));
    let mut answers: Vec<Value> = std::iter::from_fn(|| both.event()).collect();
    answers.sort_by_key(|answer| answer["id"].as_i64());
    assert_eq!(answers[0]["result"]["structuredContent"]["text"], "hello", "{answers:?}");
    assert!(answers[1]["id"] == 2 && answers[1]["error"].is_object(), "{answers:?}");
    let long = request(3, "tools/call", json!({ "name": "act", "arguments": stay() }));
    let mut mixed = session.post(&json!([long, request(4, "ping", json!({}))]));
    assert_eq!(mixed.event().unwrap()["id"], 4, "the first of them is still at work");
    assert_eq!(session.with("DELETE", "").status, 202);
    served.end();
}

#[test]
fn what_is_no_message_is_answered() {
    let workspace = greeting();
    let served = Served::start(&workspace, &[]);
    for (body, status, code) in [
        ("", 400, -32_600),
        ("{", 400, -32_700),
        ("7", 400, -32_600),
        ("[]", 400, -32_600),
        (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#, 400, -32_700),
        (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, 400, -32_600),
        (r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":7}"#, 400, -32_600),
        (r#"[{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, 400, -32_600),
    ] {
        let refused = served.with("POST", &[], body);
        assert_eq!(refused.status, status, "{body}");
        assert_eq!(refused.json()["error"]["code"], code, "{body}");
    }
    let huge = format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"{}\"}}", "x".repeat(4 << 20));
    let refused = served.with("POST", &[], &huge);
    assert_eq!((refused.status, refused.headers["connection"].as_str()), (413, "close"));
    assert!(refused.json()["error"]["message"].as_str().unwrap().contains("4194304 bytes"));
    // The same, without saying how long it will be.
    let chunked = format!("{:x}\r\n{huge}\r\n0\r\n\r\n", huge.len());
    let mut stream = TcpStream::connect(&served.address).unwrap();
    let head = format!("POST /mcp HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\n", served.address, served.token);
    let head = format!("{head}Transfer-Encoding: chunked\r\n\r\n{chunked}");
    // The server need not read all of it before it answers.
    let _ = std::io::Write::write_all(&mut stream, head.as_bytes());
    assert_eq!(reply(stream).status, 413);
    let long = "x".repeat(300_000);
    assert_eq!(served.with("POST", &[("X-Long", &long)], "{}").status, 431);
    served.end();
}

#[test]
fn a_token_that_others_may_read_or_guess_is_not_taken() {
    let workspace = greeting();
    let file = workspace.path().join("token");
    let listen = ["mcp", "--listen", "127.0.0.1:0", "--token-file", "token"];
    for (text, mode, why) in [
        ("0123456789abcdef0123456789abcdef", 0o644, "chmod 600"),
        ("0123456789abcdef0123456789abcde", 0o600, "32 to 4096"),
        ("0123456789abcdef 0123456789abcdef", 0o600, "visible ASCII"),
        ("", 0o600, "32 to 4096"),
        (&"x".repeat(5_000), 0o600, "32 to 4096"),
        (&"x".repeat(70_000), 0o600, "too large"),
    ] {
        fs::write(&file, text).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
        let refused = workspace.refused(&listen, 2);
        assert!(refused["message"].as_str().unwrap().contains(why), "{refused}");
        assert!(!refused.to_string().contains("0123456789abcdef"));
    }
    fs::write(&file, "0123456789abcdef0123456789abcdef\n").unwrap();
    let served = Served::start(&workspace, &["--token-file", "token"]);
    assert_eq!(served.token, "0123456789abcdef0123456789abcdef");
    assert!(served.session("2025-11-25", json!({})).send(1, "ping", json!({})).answer()["result"].is_object());
    served.end();
}

#[test]
fn other_machines_need_a_name_a_certificate_and_its_key() {
    let workspace = greeting();
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (cert, key) = (workspace.path().join("cert.pem"), workspace.path().join("key.pem"));
    fs::write(&cert, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let open = ["mcp", "--listen", "0.0.0.0:0"];
    let tls = ["--tls-cert", "cert.pem", "--tls-key", "key.pem"];
    let named = ["--serve-as", "localhost"];
    for (more, why) in [
        (vec![], "--serve-as"),
        (tls.to_vec(), "chmod 600"),
        (named.to_vec(), "--tls-cert"),
        ([&named[..], &["--tls-cert", "cert.pem", "--tls-key", "cert.pem"]].concat(), "chmod 600"),
        ([&named[..], &["--tls-cert", "none.pem", "--tls-key", "key.pem"]].concat(), "none.pem"),
    ] {
        let refused = workspace.refused(&[&open[..], &more].concat(), 2);
        assert!(refused["message"].as_str().unwrap().contains(why), "{more:?}: {refused}");
    }
    assert!(!workspace.path().join(".kavi/mcp-token").exists(), "no token is made for what is refused");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let pipe = workspace.path().join("pipe.pem");
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, rustix::fs::Mode::RWXU, 0).unwrap();
    let refused =
        workspace.refused(&[&open[..], &named, &["--tls-cert", "pipe.pem", "--tls-key", "key.pem"]].concat(), 2);
    assert!(refused["message"].as_str().unwrap().contains("not a regular file"), "{refused}");
    let refused = workspace.refused(&["mcp", "--listen", "127.0.0.1:0", "--serve-as", "http://x/"], 2);
    assert!(refused["message"].as_str().unwrap().contains("not a host name"), "{refused}");
    let swapped = ["--tls-cert", "key.pem", "--tls-key", "key.pem"];
    let refused = workspace.refused(&[&open[..], &named, &swapped].concat(), 2);
    assert!(refused["message"].as_str().unwrap().contains("no certificate"), "{refused}");

    let served = Served::start(&workspace, &[&named[..], &tls].concat());
    assert!(served.url.starts_with("https://localhost:"), "{}", served.url);
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let config = rustls::ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let client = rustls::ClientConnection::new(config.into(), "localhost".try_into().unwrap()).unwrap();
    let mut stream = rustls::StreamOwned::new(client, TcpStream::connect(&served.address).unwrap());
    let host = served.url.strip_prefix("https://").unwrap().strip_suffix("/mcp").unwrap();
    let token = format!("Bearer {}", served.token);
    let headers = [
        ("Host", host),
        ("Authorization", &token),
        ("Content-Type", "application/json"),
        ("Accept", "application/json, text/event-stream"),
    ];
    send(&mut stream, "POST", "/mcp", &headers, &client::Client::opening("2025-11-25", json!({})).to_string());
    assert_eq!(reply(stream).answer()["result"]["serverInfo"]["name"], "kavi");
    // Without encryption nobody is spoken to.
    let mut plain = TcpStream::connect(&served.address).unwrap();
    send(&mut plain, "POST", "/mcp", &headers, "{}");
    let mut said = Vec::new();
    let _ = std::io::Read::read_to_end(&mut plain, &mut said);
    assert!(!String::from_utf8_lossy(&said).contains("HTTP/1.1"));
    served.end();
}

/// An honest request with a few wrong bytes: whatever comes of it, the next one is answered.
#[test]
fn bytes_that_are_no_request_end_nothing() {
    let workspace = greeting();
    let served = Served::start(&workspace, &[]);
    let call =
        json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": { "name": "peek", "arguments": peek() } });
    let mut honest = Vec::new();
    let token = format!("Bearer {}", served.token);
    let headers = [
        ("Host", served.address.as_str()),
        ("Authorization", &token),
        ("Content-Type", "application/json"),
        ("Accept", "application/json, text/event-stream"),
    ];
    send(&mut honest, "POST", "/mcp", &headers, &call.to_string());
    let edits = proptest::collection::vec((0..honest.len(), proptest::option::of(proptest::num::u8::ANY)), 0..5);
    proptest::proptest!(|(edits in edits)| {
        let mut bytes = honest.clone();
        for (at, edit) in edits {
            let at = at % bytes.len();
            match edit {
                Some(byte) => bytes[at] = byte,
                None => drop(bytes.remove(at)),
            }
        }
        let mut stream = TcpStream::connect(&served.address).unwrap();
        let _ = std::io::Write::write_all(&mut stream, &bytes);
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        // It ends by itself; what it says depends on what was broken.
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    let session = served.session("2025-11-25", json!({}));
    assert_eq!(session.call(1, "peek", peek()).answer()["result"]["structuredContent"]["text"], "hello");
    served.end();
}
