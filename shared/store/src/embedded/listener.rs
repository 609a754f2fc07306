//! HTTP port to the engine, for tests and tools.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::thread::JoinHandle;

use dynoxide::Database;
use tokio::sync::oneshot;

/// An open port. Dropping it closes the port and all connections.
#[derive(Debug)]
pub(super) struct EnginePort {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl EnginePort {
    pub fn open(database: Database) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let serve = async move {
            let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
            tokio::select! {
                () = dynoxide::server::serve_on(listener, database) => {}
                _ = stopped => {}
            }
        };
        // Dropping the runtime at the end of the thread ends the connections. A request is handled without suspension,
        // so none is cut in half.
        let thread = std::thread::Builder::new()
            .name("dynamodb-http".to_owned())
            .spawn(move || runtime.block_on(serve))?;
        Ok(Self { address, stop: Some(stop), thread: Some(thread) })
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for EnginePort {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::warn!("the local state's port did not close well");
        }
    }
}
