//! A secondary index of the table that lags behind.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use end_to_end::ProxyVerdict;
use model::DnKey;
use serde_json::{Value, json};

use super::deployment::{DeploymentFixture, DeploymentOptions, TIMEOUT, names};

/// Provisioning of the report lookups up the reference before it registers the report as waiting, and once more after that.
const LOOKUPS: usize = 2;

/// The manager's record is written and the account created before the index of DNs shows either, and the report is in sync
/// meanwhile. A later scan's redrive sends the report again.
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

    let (lookups, dn) = (Arc::new(AtomicUsize::new(0)), DnKey::of(&manager.dn()).to_string());
    let counted = Arc::clone(&lookups);
    deployment.state_proxy.as_ref().unwrap().rule(move |operation, body| {
        let is_lookup =
            operation == "Query" && body["IndexName"] == "by_dn" && body.to_string().contains(&dn);
        if is_lookup && counted.fetch_add(1, Ordering::SeqCst) < LOOKUPS {
            let nothing = |_: Value| json!({ "Items": [], "Count": 0, "ScannedCount": 0 });
            return ProxyVerdict::Alter(body.clone(), Box::new(nothing));
        }
        ProxyVerdict::Pass
    });
    deployment.drain();
    assert_eq!(deployment.statuses(), [].into());
    let account = |mail: &str| deployment.workplace.account(mail).unwrap();
    let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    let manager_id = || account(&report.mail)[enterprise]["manager"]["managerId"].clone();
    assert_eq!(manager_id(), Value::Null, "the index did not show it");
    let started = Instant::now();
    while manager_id() != account(&manager.mail)["id"] {
        assert!(started.elapsed() < TIMEOUT);
        std::thread::sleep(Duration::from_secs(1));
        deployment.scan(json!({}));
        deployment.drain();
    }
    assert!(lookups.load(Ordering::SeqCst) > LOOKUPS, "{lookups:?}");
}
