//! TLS for clients on other machines.
//!
//! Guarantees: TLS 1.2 or later, with the certificates from the command line. Deliberately never: requests client certificates.

use std::sync::Arc;

use secrecy::ExposeSecret as _;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::super::error::McpError;
use crate::app::TlsPem;

/// The certificate and key of the server.
#[derive(Clone)]
pub(super) struct TlsIdentity(pub(super) TlsAcceptor);

impl std::fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TlsIdentity(..)")
    }
}

impl TlsIdentity {
    /// Parses a certificate chain and its key.
    ///
    /// # Errors
    /// [`McpError::Certificate`] when they cannot be used.
    pub(super) fn from_pem(pem: &TlsPem) -> Result<Self, McpError> {
        let unusable = |why: &str| McpError::Certificate(why.to_owned());
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem.certificates).collect();
        let certificates = certificates.map_err(|error| unusable(&format!("the certificates are not PEM: {error}")))?;
        if certificates.is_empty() {
            return Err(unusable("the file contains no certificate"));
        }
        let key = PrivateKeyDer::from_pem_slice(pem.key.expose_secret().as_bytes())
            // Without the parser's text, which could quote bytes of the key.
            .map_err(|_| unusable("the key file contains no private key in PEM format"))?;
        // The provider is named here: the process default would depend on which library set it
        // first.
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(&error.to_string()))?
            .with_no_client_auth()
            .with_single_cert(certificates, key)
            .map_err(|error| unusable(&format!("the certificate does not match the key: {error}")))?;
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }
}
