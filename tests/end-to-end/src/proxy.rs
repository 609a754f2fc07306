//! A wire that can be cut.

use std::{
    io::{self, Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

/// A TCP proxy between a client and a server, on a free loopback port. It cuts connections after so many bytes from the
/// server, which leaves the client in the middle of an answer.
pub struct CuttingProxy {
    address: SocketAddr,
    state: Arc<Mutex<ProxyState>>,
}

#[derive(Default)]
struct ProxyState {
    rule: CutRule,
    /// Counts the rules that were set, so that a connection notices a new one and starts its count afresh.
    rules_set: u64,
    from_server: u64,
    to_server: u64,
    accepted: u64,
    cuts: u64,
    /// Ends of the connections that were opened, to close them when the proxy goes.
    open: Vec<TcpStream>,
    closed: bool,
    redirected: Option<SocketAddr>,
}

#[derive(Default, Clone, Copy)]
enum CutRule {
    #[default]
    Pass,
    /// Each connection, the current ones included, gets this many more bytes from the server.
    CutEach(u64),
    /// The first connection that reaches this many bytes is cut; the rest pass.
    CutOne(u64),
}

impl CuttingProxy {
    /// Starts to pass everything to `upstream`.
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
                // A server that is down looks to the client like a connection that closes at once.
                let upstream = lock(&shared).redirected.unwrap_or(upstream);
                let _ = client.and_then(|client| relay(client, upstream, &shared));
            }
        });
        Ok(Self { address, state })
    }

    /// Where clients connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address as `ldap://127.0.0.1:PORT`.
    pub fn ldap_url(&self) -> String {
        format!("ldap://{}", self.address)
    }

    /// Cuts each connection, in both directions, once it got `bytes` more bytes from the server: the current ones and
    /// all later ones, until [`pass`](Self::pass). A client that tries again fails again. With 0, no answer gets through.
    pub fn cut_after(&self, bytes: u64) {
        self.set(CutRule::CutEach(bytes));
    }

    /// Cuts one connection, in both directions, once it got `bytes` more bytes from the server; a client that tries
    /// again gets through.
    pub fn cut_once_after(&self, bytes: u64) {
        self.set(CutRule::CutOne(bytes));
    }

    /// Lets everything through again.
    pub fn pass(&self) {
        self.set(CutRule::Pass);
    }

    /// Leads connections that are opened from now on to another server, as a load balancer would.
    pub fn redirect(&self, upstream: SocketAddr) {
        lock(&self.state).redirected = Some(upstream);
    }

    /// How many bytes went from the server to clients, all connections together.
    pub fn bytes_from_server(&self) -> u64 {
        lock(&self.state).from_server
    }

    /// How many bytes went from clients to the server, all connections together.
    pub fn bytes_to_server(&self) -> u64 {
        lock(&self.state).to_server
    }

    /// How many connections clients have opened.
    pub fn connections(&self) -> u64 {
        lock(&self.state).accepted
    }

    /// How many connections were cut.
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
        // A last connection wakes the listener, which then sees that it is over.
        let _ = TcpStream::connect(self.address);
    }
}

/// Starts a thread for each direction of a new connection.
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

/// Copies until an end closes or `allowed` says that fewer bytes may pass than there are; then closes both.
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

/// What one connection may still get under the rule it last saw.
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

/// A panic elsewhere doesn't spoil numbers that are complete after each step.
fn lock(state: &Mutex<ProxyState>) -> MutexGuard<'_, ProxyState> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
