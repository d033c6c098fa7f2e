//! Every way in which a run of Claude Code can end, with a program that stands in for it, through the real
//! pieces: command line, cage, stream, judge.

use std::{error::Error, fs, os::unix::fs::PermissionsExt as _, path::Path, time::Duration};

use crate::support::messages_api::{Block, MessagesApi, Reply};
use crate::support::standin::{Step, closing, init, standin, success, write};
use kavi::{
    cage::{Cage, Confinement},
    forge::builder::{
        claude::{ClaudeAttempt, ClaudeContext, ClaudeError, run},
        command::{AgentEnvironment, ClaudeConfig, CommandLine, UsdCents, command},
        stream::AgentEvent,
        verdict::ClaudeFailure,
    },
    forge::gateway::{ExchangeEnd, GatewayLimit, GatewayLimits, Provider, ProviderKey, ProviderUrl},
    http::TlsRoots,
    model::{id::RandomIds, lifecycle::FailureKind, time::SystemClock},
};
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};
use tempfile::TempDir;

type Outcome = Result<(), Box<dyn Error>>;

const KEY: &str = "sk-ant-made-up-0000";

const BOTH: [Confinement; 2] = [Confinement::Required, Confinement::Unconfined];

const LIMITS: GatewayLimits = GatewayLimits {
    max_requests: 10,
    max_request_bytes: 100_000,
    max_response_bytes: 100_000,
    max_input_tokens: 1_000_000,
    max_output_tokens: 1_000_000,
};

/// A folder with a stand-in that does `steps`, and an empty workspace beside it.
struct Bench {
    folder: TempDir,
    config: ClaudeConfig,
    confinement: Confinement,
}

impl Bench {
    fn new(steps: Vec<Step>) -> Result<Self, Box<dyn Error>> {
        let folder = TempDir::new()?;
        fs::create_dir(folder.path().join("workspace"))?;
        let config = ClaudeConfig {
            executable: standin(folder.path(), steps)?,
            model: "claude-made-up".parse()?,
            max_turns: 40,
            max_budget: UsdCents(200),
            wall: Duration::from_secs(60),
            idle: Duration::from_secs(30),
            // Nobody is there.
            provider: provider("http://127.0.0.1:9")?,
            limits: LIMITS,
        };
        Ok(Self { folder, config, confinement: Confinement::Required })
    }

    fn workspace(&self) -> std::path::PathBuf {
        self.folder.path().join("workspace")
    }

    fn run(&self, packet: &str) -> Result<(ClaudeAttempt, Vec<AgentEvent>), ClaudeError> {
        let cage = Cage::new(env!("CARGO_BIN_EXE_kavi").into(), self.confinement);
        let around = ClaudeContext { cage: &cage, clock: &SystemClock, ids: &RandomIds };
        let mut seen = Vec::new();
        let attempt = run(around, &self.config, &self.workspace(), packet, &mut |progress| seen.push(progress))?;
        Ok((attempt, seen))
    }

    fn read(&self, file: &str) -> std::io::Result<String> {
        fs::read_to_string(self.workspace().join(file))
    }
}

fn provider(url: &str) -> Result<Provider, Box<dyn Error>> {
    Ok(Provider {
        base_url: ProviderUrl::parse(url)?,
        proxy: None,
        roots: TlsRoots::Bundled,
        key: ProviderKey::parse(KEY)?,
    })
}

fn private(folder: &str) -> AgentEnvironment<'_> {
    AgentEnvironment { home: folder, tmp: folder, base_url: "http://127.0.0.1:9", word: "a-word" }
}

/// The failure that these steps end in.
fn failure(steps: Vec<Step>) -> Result<ClaudeFailure, Box<dyn Error>> {
    let (attempt, _) = Bench::new(steps)?.run("a packet")?;
    attempt.verdict.err().ok_or_else(|| "the attempt was accepted".into())
}

fn api_error(status: Option<u16>, error: &str) -> Step {
    Step::ApiError { status, error: error.to_owned(), text: "API Error".to_owned() }
}

#[test]
fn success_writes_its_files_and_tells_its_cost() -> Outcome {
    for confinement in BOTH {
        let steps = vec![init(), Step::Say("I will.".into()), write("src/lib.rs", "pub fn f() {}\n"), success()];
        let mut bench = Bench::new(steps)?;
        bench.confinement = confinement;
        let (attempt, seen) = bench.run("a packet")?;
        let accepted = attempt.verdict?;
        assert_eq!((accepted.turns, accepted.cost_usd, accepted.usage.input_tokens), (2, 0.0021, 200));
        assert_eq!(bench.read("src/lib.rs")?, "pub fn f() {}\n");
        let seen: Vec<String> = seen.iter().map(ToString::to_string).collect();
        assert_eq!(seen, ["started with claude-made-up", "Write src/lib.rs", "finished"], "{confinement:?}");
        assert_eq!(attempt.summary.unparsed_lines, 0);
        assert!(attempt.transcript.ends_with(b"\n"));
    }
    Ok(())
}

