//! An account that is deleted some days after it was switched off.

use end_to_end::{Person, people};
use operate::explanation::WaitKind;
use serde_json::json;
use simulator::{Effect, Fault};

use crate::site::group_dn;
use crate::workshop::{Workshop, directory_of, pass};

const DAY: i64 = 86_400;

fn staff() -> Vec<Person> {
    let mut staff = people::generate(4, 7);
    staff.iter_mut().for_each(|person| person.employee_type = "active".to_owned());
    staff
}

async fn leaving(workshop: &Workshop) -> u64 {
    workshop.store.count_by_status().await.unwrap().get("pending_deletion").copied().unwrap_or_default()
}

#[tokio::test]
async fn an_account_is_deleted_when_its_time_is_over_and_its_user_is_not_back() {
    let people = staff();
    let directory = directory_of(&people).await;
    let mut workshop = Workshop::new(&directory, "delete_after_days = 30").await;
    workshop.scan().await;
    workshop.drive().await;

    // One leaves the group, one is disabled and later deleted, one comes back in time.
    let [leaver, deleted, returner, _] = &people[..] else { panic!("four people") };
    directory.remove_member(&group_dn(), &leaver.dn()).unwrap();
    directory.remove_member(&group_dn(), &returner.dn()).unwrap();
    directory.set(&deleted.dn(), "employeeType", &["disabled"]).unwrap();
    workshop.scan().await;
    workshop.drive().await;
    assert_eq!(leaving(&workshop).await, 3);
    for person in [leaver, deleted, returner] {
        assert_eq!(
            workshop.workplace.account(&person.mail).unwrap()["active"],
            json!(false),
            "{}",
            person.mail
        );
    }

    pass(10 * DAY);
    directory.add_member(&group_dn(), &returner.dn()).unwrap();
    directory.delete(&deleted.dn()).unwrap();
    workshop.scan().await;
    workshop.drive().await;
    assert_eq!(leaving(&workshop).await, 2);
    assert_eq!(workshop.workplace.account(&returner.mail).unwrap()["active"], json!(true));

    pass(20 * DAY - 1);
    workshop.restart();
    workshop.scan().await;
    assert_eq!(workshop.drive().await, 0, "a second is left");
    assert_eq!(workshop.workplace.accounts().len(), 4);
    let told = workshop.explain(&leaver.mail).await;
    assert_eq!((told.would.len(), told.waits[0].what), (0, WaitKind::Deletion), "{told:?}");

    // The target is down when the time is over; nothing is forgotten by that.
    pass(1);
    assert_eq!(workshop.explain(&leaver.mail).await.would, ["delete the account: out of scope"]);
    workshop.workplace.inject(Fault::times(4, Effect::status(503)).method("DELETE"));
    workshop.drive().await;
    assert_eq!((leaving(&workshop).await, workshop.workplace.accounts().len()), (2, 4));
    workshop.restart();
    pass(3_600);
    workshop.scan().await;
    workshop.drive().await;
    assert_eq!(leaving(&workshop).await, 0);
    let left: Vec<_> = workshop.workplace.accounts().iter().map(|it| it["userName"].clone()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(left.contains(&json!(returner.mail)), "{left:?}");

    // Who comes back after that gets a new account.
    directory.add_member(&group_dn(), &leaver.dn()).unwrap();
    workshop.scan().await;
    workshop.drive().await;
    assert_eq!(workshop.workplace.account(&leaver.mail).unwrap()["active"], json!(true));
}

#[tokio::test]
async fn an_account_that_the_target_keeps_stays_switched_off() {
    let people = staff();
    let directory = directory_of(&people).await;
    let workshop = Workshop::new(&directory, "delete_after_days = 1").await;
    workshop.scan().await;
    workshop.drive().await;
    workshop.workplace.set_claimed(&people[1].mail, true);
    directory.remove_member(&group_dn(), &people[1].dn()).unwrap();
    workshop.scan().await;
    workshop.drive().await;
    pass(DAY);
    workshop.drive().await;
    assert_eq!(workshop.workplace.account(&people[1].mail).unwrap()["active"], json!(false));
    assert_eq!(leaving(&workshop).await, 0, "it is asked for once");
    workshop.workplace.clear_requests();
    pass(10 * DAY);
    workshop.scan().await;
    workshop.drive().await;
    assert_eq!(workshop.workplace.request_count(), 0);
}
