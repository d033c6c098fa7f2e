//! A skill that uses a secret without having it, through the real binary and against real TLS servers on the loopback
//! interface. The value is searched for in every usual encoding, in every place where it could have stayed.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail")]

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::support::canary::{Canary, search};
use crate::support::process_look::ProcessLook;
use crate::support::tls_server::{TlsRequest, TlsServer, response};
use crate::support::{self, Called, Skill, Workspace};

/// With characters that every encoding writes differently, and that a header can have.
const VALUE: &str = "made-up/secret+\"canary\"\\&0123=";

/// Makes one request, and then says in its output and in its log what it was told to say.
const SOURCE: &str = r#"//! Makes one request and says what came of it, and something else.

use kavi_sdk::prelude::*;
use kavi_sdk::{http, log};

#[derive(Deserialize)]
struct Input {
    url: String,
    say: String,
    note: String,
}

#[derive(Serialize)]
struct Output {
    status: u16,
    body: String,
    said: String,
}

fn run(input: Input) -> Result<Output, SkillError> {
    log::info(&input.note);
    match http::get(&input.url).send() {
        Ok(response) => {
            let body = String::from_utf8_lossy(response.body()).into_owned();
            Ok(Output { status: response.status(), body, said: input.say })
        }
        Err(error) => Ok(Output { status: 0, body: error.to_string(), said: input.say }),
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
        let got = call(run, json!({ "url": URL, "say": "a", "note": "b" }));
        assert_eq!(got, Ok(json!({ "status": 201, "body": "made", "said": "a" })));
    }

    #[test]
    fn a_failure_is_said_too() {
        fail(URL, ErrorKind::Timeout);
        let got = call(run, json!({ "url": URL, "say": "a", "note": "b" })).map(|output| output["said"].clone());
        assert_eq!(got, Ok(json!("a")));
    }

    #[test]
    fn a_failure_has_no_status_and_its_text_as_the_body() {
        fail(URL, ErrorKind::Dns);
        let got = call(run, json!({ "url": URL, "say": "a", "note": "b" }));
        assert!(got.is_ok_and(|output| output["status"] == 0 && output["body"].to_string().contains("the test says so")));
    }
}
"#;

const SCHEMA: &str =
    r#"{"input":{"url":"str","say":"str","note":"str"},"output":{"status":"int","body":"str","said":"str"}}"#;

/// Two servers, and a skill that may reach both. The secret is bound to the first.
struct Rig {
    workspace: Workspace,
    beside: tempfile::TempDir,
    bound: TlsServer,
    other: TlsServer,
}

fn echo(request: &TlsRequest, other: u16, to: &mut dyn Write) -> io::Result<()> {
    if let Some(number) = request.path.strip_prefix("/v1/echo/") {
        let canary = Canary::new("the value", VALUE);
        let (_, form) = canary.forms().nth(number.parse().unwrap()).unwrap();
        return to.write_all(&response(200, &[("content-type", "text/plain")], &[b"you sent ", form].concat()));
    }
    match request.path.as_str() {
        "/v1/in-header" => {
            let credential = request.header("authorization").unwrap_or_default().to_owned();
            to.write_all(&response(200, &[("x-you-sent", &credential)], b"hello"))
        }
        "/v1/away" | "/v1/away-as-it-is" => {
            let place = format!("https://localhost:{other}/v1/landing");
            let status = if request.path == "/v1/away" { 302 } else { 307 };
            to.write_all(&response(status, &[("location", &place)], b""))
        }
        _ => to.write_all(&response(200, &[("content-type", "text/plain")], b"hello")),
    }
}

