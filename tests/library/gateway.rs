//! The gateway against agents and providers that mean harm: over its real socket, with a provider on the loopback.

use std::error::Error;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::Duration;

use kavi::forge::gateway::{
    ExchangeEnd, GatewayLimit, GatewayLimits, GatewayReport, GatewaySettings, ListenAddress, ListenMode, Provider,
    ProviderKey, ProviderUrl, serve,
};
use kavi::http::TlsRoots;
use kavi::model::time::SystemClock;
use serde_json::json;

use crate::support::messages_api::{Block, MessagesApi, Reply};

pub type Fallible<T> = Result<T, Box<dyn Error>>;

pub type Outcome = Fallible<()>;

pub const KEY: &str = "sk-ant-made-up-0000";

pub const TOKEN: &str = "a-token";

pub const QUESTION: &str = r#"{"model":"m","max_tokens":1000,"messages":[{"role":"user","content":"hello"}]}"#;

pub const STREAMED: &str =
    r#"{"model":"m","max_tokens":1000,"stream":true,"messages":[{"role":"user","content":"hello"}]}"#;

pub const LIMITS: GatewayLimits = GatewayLimits {
    max_requests: 1000,
    max_request_bytes: 1_000_000,
    max_response_bytes: 1_000_000,
    max_input_tokens: 1_000_000,
    max_output_tokens: 1_000_000,
};

pub fn provider(url: &str) -> Fallible<Provider> {
    Ok(Provider {
        base_url: ProviderUrl::parse(url)?,
        proxy: None,
        roots: TlsRoots::Bundled,
        key: ProviderKey::parse(KEY)?,
    })
}

/// Does `work` at a gateway's socket and gives the account.
pub fn at_gateway(url: &str, limits: GatewayLimits, work: impl FnOnce(&Path) -> Outcome) -> Fallible<GatewayReport> {
    let provider = provider(url)?;
    let (worked, account) = serve(
        GatewaySettings {
            provider: &provider,
            limits,
            mode: ListenMode::UnixSocket,
            token: TOKEN,
            clock: &SystemClock,
        },
        |address| match address {
            ListenAddress::Socket(path) => work(path),
            ListenAddress::Port(_) => Err("a port".into()),
        },
    )?;
    worked.map(|()| account)
}

pub fn hello() -> io::Result<MessagesApi> {
    MessagesApi::start(vec![Reply::Message(vec![Block::text("hello yourself")])])
}

/// Sends bytes and reads until the end.
pub fn send(socket: &Path, bytes: &[u8]) -> Fallible<String> {
    let mut connection = UnixStream::connect(socket)?;
    // Who refuses early may have stopped reading.
    let _ = connection.write_all(bytes);
    let mut answer = Vec::new();
    let _ = connection.read_to_end(&mut answer);
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

fn request(start: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("{start} HTTP/1.1\r\nx-api-key: {TOKEN}\r\n{headers}content-length: {}\r\n\r\n{body}", body.len()).into()
}

pub fn post(body: &str) -> Vec<u8> {
    request("POST /v1/messages", "content-type: application/json\r\n", body)
}

pub fn status(answer: &str) -> u16 {
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0)
}

pub fn ends(account: &GatewayReport) -> Vec<ExchangeEnd> {
    account.lines.iter().map(|line| line.end).collect()
}

/// A provider that treats each connection, after it has read the request, in a way of its own.
pub fn odd_provider(treat: impl Fn(TcpStream, String) + Send + 'static) -> io::Result<String> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let url = format!("http://{}", listener.local_addr()?);
    thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            let mut head = Vec::new();
            let mut reader = &connection;
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                match reader.read(&mut byte) {
                    Ok(1) => head.push(byte[0]),
                    _ => break,
                }
            }
            let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
            let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next()?.parse().ok());
            let mut body = vec![0; length.unwrap_or(0)];
            let _ = reader.read_exact(&mut body);
            treat(connection, head);
        }
    });
    Ok(url)
}

