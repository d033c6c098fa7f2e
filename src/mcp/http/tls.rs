//! Encryption for clients on other machines.
//!
//! Guarantees: TLS 1.2 or later, with the certificates that the person named. Deliberately never: asks clients for certificates.

use std::sync::Arc;

use secrecy::{ExposeSecret as _, SecretString};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// What a server proves its name with, as PEM.
#[derive(Debug)]
pub struct Identity {
    /// Its certificate first, then those that vouch for it.
    pub certificates: Vec<u8>,
    /// The certificate's key.
    pub key: SecretString,
}

/// What makes encrypted connections, or why there can be none.
pub(super) fn acceptor(identity: &Identity) -> Result<TlsAcceptor, String> {
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&identity.certificates).collect();
    let certificates = certificates.map_err(|error| format!("the certificates are not PEM: {error}"))?;
    if certificates.is_empty() {
        return Err("there is no certificate in the file of certificates".to_owned());
    }
    let key = PrivateKeyDer::from_pem_slice(identity.key.expose_secret().as_bytes())
        .map_err(|_| "the key is no PEM of a private key".to_owned())?;
    let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?
        .with_no_client_auth()
        .with_single_cert(certificates, key)
        .map_err(|error| format!("the certificate and the key do not go together: {error}"))?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
