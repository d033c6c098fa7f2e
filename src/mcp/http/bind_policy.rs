//! Decides where the server may listen, and under which host names.
//!
//! Guarantees: an address that other machines can reach has a host name and TLS. Deliberately never: listens.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::super::error::McpError;
use super::tls::TlsIdentity;
use crate::app::HttpAddress;

/// An address at which the server may listen.
#[derive(Debug)]
pub(super) struct BindAddress {
    pub(super) address: SocketAddr,
    pub(super) identity: Option<TlsIdentity>,
    names: Vec<String>,
    allowed_hosts: Vec<String>,
}

impl BindAddress {
    /// Validates an address.
    ///
    /// # Errors
    /// When other machines can reach the address, and it has no host name or no certificate.
    pub(super) fn new(requested: HttpAddress) -> Result<Self, McpError> {
        let HttpAddress { address, names, allowed_hosts, tls } = requested;
        // First, so that an unusable certificate is reported also for an address that would need
        // none.
        let identity = tls.map(|pem| TlsIdentity::from_pem(&pem)).transpose()?;
        if let Some(name) = names.iter().find(|name| !is_host(name)) {
            return Err(McpError::Name(name.clone()));
        }
        if let Some(host) = allowed_hosts.iter().find(|host| !is_host(without_port(host))) {
            return Err(McpError::AllowedHost(host.clone()));
        }
        // The unspecified address is not loopback either: it includes every network of this
        // machine.
        if !address.ip().is_loopback() {
            // The host name is the person's word that other machines may connect. An address alone
            // can be a mistake.
            if names.is_empty() {
                return Err(McpError::Reachable(address));
            }
            if identity.is_none() {
                return Err(McpError::Unencrypted(address));
            }
        }
        Ok(Self { address, names, allowed_hosts, identity })
    }

    pub(super) fn scheme(&self) -> &'static str {
        if self.identity.is_some() { "https" } else { "http" }
    }

    /// The host names with port that clients may use, the preferred one first.
    pub(super) fn hosts(&self, bound: SocketAddr) -> Vec<String> {
        let port = bound.port();
        let own = match bound.ip() {
            ip if ip.is_loopback() => vec![literal(ip), "localhost".to_owned()],
            // Nobody connects to 0.0.0.0 by that name, so only the given names count.
            ip if ip.is_unspecified() => Vec::new(),
            ip => vec![literal(ip)],
        };
        let hosts: Vec<String> = self.names.iter().cloned().chain(own).collect();
        let with_port = hosts.iter().map(|host| format!("{host}:{port}"));
        // Clients leave out the default port.
        let is_default = port == if self.identity.is_some() { 443 } else { 80 };
        let own = with_port.chain(hosts.iter().filter(|_| is_default).cloned());
        // A forwarded port differs from the bound one, so a name with a port counts as it is.
        let allowed = self.allowed_hosts.iter().flat_map(|host| match without_port(host) == host {
            true => vec![format!("{host}:{port}"), host.clone()],
            false => vec![host.clone()],
        });
        own.chain(allowed).collect()
    }
}

/// Whether this is a host name as in a URL, without a port.
fn is_host(name: &str) -> bool {
    let label = |label: &str| {
        // The name becomes part of an allowed origin, where a slash or a colon would change its
        // meaning.
        !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
    };
    let ipv6 = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    ipv6.map_or_else(|| name.split('.').all(label), |name| name.parse::<Ipv6Addr>().is_ok())
}

/// A host as in a `Host` header, without its port.
fn without_port(host: &str) -> &str {
    let port =
        host.rsplit_once(':').filter(|(_, port)| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()));
    port.map_or(host, |(name, _)| if host.ends_with(']') { host } else { name })
}

/// An address as in a URL.
fn literal(ip: IpAddr) -> String {
    match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::TlsPem;

    fn place(address: &str, names: &[&str], tls: Option<TlsPem>) -> Result<BindAddress, McpError> {
        let address = address.parse().map_err(|_| McpError::Opening(address.to_owned()))?;
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        BindAddress::new(HttpAddress { address, names, allowed_hosts: Vec::new(), tls })
    }

    fn identity() -> Option<TlsPem> {
        let made = rcgen::generate_simple_self_signed(vec!["notes.lan".to_owned()]).ok()?;
        let certificates = made.cert.pem().into_bytes();
        Some(TlsPem { certificates, key: made.signing_key.serialize_pem().into() })
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
    fn an_allowed_host_is_added_and_opens_no_address() -> Result<(), McpError> {
        let allowing = |address: &str, host: &str| {
            let address = address.parse().map_err(|_| McpError::Opening(address.to_owned()))?;
            let allowed_hosts = vec![host.to_owned()];
            BindAddress::new(HttpAddress { address, names: Vec::new(), allowed_hosts, tls: identity() })
        };
        let bound = SocketAddr::from(([127, 0, 0, 1], 7));
        let hosts = allowing("127.0.0.1:0", "host.docker.internal")?.hosts(bound);
        assert_eq!(hosts, ["127.0.0.1:7", "localhost:7", "host.docker.internal:7", "host.docker.internal"]);
        let hosts = allowing("127.0.0.1:0", "host.docker.internal:9000")?.hosts(bound);
        assert_eq!(hosts, ["127.0.0.1:7", "localhost:7", "host.docker.internal:9000"]);
        assert!(matches!(allowing("0.0.0.0:0", "host.docker.internal"), Err(McpError::Reachable(_))));
        for bad in ["*", "http://x", "x/y", "", ":80", "a b:80", "::1"] {
            assert!(matches!(allowing("127.0.0.1:0", bad), Err(McpError::AllowedHost(_))), "{bad}");
        }
        Ok(())
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
