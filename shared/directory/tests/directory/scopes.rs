//! Who is meant, and how their values come through.

use directory::{
    AnchorAttribute, AnchorForm, Directory, DirectoryConfig, DirectoryError, Membership, ReadItem, Scope,
};
use embedded_ldap::{EmbeddedLdap, LdapOptions, company};
use model::{Entry, UnixSeconds};

use crate::support::{BASE, GROUP, config, people, read};

async fn the_company() -> (EmbeddedLdap, DirectoryConfig) {
    let server = EmbeddedLdap::start(LdapOptions::default()).await.unwrap();
    company::populate(&server).unwrap();
    let config = config(&server.url());
    (server, config)
}

fn member() -> Membership {
    Membership::Member { attribute: "member".to_owned() }
}

fn member_of() -> Membership {
    Membership::MemberOf { attribute: "memberOf".to_owned() }
}

fn group(dn: &str, membership: Membership) -> Scope {
    Scope::Group { dn: dn.to_owned(), membership, nested: false }
}

/// Their user ids, sorted, after a read that was complete.
async fn uids(config: &DirectoryConfig) -> Vec<String> {
    let outcome = read(config).await;
    outcome.verdict.unwrap();
    let mut uids: Vec<String> =
        outcome.sightings.iter().map(|sighting| text(entry(sighting), "uid")).collect();
    uids.sort();
    uids
}

fn entry(sighting: &ReadItem) -> &Entry {
    match sighting {
        ReadItem::Entry(entry) => entry,
        ReadItem::Unidentified { why, .. } => panic!("{why}"),
    }
}

fn text(entry: &Entry, attribute: &str) -> String {
    String::from_utf8(entry.attributes.one(attribute).unwrap().to_vec()).unwrap()
}

const MEMBERS: [&str; 8] = ["aisha", "grace", "jose", "lars", "margaret", "siobhan", "tomasz", "zoe"];

#[tokio::test]
async fn a_group_by_its_members() {
    let (_server, mut config) = the_company().await;
    config.scope = group(company::WORKPLACE, member());
    assert_eq!(uids(&config).await, MEMBERS);
}

#[tokio::test]
async fn a_group_by_the_users_member_of() {
    let (_server, mut config) = the_company().await;
    // Spelled otherwise than it is: a DN has no case.
    config.scope = group("CN=Workplace, OU=Groups,DC=ACME,dc=test", member_of());
    assert_eq!(uids(&config).await, MEMBERS);
}

#[tokio::test]
async fn a_group_by_ids() {
    let (server, mut config) = the_company().await;
    let posix = "cn=posix,ou=groups,dc=acme,dc=test";
    server
        .add(posix, &[("objectClass", &["posixGroup"]), ("memberUid", &["GRACE", "jose", "nobody"])])
        .unwrap();
    let membership =
        Membership::MemberUid { attribute: "memberUid".to_owned(), user_attribute: "uid".to_owned() };
    config.scope = group(posix, membership);
    // What membership goes by is asked for, whether the mapping needs it or not.
    config.attributes.clear();
    assert_eq!(uids(&config).await, ["grace", "jose"]);
}

