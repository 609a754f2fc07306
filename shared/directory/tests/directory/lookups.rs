//! Searches for single users, and reasons of departures.

use directory::{Directory, DirectoryError, Membership, Scope};
use embedded_ldap::EmbeddedLdap;
use model::{Anchor, DeprovisionReason};

use crate::support::{GROUP, config, people, person};

fn anchor(server: &EmbeddedLdap, number: usize) -> Anchor {
    Anchor::from_text(&server.entry_uuid(&person(number)).unwrap()).unwrap()
}

#[tokio::test]
async fn departures_are_deleted_or_out_of_scope() {
    for membership in [
        Membership::Member { attribute: "member".to_owned() },
        Membership::MemberOf { attribute: "memberOf".to_owned() },
    ] {
        let server = people(5).await;
        let mut config = config(&server.url());
        config.scope = Scope::Group { dn: GROUP.to_owned(), membership, nested: false };
        let anchors: Vec<Anchor> = (0..5).map(|number| anchor(&server, number)).collect();
        server.delete(&person(1)).unwrap();
        server.remove_member(GROUP, &person(2)).unwrap();
        // An entry that is no longer a user is out of scope too.
        server.set(&person(3), "objectClass", &["robot"]).unwrap();

        let mut directory = Directory::connect(&config).await.unwrap();
        let mut asked = anchors.clone();
        asked.push(Anchor::from_text("no-uuid-of-this-server").unwrap());
        let departures = directory.departures(&asked).await.unwrap();
        let [_, deleted, left, robot, _] = anchors.try_into().unwrap();
        let expected = [
            (deleted, DeprovisionReason::Deleted),
            (left, DeprovisionReason::OutOfScope),
            (robot, DeprovisionReason::OutOfScope),
            (asked.pop().unwrap(), DeprovisionReason::Deleted),
        ];
        assert_eq!(departures, expected.into());
    }
}

#[tokio::test]
async fn departures_are_looked_up_in_batches() {
    let server = people(120).await;
    let mut config = config(&server.url());
    config.scope = Scope::Filter("(uid=p1*)".to_owned());
    let anchors: Vec<Anchor> = (0..120).map(|number| anchor(&server, number)).collect();
    let before = server.searches();
    let mut directory = Directory::connect(&config).await.unwrap();
    let departures = directory.departures(&anchors).await.unwrap();
    // 31 numbers begin with 1: 1, 10 to 19, and 100 to 119.
    assert_eq!(departures.len(), 120 - 31);
    assert!(departures.values().all(|departure| *departure == DeprovisionReason::OutOfScope));
    // Three batches by anchor, three by anchor and scope, and the root DSE.
    assert_eq!(server.searches() - before, 7);
    assert_eq!(directory.departures(&[]).await.unwrap().len(), 0);
}

#[tokio::test]
async fn missing_group_is_an_error_and_no_departure() {
    let server = people(3).await;
    let mut config = config(&server.url());
    let membership = Membership::MemberOf { attribute: "memberOf".to_owned() };
    config.scope = Scope::Group { dn: GROUP.to_owned(), membership, nested: false };
    let mut directory = Directory::connect(&config).await.unwrap();
    server.delete(GROUP).unwrap();
    let error = directory.departures(&[anchor(&server, 0)]).await.unwrap_err();
    assert_eq!(error, DirectoryError::GroupNotFound(GROUP.to_owned()));
}

#[tokio::test]
async fn find_returns_users_by_value() {
    let server = people(12).await;
    let mut config = config(&server.url());
    config.scope = Scope::Filter("(uid=p3)".to_owned());
    let mut directory = Directory::connect(&config).await.unwrap();

    let found = directory.find("uid", "P1").await.unwrap();
    let dns: Vec<&str> = found.iter().map(|entry| entry.dn.as_str()).collect();
    assert_eq!(dns, [person(1)]);
    assert_eq!(found[0].attributes.one("mail"), Some(b"shared@acme.test".as_slice()));
    assert_eq!(directory.in_scope(&[found[0].anchor.clone()]).await.unwrap().len(), 0);

    assert_eq!(directory.find("mail", "shared@acme.test").await.unwrap().len(), 12);
    assert_eq!(directory.find("uid", "p*").await.unwrap(), []);
    assert_eq!(directory.find("uid", "x)(uid=*").await.unwrap(), []);
    let injected = directory.find("uid=*)(mail", "x").await;
    assert!(matches!(injected, Err(DirectoryError::Filter { .. })));
    let uuid = server.entry_uuid(&person(7)).unwrap().to_uppercase();
    assert_eq!(directory.find("entryUUID", &uuid).await.unwrap().len(), 1);
    assert_eq!(directory.find("entryUUID", "p7").await.unwrap(), []);
}
