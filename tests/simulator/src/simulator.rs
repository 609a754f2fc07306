//! The handle that tests hold.

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

/// A running Workplace; it stops when it is dropped.
///
/// Its methods act behind the API's back, like an administrator or the passage of time: they need no
/// token, meet no faults and leave no trace in the request log.
#[derive(Debug)]
pub struct Simulator {
    address: SocketAddr,
    shared: Arc<SharedState>,
    /// Dropping it ends the server.
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

    /// The base of its API, such as `http://127.0.0.1:8080`.
    pub fn url(&self) -> String {
        let base_path = self.shared.lock().options.product.base_path();
        format!("http://{}{base_path}", self.address)
    }

    /// The token that callers must bring now.
    pub fn token(&self) -> String {
        self.shared.lock().options.token.clone()
    }

    /// Rotates the token: the old one is refused from now on.
    pub fn set_token(&self, token: &str) {
        self.change_options(|options| options.token = token.to_owned());
    }

    /// Demands proofs of this app secret from now on, and of no other.
    pub fn set_app_secret(&self, app_secret: &str) {
        self.change_options(|options| options.app_secret = Some(app_secret.to_owned()));
    }

    /// Changes how it behaves from now on; the port stays.
    pub fn change_options(&self, change: impl FnOnce(&mut SimulatorOptions)) {
        change(&mut self.shared.lock().options);
    }

    /// Every account as the API shows it, by id.
    pub fn accounts(&self) -> Vec<Value> {
        self.shared.rendered()
    }

    /// The account with this `userName`, without case, as the API shows it.
    pub fn account(&self, user_name: &str) -> Option<Value> {
        let state = self.shared.lock();
        let account = state.accounts.with_user_name(user_name)?;
        Some(render(account, &state.options))
    }

    /// Puts an account there as if it always was, unchecked, and tells its id.
    ///
    /// It is written in v2's names, whatever the product speaks.
    /// The resource's own id is kept, its account status too. An account that has the same id, `userName` or
    /// `externalId` makes way.
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

    /// The person takes the account over, or never did; tells whether there is such an account.
    pub fn set_claimed(&self, user_name: &str, claimed: bool) -> bool {
        self.alter(user_name, |account| account.claimed = claimed)
    }

    /// Somebody deletes the account behind our back; tells whether there was one.
    pub fn remove(&self, user_name: &str) -> bool {
        let mut state = self.shared.lock();
        let id = state.accounts.with_user_name(user_name).map(|a| a.id);
        id.and_then(|id| state.accounts.remove(id)).is_some()
    }

    /// Somebody changes the account in the admin panel; tells whether there is one.
    ///
    /// Attributes are merged as by PUT, unchecked; `null` removes one.
    pub fn edit(&self, user_name: &str, changes: Value) -> bool {
        let changes = parse_seed(changes);
        self.alter(user_name, |account| {
            merge(&mut account.attributes, changes.attributes, MergeDepth::Parts);
            account.claimed = changes.claimed.unwrap_or(account.claimed);
            account.invited = changes.invited.unwrap_or(account.invited);
        })
    }

    /// What it was asked, in the order in which it took effect.
    pub fn requests(&self) -> Vec<RecordedRequest> {
        self.shared.lock().requests.clone()
    }

    /// Those requests that asked for a change, refused or not.
    pub fn writes(&self) -> Vec<RecordedRequest> {
        let state = self.shared.lock();
        let writes = state.requests.iter().filter(|request| request.write);
        writes.cloned().collect()
    }

    /// How many requests there were.
    pub fn request_count(&self) -> usize {
        self.shared.lock().requests.len()
    }

    /// Forgets the requests.
    pub fn clear_requests(&self) {
        self.shared.lock().requests.clear();
    }

    /// Lets something go wrong for the next requests that match.
    pub fn inject(&self, fault: TargetFault) {
        self.shared.lock().faults.arm(fault, None);
    }

    /// The same, but no longer than this.
    pub fn inject_for(&self, lasting: Duration, fault: TargetFault) {
        let until = Instant::now().checked_add(lasting);
        self.shared.lock().faults.arm(fault, until);
    }

    /// Lets everything go right again.
    pub fn clear_faults(&self) {
        self.shared.lock().faults.clear();
    }

    /// Makes every request wait this long before it takes effect.
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

/// What the handle and the server share.
#[derive(Debug)]
pub(crate) struct SharedState {
    started: Instant,
    state: Mutex<SimulatorState>,
}

impl SharedState {
    /// A request that panicked must not take the simulator with it.
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
