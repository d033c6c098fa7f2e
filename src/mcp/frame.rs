//! What one line of a client's is: messages for the SDK, or a mistake that is answered here.
//!
//! The SDK drops what it cannot read without a word; whoever waits for an answer then waits for ever. So a line is looked at
//! first, by Kavi's own strict parser, and every mistake that an answer can be given to gets one.
//!
//! Guarantees: what is delivered is a message of JSON-RPC 2.0 whose id is not under way; a key that stands twice, a depth, a
//! size beyond the limits is an error. Deliberately never: reads or writes.

use std::borrow::Cow;
use std::cell::Cell;

use rmcp::model::{ClientJsonRpcMessage, ClientRequest, GetMeta as _, JsonRpcMessage, ProtocolVersion, RequestId};
use serde::Deserializer as _;
use serde::de::{IgnoredAny, MapAccess, Visitor};
use serde_json::{Value, json};

use super::session::Session;
use crate::model::json::{self as strict, JsonLimits};

/// Largest message, in bytes.
pub(super) const MOST_BYTES: usize = 4 << 20;
/// Most messages in one array.
const MOST_TOGETHER: usize = 64;

const PARSE_ERROR: i32 = -32_700;
pub(super) const INVALID_REQUEST: i32 = -32_600;
const INVALID_PARAMS: i32 = -32_602;

/// What a line gives.
#[derive(Debug, Default)]
pub(super) struct Framed {
    /// For the SDK, in order.
    pub(super) deliver: Vec<ClientJsonRpcMessage>,
    /// For the client, at once.
    pub(super) answer: Option<Value>,
}

impl Framed {
    fn answer(answer: Value) -> Self {
        Self { deliver: Vec::new(), answer: Some(answer) }
    }
}

/// An answer that says what is wrong.
pub(super) fn error(id: Value, code: i32, message: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
}

/// The answer to a message that is longer than any may be, of which this is the beginning: to its id, if that stands there.
pub(super) fn too_long(beginning: &[u8]) -> Value {
    let id = Cell::new(None);
    // What is cut off is no JSON: all that counts is what came before the end.
    let _ = serde_json::Deserializer::from_slice(beginning).deserialize_map(Members(&id));
    let id = id.into_inner().filter(|id: &Value| id.is_string() || id.is_number()).unwrap_or(Value::Null);
    error(id, INVALID_REQUEST, &format!("a message has more than {MOST_BYTES} bytes"))
}

/// Looks for the id among the members of an object.
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
                // An answer: what is said to its id would be taken for one to a request of the client's own.
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

/// What a text holds.
pub(super) enum Line {
    /// Nothing but white space.
    Empty,
    One(Value),
    /// An array.
    Several(Vec<Value>),
}

/// Reads a text, or gives the answer to what is wrong with it.
pub(super) fn parse(text: &[u8]) -> Result<Line, Value> {
    if text.iter().all(u8::is_ascii_whitespace) {
        return Ok(Line::Empty);
    }
    let limits = JsonLimits { max_bytes: MOST_BYTES, max_values: 1 << 18, ..JsonLimits::default() };
    match strict::parse(text, limits) {
        Ok(Value::Array(messages)) => Ok(Line::Several(messages)),
        Ok(message) => Ok(Line::One(message)),
        Err(why) => Err(error(Value::Null, PARSE_ERROR, &format!("the message is not JSON: {why}"))),
    }
}

/// Reads one line.
pub(super) fn read(line: &[u8], session: &Session) -> Framed {
    match parse(line) {
        Ok(Line::Empty) => Framed::default(),
        Ok(Line::Several(messages)) => batch(messages, session),
        Ok(Line::One(message)) => match one(message, session) {
            One::Deliver(message) => Framed { deliver: vec![*message], answer: None },
            One::Answer(answer) => Framed::answer(answer),
            One::Nothing => Framed::default(),
        },
        Err(answer) => Framed::answer(answer),
    }
}

