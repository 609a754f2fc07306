//! A directory of numbered people, and reading it to the end.

use std::time::Duration;

use directory::{
    AnchorAttribute, AnchorForm, Bind, ChangeDetection, Directory, DirectoryConfig, ReadItem, Scope,
};
use embedded_ldap::{EmbeddedLdap, LdapOptions};
use model::{CompleteRead, IncompleteRead, UnixSeconds};

pub const BASE: &str = "dc=acme,dc=test";
pub const GROUP: &str = "cn=everybody,dc=acme,dc=test";

/// Reads everybody with the class `person`, three to a page.
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

/// A server with so many people, all of them in [`GROUP`].
pub async fn people(count: usize) -> EmbeddedLdap {
    people_with(count, LdapOptions::default()).await
}

pub async fn people_with(count: usize, options: LdapOptions) -> EmbeddedLdap {
    let server = EmbeddedLdap::start(options).await.unwrap();
    server.add(GROUP, &[("objectClass", &["groupOfNames"])]).unwrap();
    for number in 0..count {
        let attributes: [(&str, &[&str]); 2] =
            [("objectClass", &["person"]), ("mail", &["somebody@acme.test"])];
        server.add(&person(number), &attributes).unwrap();
        server.add_member(GROUP, &person(number)).unwrap();
    }
    server
}

/// The DN of one of them.
pub fn person(number: usize) -> String {
    format!("uid=p{number},{BASE}")
}

/// What came of a read.
pub struct Outcome {
    pub sightings: Vec<ReadItem>,
    pub verdict: Result<CompleteRead, IncompleteRead>,
}

impl Outcome {
    /// The DNs of those who were identified.
    pub fn dns(&self) -> Vec<&str> {
        let entries = self.sightings.iter().filter_map(|sighting| match sighting {
            ReadItem::Entry(entry) => Some(entry.dn.as_str()),
            ReadItem::Unidentified { .. } => None,
        });
        entries.collect()
    }

    /// Why the read isn't complete.
    pub fn doubt(self) -> IncompleteRead {
        self.verdict.unwrap_err()
    }
}

/// Reads as the scan does, in a task of its own, because that is how it runs on several threads.
pub async fn read(config: &DirectoryConfig) -> Outcome {
    let config = config.clone();
    tokio::spawn(async move {
        let mut directory = Directory::connect(&config).await.unwrap();
        read_from(&mut directory).await
    })
    .await
    .unwrap()
}

pub async fn read_from(directory: &mut Directory) -> Outcome {
    let mut read = directory.read(None, UnixSeconds(0)).await.unwrap();
    let mut sightings = Vec::new();
    loop {
        match read.next_page().await {
            Ok(Some(page)) => sightings.extend(page),
            Ok(None) => return Outcome { sightings, verdict: read.finish().await },
            Err(reason) => {
                // It stays broken, whatever is asked of it.
                assert_eq!(read.next_page().await.as_ref(), Err(&reason));
                assert_eq!(read.finish().await.err().as_ref(), Some(&reason));
                return Outcome { sightings, verdict: Err(reason) };
            }
        }
    }
}
