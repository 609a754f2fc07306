//! Manager references: chains, circles and changes, in the least favourable order.

use std::collections::BTreeMap;

use end_to_end::{
    ENTERPRISE, EngineFixture, PersonEntry, advance_clock, clock, embedded_directory, people, workplace_group,
};
use futures::{StreamExt as _, stream};
use model::{
    Account, AccountId, AnchorHash, AppliedState, DnKey, Fingerprint, MatchedAccount, Status, UnixSeconds,
    UserName,
};
use operate::{DriftRepair, find_drift};
use provision::{FollowUp, Outcome};
use scan::ScanMode;
use serde_json::Value;
use store::{Store, UserOutcome};

use super::engine::{EngineOptions, engine_for};

/// People, each with the next one as manager.
fn chain(count: usize) -> Vec<PersonEntry> {
    let mut people = people::generate(count, 11);
    let managers: Vec<String> = people.iter().map(PersonEntry::dn).collect();
    for (position, person) in people.iter_mut().enumerate() {
        person.employee_type = "active".to_owned();
        person.manager = managers.get(position + 1).cloned();
    }
    people
}

fn manager(engine: &EngineFixture, person: &PersonEntry) -> Value {
    engine.workplace.account(&person.mail).unwrap()[ENTERPRISE]["manager"]["managerId"].clone()
}

fn id(engine: &EngineFixture, person: &PersonEntry) -> Value {
    engine.workplace.account(&person.mail).unwrap()["id"].clone()
}

#[tokio::test]
async fn chain_of_managers_is_complete_after_one_scan() {
    let people = chain(10);
    let directory = embedded_directory(&people).await.unwrap();
    let engine = engine_for(&directory, EngineOptions::default()).await;
    engine.sync().await.unwrap();
    for pair in people.windows(2) {
        assert_eq!(manager(&engine, &pair[0]), id(&engine, &pair[1]), "{}", pair[0].mail);
    }
    assert_eq!(manager(&engine, &people[9]), Value::Null);
    // At most a look-up and a creation for each user, and a read and an update when the manager's account came later.
    assert!(engine.workplace.request_count() <= 4 * people.len(), "{}", engine.workplace.request_count());
}

#[tokio::test]
async fn references_follow_a_recreated_manager_account() {
    let mut people = chain(3);
    people[2].manager = Some(people[0].dn());
    let directory = embedded_directory(&people).await.unwrap();
    let engine = engine_for(&directory, EngineOptions::default()).await;
    engine.sync().await.unwrap();
    for (person, manager_person) in [(0, 1), (1, 2), (2, 0)] {
        assert_eq!(manager(&engine, &people[person]), id(&engine, &people[manager_person]));
    }

    // The manager's account is deleted at the target and created again: its reports are updated, and no other account
    // is.
    let before = id(&engine, &people[1]);
    engine.workplace.remove(&people[1].mail);
    engine.workplace.clear_requests();
    directory.set(&people[1].dn(), "title", &["Again"]).unwrap();
    engine.sync().await.unwrap();
    assert_ne!(id(&engine, &people[1]), before);
    assert_eq!(manager(&engine, &people[0]), id(&engine, &people[1]), "it is sent again");
    // An update answered with 404, three GETs and a look-up that prove it, a creation; then one update of the user that
    // refers to it.
    assert_eq!(engine.workplace.request_count(), 7, "{:?}", engine.workplace.requests());
    let drift =
        find_drift(&engine.operator(), &engine.target, DriftRepair::ReportOnly, |_| {}).await.unwrap();
    assert_eq!((drift.changed, drift.equal), (0, 3));

    // A change of the manager's own attributes affects no report.
    engine.workplace.clear_requests();
    directory.set(&people[1].dn(), "title", &["Once more"]).unwrap();
    engine.sync().await.unwrap();
    assert_eq!(engine.workplace.request_count(), 1, "{:?}", engine.workplace.requests());

    // The manager leaves, and the report has no manager.
    directory.remove_member(&workplace_group(), &people[1].dn()).unwrap();
    directory.set(&people[0].dn(), "manager", &[]).unwrap();
    engine.sync().await.unwrap();
    assert_eq!(manager(&engine, &people[0]), Value::Null);
}

/// DN and anchor hash of the first user and of its manager, the second one.
async fn report_and_manager(store: &Store, people: &[PersonEntry]) -> [(DnKey, AnchorHash); 2] {
    let mut found = Vec::new();
    for person in &people[..2] {
        let dn = DnKey::of(&person.dn());
        found.push((dn, store.find_by_dn(dn).await.unwrap().unwrap().anchor.hash()));
    }
    found.try_into().unwrap()
}

