//! The secrets of one run, as the broker holds them.
//!
//! Guarantees: a value is fetched once in a run, and only for one of three reasons. A request to its origin has passed every rule,
//! something is to be signed, or refused requests are to be searched for it. What the guest sends is scanned before the value
//! is put in, and what the server sends before the guest gets it.
//!
//! Deliberately never: puts a value into a request to another origin, however the request came to go there.

use super::injection::{self, OutgoingRequest};
use super::json_strings;
use super::leak_scan::{KnownSecret, Leak, LeakScanError, LeakScanner};
use super::signing;
use super::value::SecretValue;
use crate::model::exchange::HeaderField;
use crate::model::secret::SecretName;
use crate::model::secret_binding::SecretBinding;
use crate::model::signing::{SigningCall, SigningFailure, SigningFailureKind, SigningResult};
use crate::model::web_origin::WebOrigin;

/// Gives the values, each when it is needed.
pub trait SecretSource {
    /// The value of a secret.
    ///
    /// # Errors
    /// Why there is none, without any part of a value.
    fn fetch(&mut self, name: &SecretName) -> Result<SecretValue, String>;
}

impl<S: SecretSource + ?Sized> SecretSource for Box<S> {
    fn fetch(&mut self, name: &SecretName) -> Result<SecretValue, String> {
        (**self).fetch(name)
    }
}

/// Why a request is not sent.
#[derive(Debug, PartialEq, Eq)]
pub enum PlacementError {
    /// The request is refused, and the guest is told why.
    Refused(String),
    /// The guest sends a secret that it should not have. The run ends.
    Leak(Leak),
}

/// A value and what was made of it.
struct HeldSecret {
    name: SecretName,
    value: SecretValue,
    rendered: Vec<Vec<u8>>,
}

/// The secrets that a run may use, and those that it has used.
pub struct HeldSecrets<S> {
    bindings: Vec<SecretBinding>,
    source: S,
    held: Vec<HeldSecret>,
    scanner: LeakScanner,
}

impl<S> std::fmt::Debug for HeldSecrets<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HeldSecrets").field("bindings", &self.bindings).finish_non_exhaustive()
    }
}

impl<S: SecretSource> HeldSecrets<S> {
    /// None is held yet.
    ///
    /// # Errors
    /// [`LeakScanError`]
    pub fn new(bindings: Vec<SecretBinding>, source: S) -> Result<Self, LeakScanError> {
        Ok(Self { bindings, source, held: Vec::new(), scanner: LeakScanner::new(&[])? })
    }

    /// Puts the values that are bound to `origin` into a request that has passed every rule.
    ///
    /// # Errors
    /// [`PlacementError`], and then nothing may be sent.
    pub fn place(&mut self, origin: &WebOrigin, request: &mut OutgoingRequest) -> Result<(), PlacementError> {
        let refused = |error: &dyn std::fmt::Display| PlacementError::Refused(error.to_string());
        let bound: Vec<SecretBinding> = self
            .bindings
            .iter()
            .filter(|binding| binding.origin == *origin && binding.place.signs().is_none())
            .cloned()
            .collect();
        for binding in &bound {
            // Before the store is asked: a request that cannot be made needs no value.
            injection::check_free(&binding.place, request).map_err(|refusal| refused(&refusal))?;
        }
        for binding in &bound {
            self.hold(binding).map_err(|why| refused(&why))?;
        }
        if let Some(leak) = self.leak_in_request(request) {
            return Err(PlacementError::Leak(leak));
        }
        for binding in &bound {
            let held = self.held(binding).ok_or_else(|| refused(&"the secret is not held"))?;
            injection::inject(&binding.place, &held.value, request).map_err(|refusal| refused(&refusal))?;
        }
        Ok(())
    }

    /// A signature with the secret that is bound for it, or why there is none.
    ///
    /// # Errors
    /// [`Leak`] when a secret is in what is to be signed. The run ends.
    pub fn sign(&mut self, call: &SigningCall) -> Result<SigningResult, Leak> {
        let failure = |kind, message: String| Ok(Err(SigningFailure::new(kind, message)));
        let is_bound =
            |binding: &&SecretBinding| binding.name == call.secret && binding.place.signs() == Some(call.algorithm);
        let Some(binding) = self.bindings.iter().find(is_bound).cloned() else {
            return failure(SigningFailureKind::Refused, "no secret is bound for it".to_owned());
        };
        if let Err(why) = self.hold(&binding) {
            return failure(SigningFailureKind::Unavailable, why);
        }
        if let Some(leak) = self.find(&call.bytes) {
            return Err(leak);
        }
        let Some(held) = self.held(&binding) else {
            return failure(SigningFailureKind::Unavailable, "the secret is not held".to_owned());
        };
        let signed = signing::sign(call.algorithm, &held.value, &call.bytes);
        Ok(signed.map_err(|why| {
            SigningFailure::new(SigningFailureKind::Unavailable, format!("the secret {} {why}", binding.name))
        }))
    }

