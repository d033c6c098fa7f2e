use super::*;

fn good() -> StreamSummary {
    let result = ResultEvent {
        subtype: "success".into(),
        is_error: false,
        api_error_status: None,
        stop_reason: Some("end_turn".into()),
        terminal_reason: Some("completed".into()),
        num_turns: 3,
        total_cost_usd: 0.25,
        usage: TokenUsage { input_tokens: 7, ..TokenUsage::default() },
        permission_denials: Vec::new(),
    };
    let tools = TOOLS.map(String::from).into();
    StreamSummary { result: Some(result), results: 1, inits: 1, tools, tool_errors: 2, ..StreamSummary::default() }
}

fn with(change: impl FnOnce(&mut ResultEvent)) -> StreamSummary {
    let mut summary = good();
    if let Some(result) = &mut summary.result {
        change(result);
    }
    summary
}

fn failure(exit: ClaudeExit, summary: &StreamSummary) -> Option<ClaudeFailure> {
    decide(exit, summary).err()
}

const ZERO: ClaudeExit = ClaudeExit::Code(0);
const ONE: ClaudeExit = ClaudeExit::Code(1);

#[test]
fn success_is_accepted_even_after_failed_tool_calls() {
    let accepted = decide(ZERO, &good());
    let expected = AcceptedAttempt {
        turns: 3,
        cost_usd: 0.25,
        usage: TokenUsage { input_tokens: 7, ..TokenUsage::default() },
        tool_errors: 2,
    };
    assert_eq!(accepted, Ok(expected));
}

#[test]
fn an_answer_of_the_provider_is_a_failure_whatever_the_exit_code() {
    for status in [400, 403, 404, 429, 500, 529] {
        for exit in [ZERO, ONE] {
            for is_error in [true, false] {
                let summary = with(|r| (r.is_error, r.api_error_status) = (is_error, Some(status)));
                assert_eq!(failure(exit, &summary), Some(ClaudeFailure::ApiError { status }));
            }
        }
    }
    let summary = with(|r| (r.is_error, r.api_error_status) = (true, Some(401)));
    assert_eq!(failure(ONE, &summary), Some(ClaudeFailure::Unauthorised));
}

#[test]
fn a_failure_without_a_status_is_told_apart_by_its_label() {
    let mut summary = with(|r| r.is_error = true);
    assert_eq!(failure(ONE, &summary), Some(ClaudeFailure::ConnectionFailed));
    summary.api_error = Some("max_output_tokens".into());
    assert_eq!(failure(ONE, &summary), Some(ClaudeFailure::AnswerTooLong));
    let refusal = with(|r| (r.is_error, r.stop_reason) = (true, Some("refusal".into())));
    assert_eq!(failure(ONE, &refusal), Some(ClaudeFailure::ModelRefused));
}

#[test]
fn the_agents_own_limits_are_failures() {
    for exit in [ZERO, ONE] {
        let turns = with(|r| (r.subtype, r.is_error) = ("error_max_turns".into(), true));
        assert_eq!(failure(exit, &turns), Some(ClaudeFailure::TurnLimit { turns: 3 }));
        let budget = with(|r| (r.subtype, r.is_error) = ("error_max_budget_usd".into(), true));
        assert_eq!(failure(exit, &budget), Some(ClaudeFailure::BudgetLimit));
    }
}

#[test]
fn denials_are_a_failure_although_the_agent_calls_it_success() {
    let denial = ToolDenial { tool: "Write".into(), path: Some("/tmp/evil.txt".into()) };
    let told_at_the_end = with(|r| r.permission_denials = vec![denial.clone()]);
    assert_eq!(failure(ZERO, &told_at_the_end), Some(ClaudeFailure::Denied { denials: vec![denial.clone()] }));
    let mut told_on_the_way = good();
    told_on_the_way.denials = vec![denial; 9];
    let failure = failure(ZERO, &told_on_the_way).map(|f| f.to_string()).unwrap_or_default();
    assert!(failure.ends_with("Write /tmp/evil.txt, and 4 more"), "{failure}");
}

