//! A secondary index of the table that lags behind.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use end_to_end::ProxyVerdict;
use model::DnKey;
use serde_json::{Value, json};

use super::deployment::{DeploymentFixture, DeploymentOptions, names};

/// Queries for the manager by one attempt at the report: to resolve the reference, to start waiting, and once more
/// before the outcome is recorded.
const QUERIES: usize = 3;

/// The index shows neither the manager's record nor its account while the report is provisioned.
#[test]
fn reference_missing_from_the_lagging_index_is_rechecked() {
    let deployment = DeploymentFixture::start(DeploymentOptions {
        members: 2,
        state_proxy: true,
        ..DeploymentOptions::default()
    });
    let [manager, report] = &deployment.people[..2] else { unreachable!() };
    assert_eq!(report.manager, Some(manager.dn()));
    deployment.scan(json!({}));
    deployment.functions.invoke("scan", &json!({ "user": manager.mail })).unwrap();
    assert_eq!(deployment.active(), names([manager]));

    let (queries, name) = (Arc::new(AtomicUsize::new(0)), DnKey::of(&manager.dn()).to_string());
    let counted = Arc::clone(&queries);
    deployment.state_proxy.as_ref().unwrap().rule(move |operation, body| {
        let is_query =
            operation == "Query" && body["IndexName"] == "by_dn" && body.to_string().contains(&name);
        if is_query && counted.fetch_add(1, Ordering::SeqCst) < QUERIES {
            let no_items = |_: Value| json!({ "Items": [], "Count": 0, "ScannedCount": 0 });
            return ProxyVerdict::Alter(body.clone(), Box::new(no_items));
        }
        ProxyVerdict::Pass
    });
    deployment.drain();
    assert!(queries.load(Ordering::SeqCst) > QUERIES, "{queries:?}");
    assert_eq!(deployment.statuses(), [].into());
    let account = |mail: &str| deployment.workplace.account(mail).unwrap();
    let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    assert_eq!(account(&report.mail)[enterprise]["manager"]["managerId"], account(&manager.mail)["id"]);
}