    /// Fetches every secret, to look for it. One that cannot be read is left out.
    pub fn hold_all(&mut self) {
        for binding in self.bindings.clone() {
            // The host says why there is no value.
            let _ = self.hold(&binding);
        }
    }

    /// A secret in what a server sent.
    pub fn leak_in_reply(&self, headers: &[HeaderField], body: &[u8]) -> Option<Leak> {
        self.leak_in_fields(headers).or_else(|| self.find(body))
    }

    /// A secret in what the run leaves behind: its output, its log, its files.
    pub fn leak_in(&self, bytes: &[u8]) -> Option<Leak> {
        self.find(bytes)
    }

    /// A secret in a text, or in the strings of a text that is JSON.
    fn find(&self, text: &[u8]) -> Option<Leak> {
        self.scanner.find(text).or_else(|| self.scanner.find(&json_strings::unescaped(text)))
    }

    fn leak_in_request(&self, request: &OutgoingRequest) -> Option<Leak> {
        let parts = self.scanner.find(request.url.as_bytes()).or_else(|| self.leak_in_fields(&request.headers));
        parts.or_else(|| self.find(&request.body))
    }

    fn leak_in_fields(&self, headers: &[HeaderField]) -> Option<Leak> {
        let texts = headers.iter().flat_map(|field| [&field.name, &field.value]);
        texts.map(String::as_bytes).find_map(|text| self.scanner.find(text))
    }

    fn held(&self, binding: &SecretBinding) -> Option<&HeldSecret> {
        self.held.iter().find(|held| held.name.as_str() == binding.name)
    }

