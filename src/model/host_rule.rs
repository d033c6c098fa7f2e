//! The rules by which a skill reaches hosts: one line each, as a person reads it at promotion.
//!
//! Guarantees: a rule names one method, one scheme, one host, one port and one path. Its text is the only form: what a person
//! reads, what the digest of the spec covers and what the broker enforces are the same. `*.` stands for exactly one label,
//! and never lies directly under a public suffix.
//!
//! Deliberately never: looks a name up, or decides about a request (that is `egress::authorize`).

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::web_origin::{InvalidHostRule, UrlScheme, WebOrigin, check_host, check_plain, literal, refused, split_port};

/// A method that a rule can name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum RequestMethod {
    /// `GET`
    Get,
    /// `HEAD`
    Head,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `PATCH`
    Patch,
    /// `DELETE`
    Delete,
}

impl RequestMethod {
    /// All of them, in the order of the contract.
    pub const ALL: [Self; 6] = [Self::Get, Self::Head, Self::Post, Self::Put, Self::Patch, Self::Delete];

    /// The spelling in HTTP.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

impl fmt::Display for RequestMethod {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Which hosts a rule means.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum HostPattern {
    /// This one.
    Exact(String),
    /// Every host with exactly one label before this.
    OneLabelBelow(String),
}

impl HostPattern {
    /// Whether it means this host.
    pub fn matches(&self, host: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == host,
            Self::OneLabelBelow(parent) => {
                // With the dot, so that `evil-example.org` does not match `*.example.org`.
                let label = host.strip_suffix(parent.as_str()).and_then(|rest| rest.strip_suffix('.'));
                label.is_some_and(|label| !label.is_empty() && !label.contains('.'))
            }
        }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(host) => f.write_str(host),
            Self::OneLabelBelow(parent) => write!(f, "*.{parent}"),
        }
    }
}

/// Which paths a rule means.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PathPattern {
    /// This one.
    Exact(String),
    /// Everything that begins with this, which ends in a slash.
    Below(String),
}

impl PathPattern {
    /// Whether it means this path.
    pub fn matches(&self, path: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == path,
            // The prefix ends in a slash, so `/api/**` does not mean `/apiary`.
            Self::Below(prefix) => path.starts_with(prefix.as_str()),
        }
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(path) => f.write_str(path),
            Self::Below(prefix) => write!(f, "{prefix}**"),
        }
    }
}

/// How much the requests of one rule may carry, and how often they may be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallLimits {
    /// Bytes of the body of a request.
    pub request_bytes: u64,
    /// Bytes of the body of a response.
    pub response_bytes: u64,
    /// Calls of one run.
    pub calls_per_run: u64,
    /// Calls of all runs of the skill in one hour.
    pub calls_per_hour: u64,
    /// Seconds of one call, redirects included.
    pub seconds: u64,
}

impl CallLimits {
    /// What holds where a rule names nothing.
    pub const DEFAULT: Self =
        Self { request_bytes: 64 << 10, response_bytes: 1 << 20, calls_per_run: 10, calls_per_hour: 120, seconds: 10 };

    /// The most that a rule can name.
    pub const MOST: Self = Self {
        request_bytes: 4 << 20,
        response_bytes: 16 << 20,
        calls_per_run: 1_000,
        calls_per_hour: 100_000,
        seconds: 120,
    };

    /// Each limit by its name.
    pub fn named(&self) -> [(&'static str, u64); 5] {
        [
            ("request_bytes", self.request_bytes),
            ("response_bytes", self.response_bytes),
            ("calls_per_run", self.calls_per_run),
            ("calls_per_hour", self.calls_per_hour),
            ("seconds", self.seconds),
        ]
    }

    fn by_name(&mut self, name: &str) -> Option<&mut u64> {
        Some(match name {
            "request_bytes" => &mut self.request_bytes,
            "response_bytes" => &mut self.response_bytes,
            "calls_per_run" => &mut self.calls_per_run,
            "calls_per_hour" => &mut self.calls_per_hour,
            "seconds" => &mut self.seconds,
            _ => return None,
        })
    }
}

/// One rule: `METHOD https://HOST[:PORT]/PATH[/**] [limit=N …] [types=TYPE,…]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostRule {
    /// The method.
    pub method: RequestMethod,
    /// The scheme.
    pub scheme: UrlScheme,
    /// The host.
    pub host: HostPattern,
    /// The port.
    pub port: u16,
    /// The path.
    pub path: PathPattern,
    /// The content types that a response may have; empty for any.
    pub types: Vec<String>,
    /// The limits.
    pub limits: CallLimits,
}

