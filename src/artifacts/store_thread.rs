//! A thread that stores what other threads hand it, for threads that can open no file.
//!
//! A run of a skill that only reads is done on a thread that the kernel keeps from every folder but the vault. Its record may
//! have a value that is too large for the ledger and goes into the store.
//!
//! Guarantees: a caller gets its answer only when the file is on disk. Deliberately never: started by a thread that is restricted
//! itself, because a thread inherits the restriction of the one that makes it.

use std::io;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use super::error::ArtifactError;
use super::stored_kind::StoredKind;
use crate::model::digest::Digest;

/// One file to store, and where the answer goes.
#[derive(Debug)]
struct Job {
    kind: StoredKind,
    bytes: Vec<u8>,
    answer: mpsc::Sender<Result<Digest, ArtifactError>>,
}

/// The thread. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct StoreThread {
    jobs: Option<mpsc::Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl StoreThread {
    /// Starts it. `put` stores one file.
    ///
    /// # Errors
    /// When there can be no other thread.
    pub(super) fn start<F>(put: F) -> io::Result<Self>
    where
        F: Fn(StoredKind, &[u8]) -> Result<Digest, ArtifactError> + Send + 'static,
    {
        let (jobs, taken) = mpsc::channel::<Job>();
        let thread = thread::Builder::new().name("kavi-store".into()).spawn(move || {
            for job in taken {
                // Whoever asked may have gone, and the file is stored all the same.
                let _ = job.answer.send(put(job.kind, &job.bytes));
            }
        })?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Has it store these bytes, and waits.
    pub(super) fn put(&self, kind: StoredKind, bytes: &[u8]) -> io::Result<Result<Digest, ArtifactError>> {
        let (answer, answered) = mpsc::channel();
        let job = Job { kind, bytes: bytes.to_owned(), answer };
        let ended = || io::Error::other("the thread of the store ended early");
        self.jobs.as_ref().and_then(|jobs| jobs.send(job).ok()).ok_or_else(ended)?;
        answered.recv().map_err(|_| ended())
    }
}

impl Drop for StoreThread {
    fn drop(&mut self) {
        // Without a sender the thread's loop ends.
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic there was told to whoever waited for the answer.
            let _ = thread.join();
        }
    }
}