#[test]
fn only_the_message_endpoint_is_reached() -> Outcome {
    let api = hello()?;
    let account = at_gateway(&api.base_url(), LIMITS, |socket| {
        for start in [
            "GET /v1/messages",
            "PUT /v1/messages",
            "post /v1/messages",
            "POST /v1/messages/",
            "POST //v1/messages",
            "POST /v1/messages/batches",
            "POST /v1/messages/../files",
            "POST /v1/messages?beta=false",
            "POST /v1/messages?beta=true&x=y",
            "POST /v1/messages#x",
            "POST /v1/%6dessages",
            "POST /v1/files",
            "POST /",
            "GET /",
            "HEAD /v1/messages",
            "OPTIONS *",
            "CONNECT evil.example:443",
            "POST http://evil.example/v1/messages",
        ] {
            let answer = send(socket, &request(start, "", QUESTION))?;
            assert_eq!(status(&answer), 403, "{start}: {answer}");
        }
        for target in ["/v1/messages", "/v1/messages?beta=true"] {
            let answer = send(socket, &request(&format!("POST {target}"), "", QUESTION))?;
            assert!(status(&answer) == 200 && answer.contains("hello yourself"), "{answer}");
        }
        assert_eq!(send(socket, b"HEAD / HTTP/1.1\r\nhost: x\r\n\r\n")?.split("\r\n").next(), Some("HTTP/1.1 200 OK"));
        Ok(())
    })?;
    let asked: Vec<_> = api.requests().into_iter().map(|request| request.path).collect();
    assert_eq!(asked, ["/v1/messages", "/v1/messages?beta=true"]);
    assert_eq!((account.lines.len(), account.totals.requests), (21, 20));
    Ok(())
}

#[test]
fn only_the_listed_headers_pass_and_the_key_is_the_gateways() -> Outcome {
    let api = hello()?;
    let headers = "Content-Type: application/json\r\nAccept: application/json\r\nAnthropic-Version: 2023-06-01\r\n\
        Anthropic-Beta: a,b\r\nAuthorization: Bearer a-token\r\nHost: evil.example\r\nCookie: a=b\r\nX-Forwarded-For: 1.2.3.4\r\n\
        Proxy-Authorization: x\r\nConnection: keep-alive, x-api-key\r\nTe: trailers\r\nAnthropic-Organization: evil\r\n";
    at_gateway(&api.base_url(), LIMITS, |socket| {
        assert_eq!(status(&send(socket, &request("POST /v1/messages", headers, QUESTION))?), 200);
        Ok(())
    })?;
    let mut seen = api.requests().pop().ok_or("nobody asked")?.headers;
    seen.sort();
    let host = api.base_url().replace("http://", "");
    let length = QUESTION.len().to_string();
    let expected = [
        ("accept", "application/json"),
        ("accept-encoding", "identity"),
        ("anthropic-beta", "a,b"),
        ("anthropic-version", "2023-06-01"),
        ("content-length", &length),
        ("content-type", "application/json"),
        ("host", &host),
        ("user-agent", concat!("kavi/", env!("CARGO_PKG_VERSION"))),
        ("x-api-key", KEY),
    ];
    assert_eq!(seen.iter().map(|(name, value)| (&**name, &**value)).collect::<Vec<_>>(), expected);
    Ok(())
}

