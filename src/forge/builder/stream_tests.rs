use super::*;

const RESULT: &str = r#"{"total_cost_usd":0.0021,"usage":{"input_tokens":200,"output_tokens":100,"service_tier":"standard"},"permission_denials":[],"terminal_reason":"completed","is_error":false,"num_turns":2,"subtype":"success","api_error_status":null,"stop_reason":"end_turn","type":"result"}"#;

fn read(pieces: &[&[u8]]) -> (StreamSummary, Vec<String>) {
    let mut parser = StreamParser::new("/inside");
    let mut seen = Vec::new();
    let mut progress = |event: AgentEvent| seen.push(event.to_string());
    for piece in pieces {
        parser.push(piece, &mut progress);
    }
    let summary = parser.finish(&mut progress);
    (summary, seen)
}

fn session() -> String {
    [
        r#"{"type":"system","subtype":"ui_invalidate","event":"ui.render"}"#,
        r#"{"type":"system","subtype":"init","cwd":"/inside","session_id":"024d","tools":["Edit","Write"],"mcp_servers":[],"model":"claude-x","claude_code_version":"2.1.328"}"#,
        r#"{"type":"assistant","message":{"content":[{"type":"text","text":"I will."},{"type":"tool_use","name":"Write","input":{"file_path":"/inside/src/lib.rs","content":"pub fn f() {}\n"}}]}}"#,
        r#"{"type":"user","message":{"content":[{"type":"tool_result","is_error":true,"content":"no"}]}}"#,
        r#"{"type":"of_tomorrow","message":7}"#,
        RESULT,
    ]
    .join("\n")
}

#[test]
fn a_session_is_understood() {
    let (summary, seen) = read(&[session().as_bytes()]);
    let result = summary.result.clone().unwrap_or_else(|| unreachable!("no result in {summary:?}"));
    assert_eq!((result.subtype.as_str(), result.is_error, result.num_turns), ("success", false, 2));
    assert_eq!((result.total_cost_usd, result.usage.input_tokens, result.usage.output_tokens), (0.0021, 200, 100));
    assert_eq!((summary.events, summary.unparsed_lines, summary.tool_errors), (6, 0, 1));
    assert_eq!(summary.model.as_deref(), Some("claude-x"));
    assert_eq!(summary.agent_version.as_deref(), Some("2.1.328"));
    assert_eq!(summary.tools.iter().map(String::as_str).collect::<Vec<_>>(), ["Edit", "Write"]);
    assert_eq!(seen, ["started with claude-x", "Write src/lib.rs", "a tool call failed", "finished"]);
}

#[test]
fn it_does_not_matter_where_the_pieces_are_cut() {
    let session = session();
    let whole = read(&[session.as_bytes()]);
    for size in [1, 2, 7, 64, 1000] {
        assert_eq!(read(&session.as_bytes().chunks(size).collect::<Vec<_>>()), whole, "pieces of {size}");
    }
}

#[test]
fn bytes_that_are_no_event_are_counted_and_skipped() {
    let deep = "[".repeat(10_000);
    let noise: &[&[u8]] =
        &[b"\xff\xfe\n", b"not json\n", b"\n  \n", b"7\n[]\n\"x\"\n", deep.as_bytes(), b"\n", RESULT.as_bytes()];
    let (summary, _) = read(noise);
    assert_eq!((summary.events, summary.unparsed_lines, summary.results), (1, 6, 1));
}

#[test]
fn a_line_without_end_takes_no_memory_and_the_next_one_is_read() {
    let mut parser = StreamParser::new("/inside");
    let piece = vec![b'x'; 1024 * 1024];
    for _ in 0..20 {
        parser.push(&piece, &mut |_| {});
        assert!(parser.line.capacity() <= 2 * MAX_LINE);
    }
    parser.push(b"\n", &mut |_| {});
    parser.push(RESULT.as_bytes(), &mut |_| {});
    let summary = parser.finish(&mut |_| {});
    assert_eq!((summary.unparsed_lines, summary.results), (1, 1));
}

