//! The certificate authorities that may vouch for a server.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore, crypto::ring};

use super::HttpError;

/// The trusted certificate authorities.
#[derive(Clone, Default)]
pub enum TlsRoots {
    /// The authorities that Mozilla trusts, built into this program.
    #[default]
    Bundled,
    /// The authorities in a file that the person named.
    File(Arc<RootCertStore>),
}

/// A file holds no usable certificates.
#[derive(Debug, thiserror::Error)]
#[error("the certificates in {}: {why}", path.display())]
pub struct TlsRootsError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub why: String,
}

impl TlsRoots {
    /// Reads the certificates of a PEM file.
    ///
    /// # Errors
    /// [`TlsRootsError`] when the file cannot be read, holds a damaged section, or has no usable certificate.
    pub fn from_file(path: &Path) -> Result<Self, TlsRootsError> {
        let refused = |why: String| TlsRootsError { path: path.to_owned(), why };
        Self::from_pem(path, &std::fs::read(path).map_err(|error| refused(error.to_string()))?)
    }

    /// Reads the certificates of PEM text. Errors name the file that it is from.
    ///
    /// # Errors
    /// [`TlsRootsError`] as for [`TlsRoots::from_file`].
    pub fn from_pem(path: &Path, text: &[u8]) -> Result<Self, TlsRootsError> {
        let refused = |why: String| TlsRootsError { path: path.to_owned(), why };
        let certificates = CertificateDer::pem_slice_iter(text).collect::<Result<Vec<_>, _>>();
        let mut store = RootCertStore::empty();
        // Files of a system may hold certificates that the library does not know how to use: those vouch for nobody.
        store.add_parsable_certificates(certificates.map_err(|error| refused(error.to_string()))?);
        if store.is_empty() {
            return Err(refused("there is no usable certificate".to_owned()));
        }
        Ok(Self::File(Arc::new(store)))
    }

    /// The authorities.
    pub(super) fn store(&self) -> Arc<RootCertStore> {
        match self {
            Self::Bundled => {
                let mut store = RootCertStore::empty();
                store.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
                Arc::new(store)
            }
            Self::File(store) => Arc::clone(store),
        }
    }

    /// The TLS configuration of a client that trusts these authorities and shows no certificate of its own.
    pub(super) fn client_config(&self) -> Result<ClientConfig, HttpError> {
        let store = self.store();
        // The provider is named here, so that no process-wide default decides about cryptography.
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|_| HttpError::InvalidRequest("no TLS version is available"))?;
        Ok(config.with_root_certificates(store).with_no_client_auth())
    }
}

impl fmt::Debug for TlsRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bundled => f.write_str("Bundled"),
            Self::File(store) => write!(f, "File({} certificates)", store.len()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn certificates_are_there_or_it_is_an_error() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("roots.pem");
        for bad in ["", "made-up", "-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----\n"] {
            std::fs::write(&path, bad)?;
            assert!(matches!(TlsRoots::from_file(&path), Err(TlsRootsError { .. })), "{bad:?}");
        }
        assert!(TlsRoots::from_file(&folder.path().join("nothing")).is_err());
        Ok(())
    }
}
