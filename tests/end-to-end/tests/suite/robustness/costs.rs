//! What everything costs in calls, in every dialect, as the target counts them.

use embedded_ldap::EmbeddedLdap;
use end_to_end::{EngineFixture, PersonEntry, advance_clock, embedded_directory, people, workplace_group};
use serde_json::json;
use simulator::SimulatorOptions;

use super::engine::{EngineOptions, engine_for};

/// What Workvivo and Slack demand beyond the others, and something in an extension.
const MAPPING: &str = "externalId = \"employeeNumber\"\n\"name.givenName\" = \"givenName\"\n\
                       \"name.familyName\" = \"sn\"\n\"emails.work\" = \"mail\"\n\
                       department = \"departmentNumber\"\n";

/// Reads and writes.
type Cost = (usize, usize);

const ONE_CALL: Cost = (0, 1);
const READ_FIRST: Cost = (1, 1);

/// The calls since the last time.
async fn cost(engine: &EngineFixture) -> Cost {
    engine.sync().await.unwrap();
    let writes = engine.workplace.writes().len();
    let reads = engine.workplace.request_count() - writes;
    engine.workplace.clear_requests();
    (reads, writes)
}

/// A few people without managers, and a target of this kind.
async fn beginning(kind: &str, server: SimulatorOptions) -> (Vec<PersonEntry>, EmbeddedLdap, EngineFixture) {
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
    // What the server says of itself is not counted: it is asked once.
    engine.target.check().await.unwrap();
    engine.workplace.clear_requests();
    (people, directory, engine)
}

#[tokio::test]
async fn nothing_costs_more_than_it_must() {
    let without_patch = SimulatorOptions { patch: false, ..SimulatorOptions::scim2() };
    for (kind, server, standing_alone, of_a_whole, switching) in [
        ("workplace", SimulatorOptions::default(), ONE_CALL, ONE_CALL, ONE_CALL),
        // How deep its PUT merges is not known, and it has no PATCH: what is part of a whole is read.
        ("workplace-v1", SimulatorOptions::v1(), ONE_CALL, READ_FIRST, ONE_CALL),
        ("scim2", SimulatorOptions::scim2(), ONE_CALL, ONE_CALL, ONE_CALL),
        // All of the account goes back, so it is read.
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
        let (people, directory, engine) = beginning(kind, server).await;
        let who = people[1].dn();
        let created = cost(&engine).await;
        assert_eq!(created, (3, 3), "{kind}: a look-up and a creation for each");
        assert_eq!(cost(&engine).await, (0, 0), "{kind}: nothing has changed");
        directory.set(&who, "telephoneNumber", &["+44 1"]).unwrap();
        assert_eq!(cost(&engine).await, (0, 0), "{kind}: nothing that is mapped has changed");

        directory.set(&who, "title", &["Poet"]).unwrap();
        let updated = cost(&engine).await;
        assert_eq!(updated, standing_alone, "{kind}: a title");
        for (attribute, value) in
            [("sn", "Lovelace"), ("departmentNumber", "Research"), ("mobile", "+44 7700 900001")]
        {
            directory.set(&who, attribute, &[value]).unwrap();
            assert_eq!(cost(&engine).await, of_a_whole, "{kind}: {attribute}");
        }
        directory.set(&who, "title", &[]).unwrap();
        assert_eq!(cost(&engine).await, standing_alone, "{kind}: a title goes");
        let account = engine.workplace.account(&people[1].mail).unwrap();
        assert_eq!(account.get("title"), None, "{kind}");
        assert_eq!(account["name"]["familyName"], "Lovelace", "{kind}");
        assert!(account.to_string().contains("\"department\":\"Research\""), "{kind}: {account}");
        assert!(account["phoneNumbers"].to_string().contains("+44 7700 900001"), "{kind}: {account}");

        directory.remove_member(&workplace_group(), &who).unwrap();
        let off = cost(&engine).await;
        assert_eq!(off, switching, "{kind}: switched off");
        directory.add_member(&workplace_group(), &who).unwrap();
        let on = cost(&engine).await;
        assert_eq!(on, READ_FIRST, "{kind}: what became of it meanwhile is looked at, and it is switched on");
        directory.set(&who, "title", &["Analyst"]).unwrap();
        assert_eq!(cost(&engine).await, standing_alone, "{kind}: and then it is known again");
        let renamed = format!("renamed.{}", people[1].mail);
        directory.set(&who, "mail", &[&renamed]).unwrap();
        assert_eq!(cost(&engine).await, of_a_whole, "{kind}: another name");
        assert!(engine.workplace.account(&renamed).is_some(), "{kind}");
        println!("{kind}: new {created:?} for 3, update {updated:?}, off {off:?}, on {on:?} (reads, writes)");
    }
}

/// One call sends what has changed; what somebody else did to the account shows in the answer, and is put right.
#[tokio::test]
async fn what_an_answer_shows_is_put_right() {
    for (kind, server) in [("workplace", SimulatorOptions::default()), ("scim2", SimulatorOptions::scim2())] {
        let (people, directory, engine) = beginning(kind, server).await;
        cost(&engine).await;
        let mail = &people[0].mail;
        engine.workplace.edit(mail, json!({ "title": "Changed by somebody" }));
        directory.set(&people[0].dn(), "departmentNumber", &["Research"]).unwrap();
        assert_eq!(cost(&engine).await, (0, 2), "{kind}");
        assert_eq!(engine.workplace.account(mail).unwrap()["title"], people[0].title, "{kind}");
    }
}

/// A call is made without reading only while nothing can have been sent of which nothing was heard.
#[tokio::test]
async fn in_doubt_an_account_is_read() {
    use simulator::{FaultEffect, TargetFault};

    let (people, directory, engine) = beginning("workplace", SimulatorOptions::default()).await;
    cost(&engine).await;
    let who = people[0].dn();

    // The answer is lost, twice; then what was sent is taken back, and something else changes.
    let lost = || TargetFault::once(FaultEffect::EffectThenDrop).method("PUT");
    engine.workplace.inject(lost());
    engine.workplace.inject(lost());
    directory.set(&who, "title", &["Sent, and not heard of"]).unwrap();
    assert_eq!(cost(&engine).await, (0, 2));
    directory.set(&who, "title", &[&people[0].title]).unwrap();
    directory.set(&who, "departmentNumber", &["Research"]).unwrap();
    advance_clock(7_200);
    assert_eq!(cost(&engine).await, READ_FIRST);
    let account = engine.workplace.account(&people[0].mail).unwrap();
    assert_eq!(account["title"], people[0].title);

    // The account is gone: one call finds that out, and a new one is made.
    engine.workplace.remove(&people[0].mail);
    directory.set(&who, "title", &["Again"]).unwrap();
    assert_eq!(cost(&engine).await, (1, 2), "a PUT in vain, a look-up, a creation");
    assert_eq!(engine.workplace.account(&people[0].mail).unwrap()["title"], "Again");
}
