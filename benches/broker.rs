//! The broker of a run: `cargo bench --bench broker`.
//!
//! How long one takes to start and to end, what a call through it costs beside the same client in this process, and whether runs
//! at the same time have a broker each. The server answers over plain HTTP on the loopback interface: the time of a TLS handshake
//! is the same for both, and much longer than what is compared.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod support;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{IpAddr, TcpListener};
use std::path::PathBuf;
use std::sync::{Arc, Barrier};
use std::time::Duration;
use std::{fs, io, thread};

use kavi::cage::{Cage, Confinement};
use kavi::egress::{self, BrokerLaunch, Exchanger, NameLookup};
use kavi::http::{PinnedClient, TlsRoots};
use kavi::model::exchange::{CallBudget, CallEnd, HttpCall, HttpPort};
use kavi::model::host_grants::HostGrants;
use kavi::model::host_rule::{HostRule, RequestMethod};
use support::{Bar, Contender, Series};

const ROUNDS: usize = 40;
const WARM_UP: usize = 5;
/// Calls of one round.
const CALLS: usize = 50;
/// Runs at one time.
const TOGETHER: usize = 50;
const START_MS: f64 = 10.0;
const OVERHEAD_US: f64 = 50.0;

/// Answers every request alike, one for each connection.
fn serve() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for connection in listener.incoming() {
            let (mut connection, mut read, mut some) = (connection.unwrap(), Vec::new(), [0; 4096]);
            while !read.ends_with(b"\r\n\r\n") {
                match connection.read(&mut some) {
                    Ok(length @ 1..) => read.extend_from_slice(&some[..length]),
                    _ => break,
                }
            }
            let _ = connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}");
        }
    });
    port
}

/// The host of the rules is a private one, which is not looked up.
#[derive(Debug)]
struct NoLookup;

impl NameLookup for NoLookup {
    fn addresses(&self, _: &str, _: Duration) -> io::Result<Vec<IpAddr>> {
        Err(io::ErrorKind::NotFound.into())
    }

    fn is_own(&self, _: IpAddr) -> bool {
        false
    }
}

#[derive(Debug)]
struct Unlimited;

impl CallBudget for Unlimited {
    fn grant(&mut self, _: &HostRule) -> Result<(), String> {
        Ok(())
    }
}

struct Rig {
    cage: Cage,
    grants: HostGrants,
    url: String,
}

impl Rig {
    fn new() -> Self {
        let port = serve();
        let rule = format!("GET http://localhost:{port}/** calls_per_run=1000").parse().unwrap();
        let private = format!("localhost:{port} -> 127.0.0.1").parse().unwrap();
        Self {
            cage: Cage::new(PathBuf::from(env!("CARGO_BIN_EXE_kavi")), Confinement::Required),
            grants: HostGrants { rules: vec![rule], private: vec![private] },
            url: format!("http://localhost:{port}/v1/a"),
        }
    }

    fn call(&self) -> HttpCall {
        HttpCall { method: RequestMethod::Get, url: self.url.clone(), headers: Vec::new(), body: Vec::new() }
    }

    /// Does some work with a broker of its own.
    fn with_broker<T>(&self, work: impl FnOnce(&Arc<dyn HttpPort>) -> T) -> T {
        let stores = BTreeMap::new();
        let launch =
            BrokerLaunch { cage: &self.cage, grants: &self.grants, roots_file: None, bindings: &[], stores: &stores };
        egress::serve(launch, &mut Unlimited, |port, _| work(port)).unwrap().0
    }

    fn through_broker(&self) -> Duration {
        self.with_broker(|port| {
            support::time(|| {
                for _ in 0..CALLS {
                    let end = port.exchange(self.call(), Duration::from_secs(10), &mut || true);
                    assert!(matches!(end, CallEnd::Answered(Ok(reply)) if reply.body == b"{}"));
                }
            })
        })
    }

    fn in_process(&self) -> Duration {
        let client = PinnedClient::new(&TlsRoots::Bundled).unwrap();
        let mut exchanger = Exchanger::new(self.grants.clone(), client, NoLookup);
        support::time(|| {
            for _ in 0..CALLS {
                let exchanged = exchanger.exchange(self.call(), Duration::from_secs(10));
                assert!(exchanged.end.is_ok_and(|reply| reply.body == b"{}"));
            }
        })
    }
}

/// The brokers that this process has started.
fn brokers() -> usize {
    let own = format!("PPid:\t{}\n", std::process::id());
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let is_ours = |entry: &fs::DirEntry| {
        let read = |name: &str| fs::read(entry.path().join(name)).unwrap_or_default();
        String::from_utf8_lossy(&read("status")).contains(&own) && read("cmdline").ends_with(b"\0__egress\0")
    };
    processes.filter(is_ours).count()
}

fn main() {
    let rig = Rig::new();
    let rounds = support::rounds(ROUNDS);
    support::print_machine();
    let contenders = vec![
        Contender::timed("start and end of a broker", |_| support::time(|| rig.with_broker(|_| ()))),
        Contender::timed("calls through a broker", |_| rig.through_broker()),
        Contender::timed("calls by the same client in this process", |_| rig.in_process()),
    ];
    let series: Vec<Series> = support::measure(WARM_UP, rounds, contenders);
    support::print_times(&format!("a broker, {rounds} rounds"), 1.0, &series[..1]);
    support::print_ratio("start and end, in ms", series[0].spread().divided_by(1e-3), Bar::AtMost(START_MS));
    support::print_times(&format!("time per call, {rounds} rounds of {CALLS} calls"), CALLS as f64, &series[1..]);
    support::print_ratio("through a broker against in this process", series[1].times_of(&series[2]), Bar::None);
    let more = series[1].longer_than(&series[2]).divided_by(CALLS as f64 * 1e-6);
    support::print_ratio("how much longer a call takes, in µs", more, Bar::AtMost(OVERHEAD_US));

    let (all, counted) = (Barrier::new(TOGETHER + 1), Barrier::new(TOGETHER + 1));
    let found = thread::scope(|scope| {
        for _ in 0..TOGETHER {
            scope.spawn(|| {
                rig.with_broker(|port| {
                    all.wait();
                    counted.wait();
                    let end = port.exchange(rig.call(), Duration::from_secs(30), &mut || true);
                    assert!(matches!(end, CallEnd::Answered(Ok(_))), "{end:?}");
                });
            });
        }
        all.wait();
        let found = brokers();
        counted.wait();
        found
    });
    println!("\n{TOGETHER} runs at one time: {found} brokers; {} are left after them", brokers());
}
