//! A skill that signs with secrets that it never has, through the real binary and against a TLS server on the loopback interface
//! that checks each signature.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::sync::Arc;

use ring::hmac;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use serde_json::{Value, json};

use crate::support::canary::{Canary, search};
use crate::support::process_look::ProcessLook;
use crate::support::tls_server::{TlsRequest, TlsServer, response};
use crate::support::{self, Called, Skill, Workspace};

/// Signs a text twice and sends both signatures with it.
const SOURCE: &str = r#"//! Sends a text with its signatures.

use kavi_sdk::prelude::*;
use kavi_sdk::{http, sign};

#[derive(Deserialize)]
struct Input {
    url: String,
    text: String,
}

#[derive(Serialize)]
struct Output {
    status: u16,
    error: String,
}

fn run(input: Input) -> Result<Output, SkillError> {
    let code = match sign::hmac_sha256("CODE_KEY", &input.text) {
        Ok(code) => code,
        Err(error) => return Ok(Output { status: 0, error: format!("{}: {error}", error.kind().name()) }),
    };
    let signature = match sign::sign_ed25519("SIGN_KEY", &input.text) {
        Ok(signature) => signature,
        Err(error) => return Ok(Output { status: 0, error: format!("{}: {error}", error.kind().name()) }),
    };
    let url = format!("{}?code={}&signature={}", input.url, sign::hex(&code), sign::hex(&signature));
    let response = http::post(url).body(input.text).send()?;
    Ok(Output { status: response.status(), error: String::new() })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use kavi_sdk::sign::ErrorKind;
    use kavi_sdk::testing::{call, fail_to_sign, respond, sign_with};

    use super::*;

    const URL: &str = "https://api.example.com/v1/a";

    fn input() -> Value {
        json!({ "url": URL, "text": "a" })
    }

    #[test]
    fn a_signed_text_is_sent() {
        sign_with("CODE_KEY", [1; 32]);
        sign_with("SIGN_KEY", [2; 64]);
        respond(format!("{URL}?code={}&signature={}", "01".repeat(32), "02".repeat(64)), 202, "");
        assert_eq!(call(run, input()), Ok(json!({ "status": 202, "error": "" })));
    }

    #[test]
    fn a_missing_code_is_named() {
        fail_to_sign("CODE_KEY", ErrorKind::Unavailable);
        let got = call(run, input());
        assert_eq!(got, Ok(json!({ "status": 0, "error": "unavailable: the test says so: unavailable" })));
    }

    #[test]
    fn a_missing_signature_is_named() {
        sign_with("CODE_KEY", [1; 32]);
        fail_to_sign("SIGN_KEY", ErrorKind::TooLarge);
        let got = call(run, input());
        assert_eq!(got, Ok(json!({ "status": 0, "error": "too-large: the test says so: too-large" })));
    }
}
"#;

const SCHEMA: &str = r#"{"input":{"url":"str","text":"str"},"output":{"status":"int","error":"str"}}"#;
const CODE_KEY: &str = "made-up-key/for+codes=";
/// The seed of the key, from RFC 8032.
const SIGN_KEY: &str = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";

/// Accepts what is signed by both keys.
fn answer(request: &TlsRequest, to: &mut dyn Write) -> std::io::Result<()> {
    let query = request.path.split_once('?').map(|(_, query)| query).unwrap_or_default();
    let part = |name: &str| {
        let given = query.split('&').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
        hex::decode(given.unwrap_or_default()).unwrap_or_default()
    };
    let key = hmac::Key::new(hmac::HMAC_SHA256, CODE_KEY.as_bytes());
    let seed = hex::decode(SIGN_KEY).unwrap();
    let public = Ed25519KeyPair::from_seed_unchecked(&seed).unwrap();
    let coded = hmac::verify(&key, &request.body, &part("code")).is_ok();
    let signature = UnparsedPublicKey::new(&ED25519, public.public_key().as_ref());
    let signed = signature.verify(&request.body, &part("signature")).is_ok();
    to.write_all(&response(if coded && signed { 200 } else { 401 }, &[], b""))
}

const MARKER: &str = "a-marker-that-the-guest-has-in-its-memory";

fn canaries() -> Vec<Canary> {
    let seed = hex::decode(SIGN_KEY).unwrap();
    let keys = [Canary::new("the code key", CODE_KEY), Canary::new("the sign key", SIGN_KEY)];
    keys.into_iter().chain([Canary::of_bytes("the seed", &seed)]).collect()
}

