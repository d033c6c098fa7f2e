//! An HTTP proxy that the person configured.

use std::fmt;

use reqwest::Url;

/// A proxy for `https` URLs: the client asks it with `CONNECT`, so that it sees a host, a port and encrypted bytes.
/// Requests to an `http` URL do not use it. Its `Debug` form shows nothing, because the address may hold a password.
#[derive(Clone)]
pub struct HttpProxy(pub(super) reqwest::Proxy);

/// The text is not the address of an HTTP proxy. The text may hold a password and is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the proxy address is invalid: write http://HOST[:PORT] or https://HOST[:PORT]")]
pub struct InvalidProxy;

impl HttpProxy {
    /// Accepts `http://[USER:PASSWORD@]HOST[:PORT]`, the same with `https`, and the same without a scheme.
    ///
    /// # Errors
    /// [`InvalidProxy`]
    pub fn parse(text: &str) -> Result<Self, InvalidProxy> {
        let absolute = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let url = Url::parse(&absolute).map_err(|_| InvalidProxy)?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return Err(InvalidProxy);
        }
        reqwest::Proxy::https(url).map(Self).map_err(|_| InvalidProxy)
    }
}

impl fmt::Debug for HttpProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HttpProxy(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_prints_nothing_of_itself() -> Result<(), InvalidProxy> {
        let proxy = HttpProxy::parse("http://user:made-up@proxy.example:3128")?;
        assert!(!format!("{proxy:?}").contains("made-up"));
        assert!(HttpProxy::parse("::: made-up").is_err_and(|error| !error.to_string().contains("made-up")));
        Ok(())
    }

    #[test]
    fn only_http_proxies_are_accepted() {
        for good in ["proxy.example:3128", "http://proxy.example", "https://proxy.example:443/", "127.0.0.1:8080"] {
            assert!(HttpProxy::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "socks5://proxy.example", "ftp://proxy.example", "http://", "http://proxy.example:99999"] {
            assert!(HttpProxy::parse(bad).is_err(), "{bad}");
        }
    }
}