#[test]
fn a_provider_that_tells_the_key_or_more_does_not_reach_the_agent() -> Outcome {
    let url = odd_provider(|mut connection, head| {
        let echo = head.split("x-api-key: ").nth(1).and_then(|rest| rest.split("\r\n").next()).unwrap_or_default();
        let body = format!("{{\"error\":\"{echo} is no key, {echo}\"}}");
        let _ = write!(
            connection,
            "HTTP/1.1 401 No\r\ncontent-type: application/json\r\nset-cookie: a=b\r\nanthropic-organization-id: secret\r\n\
             request-id: req-{echo}\r\nserver: x\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
    })?;
    at_gateway(&url, LIMITS, |socket| {
        let answer = send(socket, &post(QUESTION))?;
        let (head, body) = answer.split_once("\r\n\r\n").ok_or("no head")?;
        let expected = "HTTP/1.1 401 Unauthorized\r\ncontent-type: application/json\r\n\
            request-id: req-[redacted]\r\nconnection: close\r\ntransfer-encoding: chunked";
        assert_eq!(head, expected);
        assert!(body.contains("[redacted] is no key, [redacted]") && !answer.contains(KEY), "{answer}");
        Ok(())
    })?;
    Ok(())
}

#[test]
fn who_does_not_know_the_token_spends_nothing() -> Outcome {
    let api = hello()?;
    let account = at_gateway(&api.base_url(), LIMITS, |socket| {
        for shown in
            ["", "x-api-key: \r\n", "x-api-key: a-toke\r\n", "x-api-key: a-token2\r\n", "authorization: a-token\r\n"]
        {
            let bytes =
                format!("POST /v1/messages HTTP/1.1\r\n{shown}content-length: {}\r\n\r\n{QUESTION}", QUESTION.len());
            assert_eq!(status(&send(socket, bytes.as_bytes())?), 401, "{shown}");
        }
        let twice = request("POST /v1/messages", "x-api-key: other\r\n", QUESTION);
        assert_eq!(status(&send(socket, &twice)?), 400);
        Ok(())
    })?;
    assert_eq!((account.totals, account.lines.len()), (Default::default(), 6));
    assert_eq!(api.requests().len(), 0);
    Ok(())
}

#[test]
fn every_limit_cuts_off() -> Outcome {
    let length = QUESTION.len() as u64;
    for (limit, limits, passes) in [
        (GatewayLimit::MaxRequests, GatewayLimits { max_requests: 2, ..LIMITS }, 2),
        (GatewayLimit::MaxRequestBytes, GatewayLimits { max_request_bytes: 3 * length - 1, ..LIMITS }, 2),
        (GatewayLimit::MaxInputTokens, GatewayLimits { max_input_tokens: 101, ..LIMITS }, 2),
        (GatewayLimit::MaxOutputTokens, GatewayLimits { max_output_tokens: 50, ..LIMITS }, 1),
    ] {
        let api = hello()?;
        let account = at_gateway(&api.base_url(), limits, |socket| {
            for round in 0..passes + 2 {
                let answer = send(socket, &post(QUESTION))?;
                assert_eq!(status(&answer), if round < passes { 200 } else { 403 }, "{limit} {round}: {answer}");
                assert_eq!(answer.contains(&format!("the attempt's budget is spent: {limit}")), round >= passes);
            }
            Ok(())
        })?;
        assert_eq!((account.exceeded, api.requests().len()), (Some(limit), passes), "{limit}");
        assert_eq!(ends(&account)[passes..], [ExchangeEnd::Spent(limit), ExchangeEnd::Spent(limit)]);
        assert_eq!(account.totals.tokens.input, 100 * passes as u64);
    }
    Ok(())
}

#[test]
fn an_answer_is_cut_off_in_the_middle_and_reads_so() -> Outcome {
    let api = MessagesApi::start(vec![Reply::Message(vec![Block::text(&"x".repeat(100_000))])])?;
    let limits = GatewayLimits { max_response_bytes: 20_000, ..LIMITS };
    let account = at_gateway(&api.base_url(), limits, |socket| {
        let answer = send(socket, &post(QUESTION))?;
        assert!(status(&answer) == 200 && !answer.ends_with("0\r\n\r\n"), "it reads as whole");
        assert!(answer.len() < 25_000, "{}", answer.len());
        assert_eq!(status(&send(socket, &post(QUESTION))?), 403);
        Ok(())
    })?;
    assert_eq!(account.exceeded, Some(GatewayLimit::MaxResponseBytes));
    assert!(account.totals.response_bytes <= 20_000);
    assert_eq!(account.totals.tokens.output, 1000, "what was not seen to its end is charged in full");
    Ok(())
}

#[test]
fn slow_and_silent_agents_are_given_up() -> Outcome {
    let api = hello()?;
    let account = at_gateway(&api.base_url(), LIMITS, |socket| {
        let mut drip = UnixStream::connect(socket)?;
        drip.set_read_timeout(Some(Duration::from_millis(200)))?;
        let mut answer = Vec::new();
        // One more word whenever the gateway has said nothing for a while. It may close the connection meanwhile.
        loop {
            let _ = drip.write_all(b"POST");
            let ended = drip.read_to_end(&mut answer);
            if !ended.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock) {
                break;
            }
        }
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert_eq!(status(&answer), 408, "{answer}");
        Ok(())
    })?;
    assert!(matches!(ends(&account)[..], [ExchangeEnd::Refused(_)]), "{account:?}");
    Ok(())
}

#[test]
fn connections_are_bounded_and_all_of_them_end_with_the_gateway() -> Outcome {
    let api = hello()?;
    let mut silent = Vec::new();
    at_gateway(&api.base_url(), LIMITS, |socket| {
        // One that is heard proves that all before it were taken in.
        for _ in 0..15 {
            silent.push(UnixStream::connect(socket)?);
        }
        assert_eq!(status(&send(socket, &post(QUESTION))?), 200);
        silent.push(UnixStream::connect(socket)?);
        // There is no room: closed at once, while the silent ones still have their time.
        let mut refused = UnixStream::connect(socket)?;
        assert_eq!(refused.read(&mut [0]).unwrap_or(0), 0);
        Ok(())
    })?;
    for mut connection in silent {
        assert_eq!(connection.read(&mut [0]).unwrap_or(0), 0);
    }
    Ok(())
}

