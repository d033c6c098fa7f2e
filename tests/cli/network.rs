//! Skills that reach hosts, through the real binary and against a real TLS server on the loopback interface.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::io::Write;
use std::process::{Child, Stdio};
use std::sync::{Mutex, mpsc};
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::tls_server::{TlsRequest, TlsServer, response};
use crate::support::{Called, Skill, Workspace};

/// Says what came of a request, whatever that is.
pub const PROBE: &str = r#"//! Makes one request and says what came of it.

use kavi_sdk::http;
use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    url: String,
}

#[derive(Serialize)]
struct Output {
    status: u16,
    body: String,
    error: String,
}

fn run(input: Input) -> Result<Output, SkillError> {
    match http::get(&input.url).send() {
        Ok(response) => {
            let body = String::from_utf8_lossy(response.body()).into_owned();
            Ok(Output { status: response.status(), body, error: String::new() })
        }
        Err(error) => Ok(Output { status: 0, body: error.to_string(), error: error.kind().name().to_owned() }),
    }
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use kavi_sdk::http::ErrorKind;
    use kavi_sdk::testing::{call, fail, respond};

    use super::*;

    const URL: &str = "https://api.example.com/v1/a";

    #[test]
    fn a_response_is_given_whole() {
        respond(URL, 201, "made");
        let got = call(run, json!({ "url": URL }));
        assert_eq!(got, Ok(json!({ "status": 201, "body": "made", "error": "" })));
    }

    #[test]
    fn a_failure_is_named() {
        fail(URL, ErrorKind::Timeout);
        let got = call(run, json!({ "url": URL })).map(|output| (output["status"].clone(), output["error"].clone()));
        assert_eq!(got, Ok((json!(0), json!("timeout"))));
    }

    #[test]
    fn a_failure_has_its_text_as_the_body() {
        fail(URL, ErrorKind::Dns);
        let got = call(run, json!({ "url": URL })).map(|output| output["body"].to_string());
        assert!(got.is_ok_and(|body| body.contains("the test says so")));
    }
}
"#;

pub const PROBE_SCHEMA: &str = r#"{"input":{"url":"str"},"output":{"status":"int","body":"str","error":"str"}}"#;

/// A workspace with the probe, trusted to reach the server below `/v1/`.
fn workspace(server: &TlsServer, limits: &str) -> Workspace {
    let workspace = Workspace::new();
    server.roots(workspace.path()).unwrap();
    trust_probe(&workspace, &[server.port()], limits);
    workspace
}

/// Trusts the probe to reach these ports of the loopback interface, below `/v1/`.
pub fn trust_probe(workspace: &Workspace, ports: &[u16], limits: &str) {
    // The port is chosen when the test runs, and a skill of the tests is made of constants.
    let constant = |text: String| -> &'static str { text.leak() };
    let mut more = Vec::new();
    for port in ports {
        let rule = constant(format!("GET https://localhost:{port}/v1/** {limits}"));
        let private = constant(format!("localhost:{port} -> 127.0.0.1"));
        more.extend(["--host", rule.trim(), "--allow-private", private]);
    }
    let more: &[&str] = more.leak();
    let probe = Skill { name: "probe", class: "NETWORK", schema: PROBE_SCHEMA, source: PROBE, more };
    workspace.trust(&probe);
}

pub fn call(workspace: &Workspace, args: &[&str]) -> Called {
    let mut command = workspace.command_with(args);
    command.env("SSL_CERT_FILE", workspace.path().join("roots.pem"));
    // A proxy of the environment is never asked. Nothing listens there.
    command.env("HTTPS_PROXY", "http://127.0.0.1:9").env("ALL_PROXY", "http://127.0.0.1:9");
    command.output().unwrap().into()
}

fn probe(workspace: &Workspace, url: &str) -> Value {
    let input = json!({ "url": url }).to_string();
    let called = call(workspace, &["run-skill", "probe", "--json", &input, "--output", "json"]).expect(0);
    called.json()["output_json"].take()
}

fn answer(request: &TlsRequest, to: &mut dyn Write) -> std::io::Result<()> {
    match request.path.as_str() {
        "/v1/hello" => to.write_all(&response(200, &[("content-type", "text/plain"), ("set-cookie", "a=b")], b"hello")),
        "/v1/moved" => to.write_all(&response(302, &[("location", "/v1/hello")], b"")),
        "/v1/out" => to.write_all(&response(302, &[("location", "/admin")], b"")),
        "/v1/clear" => to.write_all(&response(302, &[("location", "http://localhost/v1/hello")], b"")),
        _ => to.write_all(&response(404, &[], b"nothing")),
    }
}

