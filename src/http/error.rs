//! Why an exchange failed, in words of this program alone.

use std::error::Error;
use std::io;

/// Why there is no complete response.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The client cannot be set up, or the request holds something that HTTP cannot express.
    #[error("the request is invalid: {0}")]
    InvalidRequest(&'static str),
    /// The look-up of the host name failed.
    #[error("the host name is unknown")]
    UnknownHost,
    /// No connection within the time limit for connecting.
    #[error("connecting took too long")]
    ConnectTimeout,
    /// No TLS session: the server does not speak TLS, or its certificate is not trusted.
    #[error("the TLS handshake failed")]
    TlsHandshake,
    /// The connection was refused, or no route leads to the server.
    #[error("the server cannot be reached")]
    Unreachable,
    /// The proxy cannot be reached, or it refused to connect to the server.
    #[error("the proxy did not connect to the server")]
    ProxyFailed,
    /// The deadline of the exchange passed.
    #[error("the server did not respond in time")]
    Timeout,
    /// The head of the response exceeds its limit.
    #[error("the head of the response exceeds {limit} bytes")]
    HeadTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The body of the response exceeds its limit.
    #[error("the body of the response exceeds {limit} bytes")]
    BodyTooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The response has a content encoding, which was not asked for.
    #[error("the response has a content encoding")]
    Encoded,
    /// The response is not valid HTTP, or the connection ended before the response did.
    #[error("the response is invalid or incomplete")]
    BrokenResponse,
}

impl HttpError {
    /// Whether the request can have reached the server, so that it may have had an effect or a price there.
    pub fn may_have_arrived(self) -> bool {
        match self {
            Self::InvalidRequest(_)
            | Self::UnknownHost
            | Self::ConnectTimeout
            | Self::TlsHandshake
            | Self::Unreachable
            | Self::ProxyFailed => false,
            Self::Timeout
            | Self::HeadTooLarge { .. }
            | Self::BodyTooLarge { .. }
            | Self::Encoded
            | Self::BrokenResponse => true,
        }
    }

    /// Classifies an error of the client. `proxied` says whether the way leads through a proxy.
    pub(super) fn classify(error: &reqwest::Error, proxied: bool) -> Self {
        // Only errors of the connector come before the first byte of the request.
        if error.is_connect() {
            return match () {
                () if error.is_timeout() => Self::ConnectTimeout,
                () if has_cause::<rustls::Error>(error) => Self::TlsHandshake,
                () if proxied => Self::ProxyFailed,
                () if error.is_dns() => Self::UnknownHost,
                () => Self::Unreachable,
            };
        }
        match () {
            () if error.is_builder() => Self::InvalidRequest("it cannot be expressed in HTTP"),
            () if error.is_timeout() => Self::Timeout,
            () => Self::BrokenResponse,
        }
    }
}

/// Whether a `T` is among the causes of `error`.
fn has_cause<T: Error + 'static>(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(cause) = next {
        if cause.is::<T>() {
            return true;
        }
        // `source` of an I/O error skips the error inside of it, where the TLS library puts its own.
        let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        if inner.is_some_and(|inner| has_cause::<T>(inner)) {
            return true;
        }
        next = cause.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_inside_an_io_error_is_found() {
        let tls = rustls::Error::DecryptError;
        let wrapped = io::Error::other(io::Error::new(io::ErrorKind::InvalidData, tls));
        assert!(has_cause::<rustls::Error>(&wrapped));
        assert!(!has_cause::<rustls::Error>(&io::Error::other("something else")));
    }
}
