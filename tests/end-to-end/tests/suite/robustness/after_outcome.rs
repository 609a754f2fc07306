//! Errors of the state after the outcome of a user was written.

use aws_sdk_dynamodb::{
    Client,
    config::{BehaviorVersion, Credentials, Region},
};
use end_to_end::{ProxyVerdict, ServiceProxy, clock, embedded_directory, people};
use provision::{MessageDisposition, Provisioner};
use queue::ProvisionRequest;
use scan::ScanMode;
use store::Table;

use super::engine::{EngineOptions, engine_for};

pub(super) fn client(endpoint: &str) -> Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new("eu-central-1"))
        .endpoint_url(endpoint)
        .credentials_provider(Credentials::new("local", "local", None, None, "test"))
        .build();
    Client::from_conf(config)
}

#[tokio::test]
async fn error_after_an_outcome_neither_stops_the_batch_nor_repeats_a_call() {
    let people = people::enabled(3, 7);
    let directory = embedded_directory(&people).await.unwrap();
    let engine = engine_for(&directory, EngineOptions::default()).await;
    engine.scan(ScanMode::Auto).await.unwrap();
    let (endpoint, table) = engine.state();
    let proxy = ServiceProxy::start(&endpoint).unwrap();
    let store = engine.connection.store(&Table::new(client(proxy.endpoint()), table));
    proxy.rule(|operation, body| match operation == "UpdateItem" && body.to_string().contains("served_at") {
        true => ProxyVerdict::Fail(400, "com.amazonaws.dynamodb.v20120810#ValidationException"),
        false => ProxyVerdict::Pass,
    });

    let due = store.fetch_due(clock(), 9).await.unwrap();
    let records = store.fetch_records(&due).await.unwrap().into_values();
    let requests: Vec<ProvisionRequest> = records
        .map(|record| ProvisionRequest {
            connection: "corp".to_owned(),
            anchor: record.anchor,
            version: record.version,
        })
        .collect();
    let provisioner = Provisioner { store: &store, ..engine.provisioner("worker") };
    let dispositions = provision::work(&provisioner, &requests, clock().plus(600), |_| {}).await;
    assert_eq!(dispositions, vec![MessageDisposition::Done; 3]);
    let creations = engine.workplace.writes().iter().filter(|write| write.method == "POST").count();
    assert_eq!((creations, engine.workplace.accounts().len()), (3, 3));
}
