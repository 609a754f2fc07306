//! What everything costs in calls, in every dialect, as the target counts them.

use embedded_ldap::EmbeddedLdap;
use end_to_end::{Person, people};
use serde_json::json;
use simulator::Options;

use crate::site::group_dn;
use crate::workshop::{Workshop, directory_of};

/// What Workvivo and Slack demand beyond the others, and something in an extension.
const MAPPING: &str = "externalId = \"employeeNumber\"\n\"name.givenName\" = \"givenName\"\n\
                       \"name.familyName\" = \"sn\"\n\"emails.work\" = \"mail\"\n\
                       department = \"departmentNumber\"\n";

/// Reads and writes.
type Cost = (usize, usize);

const ONE_CALL: Cost = (0, 1);
const READ_FIRST: Cost = (1, 1);

/// The calls since the last time.
async fn cost(workshop: &Workshop) -> Cost {
    workshop.scan().await;
    workshop.drive().await;
    let writes = workshop.workplace.writes().len();
    let reads = workshop.workplace.request_count() - writes;
    workshop.workplace.clear_requests();
    (reads, writes)
}

/// A few people without managers, and a target of this kind.
async fn beginning(kind: &str, server: Options) -> (Vec<Person>, EmbeddedLdap, Workshop) {
    let mut people = people::generate(3, 3);
    people.iter_mut().for_each(|person| {
        person.employee_type = "active".to_owned();
        person.manager = None;
    });
    let directory = directory_of(&people).await;
    for person in &people {
        directory.set(&person.dn(), "mobile", &["+44 7700 900000"]).unwrap();
    }
    let workshop = Workshop::speaking(&directory, kind, server, "", MAPPING).await.patient();
    // What the server says of itself is not counted: it is asked once.
    workshop.target.check().await.unwrap();
    workshop.workplace.clear_requests();
    (people, directory, workshop)
}

#[tokio::test]
async fn nothing_costs_more_than_it_must() {
    let without_patch = Options { patch: false, ..Options::scim2() };
    for (kind, server, standing_alone, of_a_whole, switching) in [
        ("workplace", Options::default(), ONE_CALL, ONE_CALL, ONE_CALL),
        // How deep its PUT merges is not known, and it has no PATCH: what is part of a whole is read.
        ("workplace-v1", Options::v1(), ONE_CALL, READ_FIRST, ONE_CALL),
        ("scim2", Options::scim2(), ONE_CALL, ONE_CALL, ONE_CALL),
        // All of the account goes back, so it is read.
        ("scim2", without_patch, READ_FIRST, READ_FIRST, READ_FIRST),
        ("workvivo", Options::workvivo(), ONE_CALL, ONE_CALL, ONE_CALL),
        ("slack", Options { patch_removes: true, ..Options::slack() }, ONE_CALL, ONE_CALL, ONE_CALL),
    ] {
        let (people, directory, workshop) = beginning(kind, server).await;
        let who = people[1].dn();
        let created = cost(&workshop).await;
        assert_eq!(created, (3, 3), "{kind}: a look-up and a creation for each");
        assert_eq!(cost(&workshop).await, (0, 0), "{kind}: nothing has changed");
        directory.set(&who, "telephoneNumber", &["+44 1"]).unwrap();
        assert_eq!(cost(&workshop).await, (0, 0), "{kind}: nothing that is mapped has changed");

        directory.set(&who, "title", &["Poet"]).unwrap();
        let updated = cost(&workshop).await;
        assert_eq!(updated, standing_alone, "{kind}: a title");
        for (attribute, value) in
            [("sn", "Lovelace"), ("departmentNumber", "Research"), ("mobile", "+44 7700 900001")]
        {
            directory.set(&who, attribute, &[value]).unwrap();
            assert_eq!(cost(&workshop).await, of_a_whole, "{kind}: {attribute}");
        }
        directory.set(&who, "title", &[]).unwrap();
        assert_eq!(cost(&workshop).await, standing_alone, "{kind}: a title goes");
        let account = workshop.workplace.account(&people[1].mail).unwrap();
        assert_eq!(account.get("title"), None, "{kind}");
        assert_eq!(account["name"]["familyName"], "Lovelace", "{kind}");
        assert!(account.to_string().contains("\"department\":\"Research\""), "{kind}: {account}");
        assert!(account["phoneNumbers"].to_string().contains("+44 7700 900001"), "{kind}: {account}");

        directory.remove_member(&group_dn(), &who).unwrap();
        let off = cost(&workshop).await;
        assert_eq!(off, switching, "{kind}: switched off");
        directory.add_member(&group_dn(), &who).unwrap();
        let on = cost(&workshop).await;
        assert_eq!(on, READ_FIRST, "{kind}: what became of it meanwhile is looked at, and it is switched on");
        directory.set(&who, "title", &["Analyst"]).unwrap();
        assert_eq!(cost(&workshop).await, standing_alone, "{kind}: and then it is known again");
        let renamed = format!("renamed.{}", people[1].mail);
        directory.set(&who, "mail", &[&renamed]).unwrap();
        assert_eq!(cost(&workshop).await, of_a_whole, "{kind}: another name");
        assert!(workshop.workplace.account(&renamed).is_some(), "{kind}");
        println!("{kind}: new {created:?} for 3, update {updated:?}, off {off:?}, on {on:?} (reads, writes)");
    }
}

/// One call sends what has changed; what somebody else did to the account shows in the answer, and is put right.
#[tokio::test]
async fn what_an_answer_shows_is_put_right() {
    for (kind, server) in [("workplace", Options::default()), ("scim2", Options::scim2())] {
        let (people, directory, workshop) = beginning(kind, server).await;
        cost(&workshop).await;
        let mail = &people[0].mail;
        workshop.workplace.edit(mail, json!({ "title": "Changed by somebody" }));
        directory.set(&people[0].dn(), "departmentNumber", &["Research"]).unwrap();
        assert_eq!(cost(&workshop).await, (0, 2), "{kind}");
        assert_eq!(workshop.workplace.account(mail).unwrap()["title"], people[0].title, "{kind}");
    }
}

/// A call is made without reading only while nothing can have been sent of which nothing was heard.
#[tokio::test]
async fn in_doubt_an_account_is_read() {
    use simulator::{Effect, Fault};

    use crate::workshop::pass;
    let (people, directory, workshop) = beginning("workplace", Options::default()).await;
    cost(&workshop).await;
    let who = people[0].dn();

    // The answer is lost, twice; then what was sent is taken back, and something else changes.
    let lost = || Fault::once(Effect::EffectThenDrop).method("PUT");
    workshop.workplace.inject(lost());
    workshop.workplace.inject(lost());
    directory.set(&who, "title", &["Sent, and not heard of"]).unwrap();
    assert_eq!(cost(&workshop).await, (0, 2));
    directory.set(&who, "title", &[&people[0].title]).unwrap();
    directory.set(&who, "departmentNumber", &["Research"]).unwrap();
    pass(7_200);
    assert_eq!(cost(&workshop).await, READ_FIRST);
    let account = workshop.workplace.account(&people[0].mail).unwrap();
    assert_eq!(account["title"], people[0].title);

    // The account is gone: one call finds that out, and a new one is made.
    workshop.workplace.remove(&people[0].mail);
    directory.set(&who, "title", &["Again"]).unwrap();
    assert_eq!(cost(&workshop).await, (1, 2), "a PUT in vain, a look-up, a creation");
    assert_eq!(workshop.workplace.account(&people[0].mail).unwrap()["title"], "Again");
}
