//! Handle of a running simulator.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use anyhow::Context;
use serde_json::Value;
use tokio::{net::TcpListener, sync::oneshot};

use crate::{
    accounts::{StoredAccount, external_id, user_name},
    connection::{ConnectionSwitch, CuttableListener},
    faults::TargetFault,
    http,
    merge::{MergeDepth, merge},
    options::SimulatorOptions,
    requests::RecordedRequest,
    resource::{parse_seed, render},
    state::SimulatorState,
};

/// Running simulator; it stops when it is dropped.
///
/// Its methods bypass the API: they need no token, are not affected by faults and are not logged.
#[derive(Debug)]
pub struct Simulator {
    address: SocketAddr,
    shared: Arc<SharedState>,
    /// Ends the server when dropped.
    _running: oneshot::Sender<()>,
}

impl Simulator {
    /// Starts on 127.0.0.1, at a free port or the one in the options, served by a background task.
    pub async fn start(options: SimulatorOptions) -> anyhow::Result<Simulator> {
        let port = options.port;
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port))
            .await
            .with_context(|| format!("cannot listen on 127.0.0.1:{port}"))?;
        let address = listener.local_addr().context("cannot tell the port")?;
        let shared = Arc::new(SharedState {
            started: Instant::now(),
            state: Mutex::new(SimulatorState { options, ..SimulatorState::default() }),
        });
        let (running, stopped) = oneshot::channel();
        let service = http::router(shared.clone()).into_make_service_with_connect_info::<ConnectionSwitch>();
        let server = axum::serve(CuttableListener(listener), service).with_graceful_shutdown(async move {
            let _ = stopped.await;
        });
        tokio::spawn(server.into_future());
        Ok(Simulator { address, shared, _running: running })
    }

    /// Base URL of the API, such as `http://127.0.0.1:8080`.
    pub fn url(&self) -> String {
        let base_path = self.shared.lock().options.product.base_path();
        format!("http://{}{base_path}", self.address)
    }

    /// Current token.
    pub fn token(&self) -> String {
        self.shared.lock().options.token.clone()
    }

    /// Rotates the token: the old one is refused from now on.
    pub fn set_token(&self, token: &str) {
        self.change_options(|options| options.token = token.to_owned());
    }

    /// Requires proofs with this app secret from now on.
    pub fn set_app_secret(&self, app_secret: &str) {
        self.change_options(|options| options.app_secret = Some(app_secret.to_owned()));
    }

    /// Changes the options; the port can't change.
    pub fn change_options(&self, change: impl FnOnce(&mut SimulatorOptions)) {
        change(&mut self.shared.lock().options);
    }

    /// All accounts as the API shows them, by id.
    pub fn accounts(&self) -> Vec<Value> {
        self.shared.rendered()
    }

    /// The account with this `userName`, without case, as the API shows it.
    pub fn account(&self, user_name: &str) -> Option<Value> {
        let state = self.shared.lock();
        let account = state.accounts.with_user_name(user_name)?;
        Some(render(account, &state.options))
    }

    /// Adds an account without checks, and returns its id.
    ///
    /// The resource uses v2's names for each product. Its id and account status are kept. An account with the same id,
    /// `userName` or `externalId` is replaced.
    pub fn seed(&self, resource: Value) -> u64 {
        let seed = parse_seed(resource);
        let mut state = self.shared.lock();
        let accounts = &mut state.accounts;
        let rivals = [
            user_name(&seed.attributes).and_then(|name| accounts.with_user_name(name)),
            external_id(&seed.attributes).and_then(|id| accounts.with_external_id(id)),
        ];
        let rivals = rivals.map(|rival| rival.map(|account| account.id));
        for rival in rivals.into_iter().flatten() {
            accounts.remove(rival);
        }
        let id = seed.id.unwrap_or_else(|| accounts.new_id());
        accounts.put(StoredAccount {
            id,
            attributes: seed.attributes,
            claimed: seed.claimed.unwrap_or(false),
            invited: seed.invited.unwrap_or(true),
        });
        id
    }

    /// Sets whether the account was claimed; returns whether it exists.
    pub fn set_claimed(&self, user_name: &str, claimed: bool) -> bool {
        self.alter(user_name, |account| account.claimed = claimed)
    }

    /// Deletes an account, as an administrator of the target; returns whether it existed.
    pub fn remove(&self, user_name: &str) -> bool {
        let mut state = self.shared.lock();
        let id = state.accounts.with_user_name(user_name).map(|a| a.id);
        id.and_then(|id| state.accounts.remove(id)).is_some()
    }

    /// Changes an account, as an administrator of the target; returns whether it exists.
    ///
    /// Attributes are merged without checks; `null` removes one.
    pub fn edit(&self, user_name: &str, changes: Value) -> bool {
        let changes = parse_seed(changes);
        self.alter(user_name, |account| {
            merge(&mut account.attributes, changes.attributes, MergeDepth::Parts);
            account.claimed = changes.claimed.unwrap_or(account.claimed);
            account.invited = changes.invited.unwrap_or(account.invited);
        })
    }

    /// Received requests, in the order of their effects.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.shared.lock().requests.clone()
    }

    /// Received requests for changes, refused or not.
    pub fn writes(&self) -> Vec<RecordedRequest> {
        let state = self.shared.lock();
        let writes = state.requests.iter().filter(|request| request.write);
        writes.cloned().collect()
    }

    /// Number of received requests.
    pub fn request_count(&self) -> usize {
        self.shared.lock().requests.len()
    }

    /// Clears the request log.
    pub fn clear_requests(&self) {
        self.shared.lock().requests.clear();
    }

    /// Injects a fault for the next matching requests.
    pub fn inject(&self, fault: TargetFault) {
        self.shared.lock().faults.arm(fault, None);
    }

    /// Injects a fault for a limited time.
    pub fn inject_for(&self, lasting: Duration, fault: TargetFault) {
        let until = Instant::now().checked_add(lasting);
        self.shared.lock().faults.arm(fault, until);
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.shared.lock().faults.clear();
    }

    /// Delays each request by this time before it takes effect.
    pub fn set_latency(&self, latency: Duration) {
        self.shared.lock().latency = latency;
    }

    fn alter(&self, user_name: &str, change: impl FnOnce(&mut StoredAccount)) -> bool {
        let mut state = self.shared.lock();
        let Some(mut account) = state.accounts.with_user_name(user_name).cloned() else {
            return false;
        };
        change(&mut account);
        state.accounts.put(account);
        true
    }
}

/// State shared by the handle and the server.
#[derive(Debug)]
pub(crate) struct SharedState {
    started: Instant,
    state: Mutex<SimulatorState>,
}

impl SharedState {
    /// A panic in one request does not stop the simulator.
    pub(crate) fn lock(&self) -> MutexGuard<'_, SimulatorState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn since_start(&self) -> Duration {
        self.started.elapsed()
    }

    pub(crate) fn rendered(&self) -> Vec<Value> {
        let state = self.lock();
        let accounts = state.accounts.page(0, usize::MAX);
        accounts.map(|account| render(account, &state.options)).collect()
    }
}