#[test]
fn giants_are_refused_before_they_are_read() -> Outcome {
    let api = hello()?;
    let limits = GatewayLimits { max_request_bytes: 50_000, ..LIMITS };
    at_gateway(&api.base_url(), limits, |socket| {
        let head = format!("POST /v1/messages HTTP/1.1\r\nx-api-key: {TOKEN}\r\n");
        let giant = format!("{head}content-length: 1000000000000\r\n\r\n");
        assert_eq!(status(&send(socket, giant.as_bytes())?), 413);
        let long = format!("{head}x: {}", "x".repeat(100_000));
        assert_eq!(status(&send(socket, long.as_bytes())?), 431);
        let many = format!("{head}{}\r\n", "a: b\r\n".repeat(1000));
        assert_eq!(status(&send(socket, many.as_bytes())?), 431);
        let more = format!("{head}content-length: 50001\r\n\r\n");
        assert_eq!(status(&send(socket, more.as_bytes())?), 403);
        Ok(())
    })?;
    assert_eq!(api.requests().len(), 0);
    Ok(())
}

#[test]
fn what_is_no_plain_request_is_refused() -> Outcome {
    let api = hello()?;
    let account = at_gateway(&api.base_url(), LIMITS, |socket| {
        let head = format!("POST /v1/messages HTTP/1.1\r\nx-api-key: {TOKEN}\r\n");
        for (expected, bytes) in [
            (400, "\0\u{1}\u{2}nonsense\r\n\r\n".to_owned()),
            (400, "\u{16}\u{3}\u{1}\u{2}\0\u{1}".to_owned()),
            (505, "POST /v1/messages HTTP/1.0\r\n\r\n".to_owned()),
            (411, format!("{head}\r\n{QUESTION}")),
            (411, format!("{head}transfer-encoding: chunked\r\n\r\n0\r\n\r\n")),
            (411, format!("{head}content-length: 2\r\ntransfer-encoding: chunked\r\n\r\n{{}}")),
            (400, format!("{head}content-length: 2\r\ncontent-length: 3\r\n\r\n{{}}")),
            (400, format!("{head}content-length: 2\r\ncontent-type: a\r\ncontent-type: b\r\n\r\n{{}}")),
            (400, format!("{head}content-length: 2\r\n\r\n{{}}POST /v1/messages HTTP/1.1\r\n\r\n")),
            (400, format!("{head}content-length: 2\r\n\r\n{{}}")),
            (400, format!("{head}content-length: 3\r\n\r\n\u{fffd}")),
        ] {
            let answer = send(socket, bytes.as_bytes())?;
            assert_eq!(status(&answer), expected, "{bytes:?}: {answer}");
            assert!(answer.contains("{\"error\":{\"message\":\"kavi's gateway: "), "{answer}");
        }
        let mut half = UnixStream::connect(socket)?;
        half.write_all(head.as_bytes())?;
        half.shutdown(std::net::Shutdown::Write)?;
        let mut answer = String::new();
        half.read_to_string(&mut answer)?;
        assert_eq!(status(&answer), 400);
        Ok(())
    })?;
    assert_eq!(api.requests().len(), 0);
    assert!(account.lines.iter().all(|line| matches!(line.end, ExchangeEnd::Refused(_)) && !line.is_asked));
    Ok(())
}

