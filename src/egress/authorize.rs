//! Whether a request may be made: which rule allows it, and what it may carry.
//!
//! Guarantees: what no rule names is refused, before anything is looked up. A refusal names the rule that came closest and what
//! did not match, never a query, a header or a body.
//!
//! Deliberately never: looks a name up, counts, or connects.

use super::target::{RequestTarget, TargetError};
use crate::model::{
    exchange::{HeaderField, HttpCall, HttpFailure, HttpFailureKind},
    host_grants::HostGrants,
    host_rule::{HostRule, RequestMethod},
};

/// A request that a rule allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizedRequest<'a> {
    /// The rule, by its place in the grants.
    pub index: usize,
    /// The rule.
    pub rule: &'a HostRule,
    /// Where it goes.
    pub target: RequestTarget,
}

/// Headers that a guest may send besides those that begin with `x-`. All others belong to the client, or decide about the
/// connection or about who asks.
const HEADERS: [&str; 11] = [
    "accept",
    "accept-language",
    "cache-control",
    "content-language",
    "content-type",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-unmodified-since",
    "prefer",
    "range",
];

/// Headers that begin with `x-` and change what a request is or whom it is from.
const REFUSED_X: [&str; 5] = ["x-forwarded", "x-http-method", "x-method-override", "x-original", "x-real-ip"];

const MAX_HEADERS: usize = 32;
const MAX_HEADER_BYTES: usize = 4 << 10;

fn refused(message: String) -> HttpFailure {
    HttpFailure::new(HttpFailureKind::Refused, message)
}

/// The rule that allows a request to this URL.
///
/// # Errors
/// [`HttpFailure`] of the kind `refused`.
pub fn authorize<'a>(
    grants: &'a HostGrants,
    method: RequestMethod,
    url: &str,
) -> Result<AuthorizedRequest<'a>, HttpFailure> {
    let target =
        RequestTarget::parse(url).map_err(|error: TargetError| refused(format!("the URL is refused: {error}")))?;
    authorize_target(grants, method, target)
}

/// The same for a URL that is parsed.
///
/// # Errors
/// [`HttpFailure`] of the kind `refused`.
pub fn authorize_target(
    grants: &HostGrants,
    method: RequestMethod,
    target: RequestTarget,
) -> Result<AuthorizedRequest<'_>, HttpFailure> {
    let rules = || grants.rules.iter().enumerate();
    let allows =
        |rule: &HostRule| rule.method == method && rule.reaches(target.origin()) && rule.path.matches(target.path());
    if let Some((index, rule)) = rules().find(|(_, rule)| allows(rule)) {
        return Ok(AuthorizedRequest { index, rule, target });
    }
    let origin = target.origin();
    let of_host = rules().find(|(_, rule)| rule.host.matches(&origin.host));
    let of_origin = rules().find(|(_, rule)| rule.reaches(origin));
    let of_method = rules().find(|(_, rule)| rule.reaches(origin) && rule.method == method);
    Err(refused(match (of_method, of_origin, of_host) {
        (Some((_, rule)), ..) => format!("the path is not that of rule `{rule}`"),
        (None, Some((_, rule)), _) => format!("the method {method} is not that of rule `{rule}`"),
        (None, None, Some((_, rule))) => format!("the scheme or port is not that of rule `{rule}`"),
        (None, None, None) => format!("no host rule names `{}`", origin.host),
    }))
}

/// Whether a request carries only what its rule lets it carry.
///
/// # Errors
/// [`HttpFailure`] of the kind `refused` or `too-large`.
pub fn check_call(rule: &HostRule, call: &HttpCall) -> Result<(), HttpFailure> {
    if call.headers.len() > MAX_HEADERS {
        return Err(refused(format!("it has more than {MAX_HEADERS} headers")));
    }
    call.headers.iter().try_for_each(check_header)?;
    if matches!(call.method, RequestMethod::Get | RequestMethod::Head) && !call.body.is_empty() {
        return Err(refused(format!("a {} request has no body", call.method)));
    }
    let limit = rule.limits.request_bytes;
    if call.body.len() as u64 > limit {
        let message = format!("the body of the request exceeds `request_bytes` of {limit}");
        return Err(HttpFailure::new(HttpFailureKind::TooLarge, message));
    }
    Ok(())
}

fn check_header(field: &HeaderField) -> Result<(), HttpFailure> {
    let name = field.name.to_ascii_lowercase();
    let is_token = !name.is_empty()
        && name.len() <= 64
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if !is_token {
        return Err(refused("the name of a header is invalid".to_owned()));
    }
    let own = name.starts_with("x-") && !REFUSED_X.iter().any(|refused| name.starts_with(refused));
    if !own && !HEADERS.contains(&name.as_str()) {
        return Err(refused(format!("a skill cannot send the header `{name}`")));
    }
    // A line break would begin another header.
    let plain = field.value.bytes().all(|byte| (0x20..0x7f).contains(&byte));
    if !plain || field.value.len() > MAX_HEADER_BYTES {
        return Err(refused(format!("the value of the header `{name}` is too long or not plain ASCII")));
    }
    Ok(())
}

