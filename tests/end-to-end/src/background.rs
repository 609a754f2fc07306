//! Async work behind a synchronous front.

use std::{
    sync::mpsc,
    thread::{self, JoinHandle},
};

use anyhow::Context as _;
use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
};

/// A runtime on a thread of its own, so that its owner can be used, and dropped, inside and outside an async test. When it
/// is dropped, everything that runs in it is over.
pub struct BackgroundRuntime {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl BackgroundRuntime {
    /// Starts the runtime; `name` is what a debugger shows.
    pub fn start(name: &'static str) -> anyhow::Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(2).thread_name(name).enable_all().build();
        let runtime = runtime.with_context(|| format!("no runtime for {name}"))?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        // A runtime can't be dropped on a thread that belongs to another one, which the owner's may.
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let _ = runtime.block_on(stopped);
            })
            .with_context(|| format!("no thread for {name}"))?;
        Ok(Self { handle, stop: Some(stop), thread: Some(thread) })
    }

    /// Runs this beside the owner.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(work);
    }

    /// Runs this and blocks the calling thread until it is done.
    pub fn wait_for<T: Send + 'static>(
        &self,
        work: impl Future<Output = anyhow::Result<T>> + Send + 'static,
    ) -> anyhow::Result<T> {
        let (done, result) = mpsc::sync_channel(1);
        self.handle.spawn(async move {
            let _ = done.send(work.await);
        });
        result.recv().context("the work was given up, or panicked")?
    }
}

impl Drop for BackgroundRuntime {
    fn drop(&mut self) {
        // Either the message or the channel's end is what the thread waits for.
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
