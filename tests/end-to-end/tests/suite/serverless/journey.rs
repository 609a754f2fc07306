//! From the directory to the target and back to rest.

use serde_json::json;

use super::deployment::{Deployment, DeploymentOptions, StateBackend, names};

fn journey(setup: DeploymentOptions) {
    let deployment = Deployment::start(setup);
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

    // Managers are accounts by now, whoever came first.
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
    assert_eq!(deployment.workplace.request_count(), 0, "an unchanged run calls nobody");

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
fn new_changed_and_leaving_users_reach_the_target() {
    journey(DeploymentOptions::default());
}

/// moto isolates no transactions, so one worker at a time has to do.
#[test]
fn the_same_with_the_state_in_motos_dynamodb() {
    journey(DeploymentOptions { state: StateBackend::Moto, workers: 1, ..DeploymentOptions::default() });
}
