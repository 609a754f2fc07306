//! From the directory to the target, until nothing is left to do.

use serde_json::json;

use super::deployment::{DeploymentFixture, DeploymentOptions, StateBackend, names};

fn run_journey(setup: DeploymentOptions) {
    let deployment = DeploymentFixture::start(setup);
    let (members, others) = deployment.people.split_at(20);

    let answer = deployment.scan(json!({ "connection": "corp" }));
    assert_eq!(
        (&answer["read"], &answer["created"], &answer["complete"]),
        (&json!(20), &json!(20), &json!(true)),
        "{answer}"
    );
    deployment.drain();
    assert_eq!(deployment.active(), names(members));
    assert_eq!(deployment.statuses(), [].into());

    // Every manager reference is set, in whatever order the users were provisioned.
    let managed = members.iter().filter(|person| {
        person.manager.as_ref().is_some_and(|dn| members.iter().any(|manager| manager.dn() == *dn))
    });
    let accounts = deployment.workplace.accounts();
    let has_manager = |account: &&serde_json::Value| {
        account["urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"]["manager"]["managerId"]
            .is_number()
    };
    assert_eq!(accounts.iter().filter(has_manager).count(), managed.count());

    deployment.workplace.clear_requests();
    let answer = deployment.scan(json!({ "connection": "corp", "mode": "full" }));
    assert_eq!((&answer["unchanged"], &answer["changed"]), (&json!(20), &json!(0)), "{answer}");
    deployment.drain();
    assert_eq!(deployment.workplace.request_count(), 0, "an unchanged run makes no call");

    let admin = deployment.slapd.admin();
    let group = end_to_end::GroupEntry::of("workplace", []).dn();
    admin.set(&members[3].dn(), "title", &["Chief of Tests"]).unwrap();
    admin.remove_member(&group, &members[4].dn()).unwrap();
    admin.add_member(&group, &others[0].dn()).unwrap();
    let answer = deployment.scan(json!({ "connection": "corp" }));
    let numbers = ["created", "updated", "deprovisioned"].map(|key| answer[key].as_u64().unwrap());
    assert_eq!(numbers, [1, 1, 1], "{answer}");
    deployment.drain();
    let staying = members.iter().filter(|person| person.uid != members[4].uid).chain([&others[0]]);
    assert_eq!(deployment.active(), names(staying));
    let account = deployment.workplace.account(&members[3].mail).unwrap();
    assert_eq!(account["title"], "Chief of Tests");
    assert_eq!(deployment.creates(), 1);
}

#[test]
fn new_changed_and_removed_users_reach_the_target() {
    run_journey(DeploymentOptions::default());
}

/// moto does not isolate transactions, so one worker runs at a time.
#[test]
fn changes_reach_the_target_with_state_in_moto() {
    run_journey(DeploymentOptions { state: StateBackend::Moto, workers: 1, ..DeploymentOptions::default() });
}