#[test]
fn the_packet_arrives_whole_and_the_environment_is_only_what_was_promised() -> Outcome {
    for confinement in BOTH {
        let steps = vec![
            init(),
            Step::WritePacket { path: "packet".into() },
            Step::WriteEnvironment { path: "environment".into() },
            success(),
        ];
        let mut bench = Bench::new(steps)?;
        bench.confinement = confinement;
        let packet = "a line with ünïcode and \u{1b} in it\n".repeat(10_000);
        bench.run(&packet)?.0.verdict?;
        assert!(bench.read("packet")? == packet);
        let environment = bench.read("environment")?;
        let names: Vec<&str> = environment.lines().filter_map(|line| line.split('=').next()).collect();
        let expected = command(&bench.config, private("")).env;
        assert_eq!(names.len(), expected.len(), "{environment}");
        assert!(names.iter().all(|name| expected.contains_key(*name)), "{environment}");
        let home = environment.lines().find_map(|line| line.strip_prefix("HOME=")).unwrap_or("/");
        assert!(!Path::new(home).join(".claude.json").exists(), "the home of the attempt outlives it");
    }
    Ok(())
}

#[test]
fn an_error_of_the_provider_is_a_failure() -> Outcome {
    for status in [400, 403, 404, 429, 500, 529] {
        let steps = vec![
            init(),
            api_error(Some(status), "x"),
            closing("success", true, Some(status), "api_error"),
            Step::Exit(1),
        ];
        assert_eq!(failure(steps)?, ClaudeFailure::ApiError { status });
    }
    let retry = |attempt| Step::Retry { attempt, status: Some(401), error: "authentication_failed".into() };
    let steps = vec![init(), retry(1), retry(2), closing("success", true, Some(401), "api_error"), Step::Exit(1)];
    assert_eq!(failure(steps)?, ClaudeFailure::Unauthorised);
    Ok(())
}

#[test]
fn no_connection_is_a_failure() -> Outcome {
    let steps =
        vec![init(), api_error(None, "server_error"), closing("success", true, None, "api_error"), Step::Exit(1)];
    assert_eq!(failure(steps)?, ClaudeFailure::ConnectionFailed);
    let steps =
        vec![init(), api_error(None, "max_output_tokens"), closing("success", true, None, "api_error"), Step::Exit(1)];
    assert_eq!(failure(steps)?, ClaudeFailure::AnswerTooLong);
    Ok(())
}

#[test]
fn the_limits_of_the_agent_are_failures() -> Outcome {
    let steps = vec![init(), write("a", "x"), closing("error_max_turns", true, None, "max_turns"), Step::Exit(1)];
    assert_eq!(failure(steps)?, ClaudeFailure::TurnLimit { turns: 1 });
    let steps = vec![init(), closing("error_max_budget_usd", true, None, "budget_exhausted"), Step::Exit(1)];
    assert_eq!(failure(steps)?, ClaudeFailure::BudgetLimit);
    Ok(())
}

#[test]
fn a_denied_write_is_a_failure_although_the_agent_calls_it_success() -> Outcome {
    let denied = Step::Denied { tool: "Write".into(), path: "/etc/evil\u{1b}[2J".into() };
    let failure = failure(vec![init(), write("src/lib.rs", "x"), denied, success()])?;
    assert_eq!(
        failure.to_string(),
        r"claude code was denied tool calls that it must not make: Write /etc/evil\u{1b}[2J"
    );
    assert_eq!(failure.kind(), FailureKind::GateViolation);
    Ok(())
}

#[test]
fn a_tool_that_is_not_offered_does_nothing_and_is_counted() -> Outcome {
    let bench = Bench::new(vec![init(), Step::UnknownTool("Bash".into()), write("src/lib.rs", "x"), success()])?;
    assert_eq!(bench.run("a packet")?.0.verdict?.tool_errors, 1);
    Ok(())
}

