//! The agent's side of an exchange: as much of HTTP/1.1 as it takes to read one request and to answer it.
//!
//! Guarantees: a head, a body and an answer each have a size and a time that they cannot pass; what can be read in two
//! ways is refused. One request on a connection. Never: hands on a byte of a head; what goes to the provider is written
//! anew from what was understood.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use serde_json::json;

/// The longest head, and the most headers in it.
const MAX_HEAD: usize = 32 * 1024;
const MAX_HEADERS: usize = 64;

/// Why a request is not answered by the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// The status.
    pub status: u16,
    /// The reason, in words of ours alone.
    pub why: &'static str,
}

impl Refusal {
    /// A refusal with this status.
    pub const fn new(status: u16, why: &'static str) -> Self {
        Self { status, why }
    }
}

/// A connection of the agent's.
#[derive(Debug)]
pub enum Client {
    /// From within a cage.
    Unix(UnixStream),
    /// From an agent without a cage.
    Tcp(TcpStream),
}

impl Client {
    /// Another handle on the same connection.
    pub fn try_clone(&self) -> io::Result<Self> {
        match self {
            Self::Unix(stream) => stream.try_clone().map(Self::Unix),
            Self::Tcp(stream) => stream.try_clone().map(Self::Tcp),
        }
    }

    /// Ends it, in all its handles.
    pub fn end(&self) {
        // One that has ended already is as good.
        let _ = match self {
            Self::Unix(stream) => stream.shutdown(Shutdown::Both),
            Self::Tcp(stream) => stream.shutdown(Shutdown::Both),
        };
    }

    /// Says that nothing more will come.
    pub fn fall_silent(&self) {
        // One that has ended already is as good.
        let _ = match self {
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
            Self::Tcp(stream) => stream.shutdown(Shutdown::Write),
        };
    }

    /// How long a read may wait; no time is for ever.
    pub fn patience(&self, read: Option<Duration>) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.set_read_timeout(read),
            Self::Tcp(stream) => stream.set_read_timeout(read),
        }
    }

    /// How long a write may wait.
    pub fn write_patience(&self, write: Duration) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.set_write_timeout(Some(write)),
            Self::Tcp(stream) => stream.set_write_timeout(Some(write)),
        }
    }

    /// Reads once, not past `until`. None when the time is over.
    fn read_until(&mut self, buffer: &mut [u8], until: Instant) -> io::Result<Option<usize>> {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            self.patience(Some(left))?;
            match self.read(buffer) {
                Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                    return Ok(None);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => return other.map(Some),
            }
        }
    }
}

impl Read for Client {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.read(buffer),
            Self::Tcp(stream) => stream.read(buffer),
        }
    }
}

impl Write for Client {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Unix(stream) => stream.write(bytes),
            Self::Tcp(stream) => stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Unix(stream) => stream.flush(),
            Self::Tcp(stream) => stream.flush(),
        }
    }
}

/// The head of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The method.
    pub method: String,
    /// The path and query, as sent.
    pub target: String,
    /// Names in lower case.
    headers: Vec<(String, Vec<u8>)>,
}

impl Head {
    /// The one value of a header, if it has one.
    ///
    /// # Errors
    /// When it is there twice.
    pub fn header(&self, name: &str) -> Result<Option<&[u8]>, Refusal> {
        let mut values = self.headers.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_slice());
        match (values.next(), values.next()) {
            (first, None) => Ok(first),
            _ => Err(Refusal::new(400, "a header stands there twice")),
        }
    }

    /// How long the body is.
    ///
    /// # Errors
    /// When it does not say so in the one plain way.
    pub fn body_length(&self) -> Result<usize, Refusal> {
        for (name, refusal) in [
            ("transfer-encoding", Refusal::new(411, "a body without a length is not read")),
            ("content-encoding", Refusal::new(415, "an encoded body is not read")),
            ("expect", Refusal::new(417, "nothing can be expected here")),
            ("upgrade", Refusal::new(400, "there is no other protocol here")),
        ] {
            if self.header(name)?.is_some() {
                return Err(refusal);
            }
        }
        let length = self.header("content-length")?.ok_or(Refusal::new(411, "a body without a length is not read"))?;
        let digits = std::str::from_utf8(length).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        digits.and_then(|text| text.parse().ok()).ok_or(Refusal::new(400, "the length of the body is no number"))
    }
}

