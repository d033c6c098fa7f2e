//! The parts of a URL that rules and bindings name: scheme, host and port.
//!
//! Guarantees: a host has one spelling, the one that the URL parser gives it, so what a person reads is what is contacted.
//!
//! Deliberately never: looks a name up.

// The value alone: sockets are in `std::net`.
use core::net::IpAddr;
use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use url::{Host, Url};

use super::{characters::hides, text};

/// How a host is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum UrlScheme {
    /// Encrypted.
    Https,
    /// In the clear: for a private address that the spec names, and for nothing else.
    Http,
}

impl UrlScheme {
    /// The spelling in a URL.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Http => "http",
        }
    }

    /// The port where a URL names none.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Https => 443,
            Self::Http => 80,
        }
    }

    /// The scheme of this spelling, if it is one that a rule can name.
    pub fn of(text: &str) -> Option<Self> {
        [Self::Https, Self::Http].into_iter().find(|scheme| scheme.as_str() == text)
    }
}

/// A scheme, an exact host and a port.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct WebOrigin {
    /// The scheme.
    pub scheme: UrlScheme,
    /// The host, as the URL parser writes it.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// The text is not what it should be. It is quoted, cut and escaped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a valid {what}: {why}")]
pub struct InvalidHostRule {
    what: &'static str,
    text: String,
    why: &'static str,
}

const ORIGIN: &str = "origin (https://HOST[:PORT])";
/// Longest rule, in bytes.
const MAX_RULE_BYTES: usize = 512;

pub(super) fn refused(what: &'static str, text: &str) -> impl Fn(&'static str) -> InvalidHostRule + use<> {
    let text = text::line(text, 120);
    move |why| InvalidHostRule { what, text: text.clone(), why }
}

/// A host as a rule names it: in lower case, and spelled as the URL parser spells it.
pub(super) fn check_host(host: &str) -> Result<(), &'static str> {
    let parsed = Url::parse(&format!("https://{host}/")).map_err(|_| "its host is invalid")?;
    // The parser reads several spellings of a host (127.1, 0x7f000001, %6c). A person must read the one that is used.
    if parsed.host_str() != Some(host) || host.ends_with('.') {
        return Err("its host is not spelled plainly (lower case, no trailing dot, xn-- for other letters)");
    }
    let is_label = |label: &str| {
        let letters = label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        letters && !label.is_empty() && label.len() <= 63 && !label.starts_with('-') && !label.ends_with('-')
    };
    match parsed.host() {
        Some(Host::Domain(_)) if host.len() <= 253 && host.split('.').all(is_label) => Ok(()),
        Some(Host::Domain(_)) => Err("its host is invalid"),
        Some(Host::Ipv4(_) | Host::Ipv6(_)) => Ok(()),
        None => Err("its host is missing"),
    }
}

/// `HOST[:PORT]`, the port being a plain number.
pub(super) fn split_port(authority: &str, scheme: UrlScheme) -> Result<(&str, u16), &'static str> {
    let (host, port) = match authority.rsplit_once(':') {
        // The colons of an address of IPv6 lie inside its brackets.
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => return Ok((authority, scheme.default_port())),
    };
    let digits = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit()) && !port.starts_with('0');
    match port.parse() {
        Ok(port) if digits => Ok((host, port)),
        _ => Err("its port is not a number from 1 to 65535"),
    }
}

pub(super) fn check_plain(text: &str) -> Result<(), &'static str> {
    let ok =
        !hides(text) && text.is_ascii() && text.len() <= MAX_RULE_BYTES && !text.bytes().any(|b| b.is_ascii_control());
    if ok { Ok(()) } else { Err("it is too long or has characters that are not printable ASCII") }
}

/// The address that a host is, if it is one and no name.
pub fn literal(host: &str) -> Option<IpAddr> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.parse().ok()
}

impl FromStr for WebOrigin {
    type Err = InvalidHostRule;

    fn from_str(text: &str) -> Result<Self, InvalidHostRule> {
        let refused = refused(ORIGIN, text);
        check_plain(text).map_err(&refused)?;
        let (scheme, authority) = text.split_once("://").ok_or_else(|| refused("it has no scheme"))?;
        let scheme = UrlScheme::of(scheme).ok_or_else(|| refused("its scheme is neither https nor http"))?;
        let (host, port) = split_port(authority, scheme).map_err(&refused)?;
        check_host(host).map_err(&refused)?;
        Ok(Self { scheme, host: host.to_owned(), port })
    }
}

impl fmt::Display for WebOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme.as_str(), self.host)?;
        if self.port == self.scheme.default_port() { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

impl TryFrom<String> for WebOrigin {
    type Error = InvalidHostRule;
    fn try_from(text: String) -> Result<Self, InvalidHostRule> {
        text.parse()
    }
}

impl From<WebOrigin> for String {
    fn from(origin: WebOrigin) -> Self {
        origin.to_string()
    }
}