#[tokio::test]
async fn a_filter() {
    let (_server, mut config) = the_company().await;
    config.scope = Scope::Filter("(|(uid=grace)(uid=zoe))".to_owned());
    assert_eq!(uids(&config).await, ["grace", "zoe"]);
    // A single condition needs no parentheses.
    config.scope = Scope::Filter("uid=grace".to_owned());
    assert_eq!(uids(&config).await, ["grace"]);
    config.user_filter = "objectClass=groupOfNames".to_owned();
    assert_eq!(uids(&config).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_filter_that_is_none_is_refused_before_anything_is_sent() {
    let mut config = config("ldap://127.0.0.1:1");
    config.scope = Scope::Filter("(&(department=Sales)".to_owned());
    let error = Directory::connect(&config).await.err().unwrap();
    assert_eq!(
        error.to_string(),
        "the filter (&(department=Sales) can't be used: at character 21: ')' is expected"
    );
}

#[tokio::test]
async fn a_group_that_is_not_there_is_not_an_empty_one() {
    let (_server, mut config) = the_company().await;
    let dn = "cn=workpalce,ou=groups,dc=acme,dc=test";
    for membership in [member(), member_of()] {
        config.scope = group(dn, membership);
        let mut directory = Directory::connect(&config).await.unwrap();
        let error = directory.read(None, UnixSeconds(0)).await.err().unwrap();
        assert_eq!(error, DirectoryError::GroupNotFound { dn: dn.to_owned() });
    }
}

#[tokio::test]
async fn a_base_that_is_not_there() {
    let server = people(1).await;
    let mut config = config(&server.url());
    config.base_dn = "ou=nowhere,dc=acme,dc=test".to_owned();
    let mut directory = Directory::connect(&config).await.unwrap();
    let error = directory.read(None, UnixSeconds(0)).await.err().unwrap();
    assert_eq!(error, DirectoryError::BaseNotFound { base_dn: config.base_dn });
}

/// Names that would end a filter, a DN, or an assumption about text.
#[tokio::test]
async fn names_are_only_names() {
    let server = people(0).await;
    let odd = r"cn=Every\, one (really) *,dc=acme,dc=test";
    server.add(odd, &[("objectClass", &["groupOfNames"])]).unwrap();
    let people = [
        r"uid=jürgen\, der ältere,dc=acme,dc=test",
        r"uid=(ada)\\*,dc=acme,dc=test",
        "uid=李,dc=acme,dc=test",
    ];
    for dn in people {
        server.add(dn, &[("objectClass", &["person"])]).unwrap();
        server.add_member(odd, dn).unwrap();
    }
    for membership in [member(), member_of()] {
        let mut config = config(&server.url());
        config.scope = group(odd, membership);
        assert_eq!(uids(&config).await, [r"(ada)\*", "jürgen, der ältere", "李"]);
    }
}

#[tokio::test]
async fn binary_anchors() {
    let server = people(0).await;
    let guid: Vec<u8> = (0..16).map(|byte| byte * 16 + 15).collect();
    let dn = format!("uid=ada,{BASE}");
    server.add(&dn, &[("objectClass", &["person"])]).unwrap();
    server.set_bytes(&dn, "objectGUID", vec![guid]).unwrap();
    server.add_member(GROUP, &dn).unwrap();

    for (form, anchor) in [
        (AnchorForm::Guid, "3f2f1f0f-5f4f-7f6f-8f9f-afbfcfdfefff"),
        (AnchorForm::Binary, "0f1f2f3f4f5f6f7f8f9fafbfcfdfefff"),
    ] {
        let mut config = config(&server.url());
        config.anchor = AnchorAttribute { attribute: "objectGUID".to_owned(), form };
        let outcome = read(&config).await;
        let [seen] = outcome.sightings.as_slice() else { panic!("one was expected") };
        assert_eq!(entry(seen).anchor.as_str(), anchor);

        let mut directory = Directory::connect(&config).await.unwrap();
        let anchors = [entry(seen).anchor.clone()];
        assert_eq!(directory.in_scope(&anchors).await.unwrap(), anchors.clone().into());
        assert_eq!(directory.find("objectguid", anchor).await.unwrap().len(), 1);
    }
}

/// Who isn't in the group can't have been missed in it, whatever is wrong with the entry.
#[tokio::test]
async fn an_unidentified_entry_out_of_scope_does_not_count() {
    let server = people(2).await;
    server.add(&format!("uid=other,{BASE}"), &[("objectClass", &["person"]), ("entryUUID", &[])]).unwrap();
    let mut config = config(&server.url());
    config.scope = group(GROUP, member());
    assert!(read(&config).await.verdict.is_ok());
    config.scope = Scope::Filter("(uid=*)".to_owned());
    assert!(read(&config).await.verdict.is_err());
}

/// The directory knows more about people than the mapping needs; it is not read.
#[tokio::test]
async fn only_what_is_needed_is_asked_for() {
    let (_server, mut config) = the_company().await;
    config.scope = Scope::Filter("uid=grace".to_owned());
    config.attributes = vec!["Title".to_owned(), "title".to_owned(), "ENTRYUUID".to_owned()];
    let outcome = read(&config).await;
    let [seen] = outcome.sightings.as_slice() else { panic!("one was expected") };
    let mut names: Vec<String> = entry(seen).attributes.names().map(str::to_lowercase).collect();
    names.sort();
    assert_eq!(names, ["entryuuid", "title"]);
}