/// Whether so many messages may come in one array from a client of this session's.
pub(super) fn array(messages: &[Value], session: &Session) -> Result<(), String> {
    if !session.takes_batches() {
        return Err("messages in an array are part of revision 2025-03-26 alone, which was not agreed on".to_owned());
    }
    if messages.is_empty() || messages.len() > MOST_TOGETHER {
        return Err(format!("an array holds 1 to {MOST_TOGETHER} messages"));
    }
    Ok(())
}

fn batch(messages: Vec<Value>, session: &Session) -> Framed {
    if let Err(why) = array(&messages, session) {
        return Framed::answer(error(Value::Null, INVALID_REQUEST, &why));
    }
    let (mut framed, mut ids, mut answers) = (Framed::default(), Vec::new(), Vec::new());
    for message in messages {
        match one(message, session) {
            One::Deliver(message) => {
                if let JsonRpcMessage::Request(request) = &*message {
                    ids.push(request.id.clone());
                }
                framed.deliver.push(*message);
            }
            One::Answer(answer) => answers.push(answer),
            One::Nothing => {}
        }
    }
    framed.answer = session.batch(ids, answers);
    framed
}

/// What one message gives.
pub(super) enum One {
    Deliver(Box<ClientJsonRpcMessage>),
    Answer(Value),
    Nothing,
}

/// Reads one message.
pub(super) fn one(message: Value, session: &Session) -> One {
    let Some(members) = message.as_object() else {
        return One::Answer(error(Value::Null, INVALID_REQUEST, "a message is an object"));
    };
    let id = members.get("id").cloned();
    let shown = || id.clone().filter(|id| id.is_string() || id.is_number()).unwrap_or(Value::Null);
    if members.get("jsonrpc").and_then(Value::as_str) != Some("2.0") {
        return One::Answer(error(shown(), INVALID_REQUEST, "`jsonrpc` is \"2.0\""));
    }
    match (members.get("method"), &id) {
        (Some(Value::String(_)), Some(id)) => request(id.clone(), message, session),
        (Some(Value::String(_)), None) => match serde_json::from_value(message) {
            // Nobody waits for an answer, and before the opening is over there is nothing to tell.
            Ok(notification) if session.is_open() => One::Deliver(Box::new(notification)),
            _ => One::Nothing,
        },
        (Some(_), _) => One::Answer(error(shown(), INVALID_REQUEST, "`method` is a text")),
        // An answer to a question of the server's, or something that looks like one.
        (None, _) if members.contains_key("result") || members.contains_key("error") => {
            match serde_json::from_value(message) {
                Ok(answer @ (JsonRpcMessage::Response(_) | JsonRpcMessage::Error(_))) if session.is_open() => {
                    One::Deliver(Box::new(answer))
                }
                _ => One::Nothing,
            }
        }
        (None, _) => One::Answer(error(shown(), INVALID_REQUEST, "a message has a `method`, a `result` or an `error`")),
    }
}

fn request(id: Value, message: Value, session: &Session) -> One {
    let refuse = |code: i32, why: &str| One::Answer(error(id.clone(), code, why));
    let known = match (&id, id.as_i64()) {
        (Value::String(text), _) => RequestId::String(text.as_str().into()),
        (Value::Number(_), Some(number)) => RequestId::Number(number),
        _ => return One::Answer(error(Value::Null, INVALID_REQUEST, "`id` is a text or a whole number")),
    };
    if message.get("params").is_some_and(|params| !params.is_object()) {
        return refuse(INVALID_PARAMS, "`params` is an object");
    }
    let Ok(JsonRpcMessage::Request(request)) = serde_json::from_value::<ClientJsonRpcMessage>(message) else {
        return refuse(INVALID_PARAMS, "the request is not what its method asks for");
    };
    if let Err(why) = session.begin(&known) {
        return refuse(INVALID_REQUEST, why);
    }
    if opens(&request.request) {
        session.open();
    }
    One::Deliver(Box::new(JsonRpcMessage::Request(request)))
}

