//! From a target that a rule allows to the addresses that it may be connected to.
//!
//! Guarantees: a name is looked up once, and only after a rule allowed it. Every address of the answer is checked. One that may
//! not be reached refuses the whole name, because a server that gives such an answer chooses which one is used. The addresses
//! that come out are the only ones that are connected to. A private host is not looked up: the spec says its address.
//!
//! Deliberately never: drops a bad answer and uses the rest, or asks a second time.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _, UdpSocket};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use super::address;
use super::target::RequestTarget;
use crate::model::{
    exchange::{HttpFailure, HttpFailureKind},
    host_grants::HostGrants,
};

/// Most addresses of one name. More are refused, like an answer that is none.
pub const MAX_ADDRESSES: usize = 16;

/// Looks names up.
pub trait NameLookup: fmt::Debug {
    /// The addresses of a name, within this time.
    ///
    /// # Errors
    /// When the name has none, or the look-up fails or takes too long.
    fn addresses(&self, host: &str, time: Duration) -> io::Result<Vec<IpAddr>>;

    /// Whether this machine has the address itself.
    fn is_own(&self, address: IpAddr) -> bool;
}

/// Asks the system.
#[derive(Debug, Clone, Copy)]
pub struct SystemLookup;

impl NameLookup for SystemLookup {
    fn addresses(&self, host: &str, time: Duration) -> io::Result<Vec<IpAddr>> {
        let (send, receive) = mpsc::channel();
        let host = host.to_owned();
        // The system cannot be told to stop. A look-up that hangs is left behind, and ends with this process.
        thread::Builder::new().name("kavi-lookup".to_owned()).spawn(move || {
            let found = (host.as_str(), 0).to_socket_addrs();
            let _ = send.send(found.map(|all| all.map(|address| address.ip()).collect()));
        })?;
        receive.recv_timeout(time).unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    fn is_own(&self, address: IpAddr) -> bool {
        let any: SocketAddr = if address.is_ipv4() { ([0; 4], 0).into() } else { ([0u16; 8], 0).into() };
        // No packet is sent. For an address of its own the kernel chooses the same one as the sender's.
        let chosen = UdpSocket::bind(any).and_then(|socket| {
            socket.connect(SocketAddr::new(address, 9))?;
            socket.local_addr()
        });
        chosen.is_ok_and(|chosen| chosen.ip() == address)
    }
}

fn failure(kind: HttpFailureKind, message: String) -> HttpFailure {
    HttpFailure::new(kind, message)
}

/// The addresses that a request to this target may be sent to.
///
/// # Errors
/// [`HttpFailure`] of the kind `refused`, `dns` or `timeout`.
pub fn resolve(
    lookup: &dyn NameLookup,
    grants: &HostGrants,
    target: &RequestTarget,
    time: Duration,
) -> Result<Vec<SocketAddr>, HttpFailure> {
    let origin = target.origin();
    if let Some(private) = grants.private(&origin.host, origin.port) {
        return Ok(vec![private.socket()]);
    }
    let host = &origin.host;
    if target.literal().is_some() {
        // A rule for it needs a private host, which is not there.
        return Err(failure(
            HttpFailureKind::Refused,
            format!("`{host}` is an address and not one of `allow_private`"),
        ));
    }
    let found = lookup.addresses(host, time).map_err(|error| match error.kind() {
        io::ErrorKind::TimedOut => failure(HttpFailureKind::Timeout, format!("the look-up of `{host}` took too long")),
        _ => failure(HttpFailureKind::Dns, format!("`{host}` has no address")),
    })?;
    let mut addresses: Vec<IpAddr> = found;
    addresses.dedup();
    if addresses.is_empty() {
        return Err(failure(HttpFailureKind::Dns, format!("`{host}` has no address")));
    }
    if addresses.len() > MAX_ADDRESSES {
        return Err(failure(HttpFailureKind::Dns, format!("`{host}` has more than {MAX_ADDRESSES} addresses")));
    }
    // The address itself is not named: it says something about the network that this machine is in.
    let allowed = |address: &IpAddr| address::is_public(*address) && !lookup.is_own(*address);
    if !addresses.iter().all(allowed) {
        let message = format!("`{host}` has an address that is not public; only `allow_private` permits one");
        return Err(failure(HttpFailureKind::Dns, message));
    }
    Ok(addresses.into_iter().map(|address| SocketAddr::new(address, origin.port)).collect())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// Gives one answer after the other.
    #[derive(Debug)]
    struct Answers {
        asked: Cell<usize>,
        answers: Vec<Vec<IpAddr>>,
        own: Option<IpAddr>,
    }

    impl NameLookup for Answers {
        fn addresses(&self, _: &str, _: Duration) -> io::Result<Vec<IpAddr>> {
            let asked = self.asked.get();
            self.asked.set(asked + 1);
            self.answers.get(asked).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
        }

        fn is_own(&self, address: IpAddr) -> bool {
            self.own == Some(address)
        }
    }

    type Outcome = Result<(), Box<dyn std::error::Error>>;

    fn grants() -> Result<HostGrants, Box<dyn std::error::Error>> {
        let rules = vec!["GET https://a.example/**".parse()?, "GET https://b.example:444/**".parse()?];
        Ok(HostGrants { rules, private: vec!["b.example:444 -> 10.0.0.1".parse()?] })
    }

    fn asked(
        answers: &[&[&str]],
        own: Option<&str>,
        url: &str,
    ) -> Result<(Result<usize, HttpFailure>, usize), Box<dyn std::error::Error>> {
        let parse = |all: &&[&str]| all.iter().map(|text| text.parse()).collect::<Result<Vec<IpAddr>, _>>();
        let answers = answers.iter().map(parse).collect::<Result<_, _>>()?;
        let lookup = Answers { asked: Cell::new(0), answers, own: own.map(str::parse).transpose()? };
        let target = RequestTarget::parse(url)?;
        let found = resolve(&lookup, &grants()?, &target, Duration::from_secs(1));
        Ok((found.map(|addresses| addresses.len()), lookup.asked.get()))
    }

    #[test]
    fn one_bad_answer_refuses_the_name() -> Outcome {
        let many: Vec<String> = (1..=17).map(|number| format!("1.1.1.{number}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        for (answer, expected) in [
            (&["1.1.1.1"][..], Some(1)),
            (&["1.1.1.1", "2606:4700::1111"], Some(2)),
            (&many[..16], Some(16)),
            (&many, None),
            (&[], None),
            (&["1.1.1.1", "127.0.0.1"], None),
            (&["169.254.169.254"], None),
            (&["::ffff:1.1.1.1"], None),
        ] {
            let (found, looked_up) = asked(&[answer], None, "https://a.example/")?;
            assert_eq!((found.as_ref().ok().copied(), looked_up), (expected, 1), "{answer:?}");
            if let Err(failure) = found {
                assert_eq!(failure.kind, HttpFailureKind::Dns);
                assert!(!answer.iter().any(|address| failure.message.contains(address)), "{failure}");
            }
        }
        Ok(())
    }

    #[test]
    fn a_name_is_asked_once_so_a_second_answer_changes_nothing() -> Outcome {
        let (found, looked_up) = asked(&[&["1.1.1.1"], &["127.0.0.1"]], None, "https://a.example/")?;
        assert_eq!((found, looked_up), (Ok(1), 1));
        Ok(())
    }

    #[test]
    fn addresses_of_this_machine_and_literals_are_refused_and_private_hosts_are_not_looked_up() -> Outcome {
        assert!(asked(&[&["1.1.1.1"]], Some("1.1.1.1"), "https://a.example/")?.0.is_err());
        assert_eq!(asked(&[], None, "https://b.example:444/")?, (Ok(1), 0));
        let (found, looked_up) = asked(&[], None, "https://1.1.1.1/")?;
        assert!(found.is_err_and(|failure| failure.kind == HttpFailureKind::Refused) && looked_up == 0);
        assert!(asked(&[], None, "https://a.example/")?.0.is_err_and(|failure| failure.kind == HttpFailureKind::Dns));
        Ok(())
    }

    #[test]
    fn the_system_knows_its_own_addresses() {
        assert!(SystemLookup.is_own(IpAddr::from([127, 0, 0, 1])));
        assert!(!SystemLookup.is_own(IpAddr::from([192, 0, 2, 1])));
    }
}
