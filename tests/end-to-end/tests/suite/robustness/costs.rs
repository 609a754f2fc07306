//! Requests of each change in each dialect, as the target counts them.

use embedded_ldap::EmbeddedLdap;
use end_to_end::{
    EngineFixture, GroupEntry, PersonEntry, Slapd, SlapdOptions, TestConfiguration, advance_clock,
    embedded_directory, embedded_secret, people, workplace_group,
};
use scan::ScanMode;
use serde_json::json;
use simulator::SimulatorOptions;

use super::engine::{EngineOptions, engine_for};

/// Attributes that Workvivo and Slack require, and one of an extension.
const MAPPING: &str = "externalId = \"employeeNumber\"\n\"name.givenName\" = \"givenName\"\n\
                       \"name.familyName\" = \"sn\"\n\"emails.work\" = \"mail\"\n\
                       department = \"departmentNumber\"\n";

/// Reads and writes.
type RequestCost = (usize, usize);

const ONE_CALL: RequestCost = (0, 1);
const READ_FIRST: RequestCost = (1, 1);

/// Syncs, and counts the requests.
async fn cost(engine: &EngineFixture) -> RequestCost {
    engine.sync().await.unwrap();
    let writes = engine.workplace.writes().len();
    let reads = engine.workplace.request_count() - writes;
    engine.workplace.clear_requests();
    (reads, writes)
}

/// Three users without managers, and a target of this dialect.
async fn start(kind: &str, server: SimulatorOptions) -> (Vec<PersonEntry>, EmbeddedLdap, EngineFixture) {
    let mut people = people::generate(3, 3);
    people.iter_mut().for_each(|person| {
        person.employee_type = "active".to_owned();
        person.manager = None;
    });
    let directory = embedded_directory(&people).await.unwrap();
    for person in &people {
        directory.set(&person.dn(), "mobile", &["+44 7700 900000"]).unwrap();
    }
    let engine =
        engine_for(&directory, EngineOptions { kind, server, mapping: MAPPING, ..EngineOptions::default() })
            .await;
    // The server's own resources are read once, before counting.
    engine.target.check().await.unwrap();
    engine.workplace.clear_requests();
    (people, directory, engine)
}

#[tokio::test]
async fn each_change_costs_the_fewest_requests() {
    let without_patch = SimulatorOptions { patch: false, ..SimulatorOptions::scim2() };
    for (kind, server, standing_alone, of_a_whole, switching) in [
        ("workplace", SimulatorOptions::default(), ONE_CALL, ONE_CALL, ONE_CALL),
        // The depth of its PUT merge is unknown and it has no PATCH, so a part of a complex attribute needs a read.
        ("workplace-v1", SimulatorOptions::v1(), ONE_CALL, READ_FIRST, ONE_CALL),
        ("scim2", SimulatorOptions::scim2(), ONE_CALL, ONE_CALL, ONE_CALL),
        // PUT replaces the whole account, so it is read first.
        ("scim2", without_patch, READ_FIRST, READ_FIRST, READ_FIRST),
        ("workvivo", SimulatorOptions::workvivo(), ONE_CALL, ONE_CALL, ONE_CALL),
        (
            "slack",
            SimulatorOptions { patch_removes: true, ..SimulatorOptions::slack() },
            ONE_CALL,
            ONE_CALL,
            ONE_CALL,
        ),
    ] {
        let (people, directory, engine) = start(kind, server).await;
        let dn = people[1].dn();
        let created = cost(&engine).await;
        assert_eq!(created, (3, 3), "{kind}: a look-up and a creation for each");
        assert_eq!(cost(&engine).await, (0, 0), "{kind}: nothing has changed");
        directory.set(&dn, "telephoneNumber", &["+44 1"]).unwrap();
        assert_eq!(cost(&engine).await, (0, 0), "{kind}: no mapped attribute has changed");

        directory.set(&dn, "title", &["Poet"]).unwrap();
        let updated = cost(&engine).await;
        assert_eq!(updated, standing_alone, "{kind}: a title");
        for (attribute, value) in
            [("sn", "Lovelace"), ("departmentNumber", "Research"), ("mobile", "+44 7700 900001")]
        {
            directory.set(&dn, attribute, &[value]).unwrap();
            assert_eq!(cost(&engine).await, of_a_whole, "{kind}: {attribute}");
        }
        directory.set(&dn, "title", &[]).unwrap();
        assert_eq!(cost(&engine).await, standing_alone, "{kind}: a cleared title");
        let account = engine.workplace.account(&people[1].mail).unwrap();
        assert_eq!(account.get("title"), None, "{kind}");
        assert_eq!(account["name"]["familyName"], "Lovelace", "{kind}");
        assert!(account.to_string().contains("\"department\":\"Research\""), "{kind}: {account}");
        assert!(account["phoneNumbers"].to_string().contains("+44 7700 900001"), "{kind}: {account}");

        directory.remove_member(&workplace_group(), &dn).unwrap();
        let off = cost(&engine).await;
        assert_eq!(off, switching, "{kind}: deactivated");
        directory.add_member(&workplace_group(), &dn).unwrap();
        let on = cost(&engine).await;
        assert_eq!(on, READ_FIRST, "{kind}: the account is read and reactivated");
        directory.set(&dn, "title", &["Analyst"]).unwrap();
        assert_eq!(cost(&engine).await, standing_alone, "{kind}: the account is known again");
        let renamed = format!("renamed.{}", people[1].mail);
        directory.set(&dn, "mail", &[&renamed]).unwrap();
        assert_eq!(cost(&engine).await, of_a_whole, "{kind}: another name");
        assert!(engine.workplace.account(&renamed).is_some(), "{kind}");
        println!("{kind}: new {created:?} for 3, update {updated:?}, off {off:?}, on {on:?} (reads, writes)");
    }
}

