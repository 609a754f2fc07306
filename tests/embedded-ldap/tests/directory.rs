//! Answers without faults.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // A failed assertion may panic.

mod support;

use std::time::{Duration, Instant};

use embedded_ldap::{EmbeddedLdap, LdapOptions, company};
use ldap3::exop::{WhoAmI, WhoAmIResp};
use ldap3::{Scope, SearchEntry, SearchOptions, ldap_escape};
use support::*;

async fn company_server() -> EmbeddedLdap {
    let server = EmbeddedLdap::start(LdapOptions::default()).await.unwrap();
    company::populate(&server).unwrap();
    server
}

#[tokio::test]
async fn binds_only_the_configured_name_with_its_password() {
    let server = server_with(0, LdapOptions::default()).await;
    let LdapOptions { bind_dn, password, .. } = LdapOptions::default();
    for (dn, password, code) in [
        (bind_dn.as_str(), password.as_str(), 0),
        ("CN=Provisioner, DC=acme, DC=test", password.as_str(), 0),
        (bind_dn.as_str(), "wrong", 49),
        ("cn=other,dc=acme,dc=test", password.as_str(), 49),
        ("no name", password.as_str(), 49),
        (bind_dn.as_str(), "", 53),
        ("", "", 48),
    ] {
        let mut ldap = connect(&server).await;
        assert_eq!(ldap.simple_bind(dn, password).await.unwrap().rc, code, "{dn}");
    }
}

#[tokio::test]
async fn anonymous_clients_read_only_the_root_dse() {
    let server = server_with(1, LdapOptions::default()).await;
    let mut ldap = connect(&server).await;
    let root = attributes(&mut ldap, "", vec!["+"]).await;
    assert_eq!(root["namingContexts"], ["dc=acme,dc=test"]);
    assert!(root["supportedControl"].contains(&"1.2.840.113556.1.4.319".to_owned()));
    assert_eq!(root["supportedLDAPVersion"], ["3"]);
    assert!(!attributes(&mut ldap, "", vec!["*"]).await.contains_key("vendorName"));
    let refused = ldap.search(PEOPLE, Scope::Subtree, "(uid=*)", vec!["*"]).await.unwrap();
    assert_eq!(refused.1.rc, 50);

    let open = server_with(1, LdapOptions { allow_anonymous: true, ..LdapOptions::default() }).await;
    let mut ldap = connect(&open).await;
    assert_eq!(find(&mut ldap, PEOPLE, "(uid=*)").await, [user(0)]);
}

#[tokio::test]
async fn identity_is_reported_and_writes_are_refused() {
    let server = server_with(1, LdapOptions::default()).await;
    let mut ldap = bound(&server).await;
    let (answer, _) = ldap.extended(WhoAmI).await.unwrap().success().unwrap();
    assert_eq!(answer.parse::<WhoAmIResp>().authzid, "dn:cn=provisioner,dc=acme,dc=test");
    assert_eq!(ldap.delete(&user(0)).await.unwrap().rc, 53);
    assert_eq!(find(&mut ldap, PEOPLE, "(uid=*)").await.len(), 1);
}

#[tokio::test]
async fn filters_select_entries() {
    let server = company_server().await;
    server.set(company::NOAH, "description", &["Überstunden * 2"]).unwrap();
    let guid = [0xff, 0x00, 0x01, 0x80];
    server.set_bytes(company::NOAH, "objectGUID", vec![guid.to_vec()]).unwrap();
    // Bytes that are valid text must still compare with case.
    server.set_bytes(company::WEI, "objectGUID", vec![b"abcd".to_vec()]).unwrap();
    server.set(company::WEI, "uSNChanged", &["9"]).unwrap();
    server.set(company::NOAH, "uSNChanged", &["10"]).unwrap();
    let uuid = server.entry_uuid(company::WEI).unwrap();
    let by_uuid = format!("(entryUUID={})", uuid.to_uppercase());
    let mut ldap = bound(&server).await;
    for (filter, expected) in [
        ("(UID=GRACE)", vec![company::GRACE]),
        ("(sn=åkesson)", vec![company::LARS]),
        ("(&(departmentNumber=platform)(!(uid=zoe)))", vec![company::JOSE]),
        ("(|(uid=zoe)(uid=jose))", vec![company::JOSE, company::ZOE]),
        ("(&(objectClass=person)(!(telephoneNumber=*)))", vec![company::NOAH]),
        ("(title=head*fin*ce)", vec![company::FATIMA]),
        ("(description=über*\\2a*)", vec![company::NOAH]),
        ("(cn=*Muñoz)", vec![company::JOSE]),
        ("(uSNChanged>=10)", vec![company::NOAH]),
        ("(uSNChanged<=9)", vec![company::WEI]),
        ("(objectGUID=\\ff\\00\\01\\80)", vec![company::NOAH]),
        ("(objectGUID=ABCD)", vec![]),
        ("(objectGUID=abcd)", vec![company::WEI]),
        (&by_uuid, vec![company::WEI]),
        ("(manager=UID=fatima, OU=finance, ou=people, dc=acme, dc=test)", vec![company::NOAH]),
        (
            "(&(memberOf=cn=Engineers,ou=groups,dc=acme,dc=test)(!(memberOf=cn=workplace,ou=groups,dc=acme,dc=test)))",
            vec![company::WEI],
        ),
        ("(!(uid:caseExactMatch:=grace))", vec![]),
        ("(nothing=here)", vec![]),
    ] {
        assert_eq!(find(&mut ldap, "dc=acme,dc=test", filter).await, expected, "{filter}");
    }
}

