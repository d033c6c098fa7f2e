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

/// What a server proves its name with.
#[derive(Clone)]
pub struct Identity(pub(super) TlsAcceptor);

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Identity(..)")
    }
}

impl Identity {
    /// Certificates, the server's own first and then those that vouch for it, and its private key, all as PEM.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn from_pem(certificates: &[u8], key: &SecretString) -> Result<Self, String> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(certificates).collect();
        let certificates = certificates.map_err(|error| format!("the certificates are not PEM: {error}"))?;
        if certificates.is_empty() {
            return Err("there is no certificate in the file of certificates".to_owned());
        }
        let key = PrivateKeyDer::from_pem_slice(key.expose_secret().as_bytes())
            .map_err(|_| "the key is no PEM of a private key".to_owned())?;
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_no_client_auth()
            .with_single_cert(certificates, key)
            .map_err(|error| format!("the certificate and the key do not go together: {error}"))?;
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }
}
