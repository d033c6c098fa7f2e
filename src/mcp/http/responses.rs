//! The responses that a request filter makes by itself.
//!
//! Deliberately never: repeats anything that the request had in it.

use std::convert::Infallible;

use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Bytes;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use hyper::{Response, StatusCode};
use serde_json::Value;

use super::super::frame;

/// A response.
pub(super) type FilterResponse = Response<BoxBody<Bytes, Infallible>>;

/// A response with a JSON document.
pub(super) fn document(status: StatusCode, document: &Value) -> FilterResponse {
    let mut answer = Response::new(Full::new(Bytes::from(document.to_string())).boxed());
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// An error response.
pub(super) fn refuse(status: StatusCode, why: &str) -> FilterResponse {
    document(status, &frame::error(Value::Null, frame::INVALID_REQUEST, why))
}

/// A response after which the connection is closed.
pub(super) fn closing(mut answer: FilterResponse) -> FilterResponse {
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

/// A response to a client that may try again.
pub(super) fn retry_later(mut answer: FilterResponse) -> FilterResponse {
    answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("10"));
    answer
}
