//! Puts a secret into the one place of a request that its binding names.
//!
//! Guarantees: place and format come from the binding, which a person saw. What a guest wrote into that place refuses the
//! request, so nothing that a guest sends can stand beside the value. A refusal names the place and never the value.
//!
//! Deliberately never: looks a value up, or decides whether the request may be made.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::signing;
use super::value::SecretValue;
use crate::model::exchange::HeaderField;
use crate::model::secret_binding::SecretPlace;
use crate::model::signing::SignatureAlgorithm;

/// The parts of a request that a secret can be put into.
#[derive(Clone, PartialEq, Eq)]
pub struct OutgoingRequest {
    /// The URL, parsed and written again.
    pub url: String,
    /// The headers.
    pub headers: Vec<HeaderField>,
    /// The body.
    pub body: Vec<u8>,
}

impl std::fmt::Debug for OutgoingRequest {
    /// It may contain a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("OutgoingRequest(..)")
    }
}

/// Why a secret cannot be put into a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InjectionRefusal {
    /// The guest wrote something into the place.
    #[error("the request has something in the place `{0}`, where a secret goes")]
    Taken(SecretPlace),
    /// The guest sends a credential of its own.
    #[error("a skill cannot send a credential of its own in the header `{0}`; name a secret in the specification")]
    OwnCredential(String),
    /// The body has no such place.
    #[error("the body of the request is no JSON with an object around the place `{0}`")]
    NoPlace(SecretPlace),
    /// The value has bytes that the place cannot have.
    #[error("the value of the secret has characters that the place `{0}` cannot have")]
    Unfit(SecretPlace),
}

/// Headers that carry credentials by convention. A guest that fills one has a secret that it should not have.
const CREDENTIAL_HEADERS: [&str; 8] = [
    "authorization",
    "cookie",
    "proxy-authorization",
    "x-access-token",
    "x-amz-security-token",
    "x-api-key",
    "x-auth-token",
    "x-csrf-token",
];

/// Checks that the guest left the place free and sends no credential of its own. To be asked before the store is.
///
/// # Errors
/// [`InjectionRefusal`]
pub fn check_free(place: &SecretPlace, request: &OutgoingRequest) -> Result<(), InjectionRefusal> {
    let named = |name: &str| request.headers.iter().any(|field| field.name.eq_ignore_ascii_case(name));
    let taken = || InjectionRefusal::Taken(place.clone());
    if let SecretPlace::Header(name) = place
        && named(name)
    {
        return Err(taken());
    }
    if let Some(name) = CREDENTIAL_HEADERS.into_iter().find(|name| named(name)) {
        return Err(InjectionRefusal::OwnCredential(name.to_owned()));
    }
    match place {
        SecretPlace::Query(name) if has_parameter(&request.url, name) => Err(taken()),
        SecretPlace::Json(pointer) => match with_json(place, pointer, &request.body, None) {
            Ok(_) => Ok(()),
            Err(refusal) => Err(refusal),
        },
        _ => Ok(()),
    }
}

/// Puts the value in.
///
/// # Errors
/// [`InjectionRefusal`], and then the request is as it was.
pub fn inject(place: &SecretPlace, value: &SecretValue, request: &mut OutgoingRequest) -> Result<(), InjectionRefusal> {
    check_free(place, request)?;
    let unfit = || InjectionRefusal::Unfit(place.clone());
    let header = |name: &str, value: String| HeaderField { name: name.to_owned(), value };
    match place {
        SecretPlace::Bearer => {
            let value = visible(value).ok_or_else(unfit)?;
            request.headers.push(header("authorization", format!("Bearer {value}")));
        }
        SecretPlace::Basic(user) => {
            let credential = basic_credential(user, value);
            request.headers.push(header("authorization", format!("Basic {}", *credential)));
        }
        SecretPlace::Header(name) => {
            let value = visible(value).ok_or_else(unfit)?;
            request.headers.push(header(name, value.to_owned()));
        }
        SecretPlace::Query(name) => {
            let separator = if request.url.contains('?') { '&' } else { '?' };
            let value = Zeroizing::new(value.expose().iter().map(percent).collect::<String>());
            request.url.push(separator);
            request.url.push_str(&format!("{name}={}", *value));
        }
        SecretPlace::Json(pointer) => {
            let text = std::str::from_utf8(value.expose()).map_err(|_| unfit())?;
            request.body = with_json(place, pointer, &request.body, Some(text))?;
        }
        // Its value is never sent.
        SecretPlace::Signature(_) => return Err(unfit()),
    }
    Ok(())
}

