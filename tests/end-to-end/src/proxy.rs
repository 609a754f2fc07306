//! A TCP proxy that cuts connections.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

/// A TCP proxy on a free loopback port. It cuts connections after a number of bytes from the server, in the middle of
/// an answer.
pub struct CuttingProxy {
    address: SocketAddr,
    state: Arc<Mutex<ProxyState>>,
}

#[derive(Default)]
struct ProxyState {
    rule: CutRule,
    /// Number of rules set, by which a connection detects a new rule and restarts its count.
    rules_set: u64,
    from_server: u64,
    to_server: u64,
    accepted: u64,
    cuts: u64,
    /// Sockets of open connections, closed on drop.
    open: Vec<TcpStream>,
    closed: bool,
    redirected: Option<SocketAddr>,
}

#[derive(Default, Clone, Copy)]
enum CutRule {
    #[default]
    Pass,
    /// Each connection, open ones included, gets this many more bytes from the server.
    CutEach(u64),
    /// The first connection with this many bytes is cut; the others pass.
    CutOne(u64),
}

impl CuttingProxy {
    /// Starts to forward connections to `upstream`.
    pub fn start(upstream: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let state = Arc::new(Mutex::new(ProxyState::default()));
        let shared = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming() {
                if lock(&shared).closed {
                    return;
                }
                // While the server is down, the client's connection closes at once.
                let upstream = lock(&shared).redirected.unwrap_or(upstream);
                let _ = client.and_then(|client| relay(client, upstream, &shared));
            }
        });
        Ok(Self { address, state })
    }

    /// Address for clients.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address as `ldap://127.0.0.1:PORT`.
    pub fn ldap_url(&self) -> String {
        format!("ldap://{}", self.address)
    }

    /// Cuts each open and later connection after `bytes` more bytes from the server, until [`pass`](Self::pass). A
    /// retry fails again. With 0, no answer passes.
    pub fn cut_after(&self, bytes: u64) {
        self.set(CutRule::CutEach(bytes));
    }

    /// Cuts one connection after `bytes` more bytes from the server. A retry passes.
    pub fn cut_once_after(&self, bytes: u64) {
        self.set(CutRule::CutOne(bytes));
    }

    /// Forwards every byte again.
    pub fn pass(&self) {
        self.set(CutRule::Pass);
    }

    /// Forwards later connections to another server.
    pub fn redirect(&self, upstream: SocketAddr) {
        lock(&self.state).redirected = Some(upstream);
    }

    /// Bytes from the server, over all connections.
    pub fn bytes_from_server(&self) -> u64 {
        lock(&self.state).from_server
    }

    /// Bytes to the server, over all connections.
    pub fn bytes_to_server(&self) -> u64 {
        lock(&self.state).to_server
    }

    /// Connections that clients opened.
    pub fn connections(&self) -> u64 {
        lock(&self.state).accepted
    }

    /// Connections that were cut.
    pub fn cuts(&self) -> u64 {
        lock(&self.state).cuts
    }

    fn set(&self, rule: CutRule) {
        let mut state = lock(&self.state);
        state.rule = rule;
        state.rules_set += 1;
    }
}

impl Drop for CuttingProxy {
    fn drop(&mut self) {
        let mut state = lock(&self.state);
        state.closed = true;
        for end in state.open.drain(..) {
            let _ = end.shutdown(Shutdown::Both);
        }
        drop(state);
        // A last connection wakes the listener, which then ends.
        let _ = TcpStream::connect(self.address);
    }
}

/// Starts a thread for each direction of a connection.
fn relay(client: TcpStream, upstream: SocketAddr, state: &Arc<Mutex<ProxyState>>) -> io::Result<()> {
    let server = TcpStream::connect(upstream)?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    {
        let mut state = lock(state);
        state.accepted += 1;
        state.open.extend([client.try_clone()?, server.try_clone()?]);
    }
    let (from_client, to_client) = (client.try_clone()?, client);
    let (from_server, to_server) = (server.try_clone()?, server);
    let shared = Arc::clone(state);
    thread::spawn(move || pump(from_client, to_server, |bytes| lock(&shared).passed_to_server(bytes)));
    let shared = Arc::clone(state);
    let mut budget = ByteBudget::default();
    thread::spawn(move || {
        pump(from_server, to_client, |bytes| lock(&shared).passed_from_server(bytes, &mut budget))
    });
    Ok(())
}

/// Copies until a socket closes or `allowed` permits fewer bytes; then closes both sockets.
fn pump(mut from: TcpStream, mut to: TcpStream, mut allowed: impl FnMut(usize) -> usize) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        let pass = allowed(count);
        if to.write_all(&buffer[..pass]).is_err() || pass < count {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

/// Bytes of one connection under the rule that it last saw.
#[derive(Default)]
struct ByteBudget {
    rule_seen: u64,
    used: u64,
}

impl ProxyState {
    fn passed_to_server(&mut self, bytes: usize) -> usize {
        self.to_server += bytes as u64;
        bytes
    }

    fn passed_from_server(&mut self, bytes: usize, budget: &mut ByteBudget) -> usize {
        if budget.rule_seen != self.rules_set {
            *budget = ByteBudget { rule_seen: self.rules_set, used: 0 };
        }
        let left = match self.rule {
            CutRule::Pass => u64::MAX,
            CutRule::CutEach(limit) | CutRule::CutOne(limit) => limit.saturating_sub(budget.used),
        };
        let pass = (bytes as u64).min(left);
        budget.used += pass;
        self.from_server += pass;
        if pass < bytes as u64 {
            self.cuts += 1;
            if matches!(self.rule, CutRule::CutOne(_)) {
                self.rule = CutRule::Pass;
            }
        }
        pass as usize
    }
}

/// The counts are consistent after each step, so a poisoned lock is usable.
fn lock(state: &Mutex<ProxyState>) -> MutexGuard<'_, ProxyState> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