/// Whether a response has a content type that the rule names. Without one in the rule each is right.
///
/// # Errors
/// [`HttpFailure`] of the kind `invalid`.
pub fn check_type(rule: &HostRule, headers: &[HeaderField], has_body: bool) -> Result<(), HttpFailure> {
    if rule.types.is_empty() || !has_body {
        return Ok(());
    }
    let field = headers.iter().find(|field| field.name == "content-type");
    let media = field.map(|field| field.value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    match media {
        Some(media) if rule.types.contains(&media) => Ok(()),
        _ => Err(HttpFailure::new(
            HttpFailureKind::Invalid,
            format!("the content type of the response is none of rule `{rule}`"),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grants(rules: &[&str]) -> Result<HostGrants, Box<dyn std::error::Error>> {
        let rules = rules.iter().map(|rule| rule.parse()).collect::<Result<_, _>>()?;
        Ok(HostGrants { rules, private: Vec::new() })
    }

    #[test]
    fn what_no_rule_names_is_refused_with_the_rule_that_came_closest() -> Result<(), Box<dyn std::error::Error>> {
        let grants = grants(&["GET https://api.example.com/v1/**", "POST https://*.example.org:8443/in"])?;
        for (method, url, expected) in [
            (RequestMethod::Get, "https://api.example.com/v1/a", None),
            (RequestMethod::Get, "https://api.example.com/v1/?q=secret", None),
            (RequestMethod::Post, "https://a.example.org:8443/in", None),
            (RequestMethod::Get, "https://api.example.com/v2/?q=made-up", Some("the path is not that of rule")),
            (RequestMethod::Get, "https://api.example.com/v1", Some("the path is not that of rule")),
            (RequestMethod::Delete, "https://api.example.com/v1/a", Some("the method DELETE")),
            (RequestMethod::Get, "http://api.example.com/v1/a", Some("the scheme or port")),
            (RequestMethod::Get, "https://api.example.com:8443/v1/a", Some("the scheme or port")),
            (RequestMethod::Get, "https://evil.test/v1/a?q=made-up", Some("no host rule names `evil.test`")),
            (RequestMethod::Get, "https://xapi.example.com/v1/a", Some("no host rule names")),
            (RequestMethod::Get, "https://api.example.com.evil.test/v1/a", Some("no host rule names")),
            (RequestMethod::Post, "https://a.b.example.org:8443/in", Some("no host rule names")),
            (RequestMethod::Post, "https://example.org:8443/in", Some("no host rule names")),
            (RequestMethod::Get, "https://169.254.169.254/v1/", Some("no host rule names")),
        ] {
            let said = authorize(&grants, method, url).err();
            match expected {
                None => assert_eq!(said, None, "{url}"),
                Some(expected) => {
                    let failure = said.ok_or_else(|| format!("{url} was allowed"))?;
                    assert_eq!(failure.kind, HttpFailureKind::Refused);
                    assert!(failure.message.contains(expected) && !failure.message.contains("made-up"), "{failure}");
                }
            }
        }
        Ok(())
    }

    #[test]
    fn headers_and_bodies_are_those_that_a_skill_may_send() -> Result<(), Box<dyn std::error::Error>> {
        let rule: HostRule = "POST https://api.example.com/** request_bytes=3".parse()?;
        let call = |name: &str, value: &str| HttpCall {
            method: RequestMethod::Post,
            url: String::new(),
            headers: vec![HeaderField { name: name.to_owned(), value: value.to_owned() }],
            body: b"abc".to_vec(),
        };
        for (name, value) in [("Accept", "text/plain"), ("content-type", "a/b; c=d"), ("X-Request-Id", "1")] {
            assert_eq!(check_call(&rule, &call(name, value)), Ok(()), "{name}");
        }
        for (name, value) in [
            ("authorization", "Bearer x"),
            ("Cookie", "a=b"),
            ("Host", "evil.test"),
            ("content-length", "5"),
            ("Transfer-Encoding", "chunked"),
            ("connection", "close"),
            ("expect", "100-continue"),
            ("user-agent", "x"),
            ("accept-encoding", "gzip"),
            ("x-forwarded-for", "1.2.3.4"),
            ("X-HTTP-Method-Override", "DELETE"),
            ("accept", "a\r\nhost: evil.test"),
            ("accept", "a\0"),
            ("bad name", "x"),
            ("", "x"),
        ] {
            let said = check_call(&rule, &call(name, value));
            assert!(said.is_err_and(|failure| failure.kind == HttpFailureKind::Refused), "{name}");
        }
        let long = HttpCall { body: b"abcd".to_vec(), ..call("accept", "x") };
        assert!(check_call(&rule, &long).is_err_and(|failure| failure.kind == HttpFailureKind::TooLarge));
        let get = HttpCall { method: RequestMethod::Get, ..call("accept", "x") };
        assert!(check_call(&rule, &get).is_err());
        Ok(())
    }
}
