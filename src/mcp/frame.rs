//! Framing: parses the text of a client into messages for the SDK, and answers what is not one.
//!
//! The SDK silently drops what it cannot parse, and the client then waits forever for a response. So Kavi's own strict parser
//! reads the text first, and every error that can be answered is answered here.
//!
//! Guarantees: a delivered message is JSON-RPC 2.0 with an id that is not active. A duplicate key, or a depth or size beyond
//! the limits, is an error. Deliberately never: does input or output.

use std::borrow::Cow;
use std::cell::Cell;

use rmcp::model::{ClientJsonRpcMessage, ClientRequest, GetMeta as _, JsonRpcMessage, ProtocolVersion, RequestId};
use serde::Deserializer as _;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::{Value, json};

use super::session::McpSession;
use crate::model::json::{self as strict, JsonLimits};

/// Largest message, in bytes.
pub(super) const MOST_BYTES: usize = 4 << 20;
/// Most messages in one array.
const MOST_IN_BATCH: usize = 64;

const PARSE_ERROR: i32 = -32_700;
pub(super) const INVALID_REQUEST: i32 = -32_600;
const INVALID_PARAMS: i32 = -32_602;

/// The parts of one line.
#[derive(Debug, Default)]
pub(super) struct ParsedLine {
    /// Messages for the SDK, in order.
    pub(super) deliver: Vec<ClientJsonRpcMessage>,
    /// A response for the client.
    pub(super) answer: Option<Value>,
}

impl ParsedLine {
    fn answer(answer: Value) -> Self {
        Self { deliver: Vec::new(), answer: Some(answer) }
    }
}

/// An error response.
pub(super) fn error(id: Value, code: i32, message: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
}

/// The response to a message that is too long, from its beginning. It has the id of the request, where the beginning has it.
pub(super) fn too_long(beginning: &[u8]) -> Value {
    // The parse ends in an error, which would take a returned value with it. The cell keeps what
    // was found.
    let id = Cell::new(None);
    // The beginning is not valid JSON, so the error at its end is ignored.
    let _ = serde_json::Deserializer::from_slice(without_mark(beginning)).deserialize_map(Members(&id));
    let id = id.into_inner().filter(|id: &Value| id.is_string() || id.is_number()).unwrap_or(Value::Null);
    error(id, INVALID_REQUEST, &format!("a message has more than {MOST_BYTES} bytes"))
}

/// Searches the members of an object for its id.
struct Members<'a>(&'a Cell<Option<Value>>);

impl<'de> Visitor<'de> for Members<'_> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a message")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        while let Some(name) = members.next_key::<Cow<'de, str>>()? {
            match name.as_ref() {
                "id" => self.0.set(Some(members.next_value()?)),
                // A response of the client. An error with its id would look like a response to a request of the client.
                "result" | "error" => {
                    self.0.set(None);
                    return Ok(());
                }
                _ => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        Ok(())
    }
}

/// The content of a text.
pub(super) enum ParsedText {
    /// Only white space.
    Empty,
    /// One value.
    Single(Value),
    /// An array.
    Batch(Vec<Value>),
}

/// The byte order mark of UTF-8, which some programs write before their first message.
const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// A text without a byte order mark before it.
pub(super) fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text)
}

/// Parses a text, or returns the error response.
pub(super) fn parse(text: &[u8]) -> Result<ParsedText, Value> {
    let text = without_mark(text);
    if text.iter().all(u8::is_ascii_whitespace) {
        return Ok(ParsedText::Empty);
    }
    let limits = JsonLimits { max_bytes: MOST_BYTES, max_values: 1 << 18, ..JsonLimits::default() };
    match strict::parse(text, limits) {
        Ok(Value::Array(messages)) => Ok(ParsedText::Batch(messages)),
        Ok(message) => Ok(ParsedText::Single(message)),
        Err(why) => Err(error(Value::Null, PARSE_ERROR, &format!("the message cannot be read: {why}"))),
    }
}

/// Parses one line.
pub(super) fn parse_line(line: &[u8], session: &McpSession) -> ParsedLine {
    match parse(line) {
        Ok(ParsedText::Empty) => ParsedLine::default(),
        Ok(ParsedText::Batch(messages)) => parse_batch(messages, session),
        Ok(ParsedText::Single(message)) => match parse_message(message, session) {
            ParsedMessage::Deliver(message) => ParsedLine { deliver: vec![*message], answer: None },
            ParsedMessage::Answer(answer) => ParsedLine::answer(answer),
            ParsedMessage::Ignore => ParsedLine::default(),
        },
        Err(answer) => ParsedLine::answer(answer),
    }
}