/// The forms, besides the value itself, in which the place has it. The leak scan looks for them too.
pub fn rendered(place: &SecretPlace, value: &SecretValue) -> Vec<Vec<u8>> {
    match place {
        SecretPlace::Basic(user) => vec![basic_credential(user, value).as_bytes().to_vec()],
        SecretPlace::Signature(SignatureAlgorithm::Ed25519) => signing::rendered(value),
        SecretPlace::Signature(SignatureAlgorithm::HmacSha256) => Vec::new(),
        // Each of the others contains the value in a form that the scan knows.
        SecretPlace::Bearer | SecretPlace::Header(_) | SecretPlace::Query(_) | SecretPlace::Json(_) => Vec::new(),
    }
}

fn basic_credential(user: &str, value: &SecretValue) -> Zeroizing<String> {
    let whole = Zeroizing::new([user.as_bytes(), b":", value.expose()].concat());
    Zeroizing::new(STANDARD.encode(&*whole))
}

/// The value as the text of a header: visible ASCII, which no server reads differently.
fn visible(value: &SecretValue) -> Option<&str> {
    let text = std::str::from_utf8(value.expose()).ok()?;
    text.bytes().all(|byte| byte.is_ascii_graphic()).then_some(text)
}

fn percent(byte: &u8) -> String {
    match byte {
        b'-' | b'.' | b'_' | b'~' => char::from(*byte).to_string(),
        _ if byte.is_ascii_alphanumeric() => char::from(*byte).to_string(),
        _ => format!("%{byte:02X}"),
    }
}

/// Whether a URL has a parameter of this name. A name with escapes could be read as it by the server.
fn has_parameter(url: &str, name: &str) -> bool {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    query.split(['&', ';']).any(|part| {
        let written = part.split('=').next().unwrap_or_default();
        written.eq_ignore_ascii_case(name) || written.contains('%')
    })
}

/// The body with a text at a pointer. Without a text: only whether there is a free place.
fn with_json(place: &SecretPlace, pointer: &str, body: &[u8], text: Option<&str>) -> Result<Vec<u8>, InjectionRefusal> {
    let no_place = || InjectionRefusal::NoPlace(place.clone());
    let mut document: serde_json::Value = serde_json::from_slice(body).map_err(|_| no_place())?;
    let (around, name) = pointer.rsplit_once('/').ok_or_else(no_place)?;
    let name = name.replace("~1", "/").replace("~0", "~");
    let around = document.pointer_mut(around).and_then(serde_json::Value::as_object_mut).ok_or_else(no_place)?;
    if !around.get(&name).is_none_or(serde_json::Value::is_null) {
        return Err(InjectionRefusal::Taken(place.clone()));
    }
    let Some(text) = text else { return Ok(Vec::new()) };
    around.insert(name, text.into());
    serde_json::to_vec(&document).map_err(|_| no_place())
}

#[cfg(test)]
mod tests {
    use super::super::value::TrailingNewline;
    use super::*;

    const VALUE: &str = "made-up/secret+0123=";

    type Tested = Result<(), Box<dyn std::error::Error>>;

    fn value(text: &str) -> Result<SecretValue, super::super::InvalidValue> {
        SecretValue::check(Zeroizing::new(text.as_bytes().to_vec()), TrailingNewline::Kept)
    }

    fn request(url: &str, headers: &[(&str, &str)], body: &str) -> OutgoingRequest {
        let field = |(name, value): &(&str, &str)| HeaderField { name: (*name).to_owned(), value: (*value).to_owned() };
        OutgoingRequest {
            url: url.to_owned(),
            headers: headers.iter().map(field).collect(),
            body: body.as_bytes().to_vec(),
        }
    }

