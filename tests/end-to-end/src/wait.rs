//! Waits for tests inside and outside an async runtime.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::Context as _;

/// Runs a future on its own thread, because a runtime can't be entered twice on one thread.
pub fn block_on<T: Send, F: Future<Output = anyhow::Result<T>>>(
    make: impl FnOnce() -> F + Send,
) -> anyhow::Result<T> {
    thread::scope(|scope| {
        let worker = scope.spawn(|| {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .context("no runtime for a call to the directory")?
                .block_on(make())
        });
        worker.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Calls `ready` until it returns `Some`, or until `limit` has passed.
pub fn until<T>(limit: Duration, mut ready: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        if let Some(value) = ready() {
            return Some(value);
        }
        if start.elapsed() > limit {
            return None;
        }
        thread::sleep(Duration::from_millis(5));
    }
}