/// Checks that the client may send these messages in one array.
pub(super) fn check_batch(messages: &[Value], session: &McpSession) -> Result<(), String> {
    if !session.takes_batches() {
        return Err("messages in an array need revision 2025-03-26, which was not negotiated".to_owned());
    }
    // Each message of an array becomes a call at once. The limit bounds what one line can start.
    if messages.is_empty() || messages.len() > MOST_IN_BATCH {
        return Err(format!("an array contains 1 to {MOST_IN_BATCH} messages"));
    }
    Ok(())
}

fn parse_batch(messages: Vec<Value>, session: &McpSession) -> ParsedLine {
    if let Err(why) = check_batch(&messages, session) {
        return ParsedLine::answer(error(Value::Null, INVALID_REQUEST, &why));
    }
    let (mut parsed, mut ids, mut answers) = (ParsedLine::default(), Vec::new(), Vec::new());
    for message in messages {
        match parse_message(message, session) {
            ParsedMessage::Deliver(message) => {
                if let JsonRpcMessage::Request(request) = &*message {
                    ids.push(request.id.clone());
                }
                parsed.deliver.push(*message);
            }
            ParsedMessage::Answer(answer) => answers.push(answer),
            ParsedMessage::Ignore => {}
        }
    }
    // After all messages were parsed: the batch must know its ids before the first of them is
    // answered.
    parsed.answer = session.batch(ids, answers);
    parsed
}

/// The result of parsing one message.
pub(super) enum ParsedMessage {
    Deliver(Box<ClientJsonRpcMessage>),
    Answer(Value),
    Ignore,
}

/// Parses one message.
pub(super) fn parse_message(message: Value, session: &McpSession) -> ParsedMessage {
    let Some(members) = message.as_object() else {
        return ParsedMessage::Answer(error(Value::Null, INVALID_REQUEST, "a message must be an object"));
    };
    let id = members.get("id").cloned();
    // JSON-RPC answers with null when the id itself is not usable.
    let shown = || id.clone().filter(|id| id.is_string() || id.is_number()).unwrap_or(Value::Null);
    if members.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return ParsedMessage::Answer(error(shown(), INVALID_REQUEST, "`jsonrpc` must be \"2.0\""));
    }
    match (members.get("method"), &id) {
        (Some(Value::String(_)), Some(id)) => parse_request(id.clone(), message, session),
        (Some(Value::String(_)), None) => match serde_json::from_value(message) {
            // A notification has no response, and before the opening there is nothing to notify of.
            Ok(notification) if session.is_open() => ParsedMessage::Deliver(Box::new(notification)),
            _ => ParsedMessage::Ignore,
        },
        (Some(_), _) => ParsedMessage::Answer(error(shown(), INVALID_REQUEST, "`method` must be a string")),
        // A response to a request of the server.
        (None, _) if members.contains_key("result") || members.contains_key("error") => {
            match serde_json::from_value(message) {
                Ok(answer @ (JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_))) if session.is_open() => {
                    ParsedMessage::Deliver(Box::new(answer))
                }
                _ => ParsedMessage::Ignore,
            }
        }
        (None, _) => ParsedMessage::Answer(error(
            shown(),
            INVALID_REQUEST,
            "a message must have a `method`, a `result` or an `error`",
        )),
    }
}

fn parse_request(id: Value, message: Value, session: &McpSession) -> ParsedMessage {
    let refuse = |code: i32, why: &str| ParsedMessage::Answer(error(id.clone(), code, why));
    let known = match (&id, id.as_i64()) {
        (Value::String(text), _) => RequestId::String(text.as_str().into()),
        (Value::Number(_), Some(number)) => RequestId::Number(number),
        // Fractions and null are refused: the SDK has no type for them and would drop the request.
        _ => return ParsedMessage::Answer(error(Value::Null, INVALID_REQUEST, "`id` must be a string or an integer")),
    };
    if message.get("params").is_some_and(|params| !params.is_object()) {
        return refuse(INVALID_PARAMS, "`params` must be an object");
    }
    let Ok(JsonRpcMessage::Request(request)) = serde_json::from_value::<ClientJsonRpcMessage>(message) else {
        return refuse(INVALID_PARAMS, "invalid parameters for this method");
    };
    // Last of the checks, because a request that is refused must not leave its id active.
    if let Err(why) = session.begin(&known) {
        return refuse(INVALID_REQUEST, why);
    }
    // When it is parsed and not when it is answered: notifications may follow in the same read.
    if opens(&request.request) {
        session.open();
    }
    ParsedMessage::Deliver(Box::new(JsonRpcMessage::Request(request)))
}