#[test]
fn a_head_that_two_readers_could_read_differently_is_refused() -> Outcome {
    let api = hello()?;
    let account = at_gateway(&api.base_url(), LIMITS, |socket| {
        let post = "POST /v1/messages HTTP/1.1\r\n";
        let token = format!("x-api-key: {TOKEN}\r\n");
        let with = |headers: &str| format!("{post}{token}{headers}\r\n{{}}");
        let length = "content-length: 2\r\n";
        let mut wrong = String::new();
        for (expected, bytes) in [
            // The request line.
            (400, format!("POST  /v1/messages HTTP/1.1\r\n{token}{length}\r\n{{}}")),
            (400, format!("POST /v1/messages  HTTP/1.1\r\n{token}{length}\r\n{{}}")),
            (400, format!("POST /v1/messages\r\n{token}{length}\r\n{{}}")),
            (400, format!("POST /v1/messages HTTP/2.0\r\n{token}{length}\r\n{{}}")),
            (400, format!("POST /v1/messages HTTP/1.11\r\n{token}{length}\r\n{{}}")),
            (400, format!("P\u{f6}ST /v1/messages HTTP/1.1\r\n{token}{length}\r\n{{}}")),
            (403, format!("POST http://evil.example/v1/messages HTTP/1.1\r\n{token}{length}\r\n{{}}")),
            (403, format!("POST /v1/../v1/messages HTTP/1.1\r\n{token}{length}\r\n{{}}")),
            (403, format!("POST /v1/messages# HTTP/1.1\r\n{token}{length}\r\n{{}}")),
            // The form of a header.
            (400, with(&format!("no colon\r\n{length}"))),
            (400, with("content-length : 2\r\n")),
            (400, with(&format!("{length}a: b\r\n folded\r\n"))),
            (400, with(&format!("{length}a: \0\r\n"))),
            (400, with(&format!("{length}a\0b: c\r\n"))),
            (400, with(&format!("{length}: c\r\n"))),
            // The length.
            (411, with("")),
            (400, with("content-length: \r\n")),
            (400, with("content-length: +2\r\n")),
            (400, with("content-length: -2\r\n")),
            (400, with("content-length: 0x2\r\n")),
            (400, with("content-length: 2.0\r\n")),
            (400, with("content-length: 2, 2\r\n")),
            (400, with("content-length: two\r\n")),
            (400, with("content-length: 99999999999999999999999\r\n")),
            (400, with(&format!("{length}{length}"))),
            (400, with(&format!("{length}transfer-encoding: identity\r\n"))),
            // Headers that give a request a second meaning.
            (415, with(&format!("{length}content-encoding: gzip\r\n"))),
            (417, with(&format!("{length}expect: 100-continue\r\n"))),
            (400, with(&format!("{length}connection: upgrade\r\nupgrade: h2c\r\n"))),
            (400, with(&format!("{length}x-api-key: {TOKEN}\r\n"))),
            (400, with(&format!("{length}anthropic-version: a\r\nanthropic-version: b\r\n"))),
            // The token.
            (401, format!("{post}{length}\r\n{{}}")),
            (401, format!("{post}x-api-key: {TOKEN}x\r\n{length}\r\n{{}}")),
            (401, format!("{post}authorization: {TOKEN}\r\n{length}\r\n{{}}")),
            (401, format!("{post}authorization: bearer {TOKEN}\r\n{length}\r\n{{}}")),
        ] {
            let answer = send(socket, bytes.as_bytes())?;
            let refused = answer.contains("{\"error\":{\"message\":\"kavi's gateway: ");
            if status(&answer) != expected || !refused {
                wrong.push_str(&format!("{expected}, got {} for {bytes:?}\n", status(&answer)));
            }
        }
        if wrong.is_empty() { Ok(()) } else { Err(wrong.into()) }
    })?;
    assert_eq!(api.requests().len(), 0);
    assert!(account.lines.iter().all(|line| matches!(line.end, ExchangeEnd::Refused(_)) && !line.is_asked));
    Ok(())
}

#[test]
fn a_port_of_the_loopback_is_the_same_gateway() -> Outcome {
    let api = hello()?;
    let provider = provider(&api.base_url())?;
    let (asked, account) = serve(
        GatewaySettings {
            provider: &provider,
            limits: LIMITS,
            mode: ListenMode::LoopbackPort,
            token: TOKEN,
            clock: &SystemClock,
        },
        |address| -> Fallible<_> {
            let ListenAddress::Port(port) = address else { return Err("a socket".into()) };
            let mut connection = TcpStream::connect(("127.0.0.1", *port))?;
            connection.write_all(&post(QUESTION))?;
            let mut answer = String::new();
            connection.read_to_string(&mut answer)?;
            Ok((*port, answer))
        },
    )?;
    let (port, answer) = asked?;
    assert_eq!((status(&answer), account.lines.len()), (200, 1));
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "the port is still open");
    Ok(())
}

#[test]
fn the_log_holds_no_body_no_header_and_no_key() -> Outcome {
    let api = MessagesApi::start(vec![Reply::Message(vec![Block::text("MADE-UP ANSWER")])])?;
    let body = QUESTION.replace("hello", "MADE-UP QUESTION");
    let account = at_gateway(&api.base_url(), LIMITS, |socket| {
        let headers = "content-type: application/json\r\nx-secret: MADE-UP HEADER\r\nanthropic-beta: MADE-UP BETA\r\n";
        assert_eq!(status(&send(socket, &request("POST /v1/messages", headers, &body))?), 200);
        Ok(())
    })?;
    let text = json!(account).to_string();
    assert!(!text.contains("MADE-UP") && !text.contains(KEY) && !text.contains(TOKEN), "{text}");
    let line = account.lines.first().ok_or("no line")?;
    assert_eq!((&*line.method, &*line.path, line.status), ("POST", "/v1/messages", Some(200)));
    assert!(line.is_asked, "it has a place in the log whatever else is sent");
    assert_eq!((line.bytes_up, line.tokens.input, line.tokens.output), (body.len() as u64, 100, 50));
    assert!(line.bytes_down > 0);
    Ok(())
}