#[tokio::test]
async fn search_scopes_are_respected() {
    let server = company_server().await;
    let mut ldap = bound(&server).await;
    for (scope, expected) in [(Scope::Base, 1), (Scope::OneLevel, 3), (Scope::Subtree, 8)] {
        let answer = ldap.search(company::ENGINEERING, scope, "(objectClass=*)", vec!["1.1"]).await;
        let (entries, _) = answer.unwrap().success().unwrap();
        assert_eq!(entries.len(), expected, "{scope:?}");
    }
    let missing = ldap.search("ou=gone,ou=people,dc=acme,dc=test", Scope::Subtree, "(uid=*)", vec!["*"]);
    let result = missing.await.unwrap().1;
    assert_eq!((result.rc, result.matched.as_str()), (32, company::PEOPLE));
    let nonsense = ldap.search("people", Scope::Subtree, "(uid=*)", vec!["*"]).await.unwrap();
    assert_eq!(nonsense.1.rc, 34);
}

#[tokio::test]
async fn only_requested_attributes_are_returned() {
    let server = company_server().await;
    let mut ldap = bound(&server).await;
    let all = attributes(&mut ldap, company::GRACE, vec![]).await;
    assert_eq!(all["mail"], ["grace@acme.test"]);
    assert!(!all.contains_key("entryUUID") && !all.contains_key("memberOf"));
    let operational = attributes(&mut ldap, company::GRACE, vec!["+"]).await;
    let names: Vec<_> = operational.keys().map(String::as_str).collect();
    assert_eq!(names, ["createTimestamp", "entryUUID", "memberOf", "modifyTimestamp"]);
    let some = attributes(&mut ldap, company::GRACE, vec!["MAIL", "entryuuid"]).await;
    assert_eq!(some.len(), 2);
    assert_eq!(Some(&some["entryUUID"][0]), server.entry_uuid(company::GRACE).as_ref());
    assert!(attributes(&mut ldap, company::GRACE, vec!["1.1"]).await.is_empty());
    ldap.with_search_options(SearchOptions::new().typesonly(true));
    assert!(attributes(&mut ldap, company::GRACE, vec!["mail"]).await["mail"].is_empty());
}

#[tokio::test]
async fn member_of_follows_the_groups() {
    let server = company_server().await;
    let mut ldap = bound(&server).await;
    let groups = attributes(&mut ldap, company::GRACE, vec!["memberOf"]).await;
    assert_eq!(groups["memberOf"], [company::WORKPLACE, company::ENGINEERS]);

    server.remove_member(company::WORKPLACE, company::GRACE).unwrap();
    server.add_member(company::WORKPLACE, company::WEI).unwrap();
    assert!(server.add_member(company::WORKPLACE, company::WEI).is_err());
    assert!(server.set(company::WEI, "memberOf", &[company::WORKPLACE]).is_err());
    let groups = attributes(&mut ldap, company::GRACE, vec!["memberOf"]).await;
    assert_eq!(groups["memberOf"], [company::ENGINEERS]);
    let members = find(&mut ldap, company::BASE, &format!("(memberOf={})", company::WORKPLACE)).await;
    assert!(members.contains(&company::WEI.to_owned()) && members.len() == 8);
    assert!(members.contains(&company::SIOBHAN.to_owned()));
}