#[test]
fn a_write_outside_the_workspace_does_not_leave_the_cage() -> Outcome {
    let outside = TempDir::new()?;
    let target = outside.path().join("evil").to_string_lossy().into_owned();
    let silently = |path: &str| Step::WriteSilently { path: path.into(), content: "x".into() };
    let bench = Bench::new(vec![init(), write("/usr/lib/evil", "x"), silently(&target), success()])?;
    assert_eq!(bench.run("a packet")?.0.verdict?.tool_errors, 1);
    assert!(!Path::new("/usr/lib/evil").exists());
    assert_eq!(fs::read_dir(outside.path())?.count(), 0);
    Ok(())
}

#[test]
fn an_interrupt_is_a_failure_although_the_code_is_zero() -> Outcome {
    assert_eq!(failure(vec![init(), write("a", "x")])?, ClaudeFailure::Interrupted);
    let steps = vec![init(), closing("error_during_execution", true, None, "aborted_streaming")];
    assert_eq!(failure(steps)?, ClaudeFailure::Interrupted);
    Ok(())
}

#[test]
fn a_signal_is_a_failure_even_after_a_success() -> Outcome {
    assert_eq!(failure(vec![init(), success(), Step::Exit(143)])?, ClaudeFailure::Terminated { signal: 15 });
    for signal in [15, 9] {
        assert_eq!(failure(vec![init(), success(), Step::Signal(signal)])?, ClaudeFailure::Terminated { signal });
    }
    Ok(())
}

#[test]
fn the_clocks_stop_it() -> Outcome {
    for confinement in BOTH {
        let after = Duration::from_secs(2);
        let mut stalled = Bench::new(vec![init(), success(), Step::Hang])?;
        (stalled.config.idle, stalled.confinement) = (after, confinement);
        let verdict = stalled.run("a packet")?.0.verdict;
        assert_eq!(verdict.clone().err(), Some(ClaudeFailure::Stalled { after }));
        assert_eq!(verdict.err().map(|failure| failure.kind()), Some(FailureKind::Timeout));
        let mut busy = Bench::new(vec![init(), success(), Step::Babble { every_ms: 50 }])?;
        (busy.config.wall, busy.confinement) = (after, confinement);
        assert_eq!(busy.run("a packet")?.0.verdict.err(), Some(ClaudeFailure::TimedOut { after }));
    }
    Ok(())
}

#[test]
fn a_flood_of_output_stops_it() -> Outcome {
    let steps = vec![init(), success(), Step::Flood { lines: 40, bytes: 1024 * 1024 }];
    assert_eq!(failure(steps)?, ClaudeFailure::OutputLimit);
    Ok(())
}

#[test]
fn an_account_that_makes_no_sense_is_a_failure() -> Outcome {
    let raw = |text: &str| Step::Raw(text.to_owned());
    let broken = raw("{\"type\":\"result\",\"subtype\":\"success\"}\n");
    let shell = Step::Init { tools: vec!["Write".into(), "Bash".into()], mcp_servers: 0 };
    for (why, steps) in [
        ("no init", vec![success()]),
        ("closed twice", vec![init(), success(), success()]),
        ("success with code 1", vec![init(), success(), Step::Exit(1)]),
        ("a closing event without foundations", vec![init(), broken.clone(), success()]),
        ("an unknown end", vec![init(), closing("error_of_tomorrow", false, None, "completed")]),
    ] {
        let failure = failure(steps)?;
        assert!(matches!(failure, ClaudeFailure::Malformed { .. }), "{why}: {failure}");
    }
    assert!(matches!(failure(vec![shell, success()])?, ClaudeFailure::NotLockedDown { .. }));
    let servers = Step::Init { tools: vec!["Write".into()], mcp_servers: 1 };
    assert!(matches!(failure(vec![servers, success()])?, ClaudeFailure::NotLockedDown { .. }));
    Ok(())
}

#[test]
fn noise_between_the_events_is_tolerated_and_counted() -> Outcome {
    let noise = Step::Raw("warning: \u{1b}[31mno json\u{1b}[0m\n{\"type\":\"of_tomorrow\"}\n{\"type\":".into());
    let bench = Bench::new(vec![init(), noise, Step::Raw("\n".into()), success()])?;
    let (attempt, _) = bench.run("a packet")?;
    assert!(attempt.verdict.is_ok());
    assert_eq!(attempt.summary.unparsed_lines, 2);
    Ok(())
}

#[test]
fn a_program_that_does_not_take_the_flags_says_so() -> Outcome {
    let steps = vec![Step::Complain("\n  error: unknown option '--restricted'".into()), Step::Exit(1)];
    let complaint = Some("error: unknown option '--restricted'".to_owned());
    assert_eq!(failure(steps)?, ClaudeFailure::NoResult { code: 1, complaint });
    Ok(())
}

