//! The one way out of a cage that a job can be given: a port on the cage's own loopback that leads to a Unix socket of
//! the host.
//!
//! It lives in the threads of the stage inside, so it stands behind the same walls as the job, needs no program of its
//! own in the tree, and dies with the cage. The job cannot look into it: the stage's memory and files are closed to it.
//!
//! Guarantees: bytes pass as they come, in both directions; a bounded number of connections at a time; one that cannot
//! be had or carried is closed. Deliberately never: looks at what passes, or connects to anything but that one socket.
//! Who may do what is decided at the other end of the socket.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use super::job::FORWARD_CONNECTIONS;
use super::wire::Forward;

/// What a thread here needs of a stack, and more.
const STACK: usize = 128 * 1024;
/// How long a client may go on sending after its answer.
const LINGER: Duration = Duration::from_secs(3);
/// A pause after a connection that could not be accepted.
const BREATH: Duration = Duration::from_millis(10);

/// Opens the port. When this returns, whoever connects is heard.
pub(super) fn open(forward: &Forward) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, forward.port))?;
    let socket = PathBuf::from(&forward.socket);
    in_thread(move || {
        let open = Arc::new(AtomicU64::new(0));
        for client in listener.incoming() {
            let Ok(client) = client else {
                // One connection that has gone already, or descriptors that will come back: not a reason to spin.
                thread::sleep(BREATH);
                continue;
            };
            let Some(place) = Place::take(&open) else { continue };
            let socket = socket.clone();
            // What cannot be carried is dropped, and so closed.
            let _ = in_thread(move || {
                let _ = carry(&client, &socket, &Arc::new(place));
            });
        }
    })
}

fn in_thread(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name("forward".to_owned()).stack_size(STACK).spawn(work).map(drop)
}

/// One of the connections that may be open.
struct Place(Arc<AtomicU64>);

impl Place {
    fn take(open: &Arc<AtomicU64>) -> Option<Self> {
        let taken = open.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |count| {
            (count < FORWARD_CONNECTIONS).then_some(count + 1)
        });
        taken.is_ok().then(|| Self(Arc::clone(open)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn carry(client: &TcpStream, socket: &Path, place: &Arc<Place>) -> io::Result<()> {
    // Small pieces of a stream must not wait for each other.
    client.set_nodelay(true)?;
    let gate = UnixStream::connect(socket)?;
    let (from_gate, to_client) = (gate.try_clone()?, client.try_clone()?);
    // Nothing is ever sent on this; its end is the news.
    let (saying, said_all) = mpsc::channel::<()>();
    // The place is free again when both directions are at their end.
    let place = Arc::clone(place);
    in_thread(move || {
        let _place = place;
        let _ = pass(&from_gate, &to_client);
        // Nothing more will come, and the client hears so. What it is still sending is taken for a while: were the
        // connection closed over it, the end of the answer could be lost.
        let _ = to_client.shutdown(Shutdown::Write);
        let _ = said_all.recv_timeout(LINGER);
        let _ = to_client.shutdown(Shutdown::Both);
        let _ = from_gate.shutdown(Shutdown::Both);
    })?;
    let passed = pass(client, &gate);
    // The client has said all; the answer may still be on its way.
    let _ = gate.shutdown(Shutdown::Write);
    drop(saying);
    passed
}

fn pass(mut from: impl Read, mut to: impl Write) -> io::Result<()> {
    io::copy(&mut from, &mut to).map(drop)
}
