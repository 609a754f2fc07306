//! Client of the tests, by the ldap3 library.

#![allow(dead_code)] // Each test file is a crate and uses a part.

use std::collections::BTreeMap;

use embedded_ldap::{EmbeddedLdap, LdapOptions};
use ldap3::controls::{Control, ControlType, PagedResults, RawControl};
use ldap3::{Ldap, LdapConnAsync, LdapResult, Scope, SearchEntry};

/// Server with `count` people `uid=user0`, `uid=user1`, … below `ou=people`.
pub async fn server_with(count: usize, options: LdapOptions) -> EmbeddedLdap {
    let server = EmbeddedLdap::start(options).await.unwrap();
    server.add("ou=people,dc=acme,dc=test", &[("objectClass", &["organizationalUnit"])]).unwrap();
    for number in 0..count {
        let mail = format!("user{number}@acme.test");
        server.add(&user(number), &[("objectClass", &["person"]), ("mail", &[&mail])]).unwrap();
    }
    server
}

pub const PEOPLE: &str = "ou=people,dc=acme,dc=test";

pub fn user(number: usize) -> String {
    format!("uid=user{number},ou=people,dc=acme,dc=test")
}

pub async fn connect(server: &EmbeddedLdap) -> Ldap {
    let (connection, ldap) = LdapConnAsync::new(&server.url()).await.unwrap();
    ldap3::drive!(connection);
    ldap
}

pub async fn bound(server: &EmbeddedLdap) -> Ldap {
    let options = LdapOptions::default();
    let mut ldap = connect(server).await;
    ldap.simple_bind(&options.bind_dn, &options.password).await.unwrap().success().unwrap();
    ldap
}

/// DNs that an unpaged subtree search finds.
pub async fn find(ldap: &mut Ldap, base: &str, filter: &str) -> Vec<String> {
    let (entries, _) =
        ldap.search(base, Scope::Subtree, filter, vec!["1.1"]).await.unwrap().success().unwrap();
    entries.into_iter().map(|entry| SearchEntry::construct(entry).dn).collect()
}

/// Entry with the requested attributes.
pub async fn read(ldap: &mut Ldap, dn: &str, attributes: Vec<&str>) -> Option<SearchEntry> {
    let answer = ldap.search(dn, Scope::Base, "(objectClass=*)", attributes).await.unwrap();
    answer.0.into_iter().next().map(SearchEntry::construct)
}

/// Text attributes of an entry, by name.
pub async fn attributes(ldap: &mut Ldap, dn: &str, names: Vec<&str>) -> BTreeMap<String, Vec<String>> {
    read(ldap, dn, names).await.unwrap().attrs.into_iter().collect()
}

/// Received page.
pub struct ReceivedPage {
    pub entries: Vec<SearchEntry>,
    pub references: usize,
    pub result: LdapResult,
    /// Encoded value of the paged-results control.
    pub control: Option<Vec<u8>>,
}

impl ReceivedPage {
    pub fn names(&self) -> Vec<&str> {
        self.entries.iter().map(|entry| entry.dn.as_str()).collect()
    }

    /// Cookie; empty on the last page.
    pub fn cookie(&self) -> Vec<u8> {
        let value = RawControl { ctype: String::new(), crit: false, val: self.control.clone() };
        value.parse::<PagedResults>().cookie
    }
}

/// Page of a search for people.
pub async fn page(ldap: &mut Ldap, size: i32, cookie: Vec<u8>) -> Result<ReceivedPage, ldap3::LdapError> {
    let attributes = vec!["*", "entryUUID"];
    let mut stream = ldap
        .with_controls(PagedResults { size, cookie })
        .streaming_search(PEOPLE, Scope::Subtree, "(objectClass=person)", attributes)
        .await?;
    let (mut entries, mut references) = (Vec::new(), 0);
    while let Some(entry) = stream.next().await? {
        if entry.is_ref() {
            references += 1;
        } else {
            entries.push(SearchEntry::construct(entry));
        }
    }
    let result = stream.finish().await;
    let control = result.ctrls.iter().find_map(|Control(kind, raw)| match kind {
        Some(ControlType::PagedResults) => raw.val.clone(),
        _ => None,
    });
    Ok(ReceivedPage { entries, references, result, control })
}

/// All pages up to the empty cookie.
pub async fn read_all(ldap: &mut Ldap, size: i32) -> Result<Vec<SearchEntry>, ldap3::LdapError> {
    let (mut entries, mut cookie) = (Vec::new(), Vec::new());
    loop {
        let page = page(ldap, size, cookie).await?;
        page.result.clone().success()?;
        cookie = page.cookie();
        entries.extend(page.entries);
        if cookie.is_empty() {
            return Ok(entries);
        }
    }
}