#[test]
fn nothing_writes_after_the_end() -> Outcome {
    for confinement in BOTH {
        let later = Step::WriteLater { path: "src/lib.rs".into(), content: "evil".into(), go: "go".into() };
        let mut bench = Bench::new(vec![init(), write("src/lib.rs", "good"), later, success()])?;
        bench.confinement = confinement;
        let go = bench.workspace().join("go");
        mknodat(CWD, &go, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
        // In the sandbox the agent is another user.
        fs::set_permissions(&go, fs::Permissions::from_mode(0o666))?;
        bench.run("a packet")?.0.verdict?;
        // No process holds the pipe open: the one that waits to write is dead.
        let late = rustix::fs::open(&go, OFlags::WRONLY | OFlags::NONBLOCK, Mode::empty());
        assert_eq!(late.err(), Some(rustix::io::Errno::NXIO), "{confinement:?}");
        assert_eq!(bench.read("src/lib.rs")?, "good", "{confinement:?}");
    }
    Ok(())
}

#[test]
fn links_are_left_as_they_are_for_the_gate() -> Outcome {
    let secret = TempDir::new()?;
    fs::write(secret.path().join("secret"), "untouched")?;
    let target = secret.path().join("secret").to_string_lossy().into_owned();
    let steps = vec![
        init(),
        Step::Symlink { path: "link".into(), target: target.clone() },
        write("link", "overwritten"),
        write("a", "x"),
        Step::HardLink { path: "b".into(), target: "a".into() },
        success(),
    ];
    let bench = Bench::new(steps)?;
    bench.run("a packet")?.0.verdict?;
    assert_eq!(fs::read_to_string(&target)?, "untouched");
    assert!(fs::symlink_metadata(bench.workspace().join("link"))?.is_symlink());
    Ok(())
}

#[test]
fn a_key_that_the_agent_came_by_is_in_nothing_that_is_handed_back() -> Outcome {
    let steps = vec![
        init(),
        Step::Say(format!("the key is {KEY}")),
        write(KEY, "x"),
        Step::Complain(format!("{KEY} is wrong")),
        Step::Denied { tool: KEY.into(), path: KEY.into() },
        success(),
    ];
    let (attempt, seen) = Bench::new(steps)?.run("a packet")?;
    assert!(!String::from_utf8_lossy(&attempt.transcript).contains(KEY));
    assert!(!String::from_utf8_lossy(&attempt.stderr).contains(KEY));
    assert!(String::from_utf8_lossy(&attempt.transcript).contains("the key is [redacted]"));
    assert!(!format!("{attempt:?} {seen:?}").contains(KEY));
    Ok(())
}

const QUESTION: &str = r#"{"model":"m","max_tokens":1000,"messages":[{"role":"user","content":"hello"}]}"#;

/// Asks the provider and writes the answer down.
fn post(target: &str, body: &str, save: &str) -> Step {
    Step::Post { target: target.into(), headers: vec![], body: body.into(), save: save.into() }
}

#[test]
fn the_agent_asks_through_the_gateway_and_never_has_the_key() -> Outcome {
    for confinement in BOTH {
        let api = MessagesApi::start(vec![Reply::Message(vec![Block::text("hello yourself")])])?;
        let steps = vec![
            init(),
            post("/v1/messages?beta=true", QUESTION, "answer"),
            post("/v1/files", QUESTION, "refused"),
            Step::WriteEnvironment { path: "environment".into() },
            success(),
        ];
        let mut bench = Bench::new(steps)?;
        (bench.confinement, bench.config.provider) = (confinement, provider(&api.base_url())?);
        let attempt = bench.run("a packet")?.0;
        assert!(attempt.verdict.is_ok(), "{:?}", attempt.verdict);
        let (answer, refused) = (bench.read("answer")?, bench.read("refused")?);
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("hello yourself"), "{answer}");
        assert!(refused.starts_with("HTTP/1.1 403 "), "{refused}");
        let environment = bench.read("environment")?;
        assert!(!environment.contains(KEY) && !environment.contains(&api.base_url()), "{environment}");
        let asked = api.requests();
        assert_eq!(asked.iter().map(|request| request.header("x-api-key")).collect::<Vec<_>>(), [Some(KEY)]);
        let lines: Vec<_> = attempt.account.lines.iter().map(|line| (&*line.path, line.status)).collect();
        assert_eq!(lines, [("/v1/messages?beta=true", Some(200)), ("/v1/files", Some(403))]);
        assert_eq!((attempt.account.totals.requests, attempt.account.totals.tokens.input), (2, 100));
    }
    Ok(())
}

