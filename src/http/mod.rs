//! The one HTTP client, and a small server for this machine alone: TLS roots, the proxy, addresses, limits and errors.
//!
//! Guarantees:
//! - [`PinnedClient`] connects to the addresses that it was given. [`HttpClient`] contacts the server in the URL, or the proxy that it was given, and no other host.
//! - It reads no environment variable, follows no redirect, retries nothing, keeps no connection and no cookie, and
//!   decodes no body. A response with another content encoding than `identity` is an error.
//! - Every exchange has one deadline, from the look-up of the host name to the last byte of the body. The head of a
//!   response has a size limit. [`HttpClient::fetch`] also limits the size of the body; whoever streams it must count.
//! - An [`HttpError`] says whether the request can have reached the server. Its text holds nothing that the server said.
//!
//! Deliberately never: adds a secret, decides which host may be contacted, or prints the address of a proxy. No type of
//! the libraries behind it is part of its interface.

mod base_url;
mod client;
mod error;
mod loopback_server;
mod pinned;
mod proxy;
mod tls_roots;

pub use base_url::{BaseUrl, BaseUrlError};
pub use client::{ExchangeLimits, FetchedResponse, HttpClient, HttpMethod, HttpRequest, HttpResponse};
pub use error::HttpError;
pub use loopback_server::{LoopbackServer, ServedRequest, ServedResponse};
pub use pinned::{PinnedClient, PinnedRequest, PinnedResponse, SeenTls};
pub use proxy::{HttpProxy, InvalidProxy};
pub use tls_roots::{TlsRoots, TlsRootsError};