#[tokio::test]
async fn renamed_entry_keeps_id_and_memberships() {
    let server = company_server().await;
    let mut ldap = bound(&server).await;
    let uuid = server.entry_uuid(company::ZOE);
    let new = "uid=zoe.baker,ou=apps,ou=engineering,ou=people,dc=acme,dc=test";
    server.rename(company::ZOE, new).unwrap();
    assert_eq!(server.entry_uuid(new), uuid);
    assert_eq!(server.entry_uuid(company::ZOE), None);
    let entry = attributes(&mut ldap, new, vec!["uid", "memberOf"]).await;
    assert_eq!(entry["uid"], ["zoe.baker"]);
    assert_eq!(entry["memberOf"].len(), 2);
    let group = attributes(&mut ldap, company::WORKPLACE, vec!["member"]).await;
    assert!(group["member"].contains(&new.to_owned()));
    assert!(!group["member"].contains(&company::ZOE.to_owned()));
    assert!(server.rename(new, company::JOSE).is_err());
    assert!(
        server.rename(company::ENGINEERING, "ou=x,ou=apps,ou=engineering,ou=people,dc=acme,dc=test").is_err()
    );
}

#[tokio::test]
async fn moved_container_moves_its_entries() {
    let server = company_server().await;
    let mut ldap = bound(&server).await;
    let uuid = server.entry_uuid(company::GRACE);
    server.rename(company::ENGINEERING, "ou=R\\2CD,ou=people,dc=acme,dc=test").unwrap();
    let grace = "uid=grace,ou=R\\2CD,ou=people,dc=acme,dc=test";
    assert_eq!(server.entry_uuid(grace), uuid);
    let reports = find(&mut ldap, company::BASE, &format!("(manager={})", ldap_escape(grace))).await;
    assert_eq!(reports.len(), 4);
    let engineers = find(&mut ldap, company::BASE, &format!("(memberOf={})", company::ENGINEERS)).await;
    assert_eq!(engineers.len(), 5);
}

#[tokio::test]
async fn deletion_updates_references_only_with_referential_integrity() {
    for referential_integrity in [true, false] {
        let options = LdapOptions { referential_integrity, ..LdapOptions::default() };
        let server = EmbeddedLdap::start(options).await.unwrap();
        company::populate(&server).unwrap();
        let mut ldap = bound(&server).await;
        server.delete(company::GRACE).unwrap();
        assert!(server.delete(company::GRACE).is_err());
        assert!(server.delete(company::PEOPLE).is_err());
        let group = attributes(&mut ldap, company::WORKPLACE, vec!["member"]).await;
        let report = attributes(&mut ldap, company::WEI, vec!["manager"]).await;
        assert_eq!(group["member"].contains(&company::GRACE.to_owned()), !referential_integrity);
        assert_eq!(report.contains_key("manager"), !referential_integrity);
    }
}

#[tokio::test]
async fn changes_advance_the_timestamp_and_keep_the_id() {
    let server = server_with(2, LdapOptions::default()).await;
    let mut ldap = bound(&server).await;
    let asked = vec!["entryUUID", "modifyTimestamp"];
    let before = attributes(&mut ldap, &user(0), asked.clone()).await;
    server.set(&user(0), "title", &["Engineer"]).unwrap();
    let after = attributes(&mut ldap, &user(0), asked).await;
    assert_eq!(before["entryUUID"], after["entryUUID"]);
    assert!(before["modifyTimestamp"] < after["modifyTimestamp"]);
    let changed = format!("(modifyTimestamp>={})", after["modifyTimestamp"][0]);
    assert_eq!(find(&mut ldap, PEOPLE, &changed).await, [user(0)]);

    server.delete(&user(0)).unwrap();
    server.add(&user(0), &[]).unwrap();
    assert_ne!(server.entry_uuid(&user(0)).as_ref(), Some(&before["entryUUID"][0]));
}

#[tokio::test]
async fn values_may_be_any_bytes_and_ids_may_be_missing() {
    let server = server_with(0, LdapOptions::default()).await;
    let odd = vec![("sn".to_owned(), vec![vec![0xff, 0xfe]]), ("entryUUID".to_owned(), vec![])];
    server.add_binary(&user(7), odd).unwrap();
    server.add(&user(8), &[("entryUUID", &["00000000-0000-4000-8000-000000000008"])]).unwrap();
    assert_eq!(server.entry_uuid(&user(7)), None);
    assert_eq!(server.entry_uuid(&user(8)).as_deref(), Some("00000000-0000-4000-8000-000000000008"));
    let mut ldap = bound(&server).await;
    let entry = read(&mut ldap, &user(7), vec!["*", "+"]).await.unwrap();
    assert_eq!(entry.bin_attrs["sn"], [[0xff, 0xfe]]);
    assert!(!entry.attrs.contains_key("entryUUID"));
    assert!(server.add(&user(7), &[]).is_err());
    assert!(server.add("uid=x,ou=gone,dc=acme,dc=test", &[]).is_err());
}

#[tokio::test]
async fn pages_end_with_an_empty_cookie() {
    let server = server_with(10, LdapOptions::default()).await;
    let mut ldap = bound(&server).await;
    for (size, pages) in [(3, 4), (5, 2), (100, 1)] {
        let before = server.pages();
        assert_eq!(read_all(&mut ldap, size).await.unwrap().len(), 10);
        assert_eq!(server.pages() - before, pages);
    }
    assert_eq!(server.searches(), 3);
}

