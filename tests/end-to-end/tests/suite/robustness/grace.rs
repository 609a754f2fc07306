//! `delete_after_days`: an account is deleted some days after its deactivation.

use end_to_end::{EngineFixture, PersonEntry, advance_clock, embedded_directory, people, workplace_group};
use scan::ScanMode;
use serde_json::json;
use simulator::{FaultEffect, TargetFault};

use super::engine::{EngineOptions, engine_for};

const DAY: i64 = 86_400;

fn staff() -> Vec<PersonEntry> {
    let mut staff = people::generate(4, 7);
    staff.iter_mut().for_each(|person| person.employee_type = "active".to_owned());
    staff
}

async fn pending_deletions(engine: &EngineFixture) -> u64 {
    engine.store.count_by_status().await.unwrap().get("pending_deletion").copied().unwrap_or_default()
}

#[tokio::test]
async fn account_is_deleted_after_delete_after_days() {
    let people = staff();
    let directory = embedded_directory(&people).await.unwrap();
    let mut engine = engine_for(
        &directory,
        EngineOptions { options: "delete_after_days = 30", ..EngineOptions::default() },
    )
    .await;
    engine.sync().await.unwrap();

    // One user leaves the group, one is disabled and later deleted, one returns in time.
    let [leaver, deleted, returner, _] = &people[..] else { panic!("four people") };
    directory.remove_member(&workplace_group(), &leaver.dn()).unwrap();
    directory.remove_member(&workplace_group(), &returner.dn()).unwrap();
    directory.set(&deleted.dn(), "employeeType", &["disabled"]).unwrap();
    engine.sync().await.unwrap();
    assert_eq!(pending_deletions(&engine).await, 3);
    for person in [leaver, deleted, returner] {
        assert_eq!(
            engine.workplace.account(&person.mail).unwrap()["active"],
            json!(false),
            "{}",
            person.mail
        );
    }

    advance_clock(10 * DAY);
    directory.add_member(&workplace_group(), &returner.dn()).unwrap();
    directory.delete(&deleted.dn()).unwrap();
    engine.sync().await.unwrap();
    assert_eq!(pending_deletions(&engine).await, 2);
    assert_eq!(engine.workplace.account(&returner.mail).unwrap()["active"], json!(true));

    advance_clock(20 * DAY - 1);
    engine.restart().unwrap();
    engine.scan(ScanMode::Auto).await.unwrap();
    engine.workplace.clear_requests();
    engine.provision_due().await.unwrap();
    assert_eq!(
        engine.workplace.request_count(),
        0,
        "a second is left; missing references are rechecked without a call"
    );
    assert_eq!(engine.workplace.accounts().len(), 4);
    let told = engine.explain(&leaver.mail).await.unwrap().account;
    assert_eq!((told.would.len(), told.waits[0].what.as_str()), (0, "pending_deletion"), "{told:?}");

    // The target is down when the deletion is due, and the deletion is retried later.
    advance_clock(1);
    let would = engine.explain(&leaver.mail).await.unwrap().account.would;
    let [deletion] = &would[..] else { panic!("not one action: {would:?}") };
    assert_eq!((&*deletion.action, deletion.why.as_str()), ("delete", "out of scope"));
    engine.workplace.inject(TargetFault::times(4, FaultEffect::status(503)).method("DELETE"));
    engine.provision_due().await.unwrap();
    assert_eq!((pending_deletions(&engine).await, engine.workplace.accounts().len()), (2, 4));
    engine.restart().unwrap();
    advance_clock(3_600);
    engine.sync().await.unwrap();
    assert_eq!(pending_deletions(&engine).await, 0);
    let left: Vec<_> = engine.workplace.accounts().iter().map(|it| it["userName"].clone()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(left.contains(&json!(returner.mail)), "{left:?}");

    // A user who returns after the deletion gets a new account.
    directory.add_member(&workplace_group(), &leaver.dn()).unwrap();
    engine.sync().await.unwrap();
    assert_eq!(engine.workplace.account(&leaver.mail).unwrap()["active"], json!(true));
}

#[tokio::test]
async fn account_with_a_refused_deletion_stays_inactive() {
    let people = staff();
    let directory = embedded_directory(&people).await.unwrap();
    let engine = engine_for(
        &directory,
        EngineOptions { options: "delete_after_days = 1", ..EngineOptions::default() },
    )
    .await;
    engine.sync().await.unwrap();
    engine.workplace.set_claimed(&people[1].mail, true);
    directory.remove_member(&workplace_group(), &people[1].dn()).unwrap();
    engine.sync().await.unwrap();
    advance_clock(DAY);
    engine.provision_due().await.unwrap();
    assert_eq!(engine.workplace.account(&people[1].mail).unwrap()["active"], json!(false));
    assert_eq!(pending_deletions(&engine).await, 0, "the deletion is requested once");
    engine.workplace.clear_requests();
    advance_clock(10 * DAY);
    engine.sync().await.unwrap();
    assert_eq!(engine.workplace.request_count(), 0);
}
