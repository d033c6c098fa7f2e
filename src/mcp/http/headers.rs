//! Reads the headers of a request.
//!
//! Guarantees: a header that occurs twice counts as missing, because two readers could disagree about its value.

use hyper::header::HeaderMap;

/// The value of a header that occurs exactly once and is text.
pub(super) fn single_header<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?;
    values.next().is_none().then(|| value.to_str().ok()).flatten()
}