const RULE: &str = "host rule (METHOD https://HOST[:PORT]/PATH/**)";
/// Most rules of one spec.
pub const MAX_HOST_RULES: usize = 32;
fn parse_path(path: &str) -> Result<PathPattern, &'static str> {
    let (path, below) = match path.strip_suffix("**") {
        Some(prefix) if prefix.ends_with('/') => (prefix, true),
        Some(_) => return Err("`**` is allowed only as the whole last part of its path"),
        None => (path, false),
    };
    // An escape has two readings, and a server may take the other one than the rule did.
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"/-_.~!$&'()+,=:@".contains(&byte);
    if !path.starts_with('/') || !path.bytes().all(allowed) {
        return Err("its path must begin with `/` and have no escapes, `*`, `;`, query or fragment");
    }
    // A server that resolves them would leave the part of the path that the rule names.
    if path.split('/').any(|part| part == "." || part == "..") || path.contains("//") {
        return Err("its path has an empty part, `.` or `..`");
    }
    Ok(if below { PathPattern::Below(path.to_owned()) } else { PathPattern::Exact(path.to_owned()) })
}

impl FromStr for HostRule {
    type Err = InvalidHostRule;

    fn from_str(text: &str) -> Result<Self, InvalidHostRule> {
        let refused = refused(RULE, text);
        // Before the words are read: an invisible letter could make the rule look like another one
        // to a person.
        check_plain(text).map_err(&refused)?;
        let mut words = text.split_ascii_whitespace().peekable();
        let first = words.peek().copied().unwrap_or_default();
        let method = match RequestMethod::ALL.into_iter().find(|method| method.as_str() == first) {
            Some(method) => {
                words.next();
                method
            }
            // Only what is named is allowed; without a name that is reading.
            None if first.contains("://") => RequestMethod::Get,
            None => return Err(refused("it begins with no method (GET, HEAD, POST, PUT, PATCH or DELETE)")),
        };
        let address = words.next().ok_or_else(|| refused("it has no address"))?;
        let (scheme, rest) = address.split_once("://").ok_or_else(|| refused("its address has no scheme"))?;
        let scheme = UrlScheme::of(scheme).ok_or_else(|| refused("its scheme is neither https nor http"))?;
        let slash = rest.find('/').ok_or_else(|| refused("its path is missing; write `/**` for all of the host"))?;
        let (authority, path) = rest.split_at(slash);
        let (host, port) = split_port(authority, scheme).map_err(&refused)?;
        let host = parse_host(host).map_err(&refused)?;
        let path = parse_path(path).map_err(&refused)?;
        let mut rule = Self { method, scheme, host, port, path, types: Vec::new(), limits: CallLimits::DEFAULT };
        // An option that is given twice takes the last value. Its text, which is what a person
        // reads, has it once.
        words.try_for_each(|option| rule.set(option)).map_err(&refused)?;
        Ok(rule)
    }
}

fn parse_host(host: &str) -> Result<HostPattern, &'static str> {
    let Some(parent) = host.strip_prefix("*.") else {
        check_host(host)?;
        return Ok(HostPattern::Exact(host.to_owned()));
    };
    check_host(parent)?;
    if literal(parent).is_some() {
        return Err("`*.` cannot stand before an address");
    }
    // Everybody can register a name there, so the rule would mean hosts of strangers.
    if psl::suffix_str(parent).is_none_or(|suffix| suffix == parent) {
        return Err("`*.` lies directly under a public suffix");
    }
    Ok(HostPattern::OneLabelBelow(parent.to_owned()))
}

impl HostRule {
    fn set(&mut self, option: &str) -> Result<(), &'static str> {
        let (name, value) = option.split_once('=').ok_or("after its address it has a word that is no `limit=N`")?;
        if name == "types" {
            let is_type = |text: &str| {
                let part = |text: &str| {
                    !text.is_empty()
                        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-+.".contains(&b))
                };
                text.split_once('/').is_some_and(|(main, sub)| part(main) && part(sub))
            };
            let types: Vec<String> = value.split(',').map(str::to_owned).collect();
            // Lower case alone, because the type of a response is brought to lower case and compared.
            if types.len() > 8 || !types.iter().all(|text| is_type(text)) {
                return Err("`types` is a list of at most eight content types in lower case");
            }
            self.types = types;
            return Ok(());
        }
        let mut most = CallLimits::MOST;
        let most = most.by_name(name).copied().ok_or("it has an unknown limit")?;
        let number: u64 = value.parse().map_err(|_| "a limit is not a whole number")?;
        if number == 0 || number > most {
            return Err("a limit is 0 or above what any rule can have");
        }
        if let Some(limit) = self.limits.by_name(name) {
            *limit = number;
        }
        Ok(())
    }

    /// Whether it means this origin and no other.
    pub fn is_only(&self, origin: &WebOrigin) -> bool {
        matches!(self.host, HostPattern::Exact(_)) && self.reaches(origin)
    }

    /// Whether it means this origin.
    pub fn reaches(&self, origin: &WebOrigin) -> bool {
        self.scheme == origin.scheme && self.port == origin.port && self.host.matches(&origin.host)
    }
}