/// A manager's account is linked in one transaction with its outcome if no other user waits for it. A user that begins to
/// wait before that, while the manager is leased, prevents it, and is woken.
#[tokio::test]
async fn reference_to_a_manager_that_is_being_created() {
    let people = chain(2);
    let directory = embedded_directory(&people).await.unwrap();
    let engine = engine_for(&directory, EngineOptions::default()).await;
    engine.scan(ScanMode::Auto).await.unwrap();
    let (store, provisioner) = (&engine.store, engine.provisioner("worker"));
    let [(_, report), (manager_dn, manager_hash)] = report_and_manager(store, &people).await;

    let lease = store.lease_user(manager_hash, "another", clock()..clock().plus(60)).await.unwrap().unwrap();
    let done = provisioner.provision(report).await.unwrap();
    assert!(matches!(done.outcome, Outcome::InSync { waits: true, .. }), "{done:?}");
    assert_eq!(done.follow_up, FollowUp::Nothing);
    let made = AccountId::new("1815").unwrap();
    assert_eq!(store.fetch_referrers(manager_dn, &made).await.unwrap(), [report]);
    let outcome = UserOutcome {
        applied: Some(AppliedState {
            kept: BTreeMap::new(),
            fingerprint: Fingerprint([1; 16]),
            user_name: None,
            active: true,
            attributes: BTreeMap::new(),
        }),
        status: Status::InSync,
        attempts: 0,
        next_attempt: UnixSeconds(0),
        references: BTreeMap::new(),
        event: None,
    };
    let name = UserName::new("manager@acme.test").unwrap();
    let account = Account {
        id: made,
        user_name: Some(name.to_string()),
        active: Some(true),
        attributes: BTreeMap::new(),
        can_delete: None,
    };
    let matched = MatchedAccount::matching(&name, &account).unwrap();
    assert!(!store.write_created_outcome(&lease, &matched, &outcome).await.unwrap());
    store.return_lease(lease).await.unwrap();

    engine.provision_due().await.unwrap();
    assert_eq!(manager(&engine, &people[0]), id(&engine, &people[1]));
}

/// A worker dies after the manager's account was linked and before the waiting user was woken. The user is found by the
/// recheck of its missing reference.
#[tokio::test]
async fn missed_wake_is_made_up_by_the_recheck() {
    let people = chain(2);
    let directory = embedded_directory(&people).await.unwrap();
    let engine = engine_for(&directory, EngineOptions::default()).await;
    engine.scan(ScanMode::Auto).await.unwrap();
    let (store, provisioner) = (&engine.store, engine.provisioner("worker"));
    let [(_, report), (manager_dn, manager_hash)] = report_and_manager(store, &people).await;
    provisioner.provision(report).await.unwrap();
    // As if the user had registered after the manager's provisioning looked for users that wait.
    let manager_account = AccountId::new("1815").unwrap();
    store.reopen_referrer(manager_dn, &manager_account, report).await.unwrap();
    let lease = store.lease_user(report, "another", clock()..clock().plus(60)).await.unwrap().unwrap();
    provisioner.provision(manager_hash).await.unwrap();
    let outcome = UserOutcome {
        applied: None,
        status: Status::InSync,
        attempts: 0,
        next_attempt: clock().plus(10),
        references: [(manager_dn, None)].into(),
        event: None,
    };
    store.write_outcome(lease, outcome, clock()).await.unwrap();
    assert_eq!(engine.provision_due().await.unwrap(), 0);
    advance_clock(10);
    assert_eq!(engine.provision_due().await.unwrap(), 1);
    assert_eq!(manager(&engine, &people[0]), id(&engine, &people[1]));
}

/// A user whose manager never has an account is rechecked ever more rarely, and without calls to the target.
#[tokio::test]
async fn rechecks_call_no_target() {
    let mut people = chain(1);
    people[0].manager = Some("uid=missing,ou=people,dc=acme,dc=test".to_owned());
    let directory = embedded_directory(&people).await.unwrap();
    let engine = engine_for(&directory, EngineOptions::default()).await;
    engine.scan(ScanMode::Auto).await.unwrap();
    engine.provision_due().await.unwrap();
    engine.workplace.clear_requests();
    let mut rechecks = 0;
    for _ in 0..1_440 {
        advance_clock(60);
        rechecks += engine.provision_due().await.unwrap();
    }
    assert_eq!(rechecks, 5, "in a day");
    assert_eq!(engine.workplace.request_count(), 0);
}

/// Many users at the same time, each with a manager whose account is being created. The chain of managers is a circle, and
/// one user is its own manager.
#[tokio::test]
async fn concurrent_users_all_get_their_manager() {
    for round in 0..6 {
        let mut people = chain(40);
        let last = people.len() - 1;
        people[last].manager = Some(people[0].dn());
        people[round].manager = Some(people[round].dn());
        let directory = embedded_directory(&people).await.unwrap();
        let engine = engine_for(&directory, EngineOptions::default()).await;
        engine.scan(ScanMode::Auto).await.unwrap();
        let provisioner = engine.provisioner("worker");
        for _ in 0..20 {
            let mut due = engine.store.fetch_due(clock(), 1_000).await.unwrap();
            let first = (round * 7).min(due.len());
            due.rotate_left(first);
            let done: Vec<_> = stream::iter(due)
                .map(|user| provisioner.provision(user))
                .buffer_unordered(12)
                .collect()
                .await;
            assert!(done.iter().all(Result::is_ok), "{done:?}");
        }
        for person in &people {
            let manager_person =
                people.iter().find(|manager_person| Some(manager_person.dn()) == person.manager).unwrap();
            assert_eq!(manager(&engine, person), id(&engine, manager_person), "{}", person.mail);
        }
        assert_eq!(engine.store.count_by_status().await.unwrap(), [].into());
    }
}

/// From a manager with an account to one without: the user is in sync and waits.
#[tokio::test]
async fn reference_to_a_user_without_account_does_not_stay_pending() {
    let people = chain(2);
    let directory = embedded_directory(&people).await.unwrap();
    let engine = engine_for(&directory, EngineOptions::default()).await;
    engine.sync().await.unwrap();
    assert_eq!(manager(&engine, &people[0]), id(&engine, &people[1]));

    directory.set(&people[0].dn(), "manager", &["uid=missing,ou=people,dc=acme,dc=test"]).unwrap();
    engine.sync().await.unwrap();
    assert_eq!(engine.store.count_by_status().await.unwrap().get("pending"), None);
    engine.workplace.clear_requests();
    engine.sync().await.unwrap();
    assert_eq!(engine.workplace.request_count(), 0);
}
