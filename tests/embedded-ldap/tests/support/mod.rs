//! A client that reads as sentences: it connects, binds and collects, and leaves judging to the tests.

#![allow(dead_code)] // Each test file is a crate of its own and uses its part.

use std::collections::BTreeMap;

use embedded_ldap::{EmbeddedLdap, LdapOptions};
use ldap3::controls::{Control, ControlType, PagedResults, RawControl};
use ldap3::{Ldap, LdapConnAsync, LdapResult, Scope, SearchEntry};

/// A server with `count` people below `ou=people`, named `uid=user0` and so on.
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

/// The names an unpaged subtree search finds.
pub async fn find(ldap: &mut Ldap, base: &str, filter: &str) -> Vec<String> {
    let (entries, _) =
        ldap.search(base, Scope::Subtree, filter, vec!["1.1"]).await.unwrap().success().unwrap();
    entries.into_iter().map(|entry| SearchEntry::construct(entry).dn).collect()
}

/// One entry with the attributes asked for.
pub async fn read(ldap: &mut Ldap, dn: &str, attributes: Vec<&str>) -> Option<SearchEntry> {
    let answer = ldap.search(dn, Scope::Base, "(objectClass=*)", attributes).await.unwrap();
    answer.0.into_iter().next().map(SearchEntry::construct)
}

/// The text attributes of one entry, by name.
pub async fn attributes(ldap: &mut Ldap, dn: &str, names: Vec<&str>) -> BTreeMap<String, Vec<String>> {
    read(ldap, dn, names).await.unwrap().attrs.into_iter().collect()
}

/// One page, as it came.
pub struct Page {
    pub entries: Vec<SearchEntry>,
    pub references: usize,
    pub result: LdapResult,
    /// The raw value of the paged-results control, if there was one.
    pub control: Option<Vec<u8>>,
}

impl Page {
    pub fn names(&self) -> Vec<&str> {
        self.entries.iter().map(|entry| entry.dn.as_str()).collect()
    }

    /// The cookie; empty on the last page.
    pub fn cookie(&self) -> Vec<u8> {
        let value = RawControl { ctype: String::new(), crit: false, val: self.control.clone() };
        value.parse::<PagedResults>().cookie
    }
}

/// One page of a search for people, or the client's error.
pub async fn page(ldap: &mut Ldap, size: i32, cookie: Vec<u8>) -> Result<Page, ldap3::LdapError> {
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
    Ok(Page { entries, references, result, control })
}

/// Pages until the server says that it is the end: what a client that believes everything would read.
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
