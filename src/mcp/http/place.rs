//! Where to listen, and what this host is called there.
//!
//! Guarantees: an address that other machines can reach has a name for them and encryption. Deliberately never: listens.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::super::McpError;
use super::tls::Identity;
use crate::model::digest::Digest;

/// Where to listen, and to whom.
#[derive(Debug)]
pub struct Listening {
    /// Where.
    pub place: Place,
    /// The digest of the token that clients bring.
    pub token: Digest,
}

/// An address that may be listened at.
#[derive(Debug)]
pub struct Place {
    pub(super) address: SocketAddr,
    pub(super) identity: Option<Identity>,
    names: Vec<String>,
}

impl Place {
    /// An address, the names that clients on other machines have for this host, and what it proves them with.
    ///
    /// # Errors
    /// When others than this machine could reach the address, and it was not said that they may, or there is no encryption.
    pub fn new(address: SocketAddr, names: Vec<String>, identity: Option<Identity>) -> Result<Self, McpError> {
        if let Some(name) = names.iter().find(|name| !is_host(name)) {
            return Err(McpError::Name(name.clone()));
        }
        if !address.ip().is_loopback() {
            if names.is_empty() {
                return Err(McpError::Reachable(address));
            }
            if identity.is_none() {
                return Err(McpError::Unencrypted(address));
            }
        }
        Ok(Self { address, names, identity })
    }

    pub(super) fn scheme(&self) -> &'static str {
        if self.identity.is_some() { "https" } else { "http" }
    }

    /// What clients may call this host, with its port; first what it is called best.
    pub(super) fn hosts(&self, bound: SocketAddr) -> Vec<String> {
        let port = bound.port();
        let own = match bound.ip() {
            ip if ip.is_loopback() => vec![literal(ip), "localhost".to_owned()],
            ip if ip.is_unspecified() => Vec::new(),
            ip => vec![literal(ip)],
        };
        let hosts: Vec<String> = self.names.iter().cloned().chain(own).collect();
        let with_port = hosts.iter().map(|host| format!("{host}:{port}"));
        // Clients leave out the port that everybody knows.
        let known = port == if self.identity.is_some() { 443 } else { 80 };
        with_port.chain(hosts.iter().filter(|_| known).cloned()).collect()
    }
}

/// Whether this can be the name of a host in a URL, without a port.
fn is_host(name: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let ipv6 = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    ipv6.map_or_else(|| name.split('.').all(label), |name| name.parse::<Ipv6Addr>().is_ok())
}

/// An address as it stands in a URL.
fn literal(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(address: &str, names: &[&str], identity: Option<Identity>) -> Result<Place, McpError> {
        let address = address.parse().map_err(|_| McpError::Opening(address.to_owned()))?;
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Place::new(address, names, identity)
    }

    fn identity() -> Option<Identity> {
        let made = rcgen::generate_simple_self_signed(vec!["notes.lan".to_owned()]).ok()?;
        Identity::from_pem(made.cert.pem().as_bytes(), &made.signing_key.serialize_pem().into()).ok()
    }

    #[test]
    fn others_than_this_machine_need_a_name_and_encryption() {
        for loopback in ["127.0.0.1:0", "127.0.0.2:80", "[::1]:0"] {
            assert!(place(loopback, &[], None).is_ok(), "{loopback}");
        }
        for open in ["0.0.0.0:0", "[::]:0", "192.168.1.2:443", "[::ffff:127.0.0.1]:0"] {
            assert!(matches!(place(open, &[], None), Err(McpError::Reachable(_))), "{open}");
            assert!(matches!(place(open, &[], identity()), Err(McpError::Reachable(_))), "{open}");
            assert!(matches!(place(open, &["notes.lan"], None), Err(McpError::Unencrypted(_))), "{open}");
            assert!(place(open, &["notes.lan"], identity()).is_ok(), "{open}");
        }
    }

    #[test]
    fn a_name_is_that_of_a_host() {
        for good in ["notes.lan", "notes", "10.0.0.1", "[::1]", "my-host_2.example"] {
            assert!(place("127.0.0.1:0", &[good], None).is_ok(), "{good}");
        }
        for bad in ["", "a b", "http://x/", "*", "x:99", "x..y", ".x", "::1", "[x]", "x/y", "u@x"] {
            assert!(matches!(place("127.0.0.1:0", &[bad], None), Err(McpError::Name(_))), "{bad}");
        }
    }

    #[test]
    fn a_host_is_called_by_its_names_at_its_port() -> Result<(), McpError> {
        let own = place("[::1]:0", &[], None)?.hosts(SocketAddr::from(([0, 0, 0, 0, 0, 0, 0, 1], 7)));
        assert_eq!(own, ["[::1]:7", "localhost:7"]);
        let named = place("0.0.0.0:0", &["notes.lan"], identity())?.hosts(SocketAddr::from(([0, 0, 0, 0], 7)));
        assert_eq!(named, ["notes.lan:7"]);
        let usual = place("127.0.0.1:80", &[], None)?.hosts(SocketAddr::from(([127, 0, 0, 1], 80)));
        assert_eq!(usual, ["127.0.0.1:80", "localhost:80", "127.0.0.1", "localhost"]);
        let other = place("127.0.0.1:443", &[], None)?.hosts(SocketAddr::from(([127, 0, 0, 1], 443)));
        assert_eq!(other, ["127.0.0.1:443", "localhost:443"]);
        Ok(())
    }
}
