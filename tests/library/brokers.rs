//! The broker of a run and its host, with the processes of the real binary and TLS servers on the loopback interface.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use kavi::cage::{Cage, Confinement};
use kavi::egress::{self, BrokerLaunch, KeptCalls, LeakCheck, LeakVerdict};
use kavi::model::exchange::{CallBudget, CallEnd, HttpCall, HttpFailureKind, HttpPort};
use kavi::model::host_grants::HostGrants;
use kavi::model::host_rule::{HostRule, RequestMethod};
use kavi::model::secret::{SecretName, SecretStore};
use kavi::model::secret_binding::SecretBinding;
use kavi::model::signing::{SignatureAlgorithm, SigningCall, SigningFailureKind};

use crate::support;
use crate::support::canary::Canary;
use crate::support::tls_server::{TlsRequest, TlsServer, response};

const VALUE: &str = "made-up-secret-of-a-broker";

#[derive(Debug)]
struct Unlimited;

impl CallBudget for Unlimited {
    fn grant(&mut self, _: &HostRule) -> Result<(), String> {
        Ok(())
    }
}

/// What a run may do.
struct Allowed {
    grants: HostGrants,
    bindings: Vec<SecretBinding>,
    stores: BTreeMap<SecretName, SecretStore>,
    roots: PathBuf,
}

impl Allowed {
    /// The server, below these paths, without a secret.
    fn to(server: &TlsServer, folder: &Path, paths: &[String]) -> Self {
        let port = server.port();
        let rule = |(method, path): (&str, &String)| {
            format!("{method} https://localhost:{port}{path} calls_per_run=1000 seconds=60").parse().unwrap()
        };
        let rules = paths.iter().flat_map(|path| [("GET", path), ("POST", path)]).map(rule).collect();
        let private = vec![format!("localhost:{port} -> 127.0.0.1").parse().unwrap()];
        Self {
            grants: HostGrants { rules, private },
            bindings: Vec::new(),
            stores: BTreeMap::new(),
            roots: server.roots(folder).unwrap(),
        }
    }

    /// The same with a secret in a file of this folder.
    fn with_secret(mut self, folder: &Path, binding: String) -> Self {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).unwrap();
        let path = folder.join("token");
        fs::write(&path, VALUE).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        self.bindings.push(binding.parse().unwrap());
        self.stores.insert(SecretName::parse("TOKEN").unwrap(), SecretStore::File { path, cut_newline: false });
        self
    }

    fn serve<T>(&self, work: impl FnOnce(&Arc<dyn HttpPort>, &LeakCheck) -> T) -> (T, KeptCalls) {
        let cage = Cage::new(PathBuf::from(env!("CARGO_BIN_EXE_kavi")), Confinement::Required);
        let launch = BrokerLaunch {
            cage: &cage,
            grants: &self.grants,
            roots_file: Some(&self.roots),
            bindings: &self.bindings,
            stores: &self.stores,
        };
        egress::serve(launch, &mut Unlimited, work).unwrap()
    }
}

fn ok(_: &TlsRequest, to: &mut dyn Write) -> std::io::Result<()> {
    to.write_all(&response(200, &[], b"hello"))
}

fn ask(port: &Arc<dyn HttpPort>, url: String, body: &[u8]) -> CallEnd {
    let method = if body.is_empty() { RequestMethod::Get } else { RequestMethod::Post };
    let call = HttpCall { method, url, headers: Vec::new(), body: body.to_vec() };
    port.exchange(call, Duration::from_secs(60), &mut || true)
}

fn failed(end: &CallEnd) -> Option<HttpFailureKind> {
    match end {
        CallEnd::Answered(Err(failure)) => Some(failure.kind),
        _ => None,
    }
}

/// The brokers that this process has started.
fn brokers() -> usize {
    let own = format!("PPid:\t{}\n", std::process::id());
    let is_ours = |entry: &fs::DirEntry| {
        let read = |name: &str| fs::read(entry.path().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&read("status")).contains(&own) && read("cmdline").ends_with(b"\0__egress\0")
    };
    fs::read_dir("/proc").unwrap().flatten().filter(is_ours).count()
}

