//! One account that the target protects: the other users go on.

use end_to_end::{clock, embedded_directory, people};
use model::Status;
use provision::MessageDisposition;
use queue::ProvisionRequest;
use scan::ScanMode;
use serde_json::json;
use simulator::{FaultEffect, SimulatedReply, TargetFault};

use super::engine::{EngineOptions, engine_for};

const USERS: usize = 40;

#[tokio::test]
async fn protected_account_stops_no_other_user() {
    let people = people::enabled(USERS, 7);
    let protected = &people[11].mail;
    for (status, detail) in [
        (403, "you are not authorized to change this account"),
        (401, "the token may not change this account"),
        (403, "this account is protected"),
    ] {
        let directory = embedded_directory(&people).await.unwrap();
        let engine = engine_for(&directory, EngineOptions::default()).await;
        engine.scan(ScanMode::Auto).await.unwrap();
        let reply = SimulatedReply::json(status, json!({"detail": detail}));
        let fault = TargetFault::always(FaultEffect::Answer(reply)).method("POST").user(protected);
        engine.workplace.inject(fault);

        let due = engine.store.fetch_due(clock(), 2 * USERS).await.unwrap();
        let records = engine.store.fetch_records(&due).await.unwrap();
        let requests: Vec<ProvisionRequest> = records
            .values()
            .map(|record| ProvisionRequest {
                connection: "corp".to_owned(),
                anchor: record.anchor.clone(),
                version: record.version,
            })
            .collect();
        let dispositions =
            provision::work(&engine.provisioner("worker"), &requests, clock().plus(600), |_| {}).await;
        assert_eq!(dispositions, vec![MessageDisposition::Done; USERS], "{status} {detail}");
        assert_eq!(engine.workplace.accounts().len(), USERS - 1, "{status} {detail}");
        assert_eq!(engine.store.fetch_breaker().await.unwrap(), None, "{status} {detail}");
        let failed = engine.store.fetch_by_status("failed", None, 9).await.unwrap().items;
        assert_eq!(failed.len(), 1, "{status} {detail}");
        assert!(matches!(failed[0].status, Status::Failed { .. }));
    }
}
