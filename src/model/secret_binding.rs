//! Where the value of a secret may go: one origin and one place, fixed in the spec.
//!
//! Guarantees: the place and the format around the value are part of the spec, so a person saw them and no guest chooses them.
//!
//! Deliberately never: has a value. A skill has the name; the broker puts the value in.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::{
    signing::SignatureAlgorithm,
    text,
    web_origin::{InvalidHostRule, WebOrigin},
};

/// The place of a request that a value is put into.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum SecretPlace {
    /// `authorization: Bearer VALUE`
    Bearer,
    /// `authorization: Basic`, with this user and the value as the password.
    Basic(String),
    /// A header with this name, in lower case.
    Header(String),
    /// A string of the JSON body, by its pointer.
    Json(String),
    /// A parameter of the query, by its name.
    Query(String),
    /// No place: the value signs what the skill asks for.
    Signature(SignatureAlgorithm),
}

impl SecretPlace {
    /// How the value signs; none where it is put into requests.
    pub fn signs(&self) -> Option<SignatureAlgorithm> {
        match self {
            Self::Signature(algorithm) => Some(*algorithm),
            _ => None,
        }
    }
}

/// The text is no binding of a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBinding {
    /// The form as a whole.
    #[error("`{0}` is not a binding of a secret: write NAME ORIGIN PLACE")]
    Form(String),
    /// The place.
    #[error(
        "`{0}` is not a place for a secret: use bearer, basic:USER, header:NAME, json:/POINTER, query:NAME, hmac-sha256 or sign-ed25519"
    )]
    Place(String),
    /// The origin.
    #[error(transparent)]
    Origin(#[from] InvalidHostRule),
}

/// One secret, and the one place that its value is put into.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretBinding {
    /// The name of the secret, one of the spec's required secrets.
    pub name: String,
    /// The only origin that gets the value.
    pub origin: WebOrigin,
    /// Where in the request.
    pub place: SecretPlace,
}

impl SecretBinding {
    /// What it lets a skill do with the secret, for a list of what is permitted.
    pub fn use_of_value(&self) -> &'static str {
        match self.place.signs() {
            None => "secret in requests",
            Some(_) => "secret that signs",
        }
    }
}

/// Headers that a value can never be in: they belong to the client, or to another place.
const OWN_HEADERS: [&str; 9] = [
    "authorization",
    "connection",
    "content-length",
    "content-type",
    "cookie",
    "host",
    "proxy-authorization",
    "transfer-encoding",
    "upgrade",
];

impl FromStr for SecretPlace {
    type Err = InvalidBinding;

    fn from_str(text: &str) -> Result<Self, InvalidBinding> {
        let invalid = || InvalidBinding::Place(text::line(text, 120));
        let name = |rest: &str| {
            let ok = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_".contains(&byte);
            !rest.is_empty() && rest.len() <= 64 && rest.bytes().all(ok)
        };
        let graphic = |rest: &str| rest.len() <= 128 && rest.bytes().all(|byte| byte.is_ascii_graphic());
        let signs = |algorithm: &SignatureAlgorithm| algorithm.as_str() == text;
        Ok(match text.split_once(':') {
            None if text == "bearer" => Self::Bearer,
            None => Self::Signature(SignatureAlgorithm::ALL.into_iter().find(signs).ok_or_else(invalid)?),
            Some(("basic", user)) if graphic(user) && !user.contains(':') => Self::Basic(user.to_owned()),
            Some(("header", header)) => {
                let header = header.to_ascii_lowercase();
                if !name(&header) || header.contains('_') || OWN_HEADERS.contains(&header.as_str()) {
                    return Err(invalid());
                }
                Self::Header(header)
            }
            Some(("json", pointer)) if pointer.starts_with('/') && graphic(pointer) => Self::Json(pointer.to_owned()),
            Some(("query", parameter)) if name(&parameter.to_ascii_lowercase()) => Self::Query(parameter.to_owned()),
            _ => return Err(invalid()),
        })
    }
}

impl fmt::Display for SecretPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bearer => f.write_str("bearer"),
            Self::Basic(user) => write!(f, "basic:{user}"),
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Json(pointer) => write!(f, "json:{pointer}"),
            Self::Query(name) => write!(f, "query:{name}"),
            Self::Signature(algorithm) => f.write_str(algorithm.as_str()),
        }
    }
}

impl TryFrom<String> for SecretPlace {
    type Error = InvalidBinding;
    fn try_from(text: String) -> Result<Self, InvalidBinding> {
        text.parse()
    }
}

impl From<SecretPlace> for String {
    fn from(place: SecretPlace) -> Self {
        place.to_string()
    }
}

impl FromStr for SecretBinding {
    type Err = InvalidBinding;

    fn from_str(text: &str) -> Result<Self, InvalidBinding> {
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let [name, origin, place] = words[..] else { return Err(InvalidBinding::Form(text::line(text, 120))) };
        Ok(Self { name: name.to_owned(), origin: origin.parse()?, place: place.parse()? })
    }
}

impl fmt::Display for SecretBinding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.name, self.origin, self.place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_binding_has_one_text() -> Result<(), InvalidBinding> {
        for text in [
            "API_TOKEN https://api.example.com bearer",
            "API_TOKEN https://api.example.com:8443 basic:me",
            "API_TOKEN https://api.example.com header:x-api-key",
            "API_TOKEN https://api.example.com json:/auth/token",
            "API_TOKEN https://api.example.com query:key",
            "API_TOKEN https://api.example.com hmac-sha256",
            "API_TOKEN https://api.example.com sign-ed25519",
        ] {
            assert_eq!(text.parse::<SecretBinding>()?.to_string(), text);
        }
        let upper: SecretBinding = "API_TOKEN https://api.example.com header:X-Api-Key".parse()?;
        assert_eq!(upper.place, SecretPlace::Header("x-api-key".to_owned()));
        Ok(())
    }

    #[test]
    fn a_place_that_is_not_fixed_or_is_the_clients_own_is_refused() {
        for bad in [
            "API_TOKEN https://api.example.com",
            "API_TOKEN https://*.example.com bearer",
            "API_TOKEN https://api.example.com hmac-sha1",
            "API_TOKEN https://api.example.com path:/x",
            "API_TOKEN https://api.example.com header:host",
            "API_TOKEN https://api.example.com header:Authorization",
            "API_TOKEN https://api.example.com header:a\u{e4}",
            "API_TOKEN https://api.example.com json:token",
            "API_TOKEN https://api.example.com basic:a:b",
            "API_TOKEN https://api.example.com/path bearer",
            "API_TOKEN https://api.example.com bearer more",
        ] {
            assert!(bad.parse::<SecretBinding>().is_err(), "{bad}");
        }
    }
}
