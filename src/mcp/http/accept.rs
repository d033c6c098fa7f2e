//! The `Accept` header of a request, and the form of its response.
//!
//! The SDK serves only clients that name both of its media types. Many programs name one, `*/*` or none, and can read what
//! they get. So the SDK always sees both types, and a client that takes JSON alone gets the response out of the event stream.
//!
//! Guarantees: a client that takes neither type gets the SDK's refusal. Deliberately never: changes a message.

use http_body_util::{BodyExt as _, Full};
use hyper::StatusCode;
use hyper::body::Bytes;
use hyper::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderValue};
use serde_json::Value;

use super::responses::FilterResponse;

/// The form of a response that a client can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ResponseForm {
    /// An event stream, or JSON where the SDK sends that.
    Any,
    /// JSON alone.
    Json,
}

/// The media type of one entry, without its parameters.
fn essence(entry: &str) -> String {
    entry.split_once(';').map_or(entry, |(essence, _)| essence).trim().to_ascii_lowercase()
}

/// Replaces the header by what the SDK requires, when the client can read one of the forms.
pub(super) fn normalize(headers: &mut HeaderMap) -> ResponseForm {
    let values: Vec<String> = headers
        .get_all(ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(essence)
        .filter(|entry| !entry.is_empty())
        .collect();
    let has = |wanted: &[&str]| values.iter().any(|value| wanted.contains(&value.as_str()));
    let json = values.is_empty() || has(&["*/*", "application/*", "application/json"]);
    let events = values.is_empty() || has(&["*/*", "text/*", "text/event-stream"]);
    if json || events {
        headers.insert(ACCEPT, HeaderValue::from_static("application/json, text/event-stream"));
    }
    if json && !events { ResponseForm::Json } else { ResponseForm::Any }
}

/// The response as JSON: the last message of its event stream, which answers the request.
pub(super) async fn as_json(answer: FilterResponse) -> FilterResponse {
    let streamed = answer.headers().get(CONTENT_TYPE).is_some_and(|value| essence_of(value) == "text/event-stream");
    if answer.status() != StatusCode::OK || !streamed {
        return answer;
    }
    let (mut parts, body) = answer.into_parts();
    let Ok(body) = body.collect().await;
    let document = last_response(&body.to_bytes()).map(|document| Bytes::from(document.to_string()));
    parts.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    parts.headers.remove(CACHE_CONTROL);
    FilterResponse::from_parts(parts, Full::new(document.unwrap_or_default()).boxed())
}

fn essence_of(value: &HeaderValue) -> String {
    value.to_str().map(essence).unwrap_or_default()
}

/// The last message of an event stream that answers a request. Notifications before it are left out.
fn last_response(events: &[u8]) -> Option<Value> {
    let data = events.split(|byte| *byte == b'\n').filter_map(|line| line.strip_prefix(b"data:"));
    let mut messages = data.filter_map(|data| serde_json::from_slice::<Value>(data).ok());
    messages.rfind(|message| message.get("result").is_some() || message.get("error").is_some())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn normalized(accept: &[&'static str]) -> (ResponseForm, bool) {
        let mut headers = HeaderMap::new();
        for value in accept {
            headers.append(ACCEPT, HeaderValue::from_static(value));
        }
        let form = normalize(&mut headers);
        (form, headers.get(ACCEPT).is_some_and(|value| value == "application/json, text/event-stream"))
    }

    #[test]
    fn every_client_that_can_read_one_form_is_served() {
        for any in [&[][..], &["*/*"], &["text/event-stream, application/json;q=0.9"], &["text/event-stream"]] {
            assert_eq!(normalized(any), (ResponseForm::Any, true), "{any:?}");
        }
        for json in [&["application/json"][..], &["text/html", "Application/JSON; charset=utf-8"], &["application/*"]] {
            assert_eq!(normalized(json), (ResponseForm::Json, true), "{json:?}");
        }
        assert_eq!(normalized(&["text/html"]), (ResponseForm::Any, false));
    }

    #[test]
    fn the_answer_of_a_stream_is_its_last_response() {
        let events = b"id: 0\ndata:\n\ndata: {\"method\":\"notifications/progress\"}\n\nid: 1\ndata: {\"id\":1,\"result\":{}}\n\n";
        assert_eq!(last_response(events), Some(json!({ "id": 1, "result": {} })));
        assert_eq!(last_response(b"data: {\"method\":\"x\"}\n\n"), None);
    }
}