/// Writes small pieces until the client is gone.
pub fn wait_for_the_end_of(to: &mut dyn Write) -> std::io::Result<()> {
    to.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")?;
    let (never, pause) = mpsc::channel::<()>();
    loop {
        to.write_all(b" ")?;
        to.flush()?;
        let _ = pause.recv_timeout(Duration::from_millis(20));
        let _ = &never;
    }
}

/// The broker of a run, by the number of the run's process.
fn broker_of(run: u32) -> u32 {
    let mut processes =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    let is_broker = |process: &u32| {
        let read = |file: &str| fs::read(format!("/proc/{process}/{file}")).unwrap_or_default();
        let status = String::from_utf8_lossy(&read("status")).into_owned();
        status.contains(&format!("PPid:\t{run}\n")) && String::from_utf8_lossy(&read("cmdline")).contains("__egress")
    };
    processes.find(is_broker).expect("a broker")
}

/// A run that waits for a server is ended by a stop, by its deadline, and by the death of its broker.
fn ends_in_every_phase(workspace: &Workspace, stall: &str, arrival: &mpsc::Receiver<()>) {
    let input = json!({ "url": stall }).to_string();
    let start = || {
        let mut command = workspace.command_with(&["run-skill", "probe", "--json", &input, "--output", "json"]);
        command.env("SSL_CERT_FILE", workspace.path().join("roots.pem"));
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        arrival.recv().unwrap();
        child
    };
    let message = |child: Child| {
        let called: Called = child.wait_with_output().unwrap().into();
        assert_ne!(called.code, 0, "{called:?}");
        called.json()["error"]["message"].as_str().unwrap().to_owned()
    };

    let waiting = start();
    workspace.json(&["stop", "--why", "a test", "--by", "test"]).expect(0);
    let stopped = message(waiting);
    // Which of the two depends on whether the ledger has taken the stop before the run looked.
    assert!(stopped.contains("stopped by") || stopped.contains("counts as stopped"), "{stopped}");
    workspace.json(&["resume", "--by", "test"]).expect(0);

    let waiting = start();
    let broker = broker_of(waiting.id());
    let status = fs::read_to_string(format!("/proc/{broker}/status")).unwrap();
    for line in ["NoNewPrivs:\t1", "Seccomp:\t2", "CapEff:\t0000000000000000", "CapPrm:\t0000000000000000"] {
        assert!(status.contains(line), "{line}: {status}");
    }
    let limits = fs::read_to_string(format!("/proc/{broker}/limits")).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    // One byte: with none the kernel still hands a dump to a crash handler.
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["1", "1"], "{core}");
    // Only root can look, because the process is not dumpable.
    if let Ok(environment) = fs::read(format!("/proc/{broker}/environ")) {
        assert_eq!(environment, b"", "no environment");
    }
    let arguments = fs::read(format!("/proc/{broker}/cmdline")).unwrap();
    assert!(arguments.ends_with(b"\0__egress\0"), "no argument but the verb");
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(broker.try_into().unwrap()).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    let broken = message(waiting);
    assert!(broken.contains("the requests of the run cannot be made"), "{broken}");

    let config = workspace.path().join("kavi.toml");
    let settings = fs::read_to_string(&config).unwrap();
    fs::write(&config, settings.replace("wall_ms = 10000", "wall_ms = 400")).unwrap();
    let late = message(start());
    fs::write(&config, settings).unwrap();
    assert!(late.contains("`wall_ms` limit of 400 ms"), "{late}");
    // Each of the three calls is in the record of its run.
    let recorded = "SELECT count(*) FROM executions WHERE NOT success AND instr(said_json, '/v1/stall') > 0";
    assert_eq!(workspace.count(recorded), 3);
}

