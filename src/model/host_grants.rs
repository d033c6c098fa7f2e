//! All that a skill may reach: its rules, and its hosts with a private address.
//!
//! Guarantees: http and addresses without a name are for private hosts alone, and each of those is named by a rule.
//!
//! Deliberately never: connects.

// The values alone: sockets are in `std::net`.
use core::net::{IpAddr, SocketAddr};
use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{
    host_rule::{HostPattern, HostRule},
    web_origin::{InvalidHostRule, UrlScheme, check_host, check_plain, literal, refused, split_port},
};

const PRIVATE: &str = "private host (HOST:PORT -> ADDRESS)";

/// A host whose address need not be a public one: `HOST:PORT -> ADDRESS`. It is reached at this address, and its name is not
/// looked up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PrivateHost {
    /// The host, as a URL names it.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Its address.
    pub address: IpAddr,
}

impl PrivateHost {
    /// Where a connection to it goes.
    pub fn socket(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port)
    }
}

impl FromStr for PrivateHost {
    type Err = InvalidHostRule;

    fn from_str(text: &str) -> Result<Self, InvalidHostRule> {
        let refused = refused(PRIVATE, text);
        check_plain(text).map_err(&refused)?;
        let (authority, address) = text.split_once("->").ok_or_else(|| refused("it has no `->`"))?;
        let authority = authority.trim();
        let (host, port) = split_port(authority, UrlScheme::Https).map_err(&refused)?;
        if host == authority {
            return Err(refused("its port is missing"));
        }
        check_host(host).map_err(&refused)?;
        let address: IpAddr = address.trim().parse().map_err(|_| refused("its address is invalid"))?;
        // A name may have another address than it says; a literal cannot.
        if literal(host).is_some_and(|literal| literal != address) {
            return Err(refused("its host is another address"));
        }
        Ok(Self { host: host.to_owned(), port, address })
    }
}

impl fmt::Display for PrivateHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{} -> {}", self.host, self.port, self.address)
    }
}

impl TryFrom<String> for PrivateHost {
    type Error = InvalidHostRule;
    fn try_from(text: String) -> Result<Self, InvalidHostRule> {
        text.parse()
    }
}

impl From<PrivateHost> for String {
    fn from(host: PrivateHost) -> Self {
        host.to_string()
    }
}

/// All that a skill may reach.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostGrants {
    /// The rules.
    pub rules: Vec<HostRule>,
    /// The hosts that may have a private address.
    pub private: Vec<PrivateHost>,
}

impl HostGrants {
    /// No host at all.
    pub const NONE: Self = Self { rules: Vec::new(), private: Vec::new() };

    /// Whether there is no host at all.
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The private host of this name and port.
    pub fn private(&self, host: &str, port: u16) -> Option<&PrivateHost> {
        self.private.iter().find(|private| private.host == host && private.port == port)
    }

    /// The first thing in the rules that contradicts the others.
    pub fn contradiction(&self) -> Option<String> {
        for rule in &self.rules {
            let HostPattern::Exact(host) = &rule.host else {
                if rule.scheme == UrlScheme::Http {
                    return Some(format!("`{rule}` is not encrypted, and `*.` names no private host"));
                }
                continue;
            };
            let is_private = self.private(host, rule.port).is_some();
            if rule.scheme == UrlScheme::Http && !is_private {
                return Some(format!("`{rule}` is not encrypted: only a host of `allow_private` is reached by http"));
            }
            if literal(host).is_some() && !is_private {
                return Some(format!("`{rule}` names an address: add it to `allow_private`, or name the host"));
            }
        }
        let is_used = |private: &&PrivateHost| {
            self.rules
                .iter()
                .any(|rule| rule.port == private.port && rule.host == HostPattern::Exact(private.host.clone()))
        };
        let unused = self.private.iter().find(|private| !is_used(private));
        unused.map(|private| format!("no host rule names the private host `{private}`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_and_addresses_need_a_private_host() -> Result<(), InvalidHostRule> {
        let grants = |rules: &[&str], private: &[&str]| -> Result<HostGrants, InvalidHostRule> {
            Ok(HostGrants {
                rules: rules.iter().map(|text| text.parse()).collect::<Result<_, _>>()?,
                private: private.iter().map(|text| text.parse()).collect::<Result<_, _>>()?,
            })
        };
        for (rule, private, ok) in [
            ("GET https://a.example/**", &[][..], true),
            ("GET http://a.example/**", &[], false),
            ("GET http://a.example/**", &["a.example:80 -> 10.0.0.1"], true),
            ("GET https://127.0.0.1/**", &[], false),
            ("GET https://127.0.0.1:8443/**", &["127.0.0.1:8443 -> 127.0.0.1"], true),
            ("GET http://*.example.com/**", &[], false),
            ("GET https://a.example/**", &["b.example:443 -> 10.0.0.1"], false),
            ("GET https://a.example/**", &["a.example:444 -> 10.0.0.1"], false),
        ] {
            assert_eq!(grants(&[rule], private)?.contradiction().is_none(), ok, "{rule} {private:?}");
        }
        for bad in ["a.example -> 10.0.0.1", "a.example:80 10.0.0.1", "a.example:80 -> b", "127.0.0.1:80 -> 10.0.0.1"] {
            assert!(bad.parse::<PrivateHost>().is_err(), "{bad}");
        }
        Ok(())
    }
}