    fn hold(&mut self, binding: &SecretBinding) -> Result<(), String> {
        if self.held(binding).is_some() {
            return Ok(());
        }
        let name = SecretName::parse(&binding.name).map_err(|error| error.to_string())?;
        let value = self.source.fetch(&name)?;
        let rendered = injection::rendered(&binding.place, &value);
        self.held.push(HeldSecret { name, value, rendered });
        let known: Vec<KnownSecret<'_>> = self
            .held
            .iter()
            .map(|held| KnownSecret { name: &held.name, value: held.value.expose(), rendered: &held.rendered })
            .collect();
        self.scanner = LeakScanner::new(&known).map_err(|error| error.to_string())?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::value::TrailingNewline;
    use super::*;
    use crate::model::signing::SignatureAlgorithm;

    const VALUE: &str = "made-up-secret-0123";

    type Tested = Result<(), Box<dyn std::error::Error>>;

    /// Counts how often it is asked.
    #[derive(Default)]
    struct Counted(usize);

    impl SecretSource for &mut Counted {
        fn fetch(&mut self, name: &SecretName) -> Result<SecretValue, String> {
            self.0 += 1;
            let text = format!("{VALUE}-{name}");
            let bytes = zeroize::Zeroizing::new(text.into_bytes());
            SecretValue::check(bytes, TrailingNewline::Kept).map_err(|error| error.to_string())
        }
    }

    fn held(source: &mut Counted) -> Result<HeldSecrets<&mut Counted>, Box<dyn std::error::Error>> {
        let bindings = ["A https://a.example.com bearer", "B https://b.example.com basic:someone"];
        Ok(HeldSecrets::new(bindings.iter().map(|text| text.parse()).collect::<Result<_, _>>()?, source)?)
    }

    fn request(url: &str, body: &str) -> OutgoingRequest {
        OutgoingRequest { url: url.to_owned(), headers: Vec::new(), body: body.as_bytes().to_vec() }
    }

    #[test]
    fn only_the_bound_origin_gets_a_value_and_a_store_is_asked_once() -> Tested {
        let mut source = Counted::default();
        let mut secrets = held(&mut source)?;
        let bound: WebOrigin = "https://a.example.com".parse()?;
        for other in ["https://c.example.com", "http://a.example.com", "https://a.example.com:8443"] {
            let mut sent = request(other, "");
            assert_eq!(secrets.place(&other.parse()?, &mut sent), Ok(()));
            assert_eq!(sent, request(other, ""), "{other}");
        }
        for _ in 0..2 {
            let mut sent = request("https://a.example.com/", "");
            assert_eq!(secrets.place(&bound, &mut sent), Ok(()));
            assert_eq!(sent.headers.first().map(|field| field.value.clone()), Some(format!("Bearer {VALUE}-A")));
        }
        assert_eq!(source.0, 1);
        Ok(())
    }

    #[test]
    fn a_key_signs_is_put_into_no_request_and_is_known_from_then_on() -> Tested {
        let mut source = Counted::default();
        let bindings = vec!["A https://a.example.com hmac-sha256".parse()?];
        let mut secrets = HeldSecrets::new(bindings, &mut source)?;
        let origin: WebOrigin = "https://a.example.com".parse()?;
        let call = |secret: &str, bytes: &str| SigningCall {
            secret: secret.to_owned(),
            algorithm: SignatureAlgorithm::HmacSha256,
            bytes: bytes.into(),
        };
        let mut sent = request("https://a.example.com/", "");
        assert_eq!(secrets.place(&origin, &mut sent), Ok(()));
        assert_eq!(sent, request("https://a.example.com/", ""));
        let refused = secrets.sign(&call("B", "a"))?.err().map(|failure| failure.kind);
        assert_eq!(refused, Some(SigningFailureKind::Refused));
        let other = SigningCall { algorithm: SignatureAlgorithm::Ed25519, ..call("A", "a") };
        assert_eq!(secrets.sign(&other)?.err().map(|failure| failure.kind), Some(SigningFailureKind::Refused));
        // A signature with it alone asks the store, once.
        let signed = secrets.sign(&call("A", "a"))?;
        assert_eq!(signed.as_ref().map(Vec::len), Ok(32));
        assert_eq!(secrets.sign(&call("A", "a"))?, signed);
        assert_ne!(secrets.sign(&call("A", "b"))?, signed);
        let leak = secrets.sign(&call("A", &format!("this is {VALUE}-A"))).err();
        assert_eq!(leak.map(|leak| leak.name.to_string()), Some("A".to_owned()));
        let mut told = request("https://a.example.com/", &format!("{VALUE}-A"));
        assert!(matches!(secrets.place(&origin, &mut told), Err(PlacementError::Leak(_))));
        assert_eq!(source.0, 1);
        Ok(())
    }

    #[test]
    fn a_request_that_is_refused_asks_no_store() -> Tested {
        let mut source = Counted::default();
        let mut secrets = held(&mut source)?;
        let mut own = request("https://a.example.com/", "");
        own.headers.push(HeaderField { name: "x-api-key".to_owned(), value: "a".to_owned() });
        let placed = secrets.place(&"https://a.example.com".parse()?, &mut own);
        assert!(matches!(placed, Err(PlacementError::Refused(_))), "{placed:?}");
        assert_eq!(source.0, 0);
        Ok(())
    }

    #[test]
    fn a_guest_that_knows_a_secret_sends_nothing() -> Tested {
        let mut source = Counted::default();
        let mut secrets = held(&mut source)?;
        let origin: WebOrigin = "https://a.example.com".parse()?;
        let encoded = hex::encode(format!("{VALUE}-A"));
        let mut sent = request(&format!("https://a.example.com/?q={encoded}"), "");
        let placed = secrets.place(&origin, &mut sent);
        assert!(matches!(&placed, Err(PlacementError::Leak(leak)) if leak.name.as_str() == "A"), "{placed:?}");
        assert!(sent.headers.is_empty());
        // From then on it is known, wherever the next request goes.
        let mut elsewhere = request("https://c.example.com/", &format!("{VALUE}-A"));
        let placed = secrets.place(&"https://c.example.com".parse()?, &mut elsewhere);
        assert!(matches!(placed, Err(PlacementError::Leak(_))), "{placed:?}");
        Ok(())
    }

    #[test]
    fn a_form_that_json_writes_differently_is_found_within_json() -> Tested {
        let mut source = Counted::default();
        let mut secrets = held(&mut source)?;
        let origin: WebOrigin = "https://a.example.com".parse()?;
        assert_eq!(secrets.place(&origin, &mut request("https://a.example.com/", "")), Ok(()));
        // In UTF-16 every second byte is a zero, which JSON writes in six characters.
        let wide: String = format!("{VALUE}-A").chars().flat_map(|c| [c, '\0']).collect();
        let text = serde_json::json!({ "said": [wide] }).to_string();
        assert_eq!(secrets.leak_in(text.as_bytes()).map(|leak| leak.name.to_string()), Some("A".to_owned()));
        assert!(secrets.leak_in_reply(&[], text.as_bytes()).is_some());
        let placed = secrets.place(&origin, &mut request("https://a.example.com/", &text));
        assert!(matches!(placed, Err(PlacementError::Leak(_))), "{placed:?}");
        Ok(())
    }

    #[test]
    fn an_answer_with_a_secret_or_its_rendered_form_is_found() -> Tested {
        use base64::Engine as _;
        let mut source = Counted::default();
        let mut secrets = held(&mut source)?;
        let mut sent = request("https://b.example.com/", "");
        assert_eq!(secrets.place(&"https://b.example.com".parse()?, &mut sent), Ok(()));
        let credential = base64::engine::general_purpose::STANDARD.encode(format!("someone:{VALUE}-B"));
        assert_eq!(sent.headers.first().map(|field| field.value.clone()), Some(format!("Basic {credential}")));
        let echoed = [HeaderField { name: "location".to_owned(), value: format!("/?a={credential}") }];
        assert!(secrets.leak_in_reply(&echoed, b"").is_some());
        assert!(secrets.leak_in_reply(&[], format!("you sent {VALUE}-B").as_bytes()).is_some());
        assert!(secrets.leak_in_reply(&[], b"nothing of interest").is_none());
        assert!(secrets.leak_in(hex::encode_upper(credential).as_bytes()).is_some());
        Ok(())
    }
}
