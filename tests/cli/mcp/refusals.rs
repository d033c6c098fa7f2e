//! What an agent sees of each reason why a request of a skill fails, word by word. `INSTA_UPDATE=always cargo test --test cli
//! refusals` writes the table again; look at the difference before it is committed.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::mpsc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::support::canary::Canary;
use crate::support::mcp::client::Client;
use crate::support::tls_server::{TlsRequest, TlsServer, response};
use crate::support::{self, Skill, Workspace};

const VALUE: &str = "made-up-secret-of-an-agents-skill";

/// Gives a text of a host, and leaves every reason why there is none as it is.
const SOURCE: &str = r#"//! Gets a text.

use kavi_sdk::http;
use kavi_sdk::prelude::*;

#[derive(Deserialize)]
struct Input {
    url: String,
}

#[derive(Serialize)]
struct Output {
    text: String,
}

fn run(input: Input) -> Result<Output, SkillError> {
    let response = http::get(&input.url).send()?.success()?;
    Ok(Output { text: response.text()?.to_owned() })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use kavi_sdk::testing::{call, respond};

    use super::*;

    const URL: &str = "https://api.example.com/v1/a";

    #[test]
    fn a_text_is_given_whole() {
        respond(URL, 200, "made");
        assert_eq!(call(run, json!({ "url": URL })), Ok(json!({ "text": "made" })));
    }

    #[test]
    fn a_response_that_says_no_is_no_text() {
        respond(URL, 404, "made");
        assert!(matches!(call(run, json!({ "url": URL })), Err(SkillError::NotFound(_))));
    }

    #[test]
    fn bytes_are_no_text() {
        respond(URL, 200, [0xff]);
        assert!(matches!(call(run, json!({ "url": URL })), Err(SkillError::Failed(_))));
    }
}
"#;

fn answer(request: &TlsRequest, to: &mut dyn Write) -> std::io::Result<()> {
    match request.path.as_str() {
        "/v1/hello" => to.write_all(&response(200, &[], b"hello")),
        "/v1/large" => to.write_all(&response(200, &[], &[b'a'; 2_000])),
        "/v1/no-http" => to.write_all(b"220 mail.example ESMTP\r\n"),
        "/v1/echo" => to.write_all(&response(200, &[], VALUE.as_bytes())),
        "/v1/slow" => {
            to.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n")?;
            let (never, pause) = mpsc::channel::<()>();
            // The client ends it, at the time of the rule.
            loop {
                to.write_all(b" ")?;
                to.flush()?;
                let _ = pause.recv_timeout(Duration::from_millis(20));
                let _ = &never;
            }
        }
        _ => to.write_all(&response(404, &[], b"nothing")),
    }
}

/// What differs from run to run has a name in its place.
fn settings(ports: &[(u16, &str)]) -> insta::Settings {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../snapshots");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for (port, name) in ports {
        settings.add_filter(&format!(r"\b{port}\b"), format!("[{name}]"));
    }
    settings.add_filter(r"\brun [0-9a-f]{8}\b", "run [short]");
    settings
}

fn keep_secret(beside: &Path, value: &str) {
    let file = beside.join("token");
    fs::write(&file, value).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
}

