//! One exchange with addresses that the caller has looked up and checked.
//!
//! Guarantees: a connection goes to one of these addresses and to nothing else; TLS names the host of the URL. The certificate
//! and the version of TLS that were seen are part of the response. Each exchange has a client of its own: nothing of one,
//! neither a connection nor a TLS session, serves the next.
//!
//! Deliberately never: looks a name up, follows a redirect, or decides whether an address may be reached.

use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Method, Url, redirect, retry};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme, crypto::ring};

use super::client::{USER_AGENT, head_size};
use super::{HttpError, TlsRoots};
use crate::model::digest::Digest;
use crate::model::exchange::HeaderField;
use crate::model::host_rule::RequestMethod;
use crate::sync::lock;

/// A request to addresses that were checked.
#[derive(Debug)]
pub struct PinnedRequest<'a> {
    /// The method.
    pub method: RequestMethod,
    /// The URL, as its parser wrote it.
    pub url: &'a str,
    /// The host of the URL.
    pub host: &'a str,
    /// The only addresses that may be connected to.
    pub addresses: &'a [SocketAddr],
    /// The headers.
    pub headers: &'a [HeaderField],
    /// The body.
    pub body: &'a [u8],
    /// The time until the last byte of the response.
    pub time: Duration,
    /// Bytes of the head of the response.
    pub response_head: usize,
    /// Bytes of its body.
    pub response_body: usize,
}

/// What was seen of a TLS session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeenTls {
    /// The version.
    pub version: &'static str,
    /// The digest of the server's certificate.
    pub certificate: Digest,
}

/// A response that was read to its end.
#[derive(Debug)]
pub struct PinnedResponse {
    /// The status.
    pub status: u16,
    /// The headers; a value that is not visible ASCII is left out.
    pub headers: Vec<HeaderField>,
    /// The body.
    pub body: Vec<u8>,
    /// The address that was connected to.
    pub address: Option<SocketAddr>,
    /// The TLS session; none for http.
    pub tls: Option<SeenTls>,
}

/// Makes one exchange after the other. Blocks the calling thread.
pub struct PinnedClient {
    roots: Arc<RootCertStore>,
    runtime: tokio::runtime::Runtime,
}

impl fmt::Debug for PinnedClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PinnedClient(..)")
    }
}

impl PinnedClient {
    /// A client that trusts these authorities. Connects to nothing yet.
    ///
    /// # Errors
    /// [`HttpError::InvalidRequest`] when this machine is out of resources.
    pub fn new(roots: &TlsRoots) -> Result<Self, HttpError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build();
        let runtime = runtime.map_err(|_| HttpError::InvalidRequest("this machine is out of resources"))?;
        Ok(Self { roots: roots.store(), runtime })
    }

    /// Makes one exchange.
    ///
    /// # Errors
    /// [`HttpError`], and what was seen of TLS until then.
    pub fn exchange(&self, request: &PinnedRequest<'_>) -> Result<PinnedResponse, HttpError> {
        let seen = Arc::new(Mutex::new(None));
        let client = self.client(request, &seen)?;
        self.runtime.block_on(exchange(client, request, &seen))
    }

    fn client(&self, request: &PinnedRequest<'_>, seen: &Arc<Mutex<Option<SeenTls>>>) -> Result<Client, HttpError> {
        let invalid = |_| HttpError::InvalidRequest("TLS cannot be set up");
        let provider = Arc::new(ring::default_provider());
        let checked =
            WebPkiServerVerifier::builder_with_provider(Arc::clone(&self.roots), Arc::clone(&provider)).build();
        let checked = checked.map_err(|_| HttpError::InvalidRequest("TLS cannot be set up"))?;
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        // The verifier is the library's own. The wrapper around it decides nothing and notes what was seen.
        let noting = Arc::new(NotingVerifier { checked, seen: Arc::clone(seen) });
        let mut config =
            config.map_err(invalid)?.dangerous().with_custom_certificate_verifier(noting).with_no_client_auth();
        config.resumption = Resumption::disabled();
        let builder = Client::builder()
            .tls_backend_preconfigured(config)
            // The proxies of the environment would be connected to instead of the checked addresses.
            .no_proxy()
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .referer(false)
            .http1_only()
            .pool_max_idle_per_host(0)
            .connect_timeout(request.time)
            .user_agent(USER_AGENT)
            .resolve_to_addrs(request.host, request.addresses);
        builder.build().map_err(|_| HttpError::InvalidRequest("TLS cannot be set up"))
    }
}

async fn exchange(
    client: Client,
    request: &PinnedRequest<'_>,
    seen: &Mutex<Option<SeenTls>>,
) -> Result<PinnedResponse, HttpError> {
    let url = Url::parse(request.url).map_err(|_| HttpError::InvalidRequest("its address is not a URL"))?;
    let method = Method::from_bytes(request.method.as_str().as_bytes());
    let method = method.map_err(|_| HttpError::InvalidRequest("its method is unknown"))?;
    let mut headers = HeaderMap::new();
    for HeaderField { name, value } in request.headers {
        let invalid = || HttpError::InvalidRequest("a header holds a character that is not allowed");
        let name = HeaderName::from_bytes(name.as_bytes()).map_err(|_| invalid())?;
        headers.append(name, HeaderValue::from_str(value).map_err(|_| invalid())?);
    }
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    let sent = client.request(method, url).headers(headers).timeout(request.time).body(request.body.to_vec());
    let mut response = sent.send().await.map_err(|error| HttpError::classify(&error, false))?;
    if head_size(response.headers()) > request.response_head {
        return Err(HttpError::HeadTooLarge { limit: request.response_head });
    }
    if response.headers().get(CONTENT_ENCODING).is_some_and(|encoding| encoding != "identity") {
        return Err(HttpError::Encoded);
    }
    let too_large = HttpError::BodyTooLarge { limit: request.response_body };
    // A declared length ends the exchange before a byte of the body is read.
    if response.content_length().is_some_and(|length| length > request.response_body as u64) {
        return Err(too_large);
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| HttpError::classify(&error, false))? {
        if body.len().saturating_add(chunk.len()) > request.response_body {
            return Err(too_large);
        }
        body.extend_from_slice(&chunk);
    }
    let field = |(name, value): (&HeaderName, &HeaderValue)| {
        Some(HeaderField { name: name.as_str().to_owned(), value: value.to_str().ok()?.to_owned() })
    };
    Ok(PinnedResponse {
        status: response.status().as_u16(),
        headers: response.headers().iter().filter_map(field).collect(),
        body,
        address: response.remote_addr(),
        tls: *lock(seen),
    })
}

/// Notes the certificate and the version that the verifier of the library accepted.
#[derive(Debug)]
struct NotingVerifier {
    checked: Arc<WebPkiServerVerifier>,
    seen: Arc<Mutex<Option<SeenTls>>>,
}

impl NotingVerifier {
    fn note(&self, version: &'static str, certificate: &CertificateDer<'_>) {
        *lock(&self.seen) = Some(SeenTls { version, certificate: Digest::of(certificate) });
    }
}

impl ServerCertVerifier for NotingVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        self.checked.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let valid = self.checked.verify_tls12_signature(message, cert, dss)?;
        self.note("1.2", cert);
        Ok(valid)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let valid = self.checked.verify_tls13_signature(message, cert, dss)?;
        self.note("1.3", cert);
        Ok(valid)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.checked.supported_verify_schemes()
    }
}