impl Rig {
    fn new(place: &str, seen: impl Fn(&TlsRequest) + Send + Sync + 'static) -> Self {
        let other = TlsServer::start(&["localhost"], |_, to| to.write_all(&response(200, &[], b"landed"))).unwrap();
        let elsewhere = other.port();
        let bound = TlsServer::start(&["localhost"], move |request, to| {
            seen(request);
            echo(request, elsewhere, to)
        })
        .unwrap();
        let (workspace, beside) = (Workspace::new(), support::folder());
        // The ports are chosen when the test runs, and a skill of the tests is made of constants.
        let constant = |text: String| -> &'static str { text.leak() };
        let mut more = vec!["--required-secrets", r#"["TOKEN"]"#];
        for port in [bound.port(), other.port()] {
            let rule = constant(format!("GET https://localhost:{port}/v1/** calls_per_hour=1000"));
            let private = constant(format!("localhost:{port} -> 127.0.0.1"));
            more.extend(["--host", rule, "--allow-private", private]);
        }
        more.extend(["--secret", constant(format!("TOKEN https://localhost:{} {place}", bound.port()))]);
        workspace.trust(&Skill {
            name: "caller",
            class: "SECRET_READ",
            schema: SCHEMA,
            source: SOURCE,
            more: more.leak(),
        });
        fs::write(beside.path().join("roots.pem"), format!("{}{}", bound.pem(), other.pem())).unwrap();
        fs::set_permissions(beside.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let rig = Self { workspace, beside, bound, other };
        rig.put(VALUE);
        let settings = rig.workspace.path().join("kavi.toml");
        let store = format!("\n[secrets.TOKEN]\nstore = 'file'\npath = '{}'\n", rig.file().display());
        fs::write(&settings, fs::read_to_string(&settings).unwrap() + &store).unwrap();
        rig
    }

    fn file(&self) -> PathBuf {
        self.beside.path().join("token")
    }

    fn put(&self, value: &str) {
        fs::write(self.file(), value).unwrap();
        fs::set_permissions(self.file(), fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.bound.port())
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.workspace.command_with(args);
        command.env("SSL_CERT_FILE", self.beside.path().join("roots.pem")).env("KAVI_LOG", "trace");
        command.args(["--output", "json"]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, url: &str, say: &str, note: &str) -> Called {
        let input = json!({ "url": url, "say": say, "note": note }).to_string();
        self.command(&["run-skill", "caller", "--json", &input]).output().unwrap().into()
    }

    fn output(&self, url: &str) -> Value {
        let called = self.run(url, "", "").expect(0);
        assert_shows_nothing(&called);
        called.json()["output_json"].take()
    }

    /// The error of a run that was ended because of the secret.
    #[track_caller]
    fn ended(&self, called: &Called, says: &str) {
        assert_ne!(called.code, 0, "{called:?}");
        let message = called.json()["error"]["message"].as_str().unwrap().to_owned();
        assert!(message.contains("the secret TOKEN") && message.contains(says), "{message}");
        assert_shows_nothing(called);
    }

    /// Looks into every file of the workspace.
    #[track_caller]
    fn assert_nothing_stayed(&self) {
        let (found, read) = search(self.workspace.path(), &[Canary::new("the value", VALUE)]).unwrap();
        assert!(found.is_empty() && read > 10, "{read} files: {found:?}");
    }
}

#[track_caller]
fn assert_shows_nothing(called: &Called) {
    let shown = format!("{}{}", called.stdout, called.stderr);
    assert_eq!(Canary::new("the value", VALUE).within(shown.as_bytes()), [""; 0], "{shown}");
}

const MARKER: &str = "a-marker-that-the-guest-has-in-its-memory";

#[test]
fn a_secret_reaches_its_server_and_nobody_else_has_it() {
    let seen = Arc::new(ProcessLook::for_canaries(vec![Canary::new("the value", VALUE)], MARKER));
    let watcher = Arc::clone(&seen);
    let rig = Rig::new("bearer", move |request| {
        if request.path == "/v1/look" {
            watcher.look();
        }
    });
    let input = json!({ "url": rig.url("/v1/look"), "say": MARKER, "note": "a note" }).to_string();
    let child = rig.command(&["run-skill", "caller", "--json", &input]).spawn().unwrap();
    seen.started(child.id());
    let called = Called::from(child.wait_with_output().unwrap()).expect(0);
    let request = rig.bound.requests().pop().unwrap();
    assert_eq!(request.header("authorization"), Some(format!("Bearer {VALUE}").as_str()));
    assert_eq!(called.json()["output_json"], json!({ "status": 200, "body": "hello", "said": MARKER }));
    assert_shows_nothing(&called);
    // Kavi's process was searched while the broker had the value, and its guest was waiting in it.
    seen.take().assert_free();
    rig.assert_nothing_stayed();

    // A hop to another origin goes without it, though a rule allows the request.
    for away in ["/v1/away", "/v1/away-as-it-is"] {
        assert_eq!(rig.output(&rig.url(away))["body"], "landed");
        let landed = rig.other.requests().pop().unwrap();
        assert_eq!((landed.path.as_str(), landed.header("authorization")), ("/v1/landing", None), "{away}");
    }
    let there = format!("https://localhost:{}/v1/landing", rig.other.port());
    assert_eq!(rig.output(&there)["body"], "landed");
    assert_eq!(rig.other.requests().pop().unwrap().header("authorization"), None);

    // An answer with the value ends the run, however it is written.
    for number in 0..Canary::new("the value", VALUE).forms().count() {
        rig.ended(&rig.run(&rig.url(&format!("/v1/echo/{number}")), "", ""), "an exchange contains");
    }
    rig.ended(&rig.run(&rig.url("/v1/in-header"), "", ""), "an exchange contains");
    rig.assert_nothing_stayed();

    // A replay needs neither the secret nor the network.
    let id = called.json()["execution_id"].as_str().unwrap().to_owned();
    fs::remove_file(rig.file()).unwrap();
    let made = rig.bound.connections();
    let replayed = Called::from(rig.command(&["replay", "--execution-id", &id]).output().unwrap()).expect(0);
    assert_eq!(replayed.json()["same"], true);
    assert_eq!(rig.bound.connections(), made);

    // Without a value nothing is sent. The skill is told which secret, and not what is wrong with its store.
    let refused = rig.run(&rig.url("/v1/hello"), "", "").expect(0).json();
    let body = refused["output_json"]["body"].as_str().unwrap();
    assert!(body.contains("`kavi secret check TOKEN` says why"), "{body}");
    assert!(!body.contains("No such file") && !body.contains("token"), "{body}");
    assert!(!rig.bound.requests().iter().any(|request| request.path == "/v1/hello"));
}

#[test]
fn a_guest_that_knows_the_secret_sends_and_says_nothing_of_it() {
    let rig = Rig::new("basic:someone", |_| {});
    assert_eq!(rig.output(&rig.url("/v1/hello"))["body"], "hello");
    use base64::Engine as _;
    let credential = base64::engine::general_purpose::STANDARD.encode(format!("someone:{VALUE}"));
    let sent = rig.bound.requests().pop().unwrap();
    assert_eq!(sent.header("authorization"), Some(format!("Basic {credential}").as_str()));
    // It got it from its caller here. Where it got it from does not matter.
    let canary = Canary::new("the value", VALUE);
    let hex = canary.forms().find(|(name, _)| *name == "hex").map(|(_, form)| form.to_vec()).unwrap();
    let hex = String::from_utf8(hex).unwrap();
    let error = |called: Called| {
        assert_ne!(called.code, 0, "{called:?}");
        called.json()["error"]["message"].as_str().unwrap().to_owned()
    };
    // A recorded case has what the guest said and got.
    let input = json!({ "url": rig.url("/v1/hello"), "say": "a", "note": "b" }).to_string();
    let recorded =
        rig.command(&["record", "caller", "--json", &input, "--out", "case.json", "--yes"]).output().unwrap();
    assert_shows_nothing(&Called::from(recorded).expect(0));
    let case = fs::read_to_string(rig.workspace.path().join("case.json")).unwrap();
    assert!(case.contains("/v1/hello") && !case.to_ascii_lowercase().contains("authorization"), "{case}");
    assert_eq!(canary.within(case.as_bytes()), [""; 0]);
    let before = rig.bound.requests().len();
    // What no rule allows is not sent. The run ends all the same, because its record would have the request.
    let refused = error(rig.run(&format!("{}?q={hex}", rig.url("/elsewhere")), "", ""));
    assert!(refused.contains("contains the secret TOKEN") && refused.contains("in a request"), "{refused}");
    let sends = error(rig.run(&format!("{}?q={hex}", rig.url("/v1/hello")), "", ""));
    assert!(sends.contains("an exchange contains the secret TOKEN"), "{sends}");
    assert_eq!(rig.bound.requests().len(), before);
    let says = error(rig.run(&rig.url("/v1/hello"), &credential, ""));
    assert!(says.contains("contains the secret TOKEN") && says.contains("in its output"), "{says}");
    let logs = error(rig.run(&rig.url("/v1/hello"), "", &hex));
    assert!(logs.contains("contains the secret TOKEN") && logs.contains("in its log"), "{logs}");
    for message in [refused, sends, says, logs] {
        assert_eq!(canary.within(message.as_bytes()), [""; 0]);
    }
}