#[test]
fn a_request_that_a_rule_allows_is_made_recorded_and_replayed_without_a_network() {
    let (arrived, arrival) = mpsc::channel();
    let arrived = Mutex::new(arrived);
    let server = TlsServer::start(&["localhost"], move |request, to| {
        if request.path == "/v1/stall" {
            arrived.lock().unwrap().send(()).unwrap();
            // Until the client is gone: a server that says nothing more.
            return wait_for_the_end_of(to);
        }
        answer(request, to)
    })
    .unwrap();
    let workspace = workspace(&server, "calls_per_hour=8");
    let url = |path: &str| format!("https://localhost:{}{path}", server.port());

    let hello = json!({ "status": 200, "body": "hello", "error": "" });
    let input = json!({ "url": url("/v1/hello") }).to_string();
    let ran = call(&workspace, &["run-skill", "probe", "--json", &input, "--output", "json"]).expect(0).json();
    assert_eq!(ran["output_json"], hello, "{ran}");
    let exchange = &ran["said"]["exchanges"][0];
    let hop = &exchange["hops"][0];
    assert_eq!(hop["address"], format!("127.0.0.1:{}", server.port()), "{exchange}");
    assert_eq!((hop["tls"].as_str(), hop["status"].as_u64()), (Some("1.3"), Some(200)), "{exchange}");
    assert_eq!(hop["certificate"].as_str().map(str::len), Some(64), "{exchange}");
    assert!(hop["rule"].as_str().is_some_and(|rule| rule.contains("calls_per_hour=8")), "{exchange}");
    let header = |name: &str| exchange["end"]["reply"]["headers"].to_string().contains(name);
    assert!(header("content-type") && !header("set-cookie"), "{exchange}");
    let request = server.requests().pop().unwrap();
    assert_eq!((request.method.as_str(), request.path.as_str()), ("GET", "/v1/hello"));
    assert_eq!(request.header("accept-encoding"), Some("identity"));

    // What no rule names is refused before a connection is made.
    let made = server.connections();
    for refused in
        [url("/admin"), url("/v1/../admin"), "https://other.example/v1/".to_owned(), "https://127.0.0.1/".to_owned()]
    {
        assert_eq!(probe(&workspace, &refused)["error"], "refused", "{refused}");
    }
    assert_eq!(server.connections(), made, "no connection to anything that is not allowed");

    // Redirects are authorized like first requests.
    assert_eq!(probe(&workspace, &url("/v1/moved")), hello);
    assert_eq!(probe(&workspace, &url("/v1/out"))["error"], "refused");
    assert_eq!(probe(&workspace, &url("/v1/clear"))["error"], "refused");
    assert!(!server.requests().iter().any(|request| request.path == "/admin"));

    ends_in_every_phase(&workspace, &url("/v1/stall"), &arrival);

    // Four calls were granted before, and three to the runs that were ended: the eighth is the last.
    assert_eq!(probe(&workspace, &url("/v1/none"))["status"], 404);
    let over = probe(&workspace, &url("/v1/hello"));
    assert!(over["body"].as_str().unwrap().contains("calls_per_hour"), "{over}");

    // A replay asks nobody, and gives the same.
    let id = ran["execution_id"].as_str().unwrap().to_owned();
    drop(server);
    let replayed = call(&workspace, &["replay", "--execution-id", &id, "--output", "json"]).expect(0).json();
    assert_eq!(replayed["differences"], json!([]), "{replayed}");
    let gone = probe(
        &workspace,
        &format!("https://localhost:{}/v1/hello", hop["address"].as_str().unwrap().split(':').nth(1).unwrap()),
    );
    assert_eq!(gone["error"], "refused");
    fs::remove_file(workspace.path().join("roots.pem")).unwrap();
}

#[test]
fn a_bundled_skill_reaches_the_host_that_the_person_names() {
    let server = TlsServer::start(&["localhost"], |request, to| match request.path.as_str() {
        "/v1/items" => {
            to.write_all(&response(200, &[("content-type", "application/json")], b"{\"items\":[1,{\"a\":2}]}"))
        }
        _ => to.write_all(&response(404, &[], b"{}")),
    })
    .unwrap();
    let workspace = Workspace::new();
    server.roots(workspace.path()).unwrap();
    let error = workspace.refused(&["add", "http_get_json", "--approved-by", "test", "--yes"], 2);
    assert!(error["message"].as_str().unwrap().contains("--host"), "{error}");
    let port = server.port();
    let (rule, private) = (format!("GET https://localhost:{port}/v1/**"), format!("localhost:{port} -> 127.0.0.1"));
    let args = ["add", "http_get_json", "--host", &rule, "--allow-private", &private, "--approved-by", "test", "--yes"];
    let added = workspace.json(&args).expect(0).json();
    assert_eq!(added["added"][0]["trusted"]["capabilities"]["hosts"], json!([rule]), "{added:#}");
    let run = |input: Value, code: i32| {
        let input = input.to_string();
        call(&workspace, &["run-skill", "http_get_json", "--json", &input, "--output", "json"]).expect(code).json()
    };
    let url = |path: &str| format!("https://localhost:{port}{path}");
    let ran = run(json!({ "url": url("/v1/items"), "pointer": "/items/1/a" }), 0);
    assert_eq!(ran["output_json"], json!({ "status": 200, "json": "2" }));
    for (path, kind) in [("/v1/none", "not-found"), ("/admin", "denied")] {
        let error = run(json!({ "url": url(path) }), 5);
        assert!(error["error"]["message"].as_str().unwrap().contains(kind), "{path}: {error}");
    }
}
