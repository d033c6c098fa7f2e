//! An HTTP server on the loopback interface, for tests. It remembers every request and answers each as it is told to,
//! well or badly. HTTP/1.1, one request for each connection.

use std::fmt;
use std::io::{self, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::Value;

use super::http_request::{self, ReceivedRequest};

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// `Null` when there was none or it was no JSON.
    pub body: Value,
}

impl From<ReceivedRequest> for Request {
    fn from(ReceivedRequest { method, path, headers, body }: ReceivedRequest) -> Self {
        Self { method, path, headers, body: serde_json::from_slice(&body).unwrap_or(Value::Null) }
    }
}

impl Request {
    pub fn header(&self, name: &str) -> Option<&str> {
        http_request::header(&self.headers, name)
    }
}

/// Answers a request.
type Respond = dyn Fn(&Request, &Exchange<'_>) -> io::Result<()> + Send + Sync;

struct Shared {
    respond: Box<Respond>,
    requests: Mutex<Vec<Request>>,
    /// Whether the server ends. Answers that go on until then wait for it.
    ending: Mutex<bool>,
    ended: Condvar,
}

/// The server. Ends with its value.
pub struct Loopback {
    address: SocketAddr,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

impl fmt::Debug for Loopback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Loopback").field(&self.address).finish()
    }
}

impl Loopback {
    /// Starts it on a free port of 127.0.0.1.
    pub fn start(
        respond: impl Fn(&Request, &Exchange<'_>) -> io::Result<()> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared {
            respond: Box::new(respond),
            requests: Mutex::default(),
            ending: Mutex::default(),
            ended: Condvar::new(),
        });
        let for_acceptor = Arc::clone(&shared);
        let acceptor = thread::spawn(move || {
            for connection in listener.incoming() {
                if *locked(&for_acceptor.ending) {
                    break;
                }
                let shared = Arc::clone(&for_acceptor);
                if let Ok(connection) = connection {
                    thread::spawn(move || serve(&connection, &shared));
                }
            }
        });
        Ok(Self { address, shared, acceptor: Some(acceptor) })
    }

    /// Where it listens, without a path.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<Request> {
        locked(&self.shared.requests).clone()
    }
}

impl Drop for Loopback {
    fn drop(&mut self) {
        *locked(&self.shared.ending) = true;
        self.shared.ended.notify_all();
        // The acceptor waits for a connection; this is one.
        drop(TcpStream::connect(self.address));
        if let Some(acceptor) = self.acceptor.take() {
            drop(acceptor.join());
        }
    }
}

/// A port on which no server listens.
pub fn closed() -> io::Result<String> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    Ok(format!("http://{}", listener.local_addr()?))
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn serve(connection: &TcpStream, shared: &Shared) -> io::Result<()> {
    let request = Request::from(ReceivedRequest::read(BufReader::new(connection))?);
    locked(&shared.requests).push(request.clone());
    (shared.respond)(&request, &Exchange { connection, shared })
}

/// A connection on which a request came, and what it is answered with.
pub struct Exchange<'a> {
    connection: &'a TcpStream,
    shared: &'a Shared,
}

impl Exchange<'_> {
    /// A whole answer.
    pub fn respond(&self, status: u16, content_type: &str, body: &[u8]) -> io::Result<()> {
        self.head(status, &[("content-type", content_type), ("content-length", &body.len().to_string())])?;
        self.write(body)
    }

    /// A status line, these headers and the end of the head.
    pub fn head(&self, status: u16, headers: &[(&str, &str)]) -> io::Result<()> {
        let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        self.write(format!("HTTP/1.1 {status} Made Up\r\n{lines}connection: close\r\n\r\n").as_bytes())
    }

    /// Bytes of a body.
    pub fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let mut connection = self.connection;
        connection.write_all(bytes)?;
        connection.flush()
    }

    /// Keeps the connection open and sends nothing until the server ends.
    pub fn stall(&self) {
        let ending = locked(&self.shared.ending);
        drop(self.shared.ended.wait_while(ending, |ending| !*ending));
    }

    /// Sends one byte after the other, with a pause between them, until the server ends or the client is gone.
    pub fn drip(&self) -> io::Result<()> {
        const PAUSE: Duration = Duration::from_millis(20);
        loop {
            self.write(b" ")?;
            let ending = locked(&self.shared.ending);
            let waited = self.shared.ended.wait_timeout_while(ending, PAUSE, |ending| !*ending);
            if !waited.is_ok_and(|(_, timeout)| timeout.timed_out()) {
                return Ok(());
            }
        }
    }

    /// Sends bytes as fast as the client takes them, until the server ends or the client is gone.
    pub fn flood(&self) -> io::Result<()> {
        while !*locked(&self.shared.ending) {
            self.write(&[b' '; 65_536])?;
        }
        Ok(())
    }
}
