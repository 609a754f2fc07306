//! An async runtime for synchronous fixtures.

use std::{
    sync::mpsc,
    thread::{self, JoinHandle},
};

use anyhow::Context as _;
use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
};

/// A runtime on its own thread, usable inside and outside an async test. Its tasks end on drop.
pub struct BackgroundRuntime {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl BackgroundRuntime {
    /// Starts the runtime with this thread name.
    pub fn start(name: &'static str) -> anyhow::Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(2).thread_name(name).enable_all().build();
        let runtime = runtime.with_context(|| format!("no runtime for {name}"))?;
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel();
        // A runtime can't be dropped on a thread of another runtime.
        let thread = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || {
                let _ = runtime.block_on(stopped);
            })
            .with_context(|| format!("no thread for {name}"))?;
        Ok(Self { handle, stop: Some(stop), thread: Some(thread) })
    }

    /// Starts a task.
    pub fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        self.handle.spawn(work);
    }

    /// Runs a future, and blocks the calling thread until it is done.
    pub fn wait_for<T: Send + 'static>(
        &self,
        work: impl Future<Output = anyhow::Result<T>> + Send + 'static,
    ) -> anyhow::Result<T> {
        let (done, result) = mpsc::sync_channel(1);
        self.handle.spawn(async move {
            let _ = done.send(work.await);
        });
        result.recv().context("the task was cancelled, or panicked")?
    }
}

impl Drop for BackgroundRuntime {
    fn drop(&mut self) {
        // The thread ends when the channel closes.
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
