//! Authentication: the bearer token of a request.
//!
//! Guarantees: the comparison takes the same time for every wrong token of the same length. Deliberately never: stores or
//! reports a token.

use hyper::header::{AUTHORIZATION, HeaderMap};

use super::headers::single_header;
use crate::model::digest::Digest;

/// What authenticates requests.
#[derive(Debug, Clone, Copy)]
pub(super) struct BearerToken {
    /// The digest of the token. Comparing digests reveals nothing about the token through its time.
    digest: Digest,
}

impl BearerToken {
    /// The token with this digest.
    pub(super) fn new(digest: Digest) -> Self {
        Self { digest }
    }

    /// Whether a request has exactly one `Authorization` header with the token.
    pub(super) fn authenticates(self, headers: &HeaderMap) -> bool {
        let given = single_header(headers, AUTHORIZATION.as_str()).and_then(|value| value.split_once(' '));
        given.is_some_and(|(scheme, token)| {
            // The scheme's name is not secret, so it may be compared in the usual way.
            scheme.eq_ignore_ascii_case("bearer") && Digest::of(token.trim().as_bytes()) == self.digest
        })
    }
}
