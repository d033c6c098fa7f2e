//! A secret in every usual encoding, over every place where a run can leave something, for many runs of the real binary. After
//! them it is searched for in all that stayed. It prints its counts.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::support::canary::{Canary, search};
use crate::support::process_look::with_descendants;
use crate::support::tls_server::{TlsRequest, TlsServer, response};
use crate::support::{self, Called, Skill, Workspace};

/// With characters that every encoding writes differently, and that a header can have.
const VALUE: &str = "made-up/secret+\"canary\"\\&0123=";

/// Knows a text, and says it where it is told to. The text is hidden in the input, which is recorded.
const SOURCE: &str = r#"//! Makes one request and says something.

use kavi_sdk::prelude::*;
use kavi_sdk::{http, log};

#[derive(Deserialize)]
struct Input {
    url: String,
    place: String,
    hidden: Vec<i64>,
}

#[derive(Serialize)]
struct Output {
    status: u16,
    said: String,
}

fn run(input: Input) -> Result<Output, SkillError> {
    let said: String = input.hidden.iter().filter_map(|code| char::from_u32(u32::try_from(*code ^ 1).ok()?)).collect();
    let part = |place: &str| if input.place == place { said.clone() } else { String::new() };
    log::info(part("log"));
    let request = http::post(format!("{}{}", input.url, part("query"))).body(part("body"));
    let status = request.send().map(|response| response.status()).unwrap_or_default();
    if input.place == "error" {
        return Err(SkillError::failed(said));
    }
    if input.place == "file" {
        vault::write("Said/said.md", &said)?;
    }
    Ok(Output { status, said: part("output") })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use kavi_sdk::testing::{call, respond, written};

    use super::*;

    const URL: &str = "https://api.example.com/v1/a?q=";

    fn input(place: &str) -> Value {
        json!({ "url": URL, "place": place, "hidden": [96, 99] })
    }

    #[test]
    fn a_text_is_said_in_the_output() {
        respond(URL, 201, "");
        assert_eq!(call(run, input("output")), Ok(json!({ "status": 201, "said": "ab" })));
        assert_eq!(written("Said/said.md"), None);
    }

    #[test]
    fn a_text_is_sent_in_the_url() {
        respond(format!("{URL}ab"), 202, "");
        assert_eq!(call(run, input("query")), Ok(json!({ "status": 202, "said": "" })));
    }

    #[test]
    fn a_text_is_an_error() {
        respond(URL, 200, "");
        assert_eq!(call(run, input("error")), Err(SkillError::failed("ab")));
    }

    #[test]
    fn a_text_is_written_to_a_file() {
        respond(URL, 200, "");
        assert_eq!(call(run, input("file")), Ok(json!({ "status": 200, "said": "" })));
        assert_eq!(written("Said/said.md").as_deref(), Some("ab"));
    }

    #[test]
    fn no_response_has_no_status() {
        assert_eq!(call(run, input("log")), Ok(json!({ "status": 0, "said": "" })));
    }
}
"#;

const SCHEMA: &str = r#"{"input":{"url":"str","place":"str","hidden":["int"]},"output":{"status":"int","said":"str"}}"#;

/// Where the text goes: what a guest says, what it sends, what a server answers, and nowhere.
const PLACES: [&str; 9] = ["output", "log", "error", "file", "query", "body", "reply", "reply-header", "nowhere"];

fn forms() -> Vec<(String, Vec<u8>)> {
    let canary = Canary::new("the value", VALUE);
    canary.forms().map(|(name, form)| (name.to_owned(), form.to_vec())).collect()
}

/// What the server saw of requests and of processes, besides the one place where the value belongs.
#[derive(Default)]
struct Seen {
    kavi: Mutex<Option<u32>>,
    bytes: Mutex<Vec<u8>>,
    credentials: Mutex<usize>,
}

impl Seen {
    fn look(&self, request: &TlsRequest) {
        let mut bytes = self.bytes.lock().unwrap();
        bytes.extend(request.path.as_bytes());
        bytes.extend(&request.body);
        for (name, value) in &request.headers {
            if name == "authorization" {
                assert_eq!(*value, format!("Bearer {VALUE}"));
                *self.credentials.lock().unwrap() += 1;
                continue;
            }
            bytes.extend([name.as_bytes(), value.as_bytes()].concat());
        }
        let Some(kavi) = *self.kavi.lock().unwrap() else { return };
        for process in with_descendants(kavi) {
            for name in ["cmdline", "environ"] {
                bytes.extend(fs::read(format!("/proc/{process}/{name}")).unwrap_or_default());
            }
        }
    }
}

fn answer(request: &TlsRequest, to: &mut dyn Write) -> io::Result<()> {
    let path = request.path.split('?').next().unwrap_or_default();
    let form = |number: &str| forms()[number.parse::<usize>().unwrap()].1.clone();
    if let Some(number) = path.strip_prefix("/v1/reply/") {
        return to.write_all(&response(200, &[], &[b"you sent ", &form(number)[..]].concat()));
    }
    if let Some(number) = path.strip_prefix("/v1/reply-header/") {
        // A form that no header can have makes the response a broken one.
        to.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nx-you-sent: ")?;
        to.write_all(&form(number))?;
        return to.write_all(b"\r\n\r\n");
    }
    to.write_all(&response(200, &[], b"hello"))
}

