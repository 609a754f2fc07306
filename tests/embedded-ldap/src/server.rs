//! Start and end of the server, and the state that connections share.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};

use crate::fault::ActiveFaults;
use crate::options::LdapOptions;
use crate::session::serve;
use crate::tree::EntryTree;

/// Running server. Dropping it ends it and its connections.
///
/// Changes of the tree take effect at once, also between two pages of a search.
pub struct EmbeddedLdap {
    pub(crate) state: Arc<LdapServerState>,
    address: SocketAddr,
    acceptor: AbortHandle,
}

/// State that connections and administration share.
pub(crate) struct LdapServerState {
    pub(crate) options: LdapOptions,
    tree: Mutex<EntryTree>,
    faults: Mutex<ActiveFaults>,
    searches: AtomicUsize,
    pages: AtomicUsize,
}

impl LdapServerState {
    /// Tree of entries, usable after a panic elsewhere, so that a test fails for its own reason.
    pub(crate) fn tree(&self) -> MutexGuard<'_, EntryTree> {
        self.tree.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn faults(&self) -> MutexGuard<'_, ActiveFaults> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn count_search(&self) {
        self.searches.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn count_page(&self) {
        self.pages.fetch_add(1, Ordering::Relaxed);
    }
}

impl EmbeddedLdap {
    /// Starts a server on a free port of the loopback interface. Its tree contains only the base entry.
    pub async fn start(options: LdapOptions) -> Result<Self> {
        let tree = EntryTree::new(&options).context("cannot create the base entry")?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("cannot listen on the loopback interface")?;
        let address = listener.local_addr().context("the listener has no address")?;
        let state = Arc::new(LdapServerState {
            options,
            tree: Mutex::new(tree),
            faults: Mutex::new(ActiveFaults::default()),
            searches: AtomicUsize::new(0),
            pages: AtomicUsize::new(0),
        });
        let acceptor = tokio::spawn(accept(listener, state.clone())).abort_handle();
        Ok(Self { state, address, acceptor })
    }

    /// Address for clients: `ldap://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("ldap://{}", self.address)
    }

    /// Number of searches, including those of the root DSE. Further pages don't count.
    pub fn searches(&self) -> usize {
        self.state.searches.load(Ordering::Relaxed)
    }

    /// Number of answered pages.
    pub fn pages(&self) -> usize {
        self.state.pages.load(Ordering::Relaxed)
    }
}

impl Drop for EmbeddedLdap {
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}

/// Accepts connections until it is aborted, which ends them too.
async fn accept(listener: TcpListener, state: Arc<LdapServerState>) {
    let mut connections = JoinSet::new();
    loop {
        if let Ok((socket, _)) = listener.accept().await {
            connections.spawn(serve(socket, state.clone()));
        }
        while connections.try_join_next().is_some() {}
    }
}