#[test]
fn an_interrupt_is_a_failure_with_or_without_a_closing_event() {
    let silent = StreamSummary { result: None, results: 0, ..good() };
    assert_eq!(failure(ZERO, &silent), Some(ClaudeFailure::Interrupted));
    let told = with(|r| (r.subtype, r.is_error) = ("error_during_execution".into(), true));
    assert_eq!(failure(ZERO, &told), Some(ClaudeFailure::Interrupted));
    let complaint = Some("error: unknown option '--restricted'".to_owned());
    let complaining = StreamSummary { complaint: complaint.clone(), ..silent };
    assert_eq!(failure(ONE, &complaining), Some(ClaudeFailure::NoResult { code: 1, complaint }));
}

#[test]
fn an_end_from_outside_is_a_failure_whatever_was_said_before() {
    let after = Duration::from_secs(2);
    for (exit, expected) in [
        (ClaudeExit::Signal(9), ClaudeFailure::Terminated { signal: 9 }),
        (ClaudeExit::Code(143), ClaudeFailure::Terminated { signal: 15 }),
        (ClaudeExit::WallClock(after), ClaudeFailure::TimedOut { after }),
        (ClaudeExit::Idle(after), ClaudeFailure::Stalled { after }),
        (ClaudeExit::OutputLimit, ClaudeFailure::OutputLimit),
    ] {
        assert_eq!(failure(exit, &good()), Some(expected));
    }
}

#[test]
fn what_makes_no_sense_is_a_failure() {
    let unfit = |exit, summary: &StreamSummary| matches!(failure(exit, summary), Some(ClaudeFailure::Malformed { .. }));
    assert!(unfit(ONE, &good()), "success with code 1");
    assert!(unfit(ClaudeExit::Code(-1), &good()), "success with code -1");
    assert!(unfit(ZERO, &StreamSummary { results: 2, ..good() }), "two closing events");
    assert!(unfit(ZERO, &StreamSummary { malformed_results: 1, ..good() }), "a broken closing event");
    assert!(unfit(ZERO, &StreamSummary { inits: 0, ..good() }), "no init");
    assert!(unfit(ZERO, &with(|r| r.subtype = "error_of_tomorrow".into())), "unknown subtype");
    assert!(unfit(ZERO, &with(|r| r.subtype = String::new())), "empty subtype");
    assert!(unfit(ZERO, &with(|r| r.terminal_reason = Some("max_turns".into()))), "stopped for something else");
}

#[test]
fn an_agent_that_had_more_than_its_tools_is_refused() {
    let mut shell = good();
    shell.tools.insert("Bash".into());
    let extra = "the tool `Bash`".to_owned();
    assert_eq!(failure(ZERO, &shell), Some(ClaudeFailure::NotLockedDown { extra }));
    let extra = "2 mcp servers".to_owned();
    assert_eq!(
        failure(ZERO, &StreamSummary { mcp_servers: 2, ..good() }),
        Some(ClaudeFailure::NotLockedDown { extra })
    );
}

#[test]
fn every_failure_has_a_kind_and_a_lower_case_message() {
    let after = Duration::from_millis(1500);
    for (failure, kind) in [
        (ClaudeFailure::TimedOut { after }, "TIMEOUT"),
        (ClaudeFailure::Stalled { after }, "TIMEOUT"),
        (ClaudeFailure::Denied { denials: Vec::new() }, "GATE_VIOLATION"),
        (ClaudeFailure::NotLockedDown { extra: String::new() }, "GATE_VIOLATION"),
        (ClaudeFailure::Unauthorised, "BUILD_ERROR"),
        (ClaudeFailure::NoResult { code: 1, complaint: None }, "BUILD_ERROR"),
    ] {
        assert_eq!(failure.kind().as_str(), kind);
        assert!(failure.to_string().starts_with("claude code"));
        assert!(!failure.hint().is_empty());
    }
    assert!(ClaudeFailure::TimedOut { after }.to_string().contains("1.5 s"));
}
