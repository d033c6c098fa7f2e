//! The gateway and its provider: encryption, proxies, streams, and providers that fail.

use std::io::{self, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use kavi::forge::gateway::{ExchangeEnd, GatewayLimits, GatewaySettings, ListenAddress, ListenMode, Provider, serve};
use kavi::http::{HttpProxy, TlsRoots};
use kavi::model::time::SystemClock;
use serde_json::json;

use super::gateway::{
    Fallible, KEY, LIMITS, Outcome, QUESTION, STREAMED, TOKEN, at_gateway, ends, hello, odd_provider, post, provider,
    send, status,
};
use crate::support::messages_api::{MessagesApi, Reply};

#[test]
fn a_provider_whose_head_is_too_long_is_no_answer() -> Outcome {
    let url = odd_provider(|mut connection, _| {
        let headers = format!("x: {}\r\n", "a".repeat(1_000)).repeat(80);
        let _ = write!(connection, "HTTP/1.1 200 OK\r\n{headers}content-length: 2\r\n\r\n{{}}");
    })?;
    let account = at_gateway(&url, LIMITS, |socket| {
        assert_eq!(status(&send(socket, &post(QUESTION))?), 502);
        Ok(())
    })?;
    assert_eq!(ends(&account), [ExchangeEnd::BrokenOff("the provider's response is too large")]);
    assert_eq!(account.totals.tokens.output, 1000, "it may have been asked");
    Ok(())
}

#[test]
fn a_proxy_gets_its_password_and_never_the_key() -> Outcome {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let proxy = HttpProxy::parse(&format!("http://ada:made-up@{}", listener.local_addr()?))?;
    let asked = thread::spawn(move || -> io::Result<String> {
        let mut connection = listener.accept()?.0;
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") && connection.read(&mut byte)? == 1 {
            head.push(byte[0]);
        }
        connection.write_all(b"HTTP/1.1 407 Who\r\ncontent-length: 0\r\n\r\n")?;
        // What is sent after the refusal would be the request itself.
        connection.read_to_end(&mut head)?;
        Ok(String::from_utf8_lossy(&head).into_owned())
    });
    let provider = Provider { proxy: Some(proxy), ..provider("https://provider.example:8443")? };
    let (answer, account) = serve(
        GatewaySettings {
            provider: &provider,
            limits: LIMITS,
            mode: ListenMode::UnixSocket,
            token: TOKEN,
            clock: &SystemClock,
        },
        |address| match address {
            ListenAddress::Socket(path) => send(path, &post(QUESTION)),
            ListenAddress::Port(_) => Err("a port".into()),
        },
    )?;
    let (answer, head) = (answer?, asked.join().map_err(|_| "the proxy panicked")??);
    assert!(head.starts_with("CONNECT provider.example:8443 HTTP/1.1\r\n"), "{head}");
    // `ada:made-up`
    assert!(
        head.to_ascii_lowercase().contains("proxy-authorization: basic ") && head.contains("YWRhOm1hZGUtdXA="),
        "{head}"
    );
    assert!(head.ends_with("\r\n\r\n") && !head.contains(KEY) && !head.contains("hello"), "{head}");
    assert!(status(&answer) == 502 && !answer.contains("made-up"), "{answer}");
    assert!(matches!(ends(&account)[..], [ExchangeEnd::Unreachable(_)]), "{account:?}");
    assert!(!json!(account).to_string().contains("made-up"));
    assert_eq!(account.totals.tokens, Default::default());
    Ok(())
}

