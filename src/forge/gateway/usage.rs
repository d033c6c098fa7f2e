//! Reads out of the provider's answers what they cost.
//!
//! Guarantees: bounded memory; an answer whose account was not seen to its end is charged as the dearest that the
//! request allowed, so that hanging up early saves nothing. Never: changes or holds back what passes.

use serde::Deserialize;

use super::budget::Tokens;

/// The longest line of a stream that is read. The events that tell the cost are short.
const MAX_LINE: usize = 256 * 1024;

/// The longest answer in one piece that is read.
const MAX_DOCUMENT: usize = 16 * 1024 * 1024;

/// The form of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Server-sent events.
    Events,
    /// One JSON document.
    Document,
}

impl Form {
    /// What an answer with this content type is.
    pub fn of(content_type: Option<&str>) -> Self {
        match content_type.and_then(|text| text.split(';').next()).map(str::trim) {
            Some(kind) if kind.eq_ignore_ascii_case("text/event-stream") => Self::Events,
            _ => Self::Document,
        }
    }
}

/// Watches one answer go by.
#[derive(Debug)]
pub struct Meter {
    form: Form,
    dearest: Tokens,
    seen: Usage,
    complete: bool,
    /// The line or document so far; none when it was too long to read.
    text: Option<Vec<u8>>,
}

impl Meter {
    /// For the answer to a request that allowed `dearest`.
    pub fn new(form: Form, dearest: Tokens) -> Self {
        Self { form, dearest, seen: Usage::default(), complete: false, text: Some(Vec::new()) }
    }

    /// Takes a piece of the answer.
    pub fn push(&mut self, bytes: &[u8]) {
        match self.form {
            Form::Document => self.keep(bytes, MAX_DOCUMENT),
            Form::Events => {
                let mut rest = bytes;
                while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
                    self.keep(&rest[..end], MAX_LINE);
                    self.end_line();
                    rest = &rest[end + 1..];
                }
                self.keep(rest, MAX_LINE);
            }
        }
    }

    /// What the answer cost.
    pub fn finish(mut self) -> Tokens {
        if let (Form::Document, Some(text)) = (self.form, self.text.take())
            && let Ok(Document { usage: Some(usage) }) = serde_json::from_slice(&text)
        {
            self.seen.rise(&usage);
            self.complete = true;
        }
        if self.complete {
            return Tokens { input: self.seen.input(), output: self.seen.output_tokens.unwrap_or(0) };
        }
        // What was told of the input is told at the beginning and final.
        let input = if self.seen.input_tokens.is_some() { self.seen.input() } else { self.dearest.input };
        Tokens { input, output: self.dearest.output.max(self.seen.output_tokens.unwrap_or(0)) }
    }

    fn keep(&mut self, bytes: &[u8], most: usize) {
        self.text = self.text.take().filter(|text| text.len() + bytes.len() <= most).map(|mut text| {
            text.extend_from_slice(bytes);
            text
        });
    }

    fn end_line(&mut self) {
        let line = self.text.replace(Vec::new()).unwrap_or_default();
        let Some(data) = line.strip_prefix(b"data:") else { return };
        let Ok(event) = serde_json::from_slice::<Event>(data) else { return };
        let usage = event.message.and_then(|message| message.usage).or(event.usage);
        if let Some(usage) = usage {
            self.seen.rise(&usage);
        }
        // The provider says itself that there is no more, or that it failed; the client cannot say either.
        self.complete |= matches!(event.kind.as_str(), "message_stop" | "error");
    }
}

#[derive(Debug, Deserialize)]
struct Document {
    usage: Option<Usage>,
}

#[derive(Debug, Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    message: Option<Document>,
    usage: Option<Usage>,
}

/// The counts of one event. They are cumulative within a stream.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct Usage {
    input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    output_tokens: Option<u64>,
}

impl Usage {
    fn rise(&mut self, other: &Self) {
        self.input_tokens = self.input_tokens.max(other.input_tokens);
        self.cache_creation_input_tokens = self.cache_creation_input_tokens.max(other.cache_creation_input_tokens);
        self.cache_read_input_tokens = self.cache_read_input_tokens.max(other.cache_read_input_tokens);
        self.output_tokens = self.output_tokens.max(other.output_tokens);
    }

    fn input(&self) -> u64 {
        let parts = [self.input_tokens, self.cache_creation_input_tokens, self.cache_read_input_tokens];
        parts.into_iter().flatten().fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEAREST: Tokens = Tokens { input: 1000, output: 500 };

    const START: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":10,\
        \"cache_creation_input_tokens\":200,\"cache_read_input_tokens\":3000,\"output_tokens\":1}}}\n\n";
    const TEXT: &str = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\
        \"delta\":{\"type\":\"text_delta\",\"text\":\"usage message_stop\"}}\n\n";
    const DELTA: &str = "event: message_delta\r\ndata:{\"type\":\"message_delta\",\"delta\":{},\"usage\":{\"output_tokens\":42}}\r\n\r\n";
    const STOP: &str = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

    fn cost(form: Form, text: &str, piece: usize) -> Tokens {
        let mut meter = Meter::new(form, DEAREST);
        text.as_bytes().chunks(piece).for_each(|bytes| meter.push(bytes));
        meter.finish()
    }

    #[test]
    fn a_stream_tells_its_cost_however_it_is_cut_into_pieces() {
        let stream = [START, TEXT, DELTA, STOP].concat();
        for piece in [1, 7, 4096] {
            assert_eq!(cost(Form::Events, &stream, piece), Tokens { input: 3210, output: 42 });
        }
    }

    #[test]
    fn a_document_tells_its_cost() {
        let text =
            r#"{"content":[],"usage":{"input_tokens":5,"cache_read_input_tokens":null,"output_tokens":6,"x":{}}}"#;
        assert_eq!(cost(Form::Document, text, 10), Tokens { input: 5, output: 6 });
    }

    #[test]
    fn what_was_not_seen_to_its_end_is_charged_in_full() {
        for (text, input) in [("", 1000), (START, 3210), (&*[START, TEXT, DELTA].concat(), 3210), (TEXT, 1000)] {
            assert_eq!(cost(Form::Events, text, 64), Tokens { input, output: 500 }, "{text}");
        }
        for text in ["", "{}", "{\"usage\":", "<html>", "{\"usage\":null}", "{\"usage\":{\"input_tokens\":-1}}"] {
            assert_eq!(cost(Form::Document, text, 64), DEAREST, "{text}");
        }
    }

    #[test]
    fn an_error_of_the_provider_ends_the_account() {
        let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}\n\n";
        assert_eq!(cost(Form::Events, &[START, TEXT, error].concat(), 64), Tokens { input: 3210, output: 1 });
    }

    #[test]
    fn lines_and_documents_too_long_to_read_cost_no_memory_and_are_charged() {
        let mut meter = Meter::new(Form::Events, DEAREST);
        meter.push(b"data: {\"type\":\"message_stop\",\"x\":\"");
        for _ in 0..1000 {
            meter.push(&[b'x'; 1024]);
        }
        assert!(meter.text.is_none());
        meter.push(b"\"}\n");
        assert!(!meter.complete);
        meter.push(DELTA.as_bytes());
        meter.push(STOP.as_bytes());
        assert_eq!(meter.finish(), Tokens { input: 0, output: 42 });
    }

    #[test]
    fn the_form_is_the_content_types() {
        assert_eq!(Form::of(Some("text/event-stream; charset=utf-8")), Form::Events);
        assert_eq!(Form::of(Some("application/json")), Form::Document);
        assert_eq!(Form::of(None), Form::Document);
    }
}
