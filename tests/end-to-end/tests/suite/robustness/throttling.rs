//! A state table that throttles the requests of a scan.

use end_to_end::{ProxyVerdict, ServiceProxy, embedded_directory, people};
use scan::{ScanContext, ScanMode, ScanSummary};
use store::{Store, Table};

use super::after_outcome::client;
use super::engine::{EngineOptions, engine_for};

const USERS: u64 = 40;
/// Users that the table takes before it throttles.
const TAKEN: usize = 5;

async fn scan_with(engine: &end_to_end::EngineFixture, store: &Store) -> ScanSummary {
    let mut directory = engine.open_directory().await.unwrap();
    let context = ScanContext { store, ..engine.context() };
    scan::scan(&context, &mut directory, ScanMode::Auto, |_| {}).await.unwrap()
}

#[tokio::test]
async fn throttled_scan_saves_its_progress_and_the_next_scan_continues() {
    let people = people::enabled(USERS as usize, 7);
    let directory = embedded_directory(&people).await.unwrap();
    let engine = engine_for(&directory, EngineOptions::default()).await;
    let (endpoint, table) = engine.state();
    let proxy = ServiceProxy::start(&endpoint).unwrap();
    let store = engine.connection.store(&Table::new(client(proxy.endpoint()), table));
    let mut taken = 0;
    proxy.rule(move |operation, body| {
        if operation != "TransactWriteItems" || !body.to_string().contains("#desired") {
            return ProxyVerdict::Pass;
        }
        taken += 1;
        match taken > TAKEN {
            true => ProxyVerdict::Fail(400, "com.amazonaws.dynamodb.v20120810#ThrottlingException"),
            false => ProxyVerdict::Pass,
        }
    });
    let first = scan_with(&engine, &store).await;
    assert!(!first.complete, "{first:?}");
    assert!(first.incomplete.as_deref().unwrap_or_default().contains("throttled"), "{first:?}");
    assert!((1..=TAKEN as u64).contains(&first.written), "{first:?}");

    proxy.behave();
    let second = scan_with(&engine, &store).await;
    assert!(second.complete, "{second:?}");
    assert!(second.written < USERS, "what was saved is written again: {second:?}");
    engine.provision_due().await.unwrap();
    assert_eq!(engine.workplace.accounts().len(), people.len());
}