    /// The request with the value put in, as URL, last header and body.
    fn injected(place: &str, mut request: OutgoingRequest) -> Result<(String, String, String), String> {
        let place: SecretPlace = place.parse().map_err(|error| format!("{error}"))?;
        let value = value(VALUE).map_err(|error| error.to_string())?;
        inject(&place, &value, &mut request).map_err(|refusal| refusal.to_string())?;
        let last = request.headers.last().map(|field| format!("{}: {}", field.name, field.value)).unwrap_or_default();
        Ok((request.url, last, String::from_utf8_lossy(&request.body).into_owned()))
    }

    const URL: &str = "https://api.example.com/v1";

    #[test]
    fn each_place_gets_the_value_in_its_fixed_form() -> Tested {
        let empty = || request(URL, &[("accept", "*/*")], "");
        assert_eq!(injected("bearer", empty())?.1, format!("authorization: Bearer {VALUE}"));
        let basic = STANDARD.encode(format!("someone:{VALUE}"));
        assert_eq!(injected("basic:someone", empty())?.1, format!("authorization: Basic {basic}"));
        assert_eq!(injected("header:x-api-key", empty())?.1, format!("x-api-key: {VALUE}"));
        let escaped = "made-up%2Fsecret%2B0123%3D";
        assert_eq!(injected("query:key", empty())?.0, format!("{URL}?key={escaped}"));
        let asked = request(&format!("{URL}?q=a"), &[], "");
        assert_eq!(injected("query:key", asked)?.0, format!("{URL}?q=a&key={escaped}"));
        let body = request(URL, &[], r#"{"auth":{"token":null},"q":1}"#);
        assert_eq!(injected("json:/auth/token", body)?.2, format!(r#"{{"auth":{{"token":"{VALUE}"}},"q":1}}"#));
        let missing = request(URL, &[], r#"{"auth":{}}"#);
        assert_eq!(injected("json:/auth/token", missing)?.2, format!(r#"{{"auth":{{"token":"{VALUE}"}}}}"#));
        Ok(())
    }

    #[test]
    fn what_a_guest_wrote_into_the_place_refuses_the_request() {
        let cases = [
            ("header:x-example", request(URL, &[("X-Example", "a")], "")),
            ("bearer", request(URL, &[("Authorization", "Bearer a")], "")),
            ("query:key", request(URL, &[("x-api-key", "a")], "")),
            ("bearer", request(URL, &[("cookie", "a=b")], "")),
            ("query:key", request(&format!("{URL}?key=a"), &[], "")),
            ("query:key", request(&format!("{URL}?a=b&KEY"), &[], "")),
            // An escaped name that a server reads as the parameter.
            ("query:key", request(&format!("{URL}?%6bey=a"), &[], "")),
            ("json:/auth/token", request(URL, &[], r#"{"auth":{"token":"a"}}"#)),
            ("json:/auth/token", request(URL, &[], r#"{"auth":{"token":""}}"#)),
        ];
        for (place, request) in cases {
            let refused = injected(place, request).err().unwrap_or_default();
            assert!(refused.contains("where a secret goes") || refused.contains("of its own"), "{place}: {refused}");
        }
        for body in ["", "[]", "{}", r#"{"auth":1}"#, "{", r#""auth""#] {
            let refused = injected("json:/auth/token", request(URL, &[], body)).err().unwrap_or_default();
            assert!(refused.contains("no JSON with an object"), "{body}: {refused}");
        }
    }

    #[test]
    fn a_value_that_a_header_cannot_have_is_refused_and_not_changed() -> Tested {
        for place in ["bearer", "header:x-api-key"] {
            let place: SecretPlace = place.parse()?;
            for bad in ["made up secret with blanks", "made-up-secret-\u{fc}", "made-up-secret-\u{7f}"] {
                let mut request = request(URL, &[], "");
                let refused = inject(&place, &value(bad)?, &mut request);
                assert_eq!(refused, Err(InjectionRefusal::Unfit(place.clone())), "{bad}");
                assert!(request.headers.is_empty());
            }
        }
        Ok(())
    }
}
