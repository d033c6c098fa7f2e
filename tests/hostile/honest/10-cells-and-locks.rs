//! Shared values in one thread: cells, a table, and locks in the tests alone.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use kavi_sdk::prelude::*;

static TABLE: [u32; 4] = [0, 1, 4, 9];

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

fn square(n: usize) -> Poll<u32> {
    TABLE.get(n).copied().map_or(Poll::Pending, Poll::Ready)
}

fn run(input: Input) -> Result<Output, SkillError> {
    let log = Rc::new(RefCell::new(Vec::new()));
    let first = OnceCell::new();
    let depth = Cell::new(0);
    let name: Arc<str> = Arc::from("square");
    let names = RefCell::new(vec![name.to_string()]);
    depth.set(depth.get() + 1);
    let Poll::Ready(square) = square(input.n) else {
        return Err(SkillError::not_found(format!("no square of {}", input.n)));
    };
    names.borrow_mut().push(first.get_or_init(|| square).to_string());
    log.borrow_mut().extend(names.take());
    let millis = Duration::from_secs(u64::from(square)).as_millis();
    let log = Rc::into_inner(log).map(RefCell::into_inner).unwrap_or_default();
    Ok(Output { square, millis, log })
}

kavi_sdk::export_skill!(run);

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{LazyLock, Mutex, OnceLock};

    static WORDS: LazyLock<Vec<u32>> = LazyLock::new(|| (0..4).map(|n: u32| n.pow(2)).collect());
    static SEEN: AtomicUsize = AtomicUsize::new(0);
    static NAME: OnceLock<Mutex<String>> = OnceLock::new();

    thread_local! {
        /// How deep the walk is.
        static DEPTH: Cell<u32> = const { Cell::new(0) };
    }

    #[test]
    fn squares() {
        SEEN.fetch_add(1, Ordering::Relaxed);
        DEPTH.with(|depth| depth.set(depth.get() + 1));
        NAME.get_or_init(Mutex::default);
        for (n, expected) in WORDS.iter().enumerate() {
            assert_eq!(square(n), Poll::Ready(*expected));
        }
    }
}