/// Whether this request ends the opening of a session.
fn opens(request: &ClientRequest) -> bool {
    match request {
        ClientRequest::InitializeRequest(_) => true,
        ClientRequest::PingRequest(_) | ClientRequest::DiscoverRequest(_) => false,
        // A later revision has no `initialize`. There each request carries what the opening would
        // have said.
        request => request.get_meta().missing_required_keys(&ProtocolVersion::NO_INITIALIZE).is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(line: &str, session: &McpSession) -> (i64, Value) {
        let parsed = parse_line(line.as_bytes(), session);
        assert!(parsed.deliver.is_empty(), "{line}");
        let answer = parsed.answer.unwrap_or_default();
        (answer["error"]["code"].as_i64().unwrap_or_default(), answer["id"].clone())
    }

    #[test]
    fn every_mistake_that_can_be_answered_is() {
        let session = McpSession::new();
        for (line, code, id) in [
            ("{", -32_700, Value::Null),
            // One mark before a message is skipped, and a second one is no JSON.
            ("\u{feff}{}", -32_600, Value::Null),
            ("\u{feff}\u{feff}{}", -32_700, Value::Null),
            ("{\u{feff}}", -32_700, Value::Null),
            (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#, -32_700, Value::Null),
            ("7", -32_600, Value::Null),
            ("{}", -32_600, Value::Null),
            ("[]", -32_600, Value::Null),
            (r#"{"id":3,"method":"ping"}"#, -32_600, json!(3)),
            (r#"{"jsonrpc":"1.0","id":"a","method":"ping"}"#, -32_600, json!("a")),
            (r#"{"jsonrpc":"2.0","id":3,"method":7}"#, -32_600, json!(3)),
            (r#"{"jsonrpc":"2.0","id":3}"#, -32_600, json!(3)),
            (r#"{"jsonrpc":"2.0","id":null,"method":"ping"}"#, -32_600, Value::Null),
            (r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, -32_600, Value::Null),
            (r#"{"jsonrpc":"2.0","id":{},"method":"ping"}"#, -32_600, Value::Null),
            (r#"{"jsonrpc":"2.0","id":3,"method":"ping","params":[]}"#, -32_602, json!(3)),
            (r#"[{"jsonrpc":"2.0","id":3,"method":"ping"}]"#, -32_600, Value::Null),
        ] {
            assert_eq!(answer(line, &session), (code, id), "{line}");
        }
        let deep = format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":{}", "[".repeat(10_000));
        assert_eq!(answer(&deep, &session).0, -32_700);
    }

    #[test]
    fn what_is_too_long_is_answered_to_its_id_where_that_stands_at_the_beginning() {
        for (beginning, id) in [
            (r#"{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"x":"aaa"#, json!(7)),
            (r#"{"method":"ping","params":{"a":[1,{}]},"id":"x","more":"aaa"#, json!("x")),
            (r#"{"jsonrpc":"2.0","params":{"x":"aaa"#, Value::Null),
            (r#"{"jsonrpc":"2.0","id":{"x":1},"params":{"x":"aaa"#, Value::Null),
            (r#"{"jsonrpc":"2.0","id":"12"#, Value::Null),
            (r#"{"jsonrpc":"2.0","id":7,"result":{"x":"aaa"#, Value::Null),
            (r#"{"jsonrpc":"2.0","id":7,"error":{"x":"aaa"#, Value::Null),
            (r#"[{"id":1,"x":"aaa"#, Value::Null),
            ("aaa", Value::Null),
            ("", Value::Null),
        ] {
            assert_eq!(too_long(beginning.as_bytes())["id"], id, "{beginning}");
        }
    }

    #[test]
    fn what_nobody_waits_for_is_no_mistake() {
        let session = McpSession::new();
        for line in [
            "",
            "  \t",
            r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
            r#"{"jsonrpc":"2.0","id":9,"result":{}}"#,
        ] {
            let parsed = parse_line(line.as_bytes(), &session);
            assert!(parsed.deliver.is_empty() && parsed.answer.is_none(), "{line}");
        }
        session.open();
        let parsed = parse_line(br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, &session);
        assert_eq!(parsed.deliver.len(), 1);
    }

    #[test]
    fn an_id_that_is_under_way_is_refused_until_its_request_was_answered() {
        let session = McpSession::new();
        let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
        assert_eq!(parse_line(ping.as_bytes(), &session).deliver.len(), 1);
        assert_eq!(answer(ping, &session), (-32_600, json!(1)));
        // A text is not a number.
        assert_eq!(parse_line(br#"{"jsonrpc":"2.0","id":"1","method":"ping"}"#, &session).deliver.len(), 1);
        session.answered(&RequestId::Number(1), json!({}));
        assert_eq!(parse_line(ping.as_bytes(), &session).deliver.len(), 1);
    }

    #[test]
    fn arrays_are_for_the_revision_that_has_them() {
        let session = McpSession::new();
        session.negotiated("2025-03-26");
        let parsed = parse_line(
            br#"[{"jsonrpc":"2.0","id":1,"method":"ping"},7,{"jsonrpc":"2.0","id":1,"method":"ping"}]"#,
            &session,
        );
        assert_eq!((parsed.deliver.len(), parsed.answer), (1, None));
        let super::super::session::AnswerRouting::SendNow(Value::Array(answers)) =
            session.answered(&RequestId::Number(1), json!("pong"))
        else {
            unreachable!("the batch is whole");
        };
        assert_eq!(answers.len(), 3);
        session.negotiated("2025-06-18");
        assert_eq!(answer(r#"[{"jsonrpc":"2.0","id":2,"method":"ping"}]"#, &session).0, -32_600);
    }

    /// What an honest client says.
    const HONEST: &[&str] = &[
        r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{"elicitation":{"form":{}}},"clientInfo":{"name":"a","version":"1"}}}"#,
        r#"{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"peek","arguments":{"path":"a\u00e9","n":[1,2.5e3,null]},"_meta":{"progressToken":7}}}"#,
        r#"{"jsonrpc":"2.0","id":2,"method":"tools/list","params":{"cursor":"after:x"}}"#,
        r#"{"jsonrpc":"2.0","id":3,"method":"subscriptions/listen","params":{"notifications":{"toolsListChanged":true},"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}}"#,
        r#"{"jsonrpc":"2.0","id":4,"method":"resources/read","params":{"uri":"skill://kavi/peek/SKILL.md"}}"#,
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,"reason":"no"}}"#,
        r#"{"jsonrpc":"2.0","id":5,"result":{"action":"accept","content":{"write":true}}}"#,
        r#"{"jsonrpc":"2.0","id":5,"error":{"code":-1,"message":"no"}}"#,
        r#"[{"jsonrpc":"2.0","id":1,"method":"ping"},{"jsonrpc":"2.0","id":2,"method":"ping"}]"#,
    ];

    proptest::proptest! {
        #[test]
        fn nothing_makes_it_panic(line in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let session = McpSession::new();
            session.negotiated("2025-03-26");
            session.open();
            parse_line(&line, &session);
        }

        #[test]
        fn honest_messages_with_a_few_wrong_bytes_make_it_panic_neither(
            which in 0..HONEST.len(),
            edits in proptest::collection::vec((proptest::num::usize::ANY, proptest::option::of(proptest::num::u8::ANY)), 0..6),
        ) {
            let mut line = HONEST[which].as_bytes().to_vec();
            for (at, edit) in edits {
                let at = at % line.len();
                match edit {
                    Some(byte) => line[at] = byte,
                    None => drop(line.remove(at)),
                }
            }
            let session = McpSession::new();
            session.negotiated("2025-03-26");
            session.open();
            let parsed = parse_line(&line, &session);
            let requests = parsed.deliver.iter().filter(|message| matches!(message, JsonRpcMessage::Request(_))).count();
            proptest::prop_assert!(requests <= 2);
        }

        #[test]
        fn every_request_is_delivered_or_answered(
            id in proptest::prop_oneof![r#""[a-z]{0,5}""#, "[0-9]{1,18}", "null", "\\{\\}", "-?[0-9]\\.[0-9]"],
            method in r#"("[a-z/]{0,12}"|7|null)"#,
            params in r#"(\{\}|\[\]|null|\{"name":7\}|\{"_meta":\[\]\}|\{"_meta":\{\}\})"#,
        ) {
            let session = McpSession::new();
            session.open();
            let line = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":{method},"params":{params}}}"#);
            let parsed = parse_line(line.as_bytes(), &session);
            proptest::prop_assert_eq!(parsed.deliver.len() + usize::from(parsed.answer.is_some()), 1, "{}", line);
        }
    }
}