/// What came of reading a head.
#[derive(Debug)]
pub enum Opening {
    /// A head, and what came after it already.
    Head(Head, Vec<u8>),
    /// Nothing at all was sent.
    Nothing,
    /// No head.
    Refused(Refusal),
}

/// Reads a head until `until`.
///
/// # Errors
/// When the connection broke.
pub fn read_head(client: &mut Client, until: Instant) -> io::Result<Opening> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let got = match client.read_until(&mut buffer, until)? {
            None if bytes.is_empty() => return Ok(Opening::Nothing),
            None => return Ok(Opening::Refused(Refusal::new(408, "the head of the request took too long"))),
            Some(0) if bytes.is_empty() => return Ok(Opening::Nothing),
            Some(0) => return Ok(Opening::Refused(Refusal::new(400, "the head of the request breaks off"))),
            Some(got) => got,
        };
        bytes.extend_from_slice(&buffer[..got]);
        match parse_head(&bytes) {
            Ok(Some((head, length))) => return Ok(Opening::Head(head, bytes.split_off(length))),
            Ok(None) if bytes.len() < MAX_HEAD => {}
            Ok(None) => return Ok(Opening::Refused(Refusal::new(431, "the head of the request is too long"))),
            Err(refusal) => return Ok(Opening::Refused(refusal)),
        }
    }
}

/// The head at the beginning of `bytes` and its length, once it is whole.
fn parse_head(bytes: &[u8]) -> Result<Option<(Head, usize)>, Refusal> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut request = httparse::Request::new(&mut headers);
    let length = match request.parse(&bytes[..bytes.len().min(MAX_HEAD)]) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(Refusal::new(431, "the request has too many headers")),
        Err(_) => return Err(Refusal::new(400, "the request is no HTTP")),
    };
    let (Some(method), Some(target), Some(1)) = (request.method, request.path, request.version) else {
        return Err(Refusal::new(505, "only HTTP/1.1 is spoken here"));
    };
    let headers = request.headers.iter().map(|header| (header.name.to_ascii_lowercase(), header.value.to_vec()));
    Ok(Some((Head { method: method.to_owned(), target: target.to_owned(), headers: headers.collect() }, length)))
}

/// Reads a body of this length, of which `begun` has come, until `until`.
///
/// # Errors
/// When it does not come whole and in time.
pub fn read_body(client: &mut Client, begun: Vec<u8>, length: usize, until: Instant) -> Result<Vec<u8>, Refusal> {
    let mut body = begun;
    if body.len() > length {
        return Err(Refusal::new(400, "more was sent than one request"));
    }
    let mut buffer = [0; 16 * 1024];
    while body.len() < length {
        let most = buffer.len().min(length - body.len());
        match client.read_until(&mut buffer[..most], until) {
            Ok(Some(got)) if got > 0 => body.extend_from_slice(&buffer[..got]),
            Ok(None) => return Err(Refusal::new(408, "the body of the request took too long")),
            Ok(Some(_)) | Err(_) => return Err(Refusal::new(400, "the body of the request breaks off")),
        }
    }
    Ok(body)
}

/// Answers with an error in the provider's own form, which the agent understands.
///
/// # Errors
/// When the connection broke.
pub fn refuse(client: &mut Client, refusal: Refusal) -> io::Result<()> {
    let kind = match refusal.status {
        401 => "authentication_error",
        403 => "permission_error",
        413 => "request_too_large",
        429 => "rate_limit_error",
        500.. => "api_error",
        _ => "invalid_request_error",
    };
    let message = format!("kavi's gateway: {}", refusal.why);
    let body = json!({"type": "error", "error": {"type": kind, "message": message}}).to_string();
    // The agent's library asks again after some of these; here the answer would be the same.
    let head = format!(
        "HTTP/1.1 {} Refused\r\ncontent-type: application/json\r\ncontent-length: {}\r\nx-should-retry: false\r\n\
         connection: close\r\n\r\n",
        refusal.status,
        body.len()
    );
    client.write_all(head.as_bytes())?;
    client.write_all(body.as_bytes())
}