struct Rig {
    workspace: Workspace,
    beside: tempfile::TempDir,
    server: TlsServer,
    seen: Arc<Seen>,
}

impl Rig {
    fn new() -> Self {
        let seen = Arc::new(Seen::default());
        let watcher = Arc::clone(&seen);
        let server = TlsServer::start(&["localhost"], move |request, to| {
            watcher.look(request);
            answer(request, to)
        })
        .unwrap();
        let (workspace, beside) = (Workspace::new(), support::folder());
        let constant = |text: String| -> &'static str { text.leak() };
        let port = server.port();
        let more: &[&str] = vec![
            "--required-secrets",
            r#"["TOKEN"]"#,
            "--host",
            constant(format!("POST https://localhost:{port}/v1/** calls_per_hour=100000")),
            "--allow-private",
            constant(format!("localhost:{port} -> 127.0.0.1")),
            "--secret",
            constant(format!("TOKEN https://localhost:{port} bearer")),
            "--path",
            "Said",
        ]
        .leak();
        workspace.trust(&Skill { name: "sayer", class: "SECRET_READ", schema: SCHEMA, source: SOURCE, more });
        server.roots(beside.path()).unwrap();
        fs::set_permissions(beside.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let rig = Self { workspace, beside, server, seen };
        fs::write(rig.file(), VALUE).unwrap();
        fs::set_permissions(rig.file(), fs::Permissions::from_mode(0o600)).unwrap();
        let settings = rig.workspace.path().join("kavi.toml");
        let store = format!("\n[secrets.TOKEN]\nstore = 'file'\npath = '{}'\n", rig.file().display());
        fs::write(&settings, fs::read_to_string(&settings).unwrap() + &store).unwrap();
        rig
    }

    fn file(&self) -> PathBuf {
        self.beside.path().join("token")
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.workspace.command_with(args);
        command.env("SSL_CERT_FILE", self.beside.path().join("roots.pem")).env("KAVI_LOG", "trace");
        command.args(["--output", "json"]).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn run(&self, place: &str, number: usize, form: &[u8]) -> Called {
        let path = match place {
            "reply" | "reply-header" => format!("/v1/{place}/{number}"),
            _ => "/v1/hello".to_owned(),
        };
        let text = String::from_utf8(form.to_vec()).unwrap();
        let hidden: Vec<u32> = text.chars().map(|c| u32::from(c) ^ 1).collect();
        let url = format!("https://localhost:{}{path}?q=", self.server.port());
        let input = json!({ "url": url, "place": place, "hidden": hidden }).to_string();
        let child = self.command(&["run-skill", "sayer", "--json", &input]).spawn().unwrap();
        *self.seen.kavi.lock().unwrap() = Some(child.id());
        child.wait_with_output().unwrap().into()
    }
}

/// How a run ended: because of the secret, without sending anything, or as any other.
fn kind(called: &Called) -> &'static str {
    let said: Value = called.json();
    let message = said["error"]["message"].as_str().unwrap_or_default();
    match called.code {
        0 if said["output_json"]["status"] == 0 => "no response",
        0 => "done",
        _ if message.contains("contains the secret TOKEN") => "ended",
        _ => "failed",
    }
}

#[test]
#[ignore = "a tier of its own: as many runs as KAVI_SECRET_RUNS says"]
fn no_encoding_of_a_secret_stays_anywhere() {
    let runs: usize = std::env::var("KAVI_SECRET_RUNS").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000);
    let (rig, forms, canary) = (Rig::new(), forms(), Canary::new("the value", VALUE));
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for run in 0..runs {
        let (number, place) = (run % forms.len(), PLACES[run / forms.len() % PLACES.len()]);
        let (name, form) = &forms[number];
        let called = rig.run(place, number, form);
        let shown = format!("{}{}", called.stdout, called.stderr);
        assert_eq!(canary.within(shown.as_bytes()), [""; 0], "{place}, {name}");
        let kind = kind(&called);
        let expected: &[&str] = match place {
            "nowhere" => &["done"],
            // What no URL, and what no header can have, is refused for that.
            "query" => &["ended", "no response"],
            "reply-header" => &["ended", "no response"],
            _ => &["ended"],
        };
        assert!(expected.contains(&kind), "{place}, {name}: {kind}: {called:?}");
        *counts.entry((place, kind)).or_default() += 1;
        // As large as one run makes it, so that the search is short.
        let seen = std::mem::take(&mut *rig.seen.bytes.lock().unwrap());
        assert_eq!(canary.within(&seen), [""; 0], "{place}, {name}");
    }
    let bundle = rig.command(&["doctor", "--bundle", "bundle.zip"]).output().unwrap();
    Called::from(bundle).expect(0);
    let (found, read) = search(rig.workspace.path(), &[canary]).unwrap();
    assert_eq!(found, [""; 0]);
    println!("{runs} runs, {} encodings, {} places: nothing found in {read} files", forms.len(), PLACES.len());
    println!("the server got the value {} times", rig.seen.credentials.lock().unwrap());
    counts.iter().for_each(|((place, kind), count)| println!("{place}: {kind} {count}"));
    assert!(runs < forms.len() * PLACES.len() || counts.len() >= PLACES.len());
}