#[test]
fn what_is_shown_is_on_one_line_and_short() {
    let event = serde_json::json!({"type": "assistant", "message": {"content": [
        {"type": "tool_use", "name": "Wr\u{1b}[2Jite\n", "input": {"file_path": "/inside/a\u{202e}b\u{2028}\r\u{feff}`c"}},
        {"type": "tool_use", "name": "Read", "input": {"file_path": "x".repeat(5000)}},
        {"type": "tool_use", "name": "Glob", "input": {"pattern": "/inside/*"}},
        {"type": "tool_use", "name": 7, "input": "no object"},
    ]}});
    let (_, seen) = read(&[event.to_string().as_bytes()]);
    assert_eq!(seen[0], r"Wr\u{1b}[2Jite\n a\u{202e}b\u{2028}\r\u{feff}\u{60}c");
    assert_eq!(seen[1].chars().count(), "Read ".len() + MAX_SHOWN + 1);
    assert_eq!(&seen[2..], ["Glob *", ""]);
}

#[test]
fn a_closing_event_without_its_foundations_is_malformed() {
    for missing in ["subtype", "is_error", "permission_denials"] {
        let line = RESULT.replace(&format!("\"{missing}\""), "\"something_else\"");
        let (summary, _) = read(&[line.as_bytes()]);
        assert_eq!((summary.results, summary.malformed_results, summary.result), (1, 1, None), "{missing}");
    }
    let (summary, _) = read(&[RESULT.replace("200", "null").replace("0.0021", "null").as_bytes()]);
    assert_eq!(summary.result.map(|result| (result.usage.input_tokens, result.total_cost_usd)), Some((0, 0.0)));
    let (summary, _) = read(&[RESULT.replace("\"is_error\":false", "\"is_error\":\"false\"").as_bytes()]);
    assert_eq!(summary.malformed_results, 1);
}

#[test]
fn denials_and_retries_are_kept() {
    let lines = [
        r#"{"type":"system","subtype":"api_retry","attempt":1,"error_status":529,"error":"overloaded"}"#,
        r#"{"type":"system","subtype":"api_retry","attempt":2,"error_status":null,"error":"unknown"}"#,
        r#"{"type":"system","subtype":"permission_denied","tool_name":"Write","message":"/tmp/evil.txt is outside"}"#,
        r#"{"type":"result","subtype":"success","is_error":false,"permission_denials":[{"tool_name":"Write","tool_input":{"file_path":"/tmp/evil.txt"}},{"tool_name":"Grep","tool_input":{"pattern":"root","path":"/etc"}}]}"#,
    ];
    let (summary, seen) = read(&[lines.join("\n").as_bytes()]);
    let denials = summary.result.map(|result| result.permission_denials).unwrap_or_default();
    assert_eq!(denials.iter().map(ToString::to_string).collect::<Vec<_>>(), ["Write /tmp/evil.txt", "Grep /etc"]);
    assert_eq!((summary.api_retries, summary.api_error.as_deref()), (2, Some("unknown")));
    assert_eq!(seen[..3], ["retry 1 after status 529", "retry 2 after a failed connection", "Write was denied"]);
}

#[test]
fn lists_are_capped() {
    let denied = "{\"type\":\"system\",\"subtype\":\"permission_denied\",\"tool_name\":\"Write\"}\n".repeat(1000);
    assert_eq!(read(&[denied.as_bytes()]).0.denials.len(), MAX_LISTED);
    let tools: Vec<String> = (0..1000).map(|n| n.to_string()).collect();
    let init = serde_json::json!({"type": "system", "subtype": "init", "tools": tools});
    assert_eq!(read(&[init.to_string().as_bytes()]).0.tools.len(), MAX_LISTED);
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_fail(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..2000)) {
        let _ = read(&[&bytes]);
    }

    #[test]
    fn what_is_shown_never_holds_a_control_or_a_line_break(text in ".*") {
        let text = shown(&text);
        proptest::prop_assert!(text.chars().count() <= MAX_SHOWN * 10 + 1);
        let unsafe_to_show = |c: char| c.is_control() || "\u{202e}\u{2066}\u{2028}`".contains(c);
        proptest::prop_assert!(!text.contains(unsafe_to_show));
    }
}
