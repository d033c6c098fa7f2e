//! The target of a request: its URL, parsed once.
//!
//! Guarantees: what is authorized, looked up, connected to and sent is made from this one value. A host has one spelling. A
//! path that servers and proxies read differently is refused: escaped separators and dots, `;`, dot segments.
//!
//! Deliberately never: repeats the URL in an error. A query may hold what a person would not want to read in a log.

use std::net::IpAddr;

use url::Url;

use crate::model::web_origin::{UrlScheme, WebOrigin, literal};

/// Longest URL, in bytes.
pub const MAX_URL_BYTES: usize = 8 << 10;

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestTarget {
    url: Url,
    origin: WebOrigin,
}

/// Why a URL is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// It cannot be read.
    #[error("it is not a URL")]
    NotAUrl,
    /// It is too long.
    #[error("it is longer than {MAX_URL_BYTES} bytes")]
    TooLong,
    /// A character that some parsers read differently.
    #[error("it has a space, a control character, a backslash or a character that is not ASCII")]
    BadCharacter,
    /// The scheme.
    #[error("its scheme is neither https nor http")]
    Scheme,
    /// A user or a password.
    #[error("it names a user or a password")]
    User,
    /// A fragment.
    #[error("it has a fragment")]
    Fragment,
    /// The host.
    #[error("its host is missing, ends in a dot, or is not spelled plainly")]
    Host,
    /// The port.
    #[error("its port is invalid")]
    Port,
    /// The path.
    #[error("its path has an escaped separator or dot, `;`, or a dot segment")]
    Path,
}

impl RequestTarget {
    /// Reads a URL.
    ///
    /// # Errors
    /// [`TargetError`] for the first thing that is refused.
    pub fn parse(text: &str) -> Result<Self, TargetError> {
        if text.len() > MAX_URL_BYTES {
            return Err(TargetError::TooLong);
        }
        // The parser would strip some of these and translate others. Nothing is left for it to improve.
        if !text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
            return Err(TargetError::BadCharacter);
        }
        let (scheme, rest) = text.split_once("://").ok_or(TargetError::NotAUrl)?;
        let scheme = UrlScheme::of(&scheme.to_ascii_lowercase()).ok_or(TargetError::Scheme)?;
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        if authority.contains('@') {
            return Err(TargetError::User);
        }
        if text.contains('#') {
            return Err(TargetError::Fragment);
        }
        check_path(rest.get(authority.len()..).unwrap_or_default())?;
        let url = Url::parse(text).map_err(|error| match error {
            url::ParseError::InvalidPort => TargetError::Port,
            _ => TargetError::Host,
        })?;
        let host = url.host_str().filter(|host| !host.is_empty() && !host.ends_with('.')).ok_or(TargetError::Host)?;
        let port = url.port_or_known_default().filter(|port| *port != 0).ok_or(TargetError::Port)?;
        // `127.1`, `0x7f000001` and `%6c` are other spellings of a host. One parser's name is another one's address.
        let (written, number) = match authority.rsplit_once(':') {
            Some((written, number)) if !number.contains(']') => (written, Some(number)),
            _ => (authority, None),
        };
        if !written.eq_ignore_ascii_case(host) {
            return Err(TargetError::Host);
        }
        if number.is_some_and(|number| number != port.to_string()) {
            return Err(TargetError::Port);
        }
        let origin = WebOrigin { scheme, host: host.to_owned(), port };
        Ok(Self { url, origin })
    }

    /// The target that a server names in its `location`.
    ///
    /// # Errors
    /// [`TargetError`] as for [`RequestTarget::parse`].
    pub fn redirected(&self, location: &str) -> Result<Self, TargetError> {
        if !location.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\') {
            return Err(TargetError::BadCharacter);
        }
        // Relative locations may climb, which the parser resolves. An absolute one is held to the same rules as any.
        if location.contains("://") {
            return Self::parse(location.split('#').next().unwrap_or_default());
        }
        let mut joined = self.url.join(location).map_err(|_| TargetError::NotAUrl)?;
        joined.set_fragment(None);
        Self::parse(joined.as_str())
    }

    /// Its text, as the parser wrote it: this is what is sent.
    pub fn url(&self) -> &str {
        self.url.as_str()
    }

    /// Its path, folded.
    pub fn path(&self) -> &str {
        self.url.path()
    }

    /// Its scheme, host and port.
    pub fn origin(&self) -> &WebOrigin {
        &self.origin
    }

    /// The address that it names instead of a host.
    pub fn literal(&self) -> Option<IpAddr> {
        literal(&self.origin.host)
    }

    /// The URL without its query, for records.
    pub fn without_query(&self) -> String {
        format!("{}{}", self.origin, self.path())
    }
}