#[test]
fn each_reason_has_its_own_words_and_none_quotes_a_secret() {
    let (server, other) =
        (TlsServer::start(&["localhost"], answer).unwrap(), TlsServer::start(&["localhost"], answer).unwrap());
    let free = || TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port();
    let (closed, private) = (free(), free());
    let (workspace, beside) = (Workspace::trusted(), support::folder());
    let constant = |text: String| -> &'static str { text.leak() };
    let mut more = vec!["--required-secrets", r#"["TOKEN"]"#];
    for port in [server.port(), other.port(), closed, private] {
        let limits = "seconds=1 response_bytes=1000 calls_per_run=1";
        more.extend(["--host", constant(format!("GET https://localhost:{port}/v1/** {limits}"))]);
        if port != private {
            more.extend(["--allow-private", constant(format!("localhost:{port} -> 127.0.0.1"))]);
        }
    }
    more.extend(["--secret", constant(format!("TOKEN https://localhost:{} bearer", server.port()))]);
    // Inputs are drawn near the example: none of the others names a host of the rules.
    let url = format!("https://localhost:{}/v1/a", server.port());
    let exchange = json!({ "url": url, "reply": { "body": "made" } });
    let expect = json!({ "ok": { "text": "made" } });
    let case = json!({ "name": "a text", "input": { "url": url }, "exchanges": [exchange], "expect": expect });
    fs::write(workspace.path().join("case.json"), case.to_string()).unwrap();
    more.extend(["--example", "case.json"]);
    let schema = r#"{"input":{"url":"str"},"output":{"text":"str"}}"#;
    workspace.trust(&Skill { name: "fetch", class: "SECRET_READ", schema, source: SOURCE, more: more.leak() });
    fs::set_permissions(beside.path(), fs::Permissions::from_mode(0o700)).unwrap();
    keep_secret(beside.path(), VALUE);
    let config = workspace.path().join("kavi.toml");
    let toml =
        fs::read_to_string(&config).unwrap().replace("[policy.mcp]\n", "[policy.mcp]\nSECRET_READ = \"allow\"\n");
    let store = format!("\n[secrets.TOKEN]\nstore = 'file'\npath = '{}'\n", beside.path().join("token").display());
    fs::write(&config, toml + &store).unwrap();
    // The other server has a certificate that nobody trusts.
    let mut command = workspace.command();
    command.env("SSL_CERT_FILE", server.roots(workspace.path()).unwrap());
    let mut client = Client::of(command, "2025-11-25", json!({}));

    let mut table = String::new();
    let mut row = |client: &mut Client, reason: &str, port: u16, path: &str| {
        let answer = client.call("fetch", json!({ "url": format!("https://localhost:{port}{path}") }));
        let result = &answer["result"];
        let said = result["content"][0]["text"].as_str().unwrap_or_default();
        let error = result["isError"].as_bool().unwrap_or(false);
        table.push_str(&format!("{reason} (error: {error})\n"));
        said.lines().for_each(|line| table.push_str(&format!("    {line}\n")));
    };
    row(&mut client, "none", server.port(), "/v1/hello");
    row(&mut client, "the rule: path", server.port(), "/admin");
    row(&mut client, "the rule: port", free(), "/v1/hello");
    row(&mut client, "DNS", private, "/v1/hello");
    row(&mut client, "connect", closed, "/v1/hello");
    row(&mut client, "TLS", other.port(), "/v1/hello");
    row(&mut client, "timeout", server.port(), "/v1/slow");
    row(&mut client, "too large", server.port(), "/v1/large");
    row(&mut client, "invalid", server.port(), "/v1/no-http");
    row(&mut client, "status", server.port(), "/v1/none");
    row(&mut client, "leak", server.port(), "/v1/echo");
    keep_secret(beside.path(), "");
    row(&mut client, "secret unreadable", server.port(), "/v1/hello");
    client.call("peek", json!({ "path": "Inbox/none.md" }));
    row(&mut client, "private data", server.port(), "/v1/hello");
    let said = client.end();
    assert!(said.lines().all(|line| line.contains("the secret TOKEN cannot be read")), "{said}");
    assert_eq!(Canary::new("the value", VALUE).within(table.as_bytes()), [""; 0], "{table}");
    let ports = [(server.port(), "port"), (other.port(), "other"), (closed, "closed"), (private, "private")];
    settings(&ports).bind(|| insta::assert_snapshot!("agent_refusals", table));
}

#[test]
fn an_agent_can_propose_a_skill_that_reaches_hosts_with_a_secret() {
    let workspace = Workspace::new();
    let mut client = Client::open(&workspace, "2025-11-25", json!({}));
    let tools = client.request("tools/list", json!({}));
    let schema = &tools["result"]["tools"][0]["inputSchema"];
    let classes = json!(["READ_ONLY", "FILE_WRITE", "NETWORK", "SECRET_READ"]);
    assert_eq!(schema["properties"]["side_effect_class"]["enum"], classes, "{tools}");
    let proposal = json!({
        "name": "fetch", "description": "Gets a text", "why": "I need it", "side_effect_class": "SECRET_READ",
        "io": { "input": { "url": "str" }, "output": { "text": "str" } },
        "hosts": ["GET https://api.example.com/v1/** calls_per_run=1"], "required_secrets": ["TOKEN"],
        "secrets": [{ "name": "TOKEN", "origin": "https://api.example.com", "place": "bearer" }],
    });
    let validator = jsonschema::validator_for(schema).unwrap();
    assert!(validator.is_valid(&proposal), "{schema}");
    let made = client.call("propose_skill", proposal.clone());
    assert_eq!(made["result"]["structuredContent"]["status"], "PROPOSED", "{made}");
    let shown = workspace.show("fetch");
    assert_eq!(shown["spec"]["secrets"][0]["place"], "bearer", "{shown}");
    // What the rules of a specification forbid, an agent cannot propose either.
    let refused = |client: &mut Client, key: &str, value: Value| {
        let mut bad = proposal.clone();
        bad[key] = value;
        let answer = client.call("propose_skill", bad);
        assert_eq!(answer["result"]["isError"], true, "{key}: {answer}");
    };
    refused(&mut client, "hosts", json!(["GET https://*.com/**"]));
    refused(&mut client, "hosts", json!([]));
    refused(&mut client, "secrets", json!([{ "name": "TOKEN", "origin": "https://evil.test", "place": "bearer" }]));
    refused(&mut client, "required_secrets", json!([]));
    client.close();
}
