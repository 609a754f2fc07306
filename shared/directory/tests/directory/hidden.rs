//! What the reading account can't see is not gone.

use directory::{ChangeDetection, ChangeResponse, Cursor, Directory, DirectoryConfig, Membership, Scope};
use embedded_ldap::{EmbeddedLdap, FaultInjection, LdapFault, LdapOptions, ResultCode};
use model::{IncompleteRead, UnixSeconds};

use crate::support::{BASE, GROUP, config, people, person, read};

const NOW: UnixSeconds = UnixSeconds(0);
const TOP: &str = "cn=top,dc=acme,dc=test";
const NESTED: &str = "cn=nested,dc=acme,dc=test";

fn member() -> Membership {
    Membership::Member { attribute: "member".to_owned() }
}

fn member_of() -> Membership {
    Membership::MemberOf { attribute: "memberOf".to_owned() }
}

fn scope(server: &EmbeddedLdap, membership: Membership, nested: bool) -> DirectoryConfig {
    let scope = Scope::Group { dn: TOP.to_owned(), membership, nested };
    DirectoryConfig { scope, changes: ChangeDetection::Auto, ..config(&server.url()) }
}

/// A group of this class with one user, and a nested group of another class with another.
async fn nested_groups(top: &str, (nested, attribute): (&str, &str)) -> EmbeddedLdap {
    let server = EmbeddedLdap::start(LdapOptions::default()).await.unwrap();
    for number in 0..3 {
        server.add(&person(number), &[("objectClass", &["person"])]).unwrap();
    }
    server.add(TOP, &[("objectClass", &[top]), ("member", &[&person(0), NESTED])]).unwrap();
    server.add(NESTED, &[("objectClass", &[nested]), (attribute, &[&person(1)])]).unwrap();
    server
}

async fn full_read(
    config: &DirectoryConfig,
    last: Option<&Cursor>,
) -> (Cursor, Result<usize, IncompleteRead>) {
    let mut directory = Directory::connect(config).await.unwrap();
    let mut read = directory.read(last, NOW).await.unwrap();
    let mut entries = 0;
    while let Some(page) = read.next_page().await.unwrap() {
        entries += page.len();
    }
    (read.cursor(), read.finish().await.map(|_| entries))
}

fn hidden(attribute: &str, dn: &str) -> FaultInjection {
    LdapFault::HiddenAttribute { attribute: attribute.to_owned(), of: Some(dn.to_owned()) }.on_any_search()
}

