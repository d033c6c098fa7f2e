//! Reads from the provider's responses how many tokens they cost.
//!
//! Guarantees: bounded memory; a response that was not seen to its end is charged the most that the request allowed, so
//! that hanging up early saves nothing. Never: changes or delays what passes.

use serde::Deserialize;

use super::budget::TokenCount;

/// The longest line of a stream that is parsed. The events that report the usage are short.
const MAX_LINE: usize = 256 * 1024;

/// The longest JSON document that is parsed.
const MAX_DOCUMENT: usize = 16 * 1024 * 1024;

/// The format of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResponseFormat {
    /// Server-sent events.
    Events,
    /// One JSON document.
    Document,
}

impl ResponseFormat {
    /// The format of a response with this content type.
    pub fn of(content_type: Option<&str>) -> Self {
        match content_type.and_then(|text| text.split(';').next()).map(str::trim) {
            Some(kind) if kind.eq_ignore_ascii_case("text/event-stream") => Self::Events,
            _ => Self::Document,
        }
    }
}

/// Reads one response as it passes.
#[derive(Debug)]
pub struct UsageMeter {
    format: ResponseFormat,
    maximum: TokenCount,
    seen: ReportedUsage,
    complete: bool,
    /// The line or document so far. None when it was too long.
    text: Option<Vec<u8>>,
}

impl UsageMeter {
    /// For the response to a request that allowed at most `maximum`.
    pub fn new(format: ResponseFormat, maximum: TokenCount) -> Self {
        Self { format, maximum, seen: ReportedUsage::default(), complete: false, text: Some(Vec::new()) }
    }

    /// Reads the next piece of the response.
    pub fn push(&mut self, bytes: &[u8]) {
        match self.format {
            ResponseFormat::Document => self.append(bytes, MAX_DOCUMENT),
            // Both line ends are legal in a stream of events. An empty line between the two of a
            // pair does no harm.
            ResponseFormat::Events => {
                let mut rest = bytes;
                while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
                    self.append(&rest[..end], MAX_LINE);
                    self.end_line();
                    rest = &rest[end + 1..];
                }
                self.append(rest, MAX_LINE);
            }
        }
    }

    /// What the response cost.
    pub fn finish(mut self) -> TokenCount {
        // An incomplete document does not parse, so it is charged the maximum.
        if let (ResponseFormat::Document, Some(text)) = (self.format, self.text.take())
            && let Ok(Document { usage: Some(usage) }) = serde_json::from_slice(&text)
        {
            self.seen.raise_to(&usage);
            self.complete = true;
        }
        if self.complete {
            return TokenCount { input: self.seen.input(), output: self.seen.output_tokens.unwrap_or(0) };
        }
        // The provider reports the input once, at the beginning of a stream.
        let input = if self.seen.input_tokens.is_some() { self.seen.input() } else { self.maximum.input };
        TokenCount { input, output: self.maximum.output.max(self.seen.output_tokens.unwrap_or(0)) }
    }

    fn append(&mut self, bytes: &[u8], most: usize) {
        // None stays None until the line ends: the rest of a line that is too long must not look
        // like a line.
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
            self.seen.raise_to(&usage);
        }
        // Only the provider can say that a stream is complete or has failed. The agent has no way to fake this event.
        self.complete |= matches!(event.kind.as_str(), "message_stop" | "error");
    }
}

#[derive(Debug, Deserialize)]
struct Document {
    usage: Option<ReportedUsage>,
}

#[derive(Debug, Deserialize)]
struct Event {
    #[serde(rename = "type")]
    kind: String,
    message: Option<Document>,
    usage: Option<ReportedUsage>,
}

/// The counts of one event. They are cumulative within a stream.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct ReportedUsage {
    input_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    output_tokens: Option<u64>,
}

impl ReportedUsage {
    fn raise_to(&mut self, other: &Self) {
        // The larger count wins, because a later event may repeat only a part of the counts.
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

    const MAXIMUM: TokenCount = TokenCount { input: 1000, output: 500 };

    const START: &str = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":10,\
        \"cache_creation_input_tokens\":200,\"cache_read_input_tokens\":3000,\"output_tokens\":1}}}\n\n";
    const TEXT: &str = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\
        \"delta\":{\"type\":\"text_delta\",\"text\":\"usage message_stop\"}}\n\n";
    const DELTA: &str = "event: message_delta\r\ndata:{\"type\":\"message_delta\",\"delta\":{},\"usage\":{\"output_tokens\":42}}\r\n\r\n";
    const STOP: &str = "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n";

    fn cost(format: ResponseFormat, text: &str, piece: usize) -> TokenCount {
        let mut meter = UsageMeter::new(format, MAXIMUM);
        text.as_bytes().chunks(piece).for_each(|bytes| meter.push(bytes));
        meter.finish()
    }

    #[test]
    fn a_stream_tells_its_cost_however_it_is_cut_into_pieces() {
        let stream = [START, TEXT, DELTA, STOP].concat();
        for piece in [1, 7, 4096] {
            assert_eq!(cost(ResponseFormat::Events, &stream, piece), TokenCount { input: 3210, output: 42 });
        }
    }

    #[test]
    fn a_document_tells_its_cost() {
        let text =
            r#"{"content":[],"usage":{"input_tokens":5,"cache_read_input_tokens":null,"output_tokens":6,"x":{}}}"#;
        assert_eq!(cost(ResponseFormat::Document, text, 10), TokenCount { input: 5, output: 6 });
    }

    #[test]
    fn what_was_not_seen_to_its_end_is_charged_in_full() {
        for (text, input) in [("", 1000), (START, 3210), (&*[START, TEXT, DELTA].concat(), 3210), (TEXT, 1000)] {
            assert_eq!(cost(ResponseFormat::Events, text, 64), TokenCount { input, output: 500 }, "{text}");
        }
        for text in ["", "{}", "{\"usage\":", "<html>", "{\"usage\":null}", "{\"usage\":{\"input_tokens\":-1}}"] {
            assert_eq!(cost(ResponseFormat::Document, text, 64), MAXIMUM, "{text}");
        }
    }

    #[test]
    fn an_error_of_the_provider_completes_the_count() {
        let error = "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\"}}\n\n";
        assert_eq!(
            cost(ResponseFormat::Events, &[START, TEXT, error].concat(), 64),
            TokenCount { input: 3210, output: 1 }
        );
    }

    #[test]
    fn lines_and_documents_too_long_to_read_cost_no_memory_and_are_charged() {
        let mut meter = UsageMeter::new(ResponseFormat::Events, MAXIMUM);
        meter.push(b"data: {\"type\":\"message_stop\",\"x\":\"");
        for _ in 0..1000 {
            meter.push(&[b'x'; 1024]);
        }
        assert!(meter.text.is_none());
        meter.push(b"\"}\n");
        assert!(!meter.complete);
        meter.push(DELTA.as_bytes());
        meter.push(STOP.as_bytes());
        assert_eq!(meter.finish(), TokenCount { input: 0, output: 42 });
    }

    #[test]
    fn the_format_follows_the_content_type() {
        assert_eq!(ResponseFormat::of(Some("text/event-stream; charset=utf-8")), ResponseFormat::Events);
        assert_eq!(ResponseFormat::of(Some("application/json")), ResponseFormat::Document);
        assert_eq!(ResponseFormat::of(None), ResponseFormat::Document);
    }
}