const TOGETHER: usize = 50;
/// Set in the process that has all of the brokers.
const ALONE: &str = "KAVI_TEST_BROKERS";

#[test]
fn fifty_runs_at_once_are_fifty_brokers_and_each_knows_its_own_rules() {
    const NAME: &str = "fifty_runs_at_once_are_fifty_brokers_and_each_knows_its_own_rules";
    if !cfg!(target_os = "linux") {
        eprintln!("{NAME} is skipped: only Linux can confine a broker");
        return;
    }
    if std::env::var_os(ALONE).is_none() {
        // Other tests of this program start brokers too.
        let output = support::alone(module_path!(), NAME).env(ALONE, "1").output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        return;
    }
    // Nobody is answered before all have asked.
    let arrived = Barrier::new(TOGETHER);
    let server = TlsServer::start(&["localhost"], move |request, to| {
        arrived.wait();
        to.write_all(&response(200, &[], request.path.as_bytes()))
    })
    .unwrap();
    let folder = support::folder();
    let url = |run: usize| format!("https://localhost:{}/v1/{run}/a", server.port());
    let (started, counted) = (Barrier::new(TOGETHER + 1), Barrier::new(TOGETHER + 1));
    let found = thread::scope(|scope| {
        let allowed = |run| Allowed::to(&server, folder.path(), &[format!("/v1/{run}/**")]);
        // First all of them: each writes the file of certificates.
        for (run, allowed) in (0..TOGETHER).map(allowed).collect::<Vec<_>>().into_iter().enumerate() {
            let (started, counted, url) = (&started, &counted, &url);
            scope.spawn(move || {
                let ((), kept) = allowed.serve(|port, _| {
                    started.wait();
                    counted.wait();
                    let other = ask(port, url((run + 1) % TOGETHER), b"");
                    assert_eq!(failed(&other), Some(HttpFailureKind::Refused), "{other:?}");
                    let own = ask(port, url(run), b"");
                    let expected = format!("/v1/{run}/a");
                    assert!(
                        matches!(&own, CallEnd::Answered(Ok(reply)) if reply.body == expected.as_bytes()),
                        "{own:?}"
                    );
                });
                assert_eq!(kept.exchanges.len(), 2);
            });
        }
        started.wait();
        let found = brokers();
        counted.wait();
        found
    });
    assert_eq!((found, brokers(), server.connections()), (TOGETHER, 0, TOGETHER));
}

#[test]
fn a_run_that_asks_without_end_is_ended_though_every_call_is_refused() {
    let server = TlsServer::start(&["localhost"], ok).unwrap();
    let folder = support::folder();
    let allowed = Allowed::to(&server, folder.path(), &["/v1/**".to_owned()]);
    let refused = || format!("https://localhost:{}/admin", server.port());
    let ended = |ask: &dyn Fn(&Arc<dyn HttpPort>) -> CallEnd| {
        let ((asked, why), kept) = allowed.serve(|port, _| {
            let mut asked = 0;
            loop {
                match ask(port) {
                    CallEnd::Broken(why) => break (asked, why),
                    end => assert_eq!(failed(&end), Some(HttpFailureKind::Refused), "{end:?}"),
                }
                asked += 1;
                assert!(asked <= 10_000, "nothing ends it");
            }
        });
        assert_eq!(kept.exchanges.len(), asked);
        why
    };
    let many = ended(&|port| ask(port, refused(), b""));
    assert!(many.contains("more than 10000 requests"), "{many}");
    let large = ended(&|port| ask(port, refused(), &vec![b'a'; 1 << 20]));
    assert!(large.contains("bytes of bodies"), "{large}");
    let long = ended(&|port| ask(port, format!("{}?{}", refused(), "a".repeat(100_000)), b""));
    assert!(long.contains("bytes of URLs and headers"), "{long}");
    assert_eq!(server.connections(), 0);
}