#[tokio::test]
async fn changes_between_pages_are_visible() {
    let server = server_with(4, LdapOptions::default()).await;
    let mut ldap = bound(&server).await;
    let first = page(&mut ldap, 1, Vec::new()).await.unwrap();
    server.delete(&user(1)).unwrap();
    server.set(&user(2), "title", &["changed"]).unwrap();
    let rest = page(&mut ldap, 10, first.cookie()).await.unwrap();
    assert_eq!(rest.names(), [user(2), user(3)]);
    assert_eq!(rest.entries[0].attrs["title"], ["changed"]);
}

#[tokio::test]
async fn cookie_is_valid_once_and_on_its_connection() {
    let server = server_with(4, LdapOptions::default()).await;
    let mut ldap = bound(&server).await;
    let first = page(&mut ldap, 1, Vec::new()).await.unwrap();
    let mut other = bound(&server).await;
    assert_eq!(page(&mut other, 1, first.cookie()).await.unwrap().result.rc, 53);
    page(&mut ldap, 1, first.cookie()).await.unwrap();
    assert_eq!(page(&mut ldap, 1, first.cookie()).await.unwrap().result.rc, 53);
    assert_eq!(page(&mut ldap, 1, vec![1]).await.unwrap().result.rc, 53);
}

#[tokio::test]
async fn size_limit_ends_a_search_after_some_entries() {
    let server = server_with(10, LdapOptions { size_limit: Some(4), ..LdapOptions::default() }).await;
    let mut ldap = bound(&server).await;
    let (entries, result) = {
        let answer = ldap.search(PEOPLE, Scope::Subtree, "(uid=*)", vec!["1.1"]).await.unwrap();
        (answer.0, answer.1)
    };
    assert_eq!((entries.len(), result.rc), (4, 4));
    let first = page(&mut ldap, 3, Vec::new()).await.unwrap();
    let second = page(&mut ldap, 3, first.cookie()).await.unwrap();
    assert_eq!((second.entries.len(), second.result.rc), (1, 4));

    let asked = SearchOptions::new().sizelimit(2);
    let answer = ldap.with_search_options(asked).search(PEOPLE, Scope::Subtree, "(uid=*)", vec!["1.1"]);
    assert_eq!(answer.await.unwrap().0.len(), 2);
}

#[tokio::test]
async fn size_limit_per_page_leaves_paged_searches_complete() {
    let options = LdapOptions { size_limit: Some(4), size_limit_per_page: true, ..LdapOptions::default() };
    let server = server_with(10, options).await;
    let mut ldap = bound(&server).await;
    assert_eq!(ldap.search(PEOPLE, Scope::Subtree, "(uid=*)", vec!["1.1"]).await.unwrap().1.rc, 4);
    assert_eq!(page(&mut ldap, 100, Vec::new()).await.unwrap().entries.len(), 4);
    assert_eq!(read_all(&mut ldap, 100).await.unwrap().len(), 10);
}

#[tokio::test]
async fn company_is_consistent() {
    let server = company_server().await;
    let mut ldap = bound(&server).await;
    let (people, _) = ldap
        .search(company::PEOPLE, Scope::Subtree, "(objectClass=inetOrgPerson)", vec!["*"])
        .await
        .unwrap()
        .success()
        .unwrap();
    let people: Vec<_> = people.into_iter().map(SearchEntry::construct).collect();
    assert_eq!(people.len(), 12);
    for person in &people {
        for attribute in ["cn", "givenName", "sn", "mail", "title", "uid", "employeeType"] {
            assert!(person.attrs.contains_key(attribute), "{} lacks {attribute}", person.dn);
        }
        for manager in person.attrs.get("manager").into_iter().flatten() {
            assert!(people.iter().any(|person| person.dn == *manager), "{manager}");
        }
    }
    let disabled = find(&mut ldap, company::PEOPLE, "(employeeType=disabled)").await;
    assert_eq!(disabled, [company::LARS]);
    let group = attributes(&mut ldap, company::WORKPLACE, vec!["member"]).await;
    assert_eq!(group["member"].len(), 8);
}

#[tokio::test]
async fn ten_thousand_entries_are_read_in_time() {
    let server = server_with(10_000, LdapOptions::default()).await;
    let mut ldap = bound(&server).await;
    let start = Instant::now();
    assert_eq!(read_all(&mut ldap, 500).await.unwrap().len(), 10_000);
    // A generous limit, for machines that run other tests.
    assert!(start.elapsed() < Duration::from_secs(10), "{:?}", start.elapsed());
}
