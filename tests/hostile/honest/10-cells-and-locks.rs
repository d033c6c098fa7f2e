//! Shared values in one thread: cells, lazily made tables, locks, atomics, a waker that does nothing.

use std::cell::{Cell, OnceCell, RefCell};
use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use kavi_sdk::prelude::*;

static TABLE: LazyLock<Vec<u32>> = LazyLock::new(|| (0..16).map(|n: u32| n.pow(2)).collect());
static SEEN: AtomicUsize = AtomicUsize::new(0);
static NAME: OnceLock<String> = OnceLock::new();

thread_local! {
    /// How deep the walk is.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

#[derive(Deserialize)]
struct Input {
    n: usize,
}

#[derive(Serialize)]
struct Output {
    square: u32,
    millis: u128,
    log: Vec<String>,
}

async fn square(n: usize) -> Option<u32> {
    TABLE.get(n).copied()
}

fn now<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}

fn run(input: Input) -> Result<Output, SkillError> {
    let log = Arc::new(Mutex::new(Vec::new()));
    let first = OnceCell::new();
    let names = RefCell::new(vec![NAME.get_or_init(|| "square".to_owned()).clone()]);
    DEPTH.with(|depth| depth.set(depth.get() + 1));
    SEEN.fetch_add(1, Ordering::Relaxed);
    let square = now(async { square(input.n).await }).flatten();
    let square = square.ok_or_else(|| SkillError::not_found(format!("no square of {}", input.n)))?;
    names.borrow_mut().push(first.get_or_init(|| square).to_string());
    if let Ok(mut lines) = log.lock() {
        lines.extend(names.take());
    }
    let millis = Duration::from_secs(u64::from(square)).as_millis();
    let log = Arc::into_inner(log).and_then(|log| log.into_inner().ok()).unwrap_or_default();
    Ok(Output { square, millis, log })
}

kavi_sdk::export_skill!(run);
