//! Table of a test: in the embedded engine, or at `STORE_TEST_ENDPOINT`, such as a moto server:
//! `STORE_TEST_ENDPOINT=http://127.0.0.1:5000 cargo test -p store`. There each test creates its own table and deletes it
//! at the end. Credentials and region come from the environment, with defaults.
//!
//! moto (5.2) differs from DynamoDB: a cancelled transaction resets the whole table to its beginning, concurrent writes
//! included; a repeated transaction is not recognised; it never throttles, and deletes no expired items. Tests of
//! concurrent writers skip it with a message; tests of lost answers and throttling always use the engine behind a proxy.
//! It copies the table for each write of a transaction and keeps the copies, so restart it for each run.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use store::{Embedded, Table};

const ENDPOINT: &str = "STORE_TEST_ENDPOINT";

pub struct Place {
    table: Table,
    endpoint: String,
    /// The embedded engine, which runs until it is dropped.
    engine: Option<Embedded>,
    is_moto: bool,
}

impl Place {
    pub async fn new() -> Self {
        match std::env::var(ENDPOINT) {
            Ok(endpoint) => Self::elsewhere(endpoint).await,
            Err(_) => Self::embedded().await,
        }
    }

    /// In the embedded engine, in memory.
    pub async fn embedded() -> Self {
        let (engine, table) = Embedded::in_memory().await.unwrap();
        Self { table, endpoint: engine.endpoint(), engine: Some(engine), is_moto: false }
    }

    async fn elsewhere(endpoint: String) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos();
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("provisioner-test-{}-{time}-{count}", std::process::id());
        let table = Table::new(client(&endpoint), &name);
        table.create_if_missing().await.unwrap();
        let about = reqwest::get(format!("{endpoint}/moto-api/data.json")).await;
        let is_moto = about.is_ok_and(|answer| answer.status().is_success());
        Self { table, endpoint, engine: None, is_moto }
    }

    pub fn table(&self) -> Table {
        self.table.clone()
    }

    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// The test's own client, for access beside the store.
    pub fn client(&self) -> Client {
        client(&self.endpoint)
    }

    /// Whether the table is moto's, which lacks the behaviour under test; prints what it lacks.
    pub fn is_moto_without(&self, what: &str) -> bool {
        if self.is_moto {
            println!("skipped: moto {what}");
        }
        self.is_moto
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.engine.is_some() {
            return;
        }
        let (client, name) = (self.client(), self.table.name().to_owned());
        let deleting = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async { drop(client.delete_table().table_name(name).send().await) });
        });
        let _ = deleting.join();
    }
}

/// A client with short timeouts and retries, for a table nearby.
pub fn client(endpoint: &str) -> Client {
    let given = |name| std::env::var(name).ok();
    let key = given("AWS_ACCESS_KEY_ID").unwrap_or("local".to_owned());
    let secret = given("AWS_SECRET_ACCESS_KEY").unwrap_or("local".to_owned());
    let credentials = Credentials::new(key, secret, given("AWS_SESSION_TOKEN"), None, "test");
    let region = given("AWS_REGION").unwrap_or("eu-central-1".to_owned());
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(region))
        .endpoint_url(endpoint)
        .credentials_provider(credentials)
        .retry_config(
            RetryConfig::standard().with_max_attempts(3).with_initial_backoff(Duration::from_millis(10)),
        )
        .timeout_config(TimeoutConfig::builder().operation_attempt_timeout(Duration::from_secs(5)).build())
        .build();
    Client::from_conf(config)
}
