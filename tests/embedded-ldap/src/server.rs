//! Starting, stopping, and what connections share.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::{Context, Result};
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};

use crate::fault::Faults;
use crate::options::LdapOptions;
use crate::session::serve;
use crate::tree::Tree;

/// A running server. It stops, with all its connections, when it is dropped.
///
/// Its tree is changed through its methods only; they take effect at once, also between two pages of a search.
pub struct EmbeddedLdap {
    pub(crate) shared: Arc<Shared>,
    address: SocketAddr,
    acceptor: AbortHandle,
}

/// What all connections and the administration interface work on.
pub(crate) struct Shared {
    pub(crate) options: LdapOptions,
    tree: Mutex<Tree>,
    faults: Mutex<Faults>,
    searches: AtomicUsize,
    pages: AtomicUsize,
}

impl Shared {
    /// The tree. A panic elsewhere leaves it usable: a test that fails should fail for its own reason.
    pub(crate) fn tree(&self) -> MutexGuard<'_, Tree> {
        self.tree.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn faults(&self) -> MutexGuard<'_, Faults> {
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
    /// Starts a server on a free port of the loopback interface, with the base entry and nothing else in its tree.
    pub async fn start(options: LdapOptions) -> Result<EmbeddedLdap> {
        let tree = Tree::new(&options).context("cannot make the base entry")?;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("cannot listen on the loopback interface")?;
        let address = listener.local_addr().context("the listener has no address")?;
        let shared = Arc::new(Shared {
            options,
            tree: Mutex::new(tree),
            faults: Mutex::new(Faults::default()),
            searches: AtomicUsize::new(0),
            pages: AtomicUsize::new(0),
        });
        let acceptor = tokio::spawn(accept(listener, shared.clone())).abort_handle();
        Ok(EmbeddedLdap { shared, address, acceptor })
    }

    /// Where clients connect: `ldap://127.0.0.1:PORT`.
    pub fn url(&self) -> String {
        format!("ldap://{}", self.address)
    }

    /// How many searches have begun, root DSE reads included. The further pages of a search don't count.
    pub fn searches(&self) -> usize {
        self.shared.searches.load(Ordering::Relaxed)
    }

    /// How many pages of paged searches have been answered.
    pub fn pages(&self) -> usize {
        self.shared.pages.load(Ordering::Relaxed)
    }
}

impl Drop for EmbeddedLdap {
    fn drop(&mut self) {
        self.acceptor.abort();
    }
}

/// Accepts until aborted; the connections live in its set, so they end with it.
async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    loop {
        if let Ok((stream, _)) = listener.accept().await {
            connections.spawn(serve(stream, shared.clone()));
        }
        while connections.try_join_next().is_some() {}
    }
}
