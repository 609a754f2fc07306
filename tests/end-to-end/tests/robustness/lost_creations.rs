//! Creations whose answer is lost, of people who are not the same by the next try.

use embedded_ldap::EmbeddedLdap;
use end_to_end::{Person, people};
use serde_json::{Value, json};
use simulator::{Effect, Fault, Options};

use crate::site::group_dn;
use crate::workshop::{LATE, Workshop, directory_of, pass};

/// With it an account is known by more than its name.
const EXTERNAL_ID: &str = "externalId = \"employeeNumber\"\n";

/// One person whose creation was sent, and of which nothing was heard: neither its answer nor that of the look-up after it.
async fn unheard(mapping: &str) -> (Person, EmbeddedLdap, Workshop) {
    let late = u64::try_from(LATE.as_millis()).unwrap() * 2;
    let (person, directory, workshop) = beginning(mapping, Effect::EffectThenDelay { ms: late }).await;
    let cut_off = async {
        while workshop.workplace.accounts().is_empty() {
            tokio::task::yield_now().await;
        }
        workshop.workplace.inject(Fault::always(Effect::Drop));
    };
    tokio::join!(workshop.drive(), cut_off);
    workshop.workplace.clear_faults();
    (person, directory, workshop)
}

/// One person, who is to get an account, and what happens to the creation.
async fn beginning(mapping: &str, effect: Effect) -> (Person, EmbeddedLdap, Workshop) {
    let mut people = people::generate(1, 3);
    people.iter_mut().for_each(|person| person.employee_type = "active".to_owned());
    let directory = directory_of(&people).await;
    let workshop = Workshop::speaking(&directory, "workplace", Options::default(), "", mapping).await;
    workshop.scan().await;
    workshop.workplace.inject(Fault::once(effect).method("POST"));
    (people.remove(0), directory, workshop)
}

/// The only account.
fn account(workshop: &Workshop) -> Value {
    let mut accounts = workshop.workplace.accounts();
    assert_eq!(accounts.len(), 1, "{accounts:?}");
    accounts.remove(0)
}

async fn go_on(workshop: &Workshop) {
    pass(7_200);
    workshop.scan().await;
    workshop.drive().await;
}

#[tokio::test]
async fn whoever_left_meanwhile_is_switched_off() {
    let (person, directory, workshop) = unheard(EXTERNAL_ID).await;
    assert_eq!(account(&workshop)["active"], true);
    directory.remove_member(&group_dn(), &person.dn()).unwrap();
    go_on(&workshop).await;
    assert_eq!(account(&workshop)["active"], false);
    assert_eq!(workshop.store.count_by_status().await.unwrap(), [].into());

    // It is the account of whoever comes back.
    directory.add_member(&group_dn(), &person.dn()).unwrap();
    go_on(&workshop).await;
    assert_eq!(account(&workshop)["active"], true);
}

#[tokio::test]
async fn whoever_has_another_name_by_now_has_one_account() {
    let (person, directory, workshop) = unheard("").await;
    let id = account(&workshop)["id"].clone();
    directory.set(&person.dn(), "mail", &["another@acme.test"]).unwrap();
    go_on(&workshop).await;
    let account = account(&workshop);
    assert_eq!((&account["userName"], &account["id"]), (&json!("another@acme.test"), &id));
}

#[tokio::test]
async fn an_account_that_somebody_else_made_is_left_alone() {
    let (person, directory, workshop) = beginning(EXTERNAL_ID, Effect::Drop).await;
    workshop.drive().await;
    workshop.workplace.clear_requests();
    assert_eq!(workshop.workplace.accounts(), [] as [Value; 0]);
    workshop
        .workplace
        .seed(json!({ "userName": person.mail, "externalId": "of-a-stranger", "active": true }));
    directory.remove_member(&group_dn(), &person.dn()).unwrap();
    go_on(&workshop).await;
    assert_eq!(account(&workshop)["active"], true);
    assert_eq!(workshop.workplace.writes(), []);
    assert_eq!(workshop.store.count_by_status().await.unwrap(), [].into());
}