/// Whether the SDK's opening ends with this request.
fn opens(request: &ClientRequest) -> bool {
    match request {
        ClientRequest::InitializeRequest(_) => true,
        ClientRequest::PingRequest(_) | ClientRequest::DiscoverRequest(_) => false,
        request => request.get_meta().missing_required_keys(&ProtocolVersion::NO_INITIALIZE).is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(line: &str, session: &Session) -> (i64, Value) {
        let framed = read(line.as_bytes(), session);
        assert!(framed.deliver.is_empty(), "{line}");
        let answer = framed.answer.unwrap_or_default();
        (answer["error"]["code"].as_i64().unwrap_or_default(), answer["id"].clone())
    }

    #[test]
    fn every_mistake_that_can_be_answered_is() {
        let session = Session::new();
        for (line, code, id) in [
            ("{", -32_700, Value::Null),
            ("\u{feff}{}", -32_700, Value::Null),
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
        let session = Session::new();
        for line in [
            "",
            "  \t",
            r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
            r#"{"jsonrpc":"2.0","id":9,"result":{}}"#,
        ] {
            let framed = read(line.as_bytes(), &session);
            assert!(framed.deliver.is_empty() && framed.answer.is_none(), "{line}");
        }
        session.open();
        let framed = read(br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#, &session);
        assert_eq!(framed.deliver.len(), 1);
    }

    #[test]
    fn an_id_that_is_under_way_is_refused_until_its_request_was_answered() {
        let session = Session::new();
        let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
        assert_eq!(read(ping.as_bytes(), &session).deliver.len(), 1);
        assert_eq!(answer(ping, &session), (-32_600, json!(1)));
        // A text is not a number.
        assert_eq!(read(br#"{"jsonrpc":"2.0","id":"1","method":"ping"}"#, &session).deliver.len(), 1);
        session.answered(&RequestId::Number(1), json!({}));
        assert_eq!(read(ping.as_bytes(), &session).deliver.len(), 1);
    }

    #[test]
    fn arrays_are_for_the_revision_that_has_them() {
        let session = Session::new();
        session.agreed("2025-03-26");
        let framed =
            read(br#"[{"jsonrpc":"2.0","id":1,"method":"ping"},7,{"jsonrpc":"2.0","id":1,"method":"ping"}]"#, &session);
        assert_eq!((framed.deliver.len(), framed.answer), (1, None));
        let super::super::session::Outgoing::Now(Value::Array(answers)) =
            session.answered(&RequestId::Number(1), json!("pong"))
        else {
            unreachable!("the batch is whole");
        };
        assert_eq!(answers.len(), 3);
        session.agreed("2025-06-18");
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
            let session = Session::new();
            session.agreed("2025-03-26");
            session.open();
            read(&line, &session);
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
            let session = Session::new();
            session.agreed("2025-03-26");
            session.open();
            let framed = read(&line, &session);
            let requests = framed.deliver.iter().filter(|message| matches!(message, JsonRpcMessage::Request(_))).count();
            proptest::prop_assert!(requests <= 2);
        }

        #[test]
        fn every_request_is_delivered_or_answered(
            id in proptest::prop_oneof![r#""[a-z]{0,5}""#, "[0-9]{1,18}", "null", "\\{\\}", "-?[0-9]\\.[0-9]"],
            method in r#"("[a-z/]{0,12}"|7|null)"#,
            params in r#"(\{\}|\[\]|null|\{"name":7\}|\{"_meta":\[\]\}|\{"_meta":\{\}\})"#,
        ) {
            let session = Session::new();
            session.open();
            let line = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":{method},"params":{params}}}"#);
            let framed = read(line.as_bytes(), &session);
            proptest::prop_assert_eq!(framed.deliver.len() + usize::from(framed.answer.is_some()), 1, "{}", line);
        }
    }
}