/// The reason for which users may be hidden.
fn why(result: Result<usize, IncompleteRead>) -> String {
    match result {
        Err(IncompleteRead::Hidden(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn group_without_the_member_that_its_class_demands_hides_it() {
    for (class, attribute) in [("groupOfNames", "member"), ("groupOfUniqueNames", "uniqueMember")] {
        let server = people(3).await;
        server.add(TOP, &[("objectClass", &[class]), (attribute, &[&person(0)])]).unwrap();
        for nested in [false, true] {
            let config = scope(&server, Membership::Member { attribute: attribute.to_owned() }, nested);
            assert_eq!(full_read(&config, None).await.1, Ok(1));
            server.inject(hidden(attribute, TOP));
            let why = why(full_read(&config, None).await.1);
            assert!(why.contains(TOP) && why.contains(&format!("shows no {attribute}")), "{why}");
            server.clear_faults();
        }
    }
    // Other classes may be empty.
    let server = people(0).await;
    let group = Scope::Group { dn: GROUP.to_owned(), membership: member(), nested: true };
    assert!(read(&DirectoryConfig { scope: group, ..config(&server.url()) }).await.result.is_ok());
}

#[tokio::test]
async fn nested_group_that_is_hidden_removes_no_member() {
    for membership in [member(), member_of()] {
        let server = nested_groups("group", ("groupOfMembers", "member")).await;
        let config = scope(&server, membership, true);
        let (cursor, result) = full_read(&config, None).await;
        assert_eq!(result, Ok(2));
        server.inject(LdapFault::HiddenEntry { dn: NESTED.to_owned() }.on_any_search());
        let why = why(full_read(&config, Some(&cursor)).await.1);
        assert!(why.contains(NESTED), "{why}");
        server.clear_faults();
        server.remove_member(TOP, NESTED).unwrap();
        assert_eq!(full_read(&config, Some(&cursor)).await.1, Ok(1), "it is no member any more");
    }
}

/// Also when the incremental read sees it first.
#[tokio::test]
async fn nested_group_that_is_hidden_ends_an_incremental_read() {
    let server = nested_groups("group", ("groupOfMembers", "member")).await;
    let config = scope(&server, member(), true);
    // The newest change is not the group's, so that the server counts as recent.
    server.set(BASE, "description", &["a change"]).unwrap();
    let (cursor, _) = full_read(&config, None).await;
    server.inject(LdapFault::HiddenEntry { dn: NESTED.to_owned() }.on_any_search());
    let mut directory = Directory::connect(&config).await.unwrap();
    let ChangeResponse::Changes(changes) = directory.changes(&cursor, NOW).await.unwrap() else {
        panic!("a full scan was needed");
    };
    let mut read = directory.read_changes(*changes);
    while read.next_page().await.unwrap().is_some() {}
    why(read.finish().await.map(|_| 0));
}

#[tokio::test]
async fn nested_groups_of_every_class_are_entered() {
    for nested in [
        ("group", "member"),
        ("groupOfNames", "member"),
        ("groupOfUniqueNames", "uniqueMember"),
        ("groupOfMembers", "member"),
        ("groupOfEntries", "member"),
    ] {
        let server = nested_groups("groupOfNames", nested).await;
        assert_eq!(full_read(&scope(&server, member(), true), None).await.1, Ok(2), "{nested:?}");
    }
}

#[tokio::test]
async fn wrong_member_attribute_is_named() {
    let server = people(2).await;
    server.add(TOP, &[("objectClass", &["groupOfUniqueNames"]), ("uniqueMember", &[&person(0)])]).unwrap();
    let why = why(full_read(&scope(&server, member(), false), None).await.1);
    assert!(why.contains("1 members in uniqueMember") && why.contains("scope.member_attribute"), "{why}");
}

#[tokio::test]
async fn missing_member_of_is_named() {
    let server = people(2).await;
    let membership = Membership::MemberOf { attribute: "isMemberOf".to_owned() };
    let scope = Scope::Group { dn: GROUP.to_owned(), membership, nested: false };
    let why = why(full_read(&DirectoryConfig { scope, ..config(&server.url()) }, None).await.1);
    assert!(why.contains("lists users") && why.contains("isMemberOf"), "{why}");

    // A group that lists groups alone has no users.
    let server = nested_groups("group", ("groupOfMembers", "member")).await;
    server.remove_member(TOP, &person(0)).unwrap();
    assert_eq!(full_read(&self::scope(&server, member_of(), false), None).await.1, Ok(0));
}

/// Limits of a server refuse the search for changes and not the full read.
#[tokio::test]
async fn refused_search_for_changes_leads_to_a_full_scan() {
    let server = people(4).await;
    let config = DirectoryConfig { changes: ChangeDetection::Auto, ..config(&server.url()) };
    let (cursor, _) = full_read(&config, None).await;
    for code in [ResultCode::AdminLimitExceeded, ResultCode::SizeLimitExceeded, ResultCode::TimeLimitExceeded]
    {
        for after in 0..3 {
            server.inject(LdapFault::FailPage { page: 1, entries: 0, code }.after(after));
            let mut directory = Directory::connect(&config).await.unwrap();
            match directory.changes(&cursor, NOW).await.unwrap() {
                ChangeResponse::FullScanNeeded(why) => assert!(why.contains("limit exceeded"), "{why}"),
                ChangeResponse::Changes(_) => panic!("{code:?} after {after} searches was not noticed"),
            }
            server.clear_faults();
        }
    }
}

/// A refused read of the changed entries is not tried again: the next read is full.
#[tokio::test]
async fn refused_read_of_changes_is_not_resumed() {
    let server = people(4).await;
    let config = DirectoryConfig { changes: ChangeDetection::Auto, ..config(&server.url()) };
    let (cursor, _) = full_read(&config, None).await;
    server.set(BASE, "description", &["a change"]).unwrap();
    let mut directory = Directory::connect(&config).await.unwrap();
    let ChangeResponse::Changes(changes) = directory.changes(&cursor, NOW).await.unwrap() else {
        panic!("a full scan was needed");
    };
    let mut read = directory.read_changes(*changes);
    let refusal = LdapFault::FailPage { page: 1, entries: 0, code: ResultCode::AdminLimitExceeded };
    server.inject(refusal.on_any_search());
    assert!(read.next_page().await.is_err());
    assert!(!read.cursor().is_resumable());
}
