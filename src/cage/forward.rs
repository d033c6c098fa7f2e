//! The one way out of a cage: a port on the cage's own loopback that leads to a Unix socket of the host.
//!
//! It runs in threads of the stage inside. So it is confined like the job, needs no program of its own in the tree, and dies
//! with the cage. The job cannot inspect it: the memory and files of the stage are closed to it.
//!
//! Guarantees: bytes pass unchanged in both directions; the number of connections is limited; a connection that cannot be
//! accepted or forwarded is closed. Deliberately never: reads what passes, or connects to anything but that one socket. The
//! other end of the socket decides who may do what.

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
use crate::sync::uninterrupted;

/// More stack than a thread here needs. Each one counts against the memory of the cage.
const STACK: usize = 128 * 1024;
/// How long a client may go on sending after its answer.
const LINGER: Duration = Duration::from_secs(3);
/// A pause after a connection that could not be accepted.
const BREATH: Duration = Duration::from_millis(10);

/// Opens the port. When this returns, it accepts connections.
pub(super) fn open(forward: &Forward) -> io::Result<()> {
    // Bound before the job starts, on its own loopback, so that no process of the job can take the
    // port first.
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, forward.port))?;
    let socket = PathBuf::from(&forward.socket);
    in_thread(move || {
        let open = Arc::new(AtomicU64::new(0));
        for client in listener.incoming() {
            let Ok(client) = client else {
                // The client is gone already, or no descriptor is free at the moment. The pause keeps the loop from spinning.
                thread::sleep(BREATH);
                continue;
            };
            // Closed at once. Waiting for a free slot here would leave later clients without any
            // answer.
            let Some(slot) = ConnectionSlot::take(&open) else { continue };
            let socket = socket.clone();
            // A connection that cannot be forwarded is dropped, which closes it.
            let _ = in_thread(move || {
                let _ = carry(&client, &socket, &Arc::new(slot));
            });
        }
    })
}

fn in_thread(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name("forward".to_owned()).stack_size(STACK).spawn(work).map(drop)
}

/// One of the connections that may be open at the same time.
struct ConnectionSlot(Arc<AtomicU64>);

impl ConnectionSlot {
    fn take(open: &Arc<AtomicU64>) -> Option<Self> {
        // One atomic step: reading the count and adding later would let two connections take the
        // last slot.
        let taken = open.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |count| {
            (count < FORWARD_CONNECTIONS).then_some(count + 1)
        });
        taken.is_ok().then(|| Self(Arc::clone(open)))
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

fn carry(client: &TcpStream, socket: &Path, slot: &Arc<ConnectionSlot>) -> io::Result<()> {
    // Small pieces of a streamed answer must not wait for each other.
    client.set_nodelay(true)?;
    let host = uninterrupted(|| UnixStream::connect(socket))?;
    let (from_host, to_client) = (host.try_clone()?, client.try_clone()?);
    // Nothing is sent on this channel. The other thread waits for its end.
    let (sending, all_sent) = mpsc::channel::<()>();
    // The slot is free again when both directions have ended.
    let slot = Arc::clone(slot);
    in_thread(move || {
        let _slot = slot;
        let _ = pass(&from_host, &to_client);
        // The client learns that no more will come. What it still sends is read for a while: closing a socket with unread
        // data resets the connection, and the client could lose the end of the answer.
        let _ = to_client.shutdown(Shutdown::Write);
        let _ = all_sent.recv_timeout(LINGER);
        let _ = to_client.shutdown(Shutdown::Both);
        let _ = from_host.shutdown(Shutdown::Both);
    })?;
    let passed = pass(client, &host);
    // The client has sent everything; the answer may still be on its way.
    let _ = host.shutdown(Shutdown::Write);
    // Tells the other thread that the client has finished, so that it need not wait for the whole
    // time.
    drop(sending);
    passed
}

fn pass(mut from: impl Read, mut to: impl Write) -> io::Result<()> {
    io::copy(&mut from, &mut to).map(drop)
}
