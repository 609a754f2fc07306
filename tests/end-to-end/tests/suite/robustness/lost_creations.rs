//! Creations whose answer is lost, of users who change before the retry.

use embedded_ldap::EmbeddedLdap;
use end_to_end::{EngineFixture, PersonEntry, advance_clock, embedded_directory, people, workplace_group};
use scan::ScanMode;
use serde_json::{Value, json};
use simulator::{FaultEffect, TargetFault};

use super::engine::{EngineOptions, engine_for};

/// A second identifier of the account, beside the user name.
const EXTERNAL_ID: &str = "externalId = \"employeeNumber\"\n";

/// One user in scope, a target with these faults, and one round of provisioning.
async fn provision_with(
    mapping: &str,
    faults: Vec<TargetFault>,
) -> (PersonEntry, EmbeddedLdap, EngineFixture) {
    let mut people = people::enabled(1, 3);
    let directory = embedded_directory(&people).await.unwrap();
    let engine = engine_for(&directory, EngineOptions { mapping, ..EngineOptions::default() }).await;
    engine.scan(ScanMode::Auto).await.unwrap();
    faults.into_iter().for_each(|fault| engine.workplace.inject(fault));
    engine.provision_due().await.unwrap();
    engine.workplace.clear_faults();
    (people.remove(0), directory, engine)
}

/// The account is created, and the answers to the creation and to every later request are lost.
async fn lose_answers(mapping: &str) -> (PersonEntry, EmbeddedLdap, EngineFixture) {
    let faults = vec![
        // The look-up before the creation is answered.
        TargetFault::once(FaultEffect::Delay { ms: 0 }).method("GET"),
        TargetFault::once(FaultEffect::EffectThenDrop).method("POST"),
        TargetFault::always(FaultEffect::Drop),
    ];
    provision_with(mapping, faults).await
}

/// The only account.
fn account(engine: &EngineFixture) -> Value {
    let mut accounts = engine.workplace.accounts();
    assert_eq!(accounts.len(), 1, "{accounts:?}");
    accounts.remove(0)
}

async fn sync_later(engine: &EngineFixture) {
    advance_clock(7_200);
    engine.sync().await.unwrap();
}

#[tokio::test]
async fn account_of_lost_creation_is_deactivated_when_user_leaves() {
    let (person, directory, engine) = lose_answers(EXTERNAL_ID).await;
    assert_eq!(account(&engine)["active"], true);
    directory.remove_member(&workplace_group(), &person.dn()).unwrap();
    sync_later(&engine).await;
    assert_eq!(account(&engine)["active"], false);
    assert_eq!(engine.store.count_by_status().await.unwrap(), [].into());

    // The same account is reactivated when the user returns.
    directory.add_member(&workplace_group(), &person.dn()).unwrap();
    sync_later(&engine).await;
    assert_eq!(account(&engine)["active"], true);
}

#[tokio::test]
async fn account_of_lost_creation_is_renamed_with_its_user() {
    let (person, directory, engine) = lose_answers("").await;
    let id = account(&engine)["id"].clone();
    directory.set(&person.dn(), "mail", &["another@acme.test"]).unwrap();
    sync_later(&engine).await;
    let account = account(&engine);
    assert_eq!((&account["userName"], &account["id"]), (&json!("another@acme.test"), &id));
}

#[tokio::test]
async fn foreign_account_with_the_same_name_is_left_alone() {
    let faults = vec![TargetFault::once(FaultEffect::Drop).method("POST")];
    let (person, directory, engine) = provision_with(EXTERNAL_ID, faults).await;
    engine.workplace.clear_requests();
    assert_eq!(engine.workplace.accounts(), [] as [Value; 0]);
    engine.workplace.seed(json!({ "userName": person.mail, "externalId": "foreign", "active": true }));
    directory.remove_member(&workplace_group(), &person.dn()).unwrap();
    sync_later(&engine).await;
    assert_eq!(account(&engine)["active"], true);
    assert_eq!(engine.workplace.writes(), []);
    assert_eq!(engine.store.count_by_status().await.unwrap(), [].into());
}