/// Refuses a path that could be read as another one behind the rule.
fn check_path(rest: &str) -> Result<(), TargetError> {
    let path = rest.split('?').next().unwrap_or_default();
    let lower = path.to_ascii_lowercase();
    let hides = ["%2f", "%5c", "%2e", "%00", "%25", "%0a", "%0d", ";"].iter().any(|hidden| lower.contains(hidden));
    let climbs = lower.split('/').any(|part| part == "." || part == "..");
    if hides || climbs { Err(TargetError::Path) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 40 spellings that are refused.
    const REFUSED: [(&str, TargetError); 46] = [
        ("", TargetError::NotAUrl),
        ("/v1/x", TargetError::NotAUrl),
        ("api.example.com/v1", TargetError::NotAUrl),
        ("//api.example.com/v1", TargetError::NotAUrl),
        ("https:api.example.com/v1", TargetError::NotAUrl),
        ("https:/api.example.com/v1", TargetError::NotAUrl),
        ("file:///etc/passwd", TargetError::Scheme),
        ("ftp://api.example.com/", TargetError::Scheme),
        ("gopher://api.example.com/", TargetError::Scheme),
        ("ws://api.example.com/", TargetError::Scheme),
        ("unix://run/docker.sock", TargetError::Scheme),
        ("https://", TargetError::Host),
        ("https:///v1", TargetError::Host),
        ("https://user@api.example.com/", TargetError::User),
        ("https://user:word@api.example.com/", TargetError::User),
        ("https://api.example.com@evil.test/", TargetError::User),
        ("https://api.example.com%40evil.test/", TargetError::Host),
        ("https://@api.example.com/", TargetError::User),
        ("https://api.example.com/#x", TargetError::Fragment),
        ("https://api.example.com#@evil.test/", TargetError::Fragment),
        ("https://api.example.com./v1", TargetError::Host),
        ("https://127.1/", TargetError::Host),
        ("https://0x7f000001/", TargetError::Host),
        ("https://0x7f.1/", TargetError::Host),
        ("https://2130706433/", TargetError::Host),
        ("https://017700000001/", TargetError::Host),
        ("https://127.0.0.1./", TargetError::Host),
        ("https://%6cocalhost/", TargetError::Host),
        ("https://\u{ff11}\u{ff12}\u{ff17}.0.0.1/", TargetError::BadCharacter),
        ("https://api\u{3002}example.com/", TargetError::BadCharacter),
        ("https://\u{e4}.example/", TargetError::BadCharacter),
        ("https://[::ffff:127.0.0.1]/", TargetError::Host),
        ("https://[0:0:0:0:0:0:0:1]/", TargetError::Host),
        ("https://[fe80::1%25eth0]/", TargetError::Host),
        ("https://api.example.com:/", TargetError::Port),
        ("https://api.example.com:0443/", TargetError::Port),
        ("https://api.example.com:0/", TargetError::Port),
        ("https://api.example.com:99999/", TargetError::Port),
        ("https://api.example.com/a b", TargetError::BadCharacter),
        ("https://api.example.com/a\tb", TargetError::BadCharacter),
        ("https://api.example.com/\r\nHost: evil.test", TargetError::BadCharacter),
        ("https://api.example.com\\@evil.test/", TargetError::BadCharacter),
        ("https://api.example.com/v1/../admin", TargetError::Path),
        ("https://api.example.com/v1/%2e%2e/admin", TargetError::Path),
        ("https://api.example.com/v1%2fadmin", TargetError::Path),
        ("https://api.example.com/v1/..;/admin", TargetError::Path),
    ];

    #[test]
    fn spellings_that_parsers_read_differently_are_refused() {
        for (text, expected) in REFUSED {
            let refused = RequestTarget::parse(text).map(|target| target.url().to_owned());
            assert!(refused == Err(expected), "{text}: {refused:?}");
        }
        let long = format!("https://api.example.com/{}", "a".repeat(MAX_URL_BYTES));
        assert_eq!(RequestTarget::parse(&long).map(drop), Err(TargetError::TooLong));
    }

    #[test]
    fn what_is_sent_is_what_was_parsed() -> Result<(), TargetError> {
        for (text, sent, path) in [
            ("https://api.example.com", "https://api.example.com/", "/"),
            ("HTTPS://API.Example.com/v1/x?q=%2F..%2f", "https://api.example.com/v1/x?q=%2F..%2f", "/v1/x"),
            ("https://api.example.com:443/v1", "https://api.example.com/v1", "/v1"),
            ("https://api.example.com:8443/v1", "https://api.example.com:8443/v1", "/v1"),
            ("http://[::1]:80/%20", "http://[::1]/%20", "/%20"),
            ("https://1.2.3.4/", "https://1.2.3.4/", "/"),
            ("https://xn--4ca.example/~a", "https://xn--4ca.example/~a", "/~a"),
        ] {
            let target = RequestTarget::parse(text)?;
            assert_eq!((target.url(), target.path()), (sent, path));
        }
        Ok(())
    }

    #[test]
    fn a_redirect_is_held_to_the_same_rules() -> Result<(), TargetError> {
        let from = RequestTarget::parse("https://api.example.com/v1/a?q=1")?;
        for (location, to) in [
            ("b", "https://api.example.com/v1/b"),
            ("/c?d#e", "https://api.example.com/c?d"),
            ("//other.example/x", "https://other.example/x"),
            ("http://other.example/", "http://other.example/"),
            ("../../admin", "https://api.example.com/admin"),
        ] {
            assert_eq!(from.redirected(location)?.url(), to);
        }
        for bad in [
            "https://user@other.example/",
            "https://127.1/",
            "file:///etc/passwd",
            "/a%2fb",
            "/a b",
            "https://x.example/../y",
        ] {
            assert!(from.redirected(bad).is_err(), "{bad}");
        }
        Ok(())
    }
}
