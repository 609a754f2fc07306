//! Directory of numbered people, and a full read of it.

use std::time::Duration;

use directory::{
    AnchorAttribute, AnchorForm, Bind, ChangeDetection, Directory, DirectoryConfig, ReadItem, Scope,
};
use embedded_ldap::{EmbeddedLdap, LdapOptions};
use model::{CompleteRead, IncompleteRead, UnixSeconds};

pub const BASE: &str = "dc=acme,dc=test";
pub const GROUP: &str = "cn=all,dc=acme,dc=test";

/// Configuration that reads every `person`, three to a page.
pub fn config(url: &str) -> DirectoryConfig {
    let LdapOptions { base_dn, bind_dn, password, .. } = LdapOptions::default();
    DirectoryConfig {
        urls: vec![url.to_owned()],
        start_tls: false,
        ca_pem: None,
        bind: Bind::Simple { dn: bind_dn, password: password.into() },
        base_dn,
        user_filter: "(objectClass=person)".to_owned(),
        anchor: AnchorAttribute { attribute: "entryUUID".to_owned(), form: AnchorForm::Uuid },
        scope: Scope::Filter("(uid=*)".to_owned()),
        attributes: vec!["uid".to_owned(), "mail".to_owned()],
        references: Vec::new(),
        expires: None,
        changes: ChangeDetection::None,
        page_size: 3,
        timeout: Duration::from_secs(10),
    }
}

/// Server with `count` people, all of them in [`GROUP`].
pub async fn people(count: usize) -> EmbeddedLdap {
    people_with(count, LdapOptions::default()).await
}

pub async fn people_with(count: usize, options: LdapOptions) -> EmbeddedLdap {
    let server = EmbeddedLdap::start(options).await.unwrap();
    server.add(GROUP, &[("objectClass", &["groupOfMembers"])]).unwrap();
    for number in 0..count {
        let attributes: [(&str, &[&str]); 2] =
            [("objectClass", &["person"]), ("mail", &["shared@acme.test"])];
        server.add(&person(number), &attributes).unwrap();
        server.add_member(GROUP, &person(number)).unwrap();
    }
    server
}

/// DN of a person.
pub fn person(number: usize) -> String {
    format!("uid=p{number},{BASE}")
}

/// Items and result of a read.
pub struct ReadOutcome {
    pub items: Vec<ReadItem>,
    pub result: Result<CompleteRead, IncompleteRead>,
}

impl ReadOutcome {
    /// DNs of the identified entries.
    pub fn dns(&self) -> Vec<&str> {
        let entries = self.items.iter().filter_map(|item| match item {
            ReadItem::Entry(entry) => Some(entry.dn.as_str()),
            ReadItem::Unidentified { .. } => None,
        });
        entries.collect()
    }

    /// Reason for which the read is incomplete.
    pub fn reason(self) -> IncompleteRead {
        self.result.unwrap_err()
    }
}

/// Reads in a task, as a scan does.
pub async fn read(config: &DirectoryConfig) -> ReadOutcome {
    let config = config.clone();
    tokio::spawn(async move {
        let mut directory = Directory::connect(&config).await.unwrap();
        read_from(&mut directory).await
    })
    .await
    .unwrap()
}

pub async fn read_from(directory: &mut Directory) -> ReadOutcome {
    let mut read = directory.read(None, UnixSeconds(0)).await.unwrap();
    let mut items = Vec::new();
    loop {
        match read.next_page().await {
            Ok(Some(page)) => items.extend(page),
            Ok(None) => return ReadOutcome { items, result: read.finish().await },
            Err(reason) => {
                // Every further call fails too.
                assert_eq!(read.next_page().await.as_ref(), Err(&reason));
                assert_eq!(read.finish().await.err().as_ref(), Some(&reason));
                return ReadOutcome { items, result: Err(reason) };
            }
        }
    }
}