impl fmt::Display for HostRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}://{}", self.method, self.scheme.as_str(), self.host)?;
        if self.port != self.scheme.default_port() {
            write!(f, ":{}", self.port)?;
        }
        write!(f, "{}", self.path)?;
        if !self.types.is_empty() {
            write!(f, " types={}", self.types.join(","))?;
        }
        let defaults = CallLimits::DEFAULT.named();
        // Only what differs, so that a rule has one text and a spec one digest.
        let differing = self.limits.named().into_iter().zip(defaults).filter(|(limit, default)| limit != default);
        differing.into_iter().try_for_each(|((name, value), _)| write!(f, " {name}={value}"))
    }
}

impl TryFrom<String> for HostRule {
    type Error = InvalidHostRule;
    fn try_from(text: String) -> Result<Self, InvalidHostRule> {
        text.parse()
    }
}

impl From<HostRule> for String {
    fn from(rule: HostRule) -> Self {
        rule.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_has_one_text() -> Result<(), InvalidHostRule> {
        for (text, canonical) in [
            ("GET https://api.example.com/v1/**", "GET https://api.example.com/v1/**"),
            ("https://api.example.com:443/v1/**", "GET https://api.example.com/v1/**"),
            (
                "POST https://*.example.com:8443/a  seconds=3 types=application/json",
                "POST https://*.example.com:8443/a types=application/json seconds=3",
            ),
            ("GET http://[::1]:80/**", "GET http://[::1]/**"),
            ("GET https://x.example/** calls_per_run=10", "GET https://x.example/**"),
        ] {
            let rule: HostRule = text.parse()?;
            assert_eq!(rule.to_string(), canonical);
            assert_eq!(rule.to_string().parse::<HostRule>()?, rule);
        }
        Ok(())
    }

    #[test]
    fn what_hides_or_widens_is_refused() {
        for bad in [
            "",
            "GET",
            "get https://a.example/**",
            "CONNECT https://a.example/**",
            "GET ftp://a.example/**",
            "GET https://a.example",
            "GET https://A.example/**",
            "GET https://a.example./**",
            "GET https://u@a.example/**",
            "GET https://127.1/**",
            "GET https://0x7f000001/**",
            "GET https://2130706433/**",
            "GET https://a.example:0443/**",
            "GET https://a.example:99999/**",
            "GET https://a.example:/**",
            "GET https://*/**",
            "GET https://*.com/**",
            "GET https://*.co.uk/**",
            "GET https://*.github.io/**",
            "GET https://*.example/**",
            "GET https://a.*.example.com/**",
            "GET https://**.example.com/**",
            "GET https://*.1.2.3.4/**",
            "GET https://a.example/v1**",
            "GET https://a.example/**/x",
            "GET https://a.example/a%2fb",
            "GET https://a.example/a;b",
            "GET https://a.example/../x",
            "GET https://a.example//x",
            "GET https://a.example/x?y",
            "GET https://a.example/x#y",
            "GET https://a.example/** seconds=0",
            "GET https://a.example/** seconds=9999",
            "GET https://a.example/** other=1",
            "GET https://a.example/** types=JSON",
            "GET https://a.example/** more",
            "GET https://ä.example/**",
            "GET https://-a.example/**",
            "GET https://a_b.example/**",
        ] {
            assert!(bad.parse::<HostRule>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_star_is_one_label() -> Result<(), InvalidHostRule> {
        let rule: HostRule = "GET https://*.example.com/**".parse()?;
        for (host, matches) in [
            ("a.example.com", true),
            ("example.com", false),
            ("a.b.example.com", false),
            (".example.com", false),
            ("aexample.com", false),
            ("a.example.com.evil.test", false),
        ] {
            assert_eq!(rule.host.matches(host), matches, "{host}");
        }
        Ok(())
    }
}
