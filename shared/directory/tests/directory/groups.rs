//! Nested groups, and groups in value ranges.

use std::collections::BTreeSet;

use directory::{ChangeDetection, Directory, Membership, MembershipPath, ReadItem, Scope};
use embedded_ldap::{EmbeddedLdap, LdapOptions};
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

/// Three groups in a cycle with one person each, and a person outside.
async fn group_cycle() -> EmbeddedLdap {
    let server = EmbeddedLdap::start(LdapOptions::default()).await.unwrap();
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
async fn each_group_of_a_cycle_is_followed_once() {
    let server = group_cycle().await;
    let mut config = config(&server.url());
    for membership in [by_member(), by_member_of()] {
        for (nested, members) in [(true, vec![0, 1, 2]), (false, vec![0])] {
            let membership = membership.clone();
            config.scope = Scope::Group { dn: TOP.to_owned(), membership, nested };
            let outcome = read(&config).await;
            let expected: Vec<String> = members.into_iter().map(person).collect();
            assert_eq!(outcome.dns(), expected);
            assert!(outcome.result.is_ok());
        }
    }
}

/// The server returns three members at a time; Active Directory returns 1,500.
#[tokio::test]
async fn members_in_ranges_are_complete() {
    let options = LdapOptions { max_values: Some(3), ..LdapOptions::default() };
    let server = crate::support::people_with(10, options).await;
    let mut config = config(&server.url());
    for nested in [false, true] {
        let dn = crate::support::GROUP.to_owned();
        config.scope = Scope::Group { dn, membership: by_member(), nested };
        let outcome = read(&config).await;
        assert_eq!(outcome.dns().len(), 10, "nested: {nested}");
        assert!(outcome.result.is_ok());
    }
}

/// Active Directory's default limits MaxPageSize and MaxValRange ([MS-ADTS], section 3.1.1.3.4.6).
#[tokio::test]
async fn large_group_is_complete_within_active_directory_limits() {
    const MEMBERS: usize = 4_000;
    let options = LdapOptions {
        max_values: Some(1_500),
        size_limit: Some(1_000),
        size_limit_per_page: true,
        ..LdapOptions::default()
    };
    let server = crate::support::people_with(MEMBERS, options).await;
    let mut config = config(&server.url());
    config.page_size = 5_000;
    for (membership, nested) in
        [(by_member(), false), (by_member(), true), (by_member_of(), false), (by_member_of(), true)]
    {
        let dn = crate::support::GROUP.to_owned();
        config.scope = Scope::Group { dn, membership: membership.clone(), nested };
        let outcome = read(&config).await;
        let people: BTreeSet<&str> = outcome.dns().into_iter().collect();
        assert_eq!((people.len(), outcome.items.len()), (MEMBERS, MEMBERS), "{membership:?} {nested}");
        assert!(outcome.result.is_ok(), "{:?}", outcome.result);
    }
}

/// A change of a group two levels down changes the scope.
#[tokio::test]
async fn change_of_a_nested_group_is_detected() {
    let server = group_cycle().await;
    for membership in [by_member(), by_member_of()] {
        let mut config = config(&server.url());
        config.changes = ChangeDetection::Auto;
        config.scope = Scope::Group { dn: TOP.to_owned(), membership, nested: true };
        let mut directory = Directory::connect(&config).await.unwrap();
        let mut read = directory.read(None, UnixSeconds(0)).await.unwrap();
        let mut known = Vec::new();
        while let Some(page) = read.next_page().await.unwrap() {
            for item in page {
                let ReadItem::Entry(entry) = item else { panic!("an entry without an anchor") };
                known.push((entry.anchor.hash(), model::Fingerprint([0; 16])));
            }
        }
        known.sort_unstable();
        let cursor = read.cursor();
        read.finish().await.unwrap();

        server.add_member(BOTTOM, &person(3)).unwrap();
        server.remove_member(MIDDLE, &person(1)).unwrap();
        let (came, proof) = crate::changes::changes(&mut directory, &cursor, &known).await;
        // Recently modified entries are read as well.
        assert!(came.contains(&person(3)), "{came:?}");
        assert!(!came.contains(&person(1)), "{came:?}");
        let left = crate::changes::anchor(&server, &person(1));
        assert!(proof.unwrap().accounts_for(&left.hash()));

        server.remove_member(BOTTOM, &person(3)).unwrap();
        server.add_member(MIDDLE, &person(1)).unwrap();
    }
}

/// The DN is the same, the members are others, and no user entry changed.
#[tokio::test]
async fn recreated_group_is_another_group() {
    let server = group_cycle().await;
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

/// For every kind of membership the explanation agrees with the read and names the path.
#[tokio::test]
async fn explanation_agrees_with_the_scope() {
    let server = group_cycle().await;
    let mut config = config(&server.url());
    for (membership, nested) in
        [(by_member(), false), (by_member(), true), (by_member_of(), false), (by_member_of(), true)]
    {
        config.scope = Scope::Group { dn: TOP.to_owned(), membership: membership.clone(), nested };
        let mut directory = Directory::connect(&config).await.unwrap();
        let mut hows = Vec::new();
        for number in 0..4 {
            let entry = directory.find_by_dn(&person(number)).await.unwrap().unwrap();
            let explained = directory.explain_scope(&entry).await.unwrap();
            let in_scope = directory.in_scope(std::slice::from_ref(&entry.anchor)).await.unwrap();
            assert_eq!(
                explained.in_scope,
                in_scope.contains(&entry.anchor),
                "{membership:?} {nested} {explained:?}"
            );
            assert_eq!(explained.in_scope, explained.conditions.iter().all(|condition| condition.met));
            hows.push(explained.conditions.into_iter().find_map(|condition| condition.how));
        }
        let through = |groups: &[&str]| {
            Some(MembershipPath::Nested(groups.iter().map(|group| (*group).to_owned()).collect()))
        };
        let [second, third] = match (&membership, nested) {
            (_, false) => [None, None],
            (Membership::Member { .. }, true) => [through(&[MIDDLE]), through(&[BOTTOM, MIDDLE])],
            (_, true) => [through(&[MIDDLE]), through(&[BOTTOM])],
        };
        assert_eq!(hows, [Some(MembershipPath::Direct), second, third, None], "{membership:?} {nested}");
    }
}

/// The member list is not read to find one member.
#[tokio::test]
async fn explanation_costs_the_same_in_small_and_large_groups() {
    let mut searches = Vec::new();
    for count in [3, 200] {
        let server = crate::support::people_with(count, LdapOptions::default()).await;
        let mut config = config(&server.url());
        let dn = crate::support::GROUP.to_owned();
        config.scope = Scope::Group { dn, membership: by_member(), nested: true };
        let mut directory = Directory::connect(&config).await.unwrap();
        let entry = directory.find_by_dn(&person(1)).await.unwrap().unwrap();
        let before = server.searches();
        assert!(directory.explain_scope(&entry).await.unwrap().in_scope);
        searches.push(server.searches() - before);
    }
    assert_eq!(searches, [5, 5]);
}

/// This includes entries that are no users or lie outside the base.
#[tokio::test]
async fn each_condition_is_evaluated_separately() {
    let server = EmbeddedLdap::start(LdapOptions::default()).await.unwrap();
    for unit in ["ou=staff,dc=acme,dc=test", "ou=alumni,dc=acme,dc=test"] {
        server.add(unit, &[("objectClass", &["organizationalUnit"])]).unwrap();
    }
    for (dn, class) in [
        ("uid=p1,ou=staff,dc=acme,dc=test", "person"),
        ("uid=p2,ou=staff,dc=acme,dc=test", "person"),
        ("uid=old,ou=alumni,dc=acme,dc=test", "robot"),
    ] {
        let uid = dn.split([',', '=']).nth(1).unwrap();
        server.add(dn, &[("objectClass", &[class]), ("uid", &[uid])]).unwrap();
    }
    let mut config = config(&server.url());
    config.base_dn = "ou=staff,dc=acme,dc=test".to_owned();
    config.scope = Scope::Filter("(&(uid=p*)(!(uid=p2)))".to_owned());
    let mut directory = Directory::connect(&config).await.unwrap();
    for (dn, in_scope, met) in [
        ("uid=p1,ou=staff,dc=acme,dc=test", true, [true, true, true, true]),
        ("uid=p2,ou=staff,dc=acme,dc=test", false, [true, true, true, false]),
        ("uid=old,ou=alumni,dc=acme,dc=test", false, [false, false, false, true]),
    ] {
        let entry = directory.find_by_dn(dn).await.unwrap().unwrap();
        let explained = directory.explain_scope(&entry).await.unwrap();
        let results: Vec<bool> = explained.conditions.iter().map(|condition| condition.met).collect();
        assert_eq!((explained.in_scope, results.as_slice()), (in_scope, met.as_slice()), "{dn}");
    }
    assert_eq!(directory.find("uid", "old").await.unwrap(), []);
    assert_eq!(directory.find_anywhere("uid", "old").await.unwrap().len(), 1);
}