#[test]
fn an_attempt_that_was_cut_off_has_failed_whatever_it_says() -> Outcome {
    let api = MessagesApi::start(vec![Reply::Message(vec![Block::text("hello")])])?;
    let steps = vec![
        init(),
        post("/v1/messages", QUESTION, "first"),
        post("/v1/messages", QUESTION, "second"),
        write("src/lib.rs", "x"),
        success(),
    ];
    let mut bench = Bench::new(steps)?;
    bench.config.provider = provider(&api.base_url())?;
    bench.config.limits.max_output_tokens = 50;
    let attempt = bench.run("a packet")?.0;
    let failure = attempt.verdict.err().ok_or("the attempt was accepted")?;
    assert_eq!(failure, ClaudeFailure::BudgetSpent { limit: GatewayLimit::MaxOutputTokens });
    assert!(failure.hint().contains("kavi.toml"));
    assert!(bench.read("second")?.contains("the attempt's budget is spent: max_output_tokens"));
    assert_eq!(api.requests().len(), 1);
    Ok(())
}

#[test]
fn a_status_of_the_gateways_own_is_not_blamed_on_the_provider() -> Outcome {
    let gives_up =
        |status| [api_error(Some(status), "x"), closing("success", true, Some(status), "api_error"), Step::Exit(1)];
    let unreachable = [vec![init(), post("/v1/messages", QUESTION, "answer")], gives_up(502).into()].concat();
    assert_eq!(failure(unreachable)?, ClaudeFailure::ConnectionFailed);
    let refused = [vec![init(), post("/v1/files", QUESTION, "answer")], gives_up(403).into()].concat();
    assert!(matches!(failure(refused)?, ClaudeFailure::GatewayRefused { .. }));
    Ok(())
}

#[test]
fn a_stalled_answer_does_not_outlive_the_attempt() -> Outcome {
    let api = MessagesApi::start(vec![Reply::Stall])?;
    let mut bench = Bench::new(vec![init(), post("/v1/messages", QUESTION, "answer"), success()])?;
    bench.config.provider = provider(&api.base_url())?;
    bench.config.idle = Duration::from_secs(2);
    let attempt = bench.run("a packet")?.0;
    assert!(matches!(attempt.verdict, Err(ClaudeFailure::Stalled { .. })), "{:?}", attempt.verdict);
    assert_eq!(attempt.account.lines.iter().map(|line| line.end).collect::<Vec<_>>(), [ExchangeEnd::Abandoned]);
    assert_eq!(attempt.account.totals.tokens.output, 1000, "an answer that was left is charged in full");
    Ok(())
}

#[test]
fn without_any_one_lock_the_stand_in_refuses_to_work() -> Outcome {
    let bench = Bench::new(vec![init(), success()])?;
    let home = TempDir::new()?;
    let CommandLine { args, env } = command(&bench.config, private(&home.path().to_string_lossy()));
    let works = |args: &[String], env: &[(&String, &String)]| -> Result<bool, Box<dyn Error>> {
        let packet = bench.folder.path().join("packet");
        fs::write(&packet, "a packet")?;
        let mut program = std::process::Command::new(&bench.config.executable);
        program.args(args).env_clear().envs(env.iter().copied()).stdin(fs::File::open(packet)?);
        Ok(program.output()?.status.success())
    };
    let env: Vec<_> = env.iter().collect();
    assert!(works(&args, &env)?);
    for lost in 0..args.len() {
        let rest: Vec<String> =
            args.iter().enumerate().filter(|(i, _)| *i != lost).map(|(_, arg)| arg.clone()).collect();
        assert!(!works(&rest, &env)?, "it works without {:?}", args[lost]);
    }
    for lost in 0..env.len() {
        let rest: Vec<_> = env.iter().enumerate().filter(|(i, _)| *i != lost).map(|(_, pair)| *pair).collect();
        assert!(!works(&args, &rest)?, "it works without {:?}", env[lost]);
    }
    let (name, value) = ("SSH_AUTH_SOCK".to_owned(), "x".to_owned());
    assert!(!works(&args, &[env.clone(), vec![(&name, &value)]].concat())?);
    Ok(())
}

#[test]
fn a_program_that_is_missing_or_needs_an_interpreter_is_named() -> Outcome {
    let mut bench = Bench::new(vec![])?;
    bench.config.executable = bench.folder.path().join("nothing");
    assert!(matches!(bench.run("a packet"), Err(ClaudeError::Unreadable { .. })));
    let script = bench.folder.path().join("script");
    fs::write(&script, "#!/usr/bin/env node\n")?;
    bench.config.executable = script;
    assert!(matches!(bench.run("a packet"), Err(ClaudeError::NotNative { .. })));
    Ok(())
}