struct Rig {
    workspace: Workspace,
    beside: tempfile::TempDir,
    server: TlsServer,
    seen: Arc<ProcessLook>,
}

impl Rig {
    fn new() -> Self {
        let seen = Arc::new(ProcessLook::for_canaries(canaries(), MARKER));
        let watcher = Arc::clone(&seen);
        let answer = move |request: &TlsRequest, to: &mut dyn Write| {
            if request.path.starts_with("/v1/look?") {
                watcher.look();
            }
            answer(request, to)
        };
        let server = TlsServer::start(&["localhost"], answer).unwrap();
        let (workspace, beside) = (Workspace::new(), support::folder());
        server.roots(workspace.path()).unwrap();
        fs::set_permissions(beside.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let rig = Self { workspace, beside, server, seen };
        let config = rig.workspace.path().join("kavi.toml");
        let mut toml = fs::read_to_string(&config).unwrap();
        for (name, value) in [("CODE_KEY", CODE_KEY), ("SIGN_KEY", SIGN_KEY)] {
            rig.put(name, value);
            let path = rig.beside.path().join(name);
            toml.push_str(&format!("\n[secrets.{name}]\nstore = 'file'\npath = '{}'\n", path.display()));
        }
        fs::write(&config, toml).unwrap();
        rig.workspace.trust(&rig.skill(&[]));
        rig
    }

    /// The skill, bound to the server.
    fn skill(&self, more: &[&'static str]) -> Skill {
        // The port is chosen when the test runs, and a skill of the tests is made of constants.
        let constant = |text: String| -> &'static str { text.leak() };
        let port = self.server.port();
        let origin = format!("https://localhost:{port}");
        let bound = [
            "--required-secrets",
            r#"["CODE_KEY","SIGN_KEY"]"#,
            "--host",
            constant(format!("POST {origin}/v1/**")),
            "--allow-private",
            constant(format!("localhost:{port} -> 127.0.0.1")),
            "--secret",
            constant(format!("CODE_KEY {origin} hmac-sha256")),
            "--secret",
            constant(format!("SIGN_KEY {origin} sign-ed25519")),
        ];
        let more = [&bound[..], more].concat().leak();
        Skill { name: "signer", class: "SECRET_READ", schema: SCHEMA, source: SOURCE, more }
    }

    fn put(&self, name: &str, value: &str) {
        let file = self.beside.path().join(name);
        fs::write(&file, value).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.workspace.command_with(args);
        command.args(["--output", "json"]).env("SSL_CERT_FILE", self.workspace.path().join("roots.pem"));
        command.env("KAVI_LOG", "trace").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn call(&self, args: &[&str]) -> Called {
        self.command(args).output().unwrap().into()
    }

    fn input(&self, path: &str, text: &str) -> String {
        json!({ "url": format!("https://localhost:{}{path}", self.server.port()), "text": text }).to_string()
    }

    fn sign(&self, text: &str) -> Called {
        self.call(&["run-skill", "signer", "--json", &self.input("/v1/a", text)])
    }

    /// The error that the skill says.
    #[track_caller]
    fn error(&self) -> String {
        let made = self.server.connections();
        let error = self.sign("a text").expect(0).json()["output_json"]["error"].as_str().unwrap().to_owned();
        assert_eq!(self.server.connections(), made);
        error
    }
}

#[track_caller]
fn assert_free(text: &str) {
    canaries().iter().for_each(|canary| assert_eq!(canary.within(text.as_bytes()), [""; 0]));
}

#[test]
fn a_skill_signs_with_keys_that_nobody_else_has_and_a_replay_repeats_it() {
    let rig = Rig::new();
    let child = rig.command(&["run-skill", "signer", "--json", &rig.input("/v1/look", MARKER)]).spawn().unwrap();
    rig.seen.started(child.id());
    let called = Called::from(child.wait_with_output().unwrap()).expect(0);
    assert_free(&format!("{}{}", called.stdout, called.stderr));
    let ran = called.json();
    assert_eq!(ran["output_json"], json!({ "status": 200, "error": "" }), "{ran}");
    // Kavi's process was searched while the broker had both keys, and its guest was waiting in it.
    rig.seen.take().assert_free();
    let signatures = ran["said"]["signatures"].as_array().unwrap();
    assert_eq!(signatures.len(), 2, "{ran}");
    assert_eq!(signatures[0]["call"]["secret"], "CODE_KEY");
    let signature = signatures[1]["end"]["signature"].as_str().unwrap();
    assert_eq!((&signatures[1]["call"]["algorithm"], signature.len()), (&json!("sign-ed25519"), 128));
    let shown = rig.workspace.call(&["show", "signer"]).expect(0).stdout;
    let words = shown.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(words.contains("signs what it likes with the secret CODE_KEY for https://localhost"), "{shown}");
    let id = ran["execution_id"].as_str().unwrap().to_owned();
    let shown = rig.workspace.call(&["show", &id]).expect(0).stdout;
    assert!(shown.contains("SIGN_KEY (sign-ed25519): signed what has the digest"), "{shown}");

    let (found, read) = search(rig.workspace.path(), &canaries()).unwrap();
    assert!(found.is_empty() && read > 10, "{read} files: {found:?}");

    // A guest that knows a key, from its caller here, gets no signature of it.
    let leak = rig.sign(&format!("this is {SIGN_KEY}"));
    assert_ne!(leak.code, 0, "{leak:?}");
    let message = leak.json()["error"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains("what is to be signed contains the secret SIGN_KEY"), "{message}");

    // A case of one real run has both signatures, and passes the gates without a key.
    let input = rig.input("/v1/a", "a text");
    let recorded = rig.call(&["record", "signer", "--json", &input, "--out", "case.json", "--yes"]).expect(0);
    assert_eq!(recorded.json()["case"]["signatures"].as_array().map(Vec::len), Some(2), "{recorded:?}");
    assert_free(&fs::read_to_string(rig.workspace.path().join("case.json")).unwrap());
    fs::remove_file(rig.beside.path().join("CODE_KEY")).unwrap();
    rig.workspace.verified(&rig.skill(&["--example", "case.json"]));

    // A replay signs nothing: it needs neither key nor server.
    let made = rig.server.connections();
    assert_eq!(rig.call(&["replay", "--execution-id", &id]).expect(0).json()["same"], true);
    assert_eq!(rig.server.connections(), made);
    // Without a key there is no signature, and the skill is told which secret.
    let error = rig.error();
    assert!(error.starts_with("unavailable: ") && error.contains("`kavi secret check CODE_KEY`"), "{error}");
    // A value that is no key of this kind, or one that can be guessed, signs nothing either.
    rig.put("CODE_KEY", "made-up-key");
    assert_eq!(rig.error(), "unavailable: the secret CODE_KEY is too short for a key: it needs 16 bytes");
    rig.put("CODE_KEY", CODE_KEY);
    rig.put("SIGN_KEY", "made-up-value-that-is-no-key");
    assert_eq!(rig.error(), "unavailable: the secret SIGN_KEY is no key for sign-ed25519");
}

#[test]
fn a_key_signs_for_one_origin_alone() {
    let workspace = Workspace::new();
    let propose = |more: &[&str]| {
        let args = ["propose-skill", "--name", "signer", "--desc", "Signs", "--side-effect", "SECRET_READ"];
        let rest = ["--io-schema-json", SCHEMA, "--required-secrets", r#"["KEY"]"#];
        workspace.json(&[&args[..], &rest, more].concat())
    };
    let key = ["--secret", "KEY https://a.example.com hmac-sha256"];
    let rule = ["--host", "POST https://a.example.com/**"];
    for other in ["GET https://b.example.com/**", "GET https://*.a.example.com/**", "GET https://a.example.com:8443/**"]
    {
        let refused = propose(&[&key[..], &rule, &["--host", other]].concat()).expect(2).json();
        let message = refused["error"]["message"].as_str().unwrap();
        assert!(message.contains("it signs, and a host rule reaches another origin"), "{other}: {message}");
    }
    // An example can declare only what such a key could give.
    let case = |signature: Value| {
        let input = json!({ "url": "https://a.example.com/", "text": "a" });
        let expect = json!({ "ok": { "status": 0, "error": "" } });
        let case = json!({ "name": "a", "input": input, "signatures": [signature], "expect": expect });
        fs::write(workspace.path().join("case.json"), case.to_string()).unwrap();
        propose(&[&key[..], &rule, &["--example", "case.json"]].concat())
    };
    for (bad, says) in [
        (json!({ "secret": "OTHER", "fail": "refused" }), "no secret of this name signs"),
        (json!({ "secret": "KEY", "signature": "ab" }), "has 32 bytes"),
        (json!({ "secret": "KEY" }), "either a `signature` or a `fail`"),
    ] {
        let message = case(bad).expect(2).json()["error"]["message"].to_string();
        assert!(message.contains(says), "{message}");
    }
    case(json!({ "secret": "KEY", "fail": "refused" })).expect(0);
}