/// A blind update needs one request. A change made at the target shows in its answer and is repaired.
#[tokio::test]
async fn change_at_the_target_is_repaired_after_a_blind_update() {
    for (kind, server) in [("workplace", SimulatorOptions::default()), ("scim2", SimulatorOptions::scim2())] {
        let (people, directory, engine) = start(kind, server).await;
        cost(&engine).await;
        let mail = &people[0].mail;
        engine.workplace.edit(mail, json!({ "title": "Changed at the target" }));
        directory.set(&people[0].dn(), "departmentNumber", &["Research"]).unwrap();
        assert_eq!(cost(&engine).await, (1, 2), "{kind}: the account is read before the second update");
        assert_eq!(engine.workplace.account(mail).unwrap()["title"], people[0].title, "{kind}");
    }
}

/// A blind update requires that the outcome of every earlier request is recorded.
#[tokio::test]
async fn account_is_read_after_a_lost_answer() {
    use simulator::{FaultEffect, TargetFault};

    let (people, directory, engine) = start("workplace", SimulatorOptions::default()).await;
    cost(&engine).await;
    let dn = people[0].dn();

    // The answer is lost twice, and the list of accounts is served; then the change is reverted, and another attribute changes.
    let lost = || TargetFault::once(FaultEffect::EffectThenDrop).method("PUT");
    engine.workplace.inject(lost());
    engine.workplace.inject(lost());
    directory.set(&dn, "title", &["Answer lost"]).unwrap();
    assert_eq!(cost(&engine).await, (1, 2));
    directory.set(&dn, "title", &[&people[0].title]).unwrap();
    directory.set(&dn, "departmentNumber", &["Research"]).unwrap();
    advance_clock(7_200);
    assert_eq!(cost(&engine).await, READ_FIRST);
    let account = engine.workplace.account(&people[0].mail).unwrap();
    assert_eq!(account["title"], people[0].title);

    // The account is deleted at the target: a refused update finds that, GETs and a look-up prove it, and a new account is
    // created.
    engine.workplace.remove(&people[0].mail);
    directory.set(&dn, "title", &["Again"]).unwrap();
    assert_eq!(cost(&engine).await, (4, 2), "a refused PUT, three GETs, a look-up, a creation");
    assert_eq!(engine.workplace.account(&people[0].mail).unwrap()["title"], "Again");
}

/// Read units of one unchanged scan, once the server shows no change any more.
async fn unchanged_scan(engine: &EngineFixture, held: u64) -> f64 {
    loop {
        let before = engine.store.consumed();
        let summary = engine.scan(ScanMode::Auto).await.unwrap();
        assert_eq!((summary.mode, summary.held), (ScanMode::Incremental, held), "{summary:?}");
        if summary.read == 0 {
            return (engine.store.consumed() - before).reads;
        }
    }
}

#[tokio::test]
async fn held_users_are_not_read_in_an_unchanged_scan() {
    let people = people::enabled(120, 3);
    let groups = vec![GroupEntry::of("workplace", &people)];
    let slapd = Slapd::start(SlapdOptions { people: people.clone(), groups, ..Default::default() }).unwrap();
    let configuration = TestConfiguration::openldap(&slapd, "");
    let server = SimulatorOptions::default();
    let engine = EngineFixture::start(&configuration, &slapd.reader_secret(), server).await.unwrap();
    engine.sync().await.unwrap();
    let reads = unchanged_scan(&engine, 0).await;

    let (group, admin) = (workplace_group(), slapd.admin());
    people[..100].iter().for_each(|person| admin.remove_member(&group, &person.dn()).unwrap());
    assert_eq!(engine.scan(ScanMode::Auto).await.unwrap().held, 100);
    let with_held = unchanged_scan(&engine, 100).await;
    // The users are counted in the index, twice, and none of their records is read.
    assert!(with_held <= reads + 2.0 * 100.0 / 16.0, "{with_held} instead of {reads}");

    // With any change all removals are judged together again.
    admin.add_member(&group, &people[0].dn()).unwrap();
    assert_eq!(engine.scan(ScanMode::Auto).await.unwrap().held, 99);
    let memory = engine.store.fetch_connection().await.unwrap().memory;
    let hash = memory.held.unwrap().hash.to_string();
    scan::approve(&engine.context(), &hash, "operator").await.unwrap();
    let released = engine.scan(ScanMode::Auto).await.unwrap();
    assert_eq!((released.mode, released.deprovisioned, released.held), (ScanMode::Incremental, 99, 0));
}

/// Write units of a first load of users without a manager: six of the scan (the record with its two index entries and the
/// name), one each for the lease and the create intent, seven of the outcome (the record, the account and the event in
/// one transaction, and the index). A record of more than 1 KB would double five of them.
#[tokio::test]
async fn first_load_writes_fifteen_units_a_user() {
    const USERS: usize = 100;
    let mut people = people::enabled(USERS, 3);
    people.iter_mut().for_each(|person| person.manager = None);
    let directory = embedded_directory(&people).await.unwrap();
    let configuration = TestConfiguration::openldap_at(&directory.url(), "");
    let server = SimulatorOptions::default();
    let engine = EngineFixture::start(&configuration, &embedded_secret(), server).await.unwrap();
    let before = engine.store.consumed();
    engine.sync().await.unwrap();
    assert_eq!(engine.workplace.accounts().len(), USERS);
    let writes = (engine.store.consumed() - before).writes;
    // The connection's own items: lease, snapshot, last scan and the list of scans.
    let of_connection = 30.0;
    assert!(writes <= 15.0 * USERS as f64 + of_connection, "{writes} write units for {USERS} users");
}
