//! The signals that ask the server to end.
//!
//! Guarantees: they end the server also as process 1 of a container, where the kernel has no default action for them.

use std::io;
use std::thread;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The rest of the shutdown belongs to other threads, and the writer of the ledger may wait for another process. A second
/// signal means that nobody wants to wait for that. To exit is safe: an interrupted process leaves nothing half done.
pub(super) fn exit_on_next_signal() {
    let wait = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            ShutdownSignals::listen()?.next().await;
            io::Result::Ok(())
        })
    };
    // Without a thread, the shutdown just takes as long as it takes.
    let _ = thread::Builder::new().name("kavi-signals".into()).spawn(move || {
        if wait().is_ok() {
            std::process::exit(1);
        }
    });
}

/// The signals that ask the process to end.
pub(super) struct ShutdownSignals([Signal; 3]);

impl ShutdownSignals {
    /// Must be called inside the runtime.
    pub(super) fn listen() -> io::Result<Self> {
        let [interrupt, terminate, hangup] = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        Ok(Self([signal(interrupt)?, signal(terminate)?, signal(hangup)?]))
    }

    /// Waits for the next signal.
    pub(super) async fn next(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
