//! Groups in groups, and groups that don't come in one piece.

use directory::{ChangeDetection, Directory, Membership, Scope, Sighting};
use embedded_ldap::{EmbeddedLdap, Options};
use model::UnixSeconds;

use crate::support::{config, person, read};

const TOP: &str = "cn=top,dc=acme,dc=test";
const MIDDLE: &str = "cn=middle,dc=acme,dc=test";
const BOTTOM: &str = "cn=bottom,dc=acme,dc=test";

fn by_member() -> Membership {
    Membership::Member { attribute: "member".to_owned() }
}

fn by_member_of() -> Membership {
    Membership::MemberOf { attribute: "memberOf".to_owned() }
}

/// Three groups in a circle, with one person each, and one person beside them.
async fn circle() -> EmbeddedLdap {
    let server = EmbeddedLdap::start(Options::default()).await.unwrap();
    for number in 0..4 {
        server.add(&person(number), &[("objectClass", &["person"])]).unwrap();
    }
    let groups = [TOP, MIDDLE, BOTTOM];
    groups.iter().for_each(|group| server.add(group, &[("objectClass", &["groupOfNames"])]).unwrap());
    for (number, group) in groups.into_iter().enumerate() {
        server.add_member(group, &person(number)).unwrap();
        server.add_member(group, groups[(number + 1) % 3]).unwrap();
    }
    server
}

#[tokio::test]
async fn groups_in_a_circle_are_gone_through_once() {
    let server = circle().await;
    let mut config = config(&server.url());
    for membership in [by_member(), by_member_of()] {
        for (nested, members) in [(true, vec![0, 1, 2]), (false, vec![0])] {
            let membership = membership.clone();
            config.scope = Scope::Group { dn: TOP.to_owned(), membership, nested };
            let outcome = read(&config).await;
            let expected: Vec<String> = members.into_iter().map(person).collect();
            assert_eq!(outcome.dns(), expected);
            assert!(outcome.verdict.is_ok());
        }
    }
}

/// Ten members for a server that names three at a time, as Active Directory does from 1,500 on.
#[tokio::test]
async fn members_in_ranges_are_all_members() {
    let options = Options { max_values: Some(3), ..Options::default() };
    let server = crate::support::people_with(10, options).await;
    let mut config = config(&server.url());
    for nested in [false, true] {
        let dn = crate::support::GROUP.to_owned();
        config.scope = Scope::Group { dn, membership: by_member(), nested };
        let outcome = read(&config).await;
        assert_eq!(outcome.dns().len(), 10, "nested: {nested}");
        assert!(outcome.verdict.is_ok());
    }
}

/// What a group two levels down does changes who is in scope.
#[tokio::test]
async fn a_nested_group_that_changes_is_noticed() {
    let server = circle().await;
    for membership in [by_member(), by_member_of()] {
        let mut config = config(&server.url());
        config.changes = ChangeDetection::Auto;
        config.scope = Scope::Group { dn: TOP.to_owned(), membership, nested: true };
        let mut directory = Directory::connect(&config).await.unwrap();
        let mut read = directory.read(None, UnixSeconds(0)).await.unwrap();
        let mut known = Vec::new();
        while let Some(page) = read.next_page().await.unwrap() {
            for sighting in page {
                let Sighting::Entry(entry) = sighting else { panic!("somebody without an id") };
                known.push((entry.anchor.hash(), model::Fingerprint([0; 16])));
            }
        }
        known.sort_unstable();
        let cursor = read.cursor();
        read.finish().await.unwrap();

        server.add_member(BOTTOM, &person(3)).unwrap();
        server.remove_member(MIDDLE, &person(1)).unwrap();
        let (came, proof) = crate::changes::changes(&mut directory, &cursor, &known).await;
        // Those who were modified not long ago are looked at as well.
        assert!(came.contains(&person(3)), "{came:?}");
        assert!(!came.contains(&person(1)), "{came:?}");
        let left = crate::changes::anchor(&server, &person(1));
        assert!(proof.unwrap().accounts_for(&left.hash()));

        server.remove_member(BOTTOM, &person(3)).unwrap();
        server.add_member(MIDDLE, &person(1)).unwrap();
    }
}

/// Under the same name, with other members, and nobody among them touched.
#[tokio::test]
async fn a_group_that_was_made_anew_is_another_group() {
    let server = circle().await;
    let mut config = config(&server.url());
    config.changes = ChangeDetection::Auto;
    config.scope = Scope::Group { dn: TOP.to_owned(), membership: by_member(), nested: false };
    let mut directory = Directory::connect(&config).await.unwrap();
    let mut read = directory.read(None, UnixSeconds(0)).await.unwrap();
    while read.next_page().await.unwrap().is_some() {}
    let cursor = read.cursor();
    read.finish().await.unwrap();

    server.delete(TOP).unwrap();
    server.add(TOP, &[("objectClass", &["groupOfNames"])]).unwrap();
    server.add_member(TOP, &person(3)).unwrap();
    let known = vec![(crate::changes::anchor(&server, &person(0)).hash(), model::Fingerprint([0; 16]))];
    let (came, proof) = crate::changes::changes(&mut directory, &cursor, &known).await;
    assert!(came.contains(&person(3)), "{came:?}");
    assert!(proof.unwrap().accounts_for(&known[0].0));
}
