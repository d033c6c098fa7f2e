//! Who holds a connection: strangers, who have not shown the token yet, and those who have.
//!
//! Guarantees: strangers take no place of those who are known; when they are too many, the one that goes is the oldest of the address with the
//! most of them. Whoever has the token is not cut if it is shown before so many others have come from the same address.
//!
//! Deliberately never: lets anybody wait.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::task::AbortHandle;

use crate::model::lock::lock;

/// Most connections of clients that have shown the token.
const MOST_KNOWN: usize = 256;
/// Most connections of others. When another comes, the oldest is cut.
const MOST_STRANGERS: usize = 512;

/// All connections.
#[derive(Debug, Default)]
pub(super) struct Seats {
    strangers: Mutex<BTreeMap<usize, Stranger>>,
    known: AtomicUsize,
    taken: AtomicUsize,
}

#[derive(Debug)]
struct Stranger {
    from: IpAddr,
    connection: AbortHandle,
}

/// Cuts the oldest connection of the address that has the most.
fn cut(strangers: &mut BTreeMap<usize, Stranger>) {
    let mut counts = HashMap::<IpAddr, usize>::new();
    strangers.values().for_each(|stranger| *counts.entry(stranger.from).or_default() += 1);
    let most = counts.into_iter().max_by_key(|(_, count)| *count).map(|(from, _)| from);
    let oldest = strangers.iter().find(|(_, stranger)| Some(stranger.from) == most).map(|(number, _)| *number);
    if let Some(stranger) = oldest.and_then(|oldest| strangers.remove(&oldest)) {
        stranger.connection.abort();
    }
}

impl Seats {
    /// The seat of a connection that has just come from there.
    pub(super) fn stranger(self: &Arc<Self>, from: IpAddr) -> Seat {
        let number = self.taken.fetch_add(1, Ordering::Relaxed);
        Seat { seats: Arc::clone(self), number, from, known: AtomicBool::new(false) }
    }

    /// Notes how the connection with that seat can be cut, and cuts one of the strangers if they are too many.
    pub(super) fn cut_with(&self, (number, from): (usize, IpAddr), connection: AbortHandle) {
        let mut strangers = lock(&self.strangers);
        strangers.insert(number, Stranger { from, connection });
        if strangers.len() > MOST_STRANGERS {
            cut(&mut strangers);
        }
    }

    /// Cuts one of the strangers.
    pub(super) fn cut_oldest(&self) {
        cut(&mut lock(&self.strangers));
    }
}

/// The place of one connection, until it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    seats: Arc<Seats>,
    number: usize,
    from: IpAddr,
    known: AtomicBool,
}

impl Seat {
    /// What its connection is cut by.
    pub(super) fn place(&self) -> (usize, IpAddr) {
        (self.number, self.from)
    }

    /// The client has shown the token. Says whether there is room for it.
    pub(super) fn is_known(&self) -> bool {
        if self.known.load(Ordering::Relaxed) {
            return true;
        }
        let free = |known: usize| (known < MOST_KNOWN).then_some(known + 1);
        if self.seats.known.fetch_update(Ordering::Relaxed, Ordering::Relaxed, free).is_err() {
            return false;
        }
        self.known.store(true, Ordering::Relaxed);
        lock(&self.seats.strangers).remove(&self.number);
        true
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if self.known.load(Ordering::Relaxed) {
            self.seats.known.fetch_sub(1, Ordering::Relaxed);
        } else {
            lock(&self.seats.strangers).remove(&self.number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn come(seats: &Arc<Seats>) -> (Seat, tokio::task::JoinHandle<()>) {
        come_from(seats, [127, 0, 0, 1])
    }

    fn come_from(seats: &Arc<Seats>, from: [u8; 4]) -> (Seat, tokio::task::JoinHandle<()>) {
        let seat = seats.stranger(from.into());
        let connection = tokio::spawn(std::future::pending());
        seats.cut_with(seat.place(), connection.abort_handle());
        (seat, connection)
    }

    #[test]
    fn whoever_comes_from_elsewhere_is_not_pushed_out() -> std::io::Result<()> {
        block(async {
            let seats = Arc::new(Seats::default());
            let (_seat, honest) = come_from(&seats, [10, 0, 0, 1]);
            let _others: Vec<_> = (0..3 * MOST_STRANGERS).map(|_| come_from(&seats, [10, 0, 0, 2])).collect();
            seats.cut_oldest();
            tokio::task::yield_now().await;
            assert!(!honest.is_finished());
            assert_eq!(lock(&seats.strangers).len(), MOST_STRANGERS - 1);
        })
    }

    fn block(work: impl Future<Output = ()>) -> std::io::Result<()> {
        tokio::runtime::Builder::new_current_thread().build()?.block_on(work);
        Ok(())
    }

    #[test]
    fn of_too_many_strangers_the_oldest_goes_and_nobody_who_is_known() -> std::io::Result<()> {
        block(async {
            let seats = Arc::new(Seats::default());
            let (known, friend) = come(&seats);
            assert!(known.is_known() && known.is_known());
            let mut others: Vec<_> = (0..=MOST_STRANGERS).map(|_| come(&seats)).collect();
            let (_, oldest) = others.remove(0);
            assert!(oldest.await.is_err_and(|error| error.is_cancelled()));
            tokio::task::yield_now().await;
            assert!(!friend.is_finished() && others.iter().all(|(_, other)| !other.is_finished()));
            drop(others);
            assert!(lock(&seats.strangers).is_empty());
        })
    }

    #[test]
    fn there_is_room_for_so_many_who_are_known() -> std::io::Result<()> {
        block(async {
            let seats = Arc::new(Seats::default());
            let mut all: Vec<_> = (0..MOST_KNOWN).map(|_| come(&seats).0).collect();
            assert!(all.iter().all(Seat::is_known));
            let (late, _) = come(&seats);
            assert!(!late.is_known());
            drop(all.pop());
            assert!(late.is_known());
        })
    }
}