#[test]
fn nothing_is_kept_of_what_a_guest_sent_before_its_secret_was_known() {
    let (bound, other) = (TlsServer::start(&["localhost"], ok).unwrap(), TlsServer::start(&["localhost"], ok).unwrap());
    let (folder, beside) = (support::folder(), support::folder());
    let mut allowed = Allowed::to(&bound, folder.path(), &["/v1/**".to_owned()]);
    let elsewhere = Allowed::to(&other, beside.path(), &["/v1/**".to_owned()]);
    allowed.grants.rules.extend(elsewhere.grants.rules);
    allowed.grants.private.extend(elsewhere.grants.private);
    fs::write(&allowed.roots, format!("{}{}", bound.pem(), other.pem())).unwrap();
    let allowed = allowed.with_secret(beside.path(), format!("TOKEN https://localhost:{} bearer", bound.port()));
    let url = |server: &TlsServer, query: &str| format!("https://localhost:{}/v1/a{query}", server.port());
    let canary = Canary::new("the value", VALUE);
    let hex = hex::encode(VALUE);
    for (query, body) in [(format!("?q={hex}"), String::new()), (String::new(), hex.clone())] {
        let (verdict, kept) = allowed.serve(|port, check| {
            // Its host has no secret, so none was read, and nobody can know what this is.
            let before = ask(port, url(&other, &query), body.as_bytes());
            assert!(matches!(before, CallEnd::Answered(Ok(_))), "{before:?}");
            assert_eq!(check.scan_exchanges(), LeakVerdict::Clean);
            let after = ask(port, url(&bound, ""), b"");
            assert!(matches!(after, CallEnd::Answered(Ok(_))), "{after:?}");
            check.scan_exchanges()
        });
        assert!(matches!(&verdict, LeakVerdict::Leak(found) if found.contains("TOKEN")), "{verdict:?}");
        assert_eq!(canary.within(format!("{kept:?}").as_bytes()), [""; 0]);
        let bodies = kept.exchanges.iter().flat_map(|exchange| &exchange.bodies);
        assert!(bodies.into_iter().all(|body| canary.within(body).is_empty()));
    }
}

#[test]
fn a_run_gets_a_hundred_signatures_and_a_broken_store_gives_none() {
    let server = TlsServer::start(&["localhost"], ok).unwrap();
    let (folder, beside) = (support::folder(), support::folder());
    let allowed = Allowed::to(&server, folder.path(), &["/v1/**".to_owned()]);
    let origin = format!("https://localhost:{}", server.port());
    let allowed = allowed.with_secret(beside.path(), format!("TOKEN {origin} hmac-sha256"));
    let sign = |port: &Arc<dyn HttpPort>, bytes: Vec<u8>| {
        let call = SigningCall { secret: "TOKEN".to_owned(), algorithm: SignatureAlgorithm::HmacSha256, bytes };
        match port.sign(call, &mut || true) {
            CallEnd::Answered(Ok(signature)) => Ok(signature.len()),
            CallEnd::Answered(Err(failure)) => Err(failure.kind),
            end => panic!("{end:?}"),
        }
    };
    let ((), kept) = allowed.serve(|port, _| {
        assert_eq!(sign(port, vec![0; (1 << 20) + 1]), Err(SigningFailureKind::TooLarge));
        assert_eq!(sign(port, vec![0; 1 << 20]), Ok(32));
        for number in 2_u8..100 {
            assert_eq!(sign(port, vec![number]), Ok(32), "{number}");
        }
        assert_eq!(sign(port, Vec::new()), Err(SigningFailureKind::Refused));
    });
    assert_eq!((kept.signatures.len(), kept.exchanges.len()), (101, 0));
    fs::remove_file(beside.path().join("token")).unwrap();
    let (end, _) = allowed.serve(|port, _| sign(port, Vec::new()));
    assert_eq!(end, Err(SigningFailureKind::Unavailable));
    assert_eq!(server.connections(), 0);
}
