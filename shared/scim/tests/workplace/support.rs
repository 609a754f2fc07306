//! Test fixtures: simulator, client, users, and a mock server.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Response};
use model::{AccountId, DesiredUser, Managed, OwnedAccount, UnixSeconds, UserName, Value};
use scim::{Dialect, Resource, RetryPolicy, Target, TargetCredentials, TargetError, TargetOptions};
use serde_json::json;
use simulator::{Simulator, SimulatorOptions};

pub const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
pub const DATES: &str = "urn:ietf:params:scim:schemas:extension:facebook:starttermdates:2.0:User";
pub const ADA: &str = "ada@acme.test";

/// Fixed time of the tests.
pub const NOON: i64 = 1_700_000_000;

/// Three attempts without noticeable pauses.
pub const QUICK: RetryPolicy = RetryPolicy {
    attempts: 3,
    initial_delay: Duration::from_millis(1),
    max_delay: Duration::from_millis(20),
};

pub fn credentials(token: &str) -> TargetCredentials {
    TargetCredentials { access_token: token.into(), app_secret: None }
}

pub fn options_at(url: &str, retry: RetryPolicy) -> TargetOptions {
    TargetOptions {
        url: url.to_owned(),
        // Long, because a machine that runs many tests may stall for seconds.
        timeout: Duration::from_secs(30),
        retry,
        max_concurrent_calls: 8,
        now: || UnixSeconds(NOON),
    }
}

pub fn target_at(url: &str, token: &str, retry: RetryPolicy) -> Result<Target, TargetError> {
    Target::new(Dialect::named("workplace").expect("a dialect"), options_at(url, retry), credentials(token))
}

/// Client with a timeout of one second.
pub fn with_short_timeout(workplace: &Simulator, retry: RetryPolicy) -> Target {
    let options = TargetOptions { timeout: Duration::from_secs(1), ..options_at(&workplace.url(), retry) };
    let dialect = Dialect::named("workplace").expect("a dialect");
    Target::new(dialect, options, credentials(&workplace.token())).expect("loopback")
}

/// Simulator and client.
pub async fn workplace(options: SimulatorOptions) -> (Simulator, Target) {
    let workplace = Simulator::start(options).await.expect("a free port");
    let target = target_at(&workplace.url(), &workplace.token(), QUICK).expect("loopback");
    (workplace, target)
}

/// Simulator with one account, as the client reads it.
pub async fn with_ada(options: SimulatorOptions, more: serde_json::Value) -> (Simulator, Target, Resource) {
    let (workplace, target) = workplace(options).await;
    seed_ada(&workplace, more);
    let found = target.find_by_user_name(&name(ADA)).await.expect("a response").expect("the account");
    let ada = target.fetch(&found.account.id).await.expect("the whole account");
    workplace.clear_requests();
    (workplace, target, ada)
}

pub fn seed_ada(workplace: &Simulator, more: serde_json::Value) -> u64 {
    let mut ada = json!({"userName": ADA, "active": true, "name": {"formatted": "Ada Lovelace"}});
    if let (Some(ada), Some(more)) = (ada.as_object_mut(), more.as_object()) {
        ada.extend(more.clone());
    }
    workplace.seed(ada)
}

pub fn name(name: &str) -> UserName {
    UserName::new(name).expect("a user name")
}

pub fn text(text: &str) -> Managed {
    Managed::Set(Value::Text(text.to_owned()))
}

pub fn user<const N: usize>(user_name: &str, attributes: [(&str, Managed); N]) -> DesiredUser {
    DesiredUser {
        user_name: name(user_name),
        active: true,
        attributes: attributes.into_iter().map(|(name, managed)| (name.into(), managed)).collect(),
        create_only: BTreeMap::new(),
    }
}

/// Desired user with the required name and further attributes.
pub fn ada<const N: usize>(attributes: [(&str, Managed); N]) -> DesiredUser {
    let mut ada = user(ADA, attributes);
    ada.attributes.entry("name.formatted".into()).or_insert_with(|| text("Ada Lovelace"));
    ada
}

pub fn owned(resource: &Resource) -> OwnedAccount {
    claim(resource.account.id.clone())
}

#[expect(clippy::disallowed_methods, reason = "a test stands in for the store")]
pub fn claim(id: AccountId) -> OwnedAccount {
    OwnedAccount::from_claim(id)
}

pub fn unknown_account() -> OwnedAccount {
    claim(AccountId::new("100000000009999").expect("not empty"))
}

/// Value of an attribute as text; empty if there is none.
pub fn shown(resource: &Resource, attribute: &str) -> String {
    resource.account.attributes.get(&attribute.into()).map(ToString::to_string).unwrap_or_default()
}

/// Server that gives the same response to all requests and records them.
pub struct Mock {
    pub url: String,
    requests: Arc<Mutex<Vec<(String, HeaderMap)>>>,
}

impl Mock {
    pub async fn responding(status: u16, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let requests = Arc::<Mutex<Vec<_>>>::default();
        let (body, log) = (body.into(), requests.clone());
        let headers: Vec<(String, String)> =
            headers.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
        let handler = move |request: axum::extract::Request| {
            let line = format!("{} {}", request.method(), request.uri());
            log.lock().expect("no panic").push((line, request.headers().clone()));
            let mut response = Response::builder().status(status);
            for (name, value) in &headers {
                response = response.header(name, value);
            }
            let response = response.body(Body::from(body.clone())).expect("a response");
            async move { response }
        };
        tokio::spawn(axum::serve(listener, Router::new().fallback(handler)).into_future());
        Self { url, requests }
    }

    pub async fn json(body: serde_json::Value) -> Self {
        Self::responding(200, &[("content-type", "application/json")], body.to_string()).await
    }

    pub fn target(&self) -> Target {
        target_at(&self.url, "the-token", QUICK).expect("loopback")
    }

    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no panic").iter().map(|(line, _)| line.clone()).collect()
    }

    /// Token of each request.
    pub fn tokens(&self) -> Vec<String> {
        let requests = self.requests.lock().expect("no panic");
        let of = |headers: &HeaderMap| {
            headers.get("authorization")?.to_str().ok()?.strip_prefix("Bearer ").map(str::to_owned)
        };
        requests.iter().map(|(_, headers)| of(headers).expect("a bearer token")).collect()
    }

    pub fn headers(&self) -> HeaderMap {
        self.requests
            .lock()
            .expect("no panic")
            .first()
            .map(|(_, headers)| headers.clone())
            .unwrap_or_default()
    }
}
