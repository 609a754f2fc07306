//! An index of the table that lags behind, as DynamoDB's do.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use end_to_end::ProxyVerdict;
use model::DnKey;
use serde_json::{Value, json};

use super::deployment::{Deployment, DeploymentOptions, names};

/// Whoever works on the report looks so many times: to resolve the reference, to leave a word, and once more before it settles.
const LOOKS: usize = 3;

/// The manager's record is written and the account made before the index of names shows either, and the report is settled
/// meanwhile.
#[test]
fn a_manager_whom_the_index_does_not_show_yet() {
    let deployment = Deployment::start(DeploymentOptions {
        members: 2,
        state_proxy: true,
        ..DeploymentOptions::default()
    });
    let [boss, report] = &deployment.people[..2] else { unreachable!() };
    assert_eq!(report.manager, Some(boss.dn()));
    deployment.scan(json!({}));
    deployment.functions.invoke("provision", &json!({ "user": boss.mail })).unwrap();
    assert_eq!(deployment.active(), names([boss]));

    let (looks, name) = (Arc::new(AtomicUsize::new(0)), DnKey::of(&boss.dn()).to_string());
    let counted = Arc::clone(&looks);
    deployment.state_proxy.as_ref().unwrap().rule(move |operation, body| {
        let is_look =
            operation == "Query" && body["IndexName"] == "by_dn" && body.to_string().contains(&name);
        if is_look && counted.fetch_add(1, Ordering::SeqCst) < LOOKS {
            let nobody = |_: Value| json!({ "Items": [], "Count": 0, "ScannedCount": 0 });
            return ProxyVerdict::Alter(body.clone(), Box::new(nobody));
        }
        ProxyVerdict::Pass
    });
    deployment.drain();
    assert!(looks.load(Ordering::SeqCst) > LOOKS, "{looks:?}");
    assert_eq!(deployment.statuses(), [].into());
    let account = |mail: &str| deployment.workplace.account(mail).unwrap();
    let enterprise = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
    assert_eq!(account(&report.mail)[enterprise]["manager"]["managerId"], account(&boss.mail)["id"]);
}