#[test]
fn the_provider_does_nothing_for_the_agent_but_answer() -> Outcome {
    let api = hello()?;
    at_gateway(&api.base_url(), LIMITS, |socket| {
        for (key, value) in [
            ("mcp_servers", json!([{"type": "url", "url": "https://evil.example", "name": "x"}])),
            ("tools", json!([{"type": "web_fetch_20250910", "name": "web_fetch"}])),
            (
                "messages",
                json!([{"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "https://evil.example/?x"}}]}]),
            ),
        ] {
            let mut body: serde_json::Value = serde_json::from_str(QUESTION)?;
            body[key] = value;
            let answer = send(socket, &post(&body.to_string()))?;
            assert_eq!(status(&answer), 403, "{body}: {answer}");
        }
        Ok(())
    })?;
    assert_eq!(api.requests().len(), 0);
    Ok(())
}

#[test]
fn a_stream_passes_as_it_comes() -> Outcome {
    let (seen, was_seen) = mpsc::channel::<()>();
    let url = odd_provider(move |mut connection, _| {
        let start = json!({"type": "message_start", "message": {"usage": {"input_tokens": 7, "output_tokens": 1}}});
        let _ = write!(
            connection,
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        let event = |data: &serde_json::Value| format!("event: x\ndata: {data}\n\n");
        let chunk = |text: String| format!("{:x}\r\n{text}\r\n", text.len());
        let _ = connection.write_all(chunk(event(&start)).as_bytes());
        // The rest is not sent before the agent has seen the beginning.
        if was_seen.recv_timeout(Duration::from_secs(60)).is_ok() {
            let delta = json!({"type": "message_delta", "delta": {}, "usage": {"output_tokens": 9}});
            let rest = format!("{}{}0\r\n\r\n", chunk(event(&delta)), chunk(event(&json!({"type": "message_stop"}))));
            let _ = connection.write_all(rest.as_bytes());
        }
    })?;
    let account = at_gateway(&url, LIMITS, |socket| {
        let mut connection = UnixStream::connect(socket)?;
        connection.write_all(&post(STREAMED))?;
        let mut answer = String::new();
        while !answer.contains("message_start") {
            let mut buffer = [0; 1024];
            let got = connection.read(&mut buffer)?;
            assert!(got > 0, "{answer}");
            answer.push_str(&String::from_utf8_lossy(&buffer[..got]));
        }
        seen.send(())?;
        connection.read_to_string(&mut answer)?;
        assert!(answer.contains("message_stop") && answer.ends_with("0\r\n\r\n"), "{answer}");
        Ok(())
    })?;
    assert_eq!((account.totals.tokens.input, account.totals.tokens.output), (7, 9));
    assert_eq!(ends(&account), [ExchangeEnd::Answered]);
    Ok(())
}

#[test]
fn the_provider_is_left_when_the_agent_leaves() -> Outcome {
    let (left, was_left) = mpsc::channel();
    let url = odd_provider(move |mut connection, _| {
        let _ = write!(connection, "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\ndata: {{}}\n\n");
        // Nothing more is sent; the end of this read is the end of the connection.
        let _ = connection.read(&mut [0]);
        let _ = left.send(());
    })?;
    let account = at_gateway(&url, LIMITS, |socket| {
        let mut connection = UnixStream::connect(socket)?;
        connection.write_all(&post(STREAMED))?;
        connection.read_exact(&mut [0; 16])?;
        drop(connection);
        Ok(was_left.recv_timeout(Duration::from_secs(60))?)
    })?;
    assert_eq!(ends(&account), [ExchangeEnd::Abandoned]);
    assert_eq!(account.totals.tokens.output, 1000, "hanging up saves nothing");
    Ok(())
}

#[test]
fn the_gateway_closes_while_the_provider_stalls() -> Outcome {
    let api = MessagesApi::start(vec![Reply::Stall])?;
    let mut connection = None;
    let account = at_gateway(&api.base_url(), LIMITS, |socket| {
        let mut stalled = UnixStream::connect(socket)?;
        stalled.write_all(&post(STREAMED))?;
        stalled.read_exact(&mut [0; 16])?;
        connection = Some(stalled);
        Ok(())
    })?;
    assert_eq!(ends(&account), [ExchangeEnd::Abandoned]);
    Ok(())
}

#[test]
fn one_question_is_asked_at_a_time() -> Outcome {
    let api = hello()?;
    let limits = GatewayLimits { max_output_tokens: 50, ..LIMITS };
    let account = at_gateway(&api.base_url(), limits, |socket| {
        let answers = thread::scope(|scope| {
            let asking: Vec<_> =
                (0..8).map(|_| scope.spawn(|| send(socket, &post(QUESTION)).unwrap_or_default())).collect();
            asking.into_iter().filter_map(|asked| asked.join().ok()).map(|answer| status(&answer)).collect::<Vec<_>>()
        });
        assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1, "{answers:?}");
        Ok(())
    })?;
    assert_eq!((api.requests().len(), account.totals.tokens.output), (1, 50));
    Ok(())
}

#[test]
fn a_provider_that_is_not_there_or_points_elsewhere_costs_nothing() -> Outcome {
    let closed = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?;
    let elsewhere = hello()?;
    let target = elsewhere.base_url();
    let redirect = odd_provider(move |mut connection, _| {
        let _ = write!(connection, "HTTP/1.1 307 Go\r\nlocation: {target}/v1/messages\r\ncontent-length: 0\r\n\r\n");
    })?;
    for url in [format!("http://{closed}"), redirect] {
        let account = at_gateway(&url, LIMITS, |socket| {
            let answer = send(socket, &post(QUESTION))?;
            assert!(status(&answer) == 502 && !answer.contains("location"), "{answer}");
            Ok(())
        })?;
        assert!(matches!(ends(&account)[..], [ExchangeEnd::Unreachable(_)]), "{account:?}");
        assert_eq!(account.totals.tokens, Default::default());
    }
    assert_eq!(elsewhere.requests().len(), 0);
    Ok(())
}

#[test]
fn a_provider_that_talks_nonsense_is_no_answer() -> Outcome {
    for nonsense in ["nonsense\r\n\r\n", "", "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 1\r\n\r\nx"]
    {
        let url = odd_provider(move |mut connection, _| drop(connection.write_all(nonsense.as_bytes())))?;
        let account = at_gateway(&url, LIMITS, |socket| {
            assert_eq!(status(&send(socket, &post(QUESTION))?), 502, "{nonsense:?}");
            Ok(())
        })?;
        assert!(matches!(ends(&account)[..], [ExchangeEnd::BrokenOff(_)]), "{account:?}");
        assert_eq!(account.totals.tokens.output, 1000, "it may have been asked");
    }
    Ok(())
}

#[test]
fn without_encryption_the_key_is_not_sent() -> Outcome {
    // A provider that was to be encrypted and is not.
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let url = format!("https://{}", listener.local_addr()?);
    let plain = thread::spawn(move || -> io::Result<Vec<u8>> {
        let mut connection = listener.accept()?.0;
        let mut heard = vec![0; 5];
        connection.read_exact(&mut heard)?;
        connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?;
        connection.read_to_end(&mut heard)?;
        Ok(heard)
    });
    let account = at_gateway(&url, LIMITS, |socket| {
        assert_eq!(status(&send(socket, &post(QUESTION))?), 502);
        Ok(())
    })?;
    assert_eq!(ends(&account), [ExchangeEnd::Unreachable("there is no encrypted connection to the provider")]);
    let heard = plain.join().map_err(|_| "the provider panicked")??;
    assert!(!String::from_utf8_lossy(&heard).contains(KEY));
    Ok(())
}

/// An encrypted provider on the loopback that answers once, and the certificate that vouches for it.
fn encrypted_provider() -> Fallible<(String, String, thread::JoinHandle<io::Result<String>>)> {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()])?;
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der())?;
    let config = rustls::ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)?;
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let url = format!("https://{}", listener.local_addr()?);
    let provider = thread::spawn(move || -> io::Result<String> {
        let mut connection = listener.accept()?.0;
        let mut session = rustls::ServerConnection::new(config.into()).map_err(io::Error::other)?;
        let mut stream = rustls::Stream::new(&mut session, &mut connection);
        let (mut heard, mut buffer) = (String::new(), [0; 4096]);
        while !heard.ends_with(QUESTION) {
            match stream.read(&mut buffer)? {
                0 => break,
                got => heard.push_str(&String::from_utf8_lossy(&buffer[..got])),
            }
        }
        let body = r#"{"usage":{"input_tokens":3,"output_tokens":4}}"#;
        write!(
            stream,
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )?;
        Ok(heard)
    });
    Ok((url, made.cert.pem(), provider))
}