/// Answers that somebody is here.
///
/// # Errors
/// When the connection broke.
pub fn greet(client: &mut Client) -> io::Result<()> {
    client.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
}

/// An answer that is written piece by piece. One that is not finished reads as broken off, not as short.
#[derive(Debug)]
pub struct Answer<'c>(&'c mut Client);

impl<'c> Answer<'c> {
    /// Begins it.
    ///
    /// # Errors
    /// When the connection broke.
    pub fn begin(client: &'c mut Client, status: u16, headers: &[(&str, String)]) -> io::Result<Self> {
        let mut head = format!("HTTP/1.1 {status} Answered\r\ntransfer-encoding: chunked\r\nconnection: close\r\n");
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        client.write_all(head.as_bytes())?;
        Ok(Self(client))
    }

    /// Writes a piece of it, now.
    ///
    /// # Errors
    /// When the connection broke.
    pub fn piece(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
        chunk.extend_from_slice(bytes);
        chunk.extend_from_slice(b"\r\n");
        self.0.write_all(&chunk)
    }

    /// Ends it.
    ///
    /// # Errors
    /// When the connection broke.
    pub fn finish(self) -> io::Result<()> {
        self.0.write_all(b"0\r\n\r\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(text: &str) -> Result<Head, Option<u16>> {
        match parse_head(text.as_bytes()) {
            Ok(Some((head, _))) => Ok(head),
            Ok(None) => Err(None),
            Err(refusal) => Err(Some(refusal.status)),
        }
    }

    #[test]
    fn a_head_is_read_as_it_was_sent() -> Result<(), Option<u16>> {
        let head = head("POST /v1/messages?beta=true HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\nrest")?;
        assert_eq!((&*head.method, &*head.target), ("POST", "/v1/messages?beta=true"));
        assert_eq!(head.header("host"), Ok(Some(&b"x"[..])));
        assert_eq!(head.body_length(), Ok(12));
        Ok(())
    }

    #[test]
    fn what_is_no_plain_request_is_refused() {
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(MAX_HEADERS + 1));
        for (status, text) in [
            (400, "\0\0\0\0"),
            (400, "GET  / HTTP/1.1\r\n\r\n"),
            (400, "GET / HTTP/1.1\r\na : b\r\n\r\n"),
            (400, "GET / HTTP/1.1\r\na: b\r\n c\r\n\r\n"),
            (400, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
            (505, "GET / HTTP/1.0\r\n\r\n"),
            (431, &many),
        ] {
            assert_eq!(head(text), Err(Some(status)), "{text:?}");
        }
        assert_eq!(head("POST /v1/messages HTTP/1.1\r\nhost:"), Err(None));
    }

    #[test]
    fn a_body_has_one_plain_length() -> Result<(), Option<u16>> {
        for (status, headers) in [
            (411, ""),
            (411, "content-length: 3\r\ntransfer-encoding: chunked\r\n"),
            (400, "content-length: 3\r\ncontent-length: 3\r\n"),
            (400, "content-length: 3, 3\r\n"),
            (400, "content-length: +3\r\n"),
            (400, "content-length: -3\r\n"),
            (400, "content-length: 0x3\r\n"),
            (400, "content-length: \r\n"),
            (400, "content-length: 99999999999999999999999\r\n"),
            (415, "content-length: 3\r\ncontent-encoding: gzip\r\n"),
            (417, "content-length: 3\r\nexpect: 100-continue\r\n"),
            (400, "content-length: 3\r\nupgrade: h2c\r\n"),
        ] {
            let head = head(&format!("POST / HTTP/1.1\r\n{headers}\r\n"))?;
            assert_eq!(head.body_length().map_err(|refusal| refusal.status), Err(status), "{headers:?}");
        }
        Ok(())
    }
}
