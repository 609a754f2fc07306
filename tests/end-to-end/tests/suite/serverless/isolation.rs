//! What does not depend on each other: connections, and provisioning on the directory.

use serde_json::json;
use simulator::{FaultEffect, TargetFault};

use super::deployment::{DeploymentFixture, DeploymentOptions, SecondConnection, TIMEOUT, names};

#[test]
fn outage_of_one_target_delays_no_other_connection() {
    let deployment = DeploymentFixture::start(DeploymentOptions {
        second_connection: true,
        workers: 4,
        ..DeploymentOptions::default()
    });
    deployment.workplace.inject(TargetFault::always(FaultEffect::status(503)));
    for connection in ["corp", "berlin"] {
        deployment.scan(json!({ "connection": connection }));
    }
    let Some(SecondConnection { workplace, queue }) = &deployment.second else { panic!("one connection") };
    let failing = deployment.delivery(|_| {});
    let served = deployment.deliver_from(&queue.url, |_| {});
    // It ends while the other target still answers nothing but 503.
    served.drain(TIMEOUT).unwrap();
    served.stop().unwrap();
    assert_eq!(workplace.accounts().len(), 20);
    assert!(deployment.workplace.accounts().is_empty());
    // The users of the other connection wait, and none has failed.
    let statuses = deployment.statuses();
    assert!(statuses.keys().all(|word| word == "pending" || word == "retrying"), "{statuses:?}");
    assert_eq!(statuses.values().sum::<u64>(), 20);

    deployment.workplace.clear_faults();
    failing.drain(TIMEOUT).unwrap();
    failing.stop().unwrap();
    assert_eq!(deployment.active(), names(&deployment.people[..20]));
}

#[test]
fn provision_needs_no_directory() {
    let mut deployment = DeploymentFixture::start(DeploymentOptions::default());
    deployment.scan(json!({}));
    deployment.drain();
    let leaver = &deployment.people[19];
    deployment.slapd.admin().delete(&leaver.dn()).unwrap();
    deployment.slapd.admin().set(&deployment.people[4].dn(), "title", &["Poet"]).unwrap();
    deployment.scan(json!({}));

    // The scan has written everything that provisioning needs.
    deployment.slapd.stop();
    deployment.drain();
    assert_eq!(deployment.active(), names(&deployment.people[..19]));
    assert_eq!(deployment.workplace.account(&deployment.people[4].mail).unwrap()["title"], "Poet");
    assert_eq!(deployment.statuses(), [].into());
}
