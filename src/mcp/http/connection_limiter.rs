//! Limits connections, separately for clients that have authenticated and for others.
//!
//! Guarantees: unauthenticated connections take no slot of an authenticated one. When there are too many, the oldest one of the
//! address with the most connections is closed. So a client with the token keeps its connection if it authenticates before
//! that many others arrive from its own address.
//!
//! Deliberately never: makes a client wait.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::task::AbortHandle;

use crate::sync::lock;

/// Most authenticated connections.
const MOST_AUTHENTICATED: usize = 256;
/// Most other connections. One more closes the oldest.
const MOST_UNAUTHENTICATED: usize = 512;

/// All connections.
#[derive(Debug, Default)]
pub(super) struct ConnectionLimiter {
    unauthenticated: Mutex<BTreeMap<usize, OpenConnection>>,
    authenticated: AtomicUsize,
    next_number: AtomicUsize,
}

/// A connection that has not authenticated.
#[derive(Debug)]
struct OpenConnection {
    from: IpAddr,
    task: AbortHandle,
}

/// Identifies a connection.
#[derive(Debug, Clone, Copy)]
pub(super) struct SlotKey {
    number: usize,
    from: IpAddr,
}

/// Closes the oldest connection of the address that has the most.
fn close_oldest(connections: &mut BTreeMap<usize, OpenConnection>) {
    // By address: one that floods the server loses its own connections before anybody else's.
    let mut counts = HashMap::<IpAddr, usize>::new();
    connections.values().for_each(|connection| *counts.entry(connection.from).or_default() += 1);
    let most = counts.into_iter().max_by_key(|(_, count)| *count).map(|(from, _)| from);
    // Numbers grow with time and the map is ordered by them, so the first one found is the oldest.
    let oldest = connections.iter().find(|(_, connection)| Some(connection.from) == most).map(|(number, _)| *number);
    if let Some(connection) = oldest.and_then(|oldest| connections.remove(&oldest)) {
        connection.task.abort();
    }
}

impl ConnectionLimiter {
    /// The slot of a new connection from this address.
    pub(super) fn open_slot(self: &Arc<Self>, from: IpAddr) -> ConnectionSlot {
        let key = SlotKey { number: self.next_number.fetch_add(1, Ordering::Relaxed), from };
        ConnectionSlot { limiter: Arc::clone(self), key, authenticated: AtomicBool::new(false) }
    }

    /// Registers the task of a connection, and closes another one if there are too many.
    pub(super) fn limit(&self, SlotKey { number, from }: SlotKey, task: AbortHandle) {
        let mut unauthenticated = lock(&self.unauthenticated);
        // The new one is in the map before one is chosen, so it can be the one that is closed.
        unauthenticated.insert(number, OpenConnection { from, task });
        if unauthenticated.len() > MOST_UNAUTHENTICATED {
            close_oldest(&mut unauthenticated);
        }
    }

    /// Closes one of the unauthenticated connections.
    pub(super) fn close_oldest(&self) {
        close_oldest(&mut lock(&self.unauthenticated));
    }
}

/// The slot of one connection, until it is dropped.
#[derive(Debug)]
pub(super) struct ConnectionSlot {
    limiter: Arc<ConnectionLimiter>,
    key: SlotKey,
    authenticated: AtomicBool,
}

impl ConnectionSlot {
    /// What identifies the connection.
    pub(super) fn key(&self) -> SlotKey {
        self.key
    }

    /// The client has shown the token. Says whether an authenticated connection is free for it.
    pub(super) fn authenticate(&self) -> bool {
        if self.authenticated.load(Ordering::Relaxed) {
            return true;
        }
        // Counted in one atomic step: two connections must not both get the last slot.
        let free = |count: usize| (count < MOST_AUTHENTICATED).then_some(count + 1);
        if self.limiter.authenticated.fetch_update(Ordering::Relaxed, Ordering::Relaxed, free).is_err() {
            return false;
        }
        self.authenticated.store(true, Ordering::Relaxed);
        // From here on a flood cannot close this connection.
        lock(&self.limiter.unauthenticated).remove(&self.key.number);
        true
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        if self.authenticated.load(Ordering::Relaxed) {
            self.limiter.authenticated.fetch_sub(1, Ordering::Relaxed);
        } else {
            lock(&self.limiter.unauthenticated).remove(&self.key.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn come(limiter: &Arc<ConnectionLimiter>) -> (ConnectionSlot, tokio::task::JoinHandle<()>) {
        come_from(limiter, [127, 0, 0, 1])
    }

    fn come_from(limiter: &Arc<ConnectionLimiter>, from: [u8; 4]) -> (ConnectionSlot, tokio::task::JoinHandle<()>) {
        let slot = limiter.open_slot(from.into());
        let connection = tokio::spawn(std::future::pending());
        limiter.limit(slot.key(), connection.abort_handle());
        (slot, connection)
    }

    #[test]
    fn whoever_comes_from_elsewhere_is_not_pushed_out() -> std::io::Result<()> {
        block(async {
            let limiter = Arc::new(ConnectionLimiter::default());
            let (_seat, honest) = come_from(&limiter, [10, 0, 0, 1]);
            let _others: Vec<_> = (0..3 * MOST_UNAUTHENTICATED).map(|_| come_from(&limiter, [10, 0, 0, 2])).collect();
            limiter.close_oldest();
            tokio::task::yield_now().await;
            assert!(!honest.is_finished());
            assert_eq!(lock(&limiter.unauthenticated).len(), MOST_UNAUTHENTICATED - 1);
        })
    }

    fn block(work: impl Future<Output = ()>) -> std::io::Result<()> {
        tokio::runtime::Builder::new_current_thread().build()?.block_on(work);
        Ok(())
    }

    #[test]
    fn of_too_many_strangers_the_oldest_goes_and_nobody_who_is_known() -> std::io::Result<()> {
        block(async {
            let limiter = Arc::new(ConnectionLimiter::default());
            let (authenticated, friend) = come(&limiter);
            assert!(authenticated.authenticate() && authenticated.authenticate());
            let mut others: Vec<_> = (0..=MOST_UNAUTHENTICATED).map(|_| come(&limiter)).collect();
            let (_, oldest) = others.remove(0);
            assert!(oldest.await.is_err_and(|error| error.is_cancelled()));
            tokio::task::yield_now().await;
            assert!(!friend.is_finished() && others.iter().all(|(_, other)| !other.is_finished()));
            drop(others);
            assert!(lock(&limiter.unauthenticated).is_empty());
        })
    }

    #[test]
    fn there_is_room_for_so_many_who_are_known() -> std::io::Result<()> {
        block(async {
            let limiter = Arc::new(ConnectionLimiter::default());
            let mut all: Vec<_> = (0..MOST_AUTHENTICATED).map(|_| come(&limiter).0).collect();
            assert!(all.iter().all(ConnectionSlot::authenticate));
            let (late, _) = come(&limiter);
            assert!(!late.authenticate());
            drop(all.pop());
            assert!(late.authenticate());
        })
    }
}
