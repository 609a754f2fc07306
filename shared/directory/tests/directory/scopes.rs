//! Scopes, anchors and attribute values.

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

/// Sorted user ids of a complete read.
async fn uids(config: &DirectoryConfig) -> Vec<String> {
    let outcome = read(config).await;
    outcome.result.unwrap();
    let mut uids: Vec<String> = outcome.items.iter().map(|item| text(entry(item), "uid")).collect();
    uids.sort();
    uids
}

fn entry(item: &ReadItem) -> &Entry {
    match item {
        ReadItem::Entry(entry) => entry,
        ReadItem::Unidentified { why, .. } => panic!("{why}"),
    }
}

fn text(entry: &Entry, attribute: &str) -> String {
    String::from_utf8(entry.attributes.one(attribute).unwrap().to_vec()).unwrap()
}

const MEMBERS: [&str; 8] = ["aisha", "grace", "jose", "lars", "margaret", "siobhan", "tomasz", "zoe"];

#[tokio::test]
async fn group_scope_by_member() {
    let (_server, mut config) = the_company().await;
    config.scope = group(company::WORKPLACE, member());
    assert_eq!(uids(&config).await, MEMBERS);
}

#[tokio::test]
async fn group_scope_by_member_of() {
    let (_server, mut config) = the_company().await;
    // DNs compare without case and spaces.
    config.scope = group("CN=Workplace, OU=Groups,DC=ACME,dc=test", member_of());
    assert_eq!(uids(&config).await, MEMBERS);
}

#[tokio::test]
async fn group_scope_by_member_uid() {
    let (server, mut config) = the_company().await;
    let posix = "cn=posix,ou=groups,dc=acme,dc=test";
    server
        .add(posix, &[("objectClass", &["posixGroup"]), ("memberUid", &["GRACE", "jose", "unknown"])])
        .unwrap();
    let membership =
        Membership::MemberUid { attribute: "memberUid".to_owned(), user_attribute: "uid".to_owned() };
    config.scope = group(posix, membership);
    // The id of the membership is read even if the mapping does not need it.
    config.attributes.clear();
    assert_eq!(uids(&config).await, ["grace", "jose"]);
}

#[tokio::test]
async fn filter_scope() {
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
async fn invalid_filter_is_refused_before_connecting() {
    let mut config = config("ldap://127.0.0.1:1");
    config.scope = Scope::Filter("(&(department=Sales)".to_owned());
    let error = Directory::connect(&config).await.err().unwrap();
    assert_eq!(
        error.to_string(),
        "the filter (&(department=Sales) can't be used: at character 21: ')' is missing"
    );
}

#[tokio::test]
async fn missing_group_is_an_error() {
    let (_server, mut config) = the_company().await;
    let dn = "cn=workpalce,ou=groups,dc=acme,dc=test";
    for membership in [member(), member_of()] {
        config.scope = group(dn, membership);
        let mut directory = Directory::connect(&config).await.unwrap();
        let error = directory.read(None, UnixSeconds(0)).await.err().unwrap();
        assert_eq!(error, DirectoryError::GroupNotFound(dn.to_owned()));
    }
}

#[tokio::test]
async fn missing_base_is_an_error() {
    let server = people(1).await;
    let mut config = config(&server.url());
    config.base_dn = "ou=nowhere,dc=acme,dc=test".to_owned();
    let mut directory = Directory::connect(&config).await.unwrap();
    let error = directory.read(None, UnixSeconds(0)).await.err().unwrap();
    assert_eq!(error, DirectoryError::BaseNotFound(config.base_dn));
}

/// Names with characters that are special in filters and DNs.
#[tokio::test]
async fn special_characters_in_names_are_escaped() {
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
async fn binary_anchors_are_read_and_found() {
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
        let [seen] = outcome.items.as_slice() else { panic!("expected one item") };
        assert_eq!(entry(seen).anchor.as_str(), anchor);

        let mut directory = Directory::connect(&config).await.unwrap();
        let anchors = [entry(seen).anchor.clone()];
        assert_eq!(directory.in_scope(&anchors).await.unwrap(), anchors.clone().into());
        assert_eq!(directory.find("objectguid", anchor).await.unwrap().len(), 1);
    }
}

/// An entry that is not a member can't be a missing member.
#[tokio::test]
async fn unidentified_entry_outside_the_group_does_not_count() {
    let server = people(2).await;
    server.add(&format!("uid=other,{BASE}"), &[("objectClass", &["person"]), ("entryUUID", &[])]).unwrap();
    let mut config = config(&server.url());
    config.scope = group(GROUP, member());
    assert!(read(&config).await.result.is_ok());
    config.scope = Scope::Filter("(uid=*)".to_owned());
    assert!(read(&config).await.result.is_err());
}

#[tokio::test]
async fn only_needed_attributes_are_read() {
    let (_server, mut config) = the_company().await;
    config.scope = Scope::Filter("uid=grace".to_owned());
    config.attributes = vec!["Title".to_owned(), "title".to_owned(), "ENTRYUUID".to_owned()];
    let outcome = read(&config).await;
    let [seen] = outcome.items.as_slice() else { panic!("expected one item") };
    let mut names: Vec<String> = entry(seen).attributes.names().map(str::to_lowercase).collect();
    names.sort();
    assert_eq!(names, ["createtimestamp", "entryuuid", "modifytimestamp", "title"]);
}