#[test]
fn an_encrypted_provider_is_asked_when_somebody_trusted_vouches_for_it() -> Outcome {
    let (url, certificate, asked) = encrypted_provider()?;
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("roots.pem");
    std::fs::write(&file, certificate)?;
    let provider = Provider { roots: TlsRoots::from_file(&file)?, ..provider(&url)? };
    let (answer, account) = serve(
        GatewaySettings {
            provider: &provider,
            limits: LIMITS,
            mode: ListenMode::UnixSocket,
            token: TOKEN,
            clock: &SystemClock,
        },
        |address| match address {
            ListenAddress::Socket(path) => send(path, &post(QUESTION)),
            ListenAddress::Port(_) => Err("a port".into()),
        },
    )?;
    assert_eq!(status(&answer?), 200);
    assert!(asked.join().map_err(|_| "the provider panicked")??.contains(&format!("x-api-key: {KEY}\r\n")));
    assert_eq!((account.totals.tokens.input, account.totals.tokens.output), (3, 4));

    let (url, _, asked) = encrypted_provider()?;
    let account = at_gateway(&url, LIMITS, |socket| {
        assert_eq!(status(&send(socket, &post(QUESTION))?), 502);
        Ok(())
    })?;
    assert_eq!(ends(&account), [ExchangeEnd::Unreachable("there is no encrypted connection to the provider")]);
    assert!(asked.join().map_err(|_| "the provider panicked")?.is_err(), "somebody nobody vouches for was asked");
    Ok(())
}
