//! The first day of a deployment: a large first load waits for an approval, and an observing deployment writes nothing.

use serde_json::json;

use super::deployment::{DeploymentFixture, DeploymentOptions};

fn limited() -> DeploymentOptions {
    DeploymentOptions { configure: |it| it.max_first_load = Some(10), ..DeploymentOptions::default() }
}

/// Hash of the only held set.
fn held_hash(deployment: &DeploymentFixture) -> String {
    let state = format!("dynamodb:{}", deployment.table.name());
    let approve = ["approve", "--config", "corp.toml", "--json", "--state", &state];
    let waiting = deployment.terminal(&approve).run().unwrap().json().unwrap();
    waiting["waiting"][0]["hash"].as_str().unwrap().to_owned()
}

#[test]
fn large_first_load_waits_for_an_approval() {
    let deployment = DeploymentFixture::start(limited());
    for event in [json!({ "dry_run": true }), json!({}), json!({})] {
        let answer = deployment.scan(event);
        assert_eq!((&answer["created"], &answer["held_changes"]), (&json!(0), &json!(20)), "{answer}");
        let held = json!([{ "effect": "first_load", "count": 20, "limit": 10 }]);
        assert_eq!(answer["held_effects"], held, "{answer}");
    }
    assert_eq!(deployment.creates(), 0);

    let approved = deployment.scan(json!({ "approve": held_hash(&deployment), "approved_by": "ada" }));
    assert_eq!(
        (&approved["note"], &approved["created"]),
        (&json!("the held changes were approved"), &json!(20))
    );
    deployment.drain();
    assert_eq!(deployment.creates(), 20);
}

#[test]
fn observing_deployment_writes_nothing_to_the_target() {
    let environment = vec![("PROVISIONER_OBSERVE", "true".to_owned())];
    let deployment = DeploymentFixture::start(DeploymentOptions { environment, ..limited() });
    deployment.scan(json!({}));
    deployment.drain();
    assert_eq!(deployment.statuses(), [("skipped".to_owned(), 20)].into());
    assert!(deployment.workplace.writes().is_empty());
    let metrics = deployment.functions.log("scan");
    assert!(metrics.contains("\"ScanDuration\""), "{metrics}");
}
