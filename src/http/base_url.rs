//! The address of a service, to which paths are appended.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use reqwest::Url;

use crate::model::text;

/// `http://HOST[:PORT][/PATH]`, or the same with `https`, without a slash at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseUrl {
    text: String,
    encrypted: bool,
    loopback: bool,
}

/// The text is not a base URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{url}` is not a base URL: {why}; write https://HOST[:PORT]/PATH, without a user, a query or a fragment")]
pub struct BaseUrlError {
    url: String,
    why: &'static str,
}

impl BaseUrl {
    /// Whether the connection is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.encrypted
    }

    /// Whether the host is this machine's loopback interface.
    pub fn is_loopback(&self) -> bool {
        self.loopback
    }
}

impl FromStr for BaseUrl {
    type Err = BaseUrlError;

    fn from_str(text: &str) -> Result<Self, BaseUrlError> {
        // What stands before an `@` may be a password.
        let shown = if text.contains('@') { "…@…".to_owned() } else { text::line(text, 120) };
        let refused = |why| BaseUrlError { url: shown.clone(), why };
        // A backslash is a slash to some parsers of URLs, so the host could end elsewhere than a
        // person reads it.
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
            return Err(refused("it holds a character that a URL cannot hold"));
        }
        let (scheme, rest) = text.split_once("://").ok_or_else(|| refused("it has no scheme"))?;
        if !matches!(scheme, "http" | "https") {
            return Err(refused("its scheme is neither http nor https"));
        }
        if rest.contains('@') {
            return Err(refused("it holds a user or a password"));
        }
        if rest.contains(['?', '#']) {
            return Err(refused("it has a query or a fragment"));
        }
        let url = Url::parse(text).map_err(|_| refused("its host or port is invalid"))?;
        let authority = rest.split('/').next().unwrap_or_default();
        let host = url.host_str().filter(|host| is_written_as(authority, host, url.port_or_known_default()));
        // The parser understands more than one spelling of a host (127.1, 0x7f000001, a missing one). What is contacted
        // must be what a person read, so only the plain spelling is accepted.
        let host = host.ok_or_else(|| refused("its host or port is invalid"))?;
        let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        Ok(Self {
            encrypted: url.scheme() == "https",
            loopback: host == "localhost" || address.is_ok_and(|address| address.is_loopback()),
            // Paths are appended with a slash of their own.
            text: url.as_str().trim_end_matches('/').to_owned(),
        })
    }
}

/// Whether `authority` is `host`, alone or with this port.
fn is_written_as(authority: &str, host: &str, port: Option<u16>) -> bool {
    let (Some(start), Some(rest)) = (authority.get(..host.len()), authority.get(host.len()..)) else { return false };
    let port_matches = match rest.strip_prefix(':') {
        None => rest.is_empty(),
        Some(digits) => digits.parse().ok() == port && digits.bytes().all(|byte| byte.is_ascii_digit()),
    };
    // The parser writes hosts in lower case, which is no other spelling.
    start.eq_ignore_ascii_case(host) && port_matches
}

impl fmt::Display for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_a_host_and_nothing_that_hides() {
        for good in ["http://localhost:8000/v1", "https://models.example/", "http://[::1]:8000/v1", "https://h:443"] {
            assert!(good.parse::<BaseUrl>().is_ok(), "{good}");
        }
        for bad in [
            "localhost:8000",
            "ftp://host/v1",
            "http://",
            "http:///v1",
            "http://user:made-up@host/v1",
            "http://127.0.0.1@evil.example",
            "http://host/v1?key=x",
            "http://host/v1#x",
            "http://host/a b",
            "http://ho\nst/",
            "http://host\\@evil.example/",
            "http://host:port/",
            "http://host:",
            "http://host:99999",
            "http://host:+80",
            "https://:443",
            "/v1",
            "",
            "http://127.1",
            "http://0x7f000001",
            "http://2130706433",
            "http://%6cocalhost",
            "http://h\u{f6}st",
        ] {
            let error = bad.parse::<BaseUrl>().map_or_else(|error| error.to_string(), |_| "accepted".to_owned());
            assert!(error.starts_with('`') && !error.contains("made-up"), "{bad}: {error}");
        }
        assert_eq!("http://h/v1/".parse::<BaseUrl>().map(|url| url.to_string()), Ok("http://h/v1".to_owned()));
    }

    #[test]
    fn encryption_and_loopback_are_read_from_the_parsed_address() -> Result<(), BaseUrlError> {
        for (text, encrypted, loopback) in [
            ("https://api.example", true, false),
            ("http://127.0.0.1:1234", false, true),
            ("http://127.8.9.1", false, true),
            ("http://[::1]:80", false, true),
            ("http://localhost", false, true),
            ("http://localhost.evil.example", false, false),
            ("http://127.0.0.1.evil.example", false, false),
            ("http://10.0.0.1", false, false),
        ] {
            let url: BaseUrl = text.parse()?;
            assert_eq!((url.is_encrypted(), url.is_loopback()), (encrypted, loopback), "{text}");
        }
        Ok(())
    }
}
