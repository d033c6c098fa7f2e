//! The broker: Kavi's own executable, started again with a hidden verb for one run. It makes the requests of that run.
//!
//! Guarantees: it is confined before it reads a byte that a guest or a server wrote. It reads what a look-up of names needs and
//! no other file, writes none, and connects to the ports of its rules. It ends with the run, whatever it is doing.
//!
//! Deliberately never: opens the vault or the ledger, or keeps anything for another run.

use std::ffi::OsString;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use super::exchanger::Exchanger;
use super::resolve::SystemLookup;
use super::wire::{
    self, BrokerMessage, BrokerOrder, BrokerReady, CallHead, ExchangedHead, HostMessage, ReplyHead, SigningHead,
};
use crate::cage::{self, ServiceScope};
use crate::http::{PinnedClient, TlsRoots};
use crate::model::exchange::{Exchanged, HttpCall};
use crate::model::host_grants::HostGrants;
use crate::model::secret::SecretName;
use crate::model::signing::SigningCall;
use crate::secrets::{self, HeldSecrets, SecretSource, SecretValue};

/// The hidden verb.
pub(super) const VERB: &str = "__egress";

/// What the system reads to look a name up: its configuration, and the libraries that it loads for it.
const LOOKUP_FILES: [&str; 14] = [
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/ld.so.cache",
    "/run/systemd/resolve",
    "/run/resolvconf",
    "/run/NetworkManager",
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
];

/// Names are looked up over TCP where an answer is too long.
const DNS_PORT: u16 = 53;

/// Performs the work of the broker when this process was started as one.
///
/// `args` are the process's arguments, the program's name included. `None` means that this is no broker.
pub fn child_entry(args: impl IntoIterator<Item = OsString>) -> Option<ExitCode> {
    (args.into_iter().nth(1)? == VERB).then(|| match serve() {
        // The end of the socket is the end of the run.
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    })
}

fn serve() -> io::Result<()> {
    let mut socket = cage::service_socket()?;
    // From Kavi itself: nothing of a guest is in it.
    let (order, pem) = wire::receive::<BrokerOrder>(&mut socket)?;
    let source: Box<dyn SecretSource> = Box::new(HostSource(socket.try_clone()?));
    let held = HeldSecrets::new(order.secrets, source).map_err(io::Error::other)?;
    let mut exchanger = match prepare(order.grants, pem) {
        Ok(exchanger) => exchanger.with_secrets(held),
        Err(why) => return wire::send(&mut socket, &BrokerReady::Failed(why), &[]),
    };
    wire::send(&mut socket, &BrokerReady::Ready, &[])?;
    loop {
        let (message, body) = match wire::receive::<HostMessage>(&mut socket) {
            Ok(message) => message,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error),
        };
        let CallHead { method, url, headers, time_ms } = match message {
            HostMessage::Call(head) => head,
            HostMessage::Hold => {
                exchanger.hold_secrets();
                wire::send(&mut socket, &BrokerMessage::Clean, &[])?;
                continue;
            }
            HostMessage::Scan => {
                let found = exchanger.leak_in(&body).map(|leak| BrokerMessage::Leak(leak.to_string()));
                wire::send(&mut socket, &found.unwrap_or(BrokerMessage::Clean), &[])?;
                continue;
            }
            HostMessage::Sign(SigningHead { secret, algorithm }) => {
                let signed = exchanger.sign(&SigningCall { secret, algorithm, bytes: body });
                if let Some(leak) = exchanger.take_leak() {
                    wire::send(&mut socket, &BrokerMessage::Leak(leak.to_string()), &[])?;
                    continue;
                }
                let (end, signature) =
                    signed.map_or_else(|failure| (Err(failure), Vec::new()), |bytes| (Ok(()), bytes));
                wire::send(&mut socket, &BrokerMessage::Signed(end), &signature)?;
                continue;
            }
        };
        let call = HttpCall { method, url, headers, body };
        let Exchanged { hops, end } = exchanger.exchange(call, Duration::from_millis(time_ms));
        if let Some(leak) = exchanger.take_leak() {
            wire::send(&mut socket, &BrokerMessage::Leak(leak.to_string()), &[])?;
            continue;
        }
        let (end, body) = match end {
            Ok(reply) => (Ok(ReplyHead { status: reply.status, headers: reply.headers }), reply.body),
            Err(failure) => (Err(failure), Vec::new()),
        };
        wire::send(&mut socket, &BrokerMessage::Exchanged(ExchangedHead { hops, end }), &body)?;
    }
}

/// Gets values from the reader that the host starts. The reader writes to this end of the socket.
#[derive(Debug)]
struct HostSource(UnixStream);

impl SecretSource for HostSource {
    fn fetch(&mut self, name: &SecretName) -> Result<SecretValue, String> {
        let value = wire::send(&mut self.0, &BrokerMessage::NeedsSecret(name.clone()), &[])
            .and_then(|()| secrets::read_value(&mut self.0));
        // The guest reads this. What is wrong with the store is for the person.
        let none = || format!("the secret {name} cannot be read; `kavi secret check {name}` says why");
        value.map_err(|error| error.to_string())?.ok_or_else(none)
    }
}

fn prepare(grants: HostGrants, pem: Vec<u8>) -> Result<Exchanger<SystemLookup>, String> {
    let roots = match pem.is_empty() {
        true => TlsRoots::Bundled,
        false => TlsRoots::from_pem(Path::new("SSL_CERT_FILE"), &pem).map_err(|error| error.to_string())?,
    };
    let mut ports: Vec<u16> = grants.rules.iter().map(|rule| rule.port).chain([DNS_PORT]).collect();
    ports.sort_unstable();
    ports.dedup();
    let client = PinnedClient::new(&roots).map_err(|error| error.to_string())?;
    cage::confine_service(ServiceScope { readable: &LOOKUP_FILES, ports: &ports })
        .map_err(|error| format!("it cannot be confined: {error}"))?;
    Ok(Exchanger::new(grants, client, SystemLookup))
}
