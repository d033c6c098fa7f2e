//! A TLS server on the loopback interface, for tests. It counts its connections, remembers every request, and answers each as
//! it is told to, well or badly. HTTP/1.1, one request for each connection.

use std::io::{self, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

pub use super::http_request::ReceivedRequest as TlsRequest;

type Respond = dyn Fn(&TlsRequest, &mut dyn Write) -> io::Result<()> + Send + Sync;

/// The server. Ends with its value.
pub struct TlsServer {
    address: SocketAddr,
    pem: String,
    connections: Arc<AtomicUsize>,
    requests: Arc<Mutex<Vec<TlsRequest>>>,
    ending: Arc<AtomicBool>,
    acceptor: Option<JoinHandle<()>>,
}

/// A whole response.
pub fn response(status: u16, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let head = format!("HTTP/1.1 {status} Made Up\r\n{lines}content-length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

impl TlsServer {
    /// Starts it on a free port of 127.0.0.1, with a certificate of its own for these names.
    pub fn start(
        names: &[&str],
        respond: impl Fn(&TlsRequest, &mut dyn Write) -> io::Result<()> + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let names = names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let made = rcgen::generate_simple_self_signed(names).map_err(io::Error::other)?;
        let key =
            rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).map_err(io::Error::other)?;
        let config = rustls::ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .map_err(io::Error::other)?;
        let (config, respond): (_, Arc<Respond>) = (Arc::new(config), Arc::new(respond));
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let mut server = Self {
            address: listener.local_addr()?,
            pem: made.cert.pem(),
            connections: Arc::default(),
            requests: Arc::default(),
            ending: Arc::default(),
            acceptor: None,
        };
        let (connections, requests, ending) =
            (Arc::clone(&server.connections), Arc::clone(&server.requests), Arc::clone(&server.ending));
        server.acceptor = Some(thread::spawn(move || {
            for connection in listener.incoming() {
                if ending.load(Ordering::SeqCst) {
                    break;
                }
                let Ok(connection) = connection else { continue };
                connections.fetch_add(1, Ordering::SeqCst);
                let (config, respond, requests) = (Arc::clone(&config), Arc::clone(&respond), Arc::clone(&requests));
                thread::spawn(move || drop(serve(connection, config, &requests, &*respond)));
            }
        }));
        Ok(server)
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Its certificate, in a file of this folder.
    pub fn roots(&self, folder: &Path) -> io::Result<PathBuf> {
        let path = folder.join("roots.pem");
        std::fs::write(&path, &self.pem)?;
        Ok(path)
    }

    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Every request so far.
    pub fn requests(&self) -> Vec<TlsRequest> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::SeqCst);
        // The acceptor waits for a connection; this is one.
        drop(TcpStream::connect(self.address));
        if let Some(acceptor) = self.acceptor.take() {
            drop(acceptor.join());
        }
    }
}

fn serve(
    mut connection: TcpStream,
    config: Arc<rustls::ServerConfig>,
    requests: &Mutex<Vec<TlsRequest>>,
    respond: &Respond,
) -> io::Result<()> {
    let mut session = rustls::ServerConnection::new(config).map_err(io::Error::other)?;
    let request = {
        let mut stream = rustls::Stream::new(&mut session, &mut connection);
        TlsRequest::read(BufReader::new(&mut stream))?
    };
    requests.lock().unwrap_or_else(PoisonError::into_inner).push(request.clone());
    let mut stream = rustls::Stream::new(&mut session, &mut connection);
    respond(&request, &mut stream)?;
    stream.flush()?;
    session.send_close_notify();
    session.complete_io(&mut connection).map(drop)
}
