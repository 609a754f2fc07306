//! A server that has not shown that it knows what the last read knew proves no departure.

use directory::{ChangeDetection, ChangeResponse, Cursor, Directory, DirectoryConfig};
use embedded_ldap::{EmbeddedLdap, FaultInjection, LdapFault, LdapOptions};
use model::{
    AnchorHash, CompleteRead, FreshnessDoubt, FreshnessMark, FreshnessProof, IncompleteRead, RemovalSet,
    UnixSeconds,
};

use crate::support::{BASE, GROUP, config, people, people_with, person};

const NOW: UnixSeconds = UnixSeconds(0);

/// Detects changes by timestamp.
fn by_timestamp(server: &EmbeddedLdap) -> DirectoryConfig {
    DirectoryConfig { changes: ChangeDetection::Auto, ..config(&server.url()) }
}

/// Full read after another one: its cursor, and its result.
async fn read_after(
    config: &DirectoryConfig,
    last: Option<&Cursor>,
) -> (Cursor, Result<CompleteRead, IncompleteRead>) {
    let mut directory = Directory::connect(config).await.unwrap();
    let mut read = directory.read(last, NOW).await.unwrap();
    loop {
        match read.next_page().await {
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(incomplete) => return (read.cursor(), Err(incomplete)),
        }
    }
    (read.cursor(), read.finish().await)
}

async fn first_read(config: &DirectoryConfig) -> Cursor {
    let (cursor, result) = read_after(config, None).await;
    assert_eq!(result.unwrap().freshness(), FreshnessProof::FirstRead);
    cursor
}

async fn mark_after(config: &DirectoryConfig, last: &Cursor) -> FreshnessProof {
    read_after(config, Some(last)).await.1.unwrap().freshness()
}

async fn doubt_after(config: &DirectoryConfig, last: &Cursor) -> FreshnessDoubt {
    match read_after(config, Some(last)).await.1.unwrap_err() {
        IncompleteRead::Doubtful(read) => read.doubt(),
        other => panic!("{other}"),
    }
}

async fn full_scan_reason(config: &DirectoryConfig, cursor: &Cursor) -> Option<String> {
    let mut directory = Directory::connect(config).await.unwrap();
    match directory.changes(cursor, NOW).await.unwrap() {
        ChangeResponse::Changes(_) => None,
        ChangeResponse::FullScanNeeded(why) => Some(why),
    }
}

fn csn(time: u32, server: u32) -> String {
    format!("20260101120000.{time:06}Z#000000#{server:03}#000000")
}

fn hidden(attribute: &str) -> FaultInjection {
    LdapFault::HiddenAttribute { attribute: attribute.to_owned(), of: None }.on_any_search()
}

#[tokio::test]
async fn context_csn_shows_an_older_server() {
    let server = people(3).await;
    server.set(BASE, "contextCSN", &[&csn(5, 1)]).unwrap();
    let config = by_timestamp(&server);
    let cursor = first_read(&config).await;
    assert_eq!(cursor.mark(), Some(FreshnessMark::ContextCsn));

    server.set(BASE, "contextCSN", &[&csn(4, 1)]).unwrap();
    assert!(full_scan_reason(&config, &cursor).await.unwrap().contains("every change"));
    let behind = IncompleteRead::Behind(FreshnessMark::ContextCsn);
    let (doubtful, result) = read_after(&config, Some(&cursor)).await;
    assert_eq!(result.unwrap_err(), behind);
    // Only an administrator can accept a server that is known to be behind.
    assert_eq!(read_after(&config, Some(&doubtful)).await.1.unwrap_err(), behind);
    assert_eq!(mark_after(&config, &doubtful.accepted()).await, FreshnessProof::Accepted);

    // Another server of the site proves by its CSN that it has every change.
    server.set(BASE, "contextCSN", &[&csn(6, 1)]).unwrap();
    server.inject(LdapFault::OtherServer.on_any_search().times(1));
    let mut directory = Directory::connect(&config).await.unwrap();
    let _ = directory.find("uid", "p1").await.unwrap();
    assert_eq!(mark_after(&config, &cursor).await, FreshnessProof::Mark(FreshnessMark::ContextCsn));
}

#[tokio::test]
async fn csns_of_other_writing_servers_are_not_compared() {
    let server = people(3).await;
    let config = by_timestamp(&server);
    server.set(BASE, "contextCSN", &[&csn(5, 1), &csn(5, 2)]).unwrap();
    let cursor = first_read(&config).await;
    for others in [vec![csn(9, 1)], vec![csn(9, 3)]] {
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        server.set(BASE, "contextCSN", &others).unwrap();
        assert_eq!(doubt_after(&config, &cursor).await, FreshnessDoubt::OtherWriters, "{others:?}");
    }
}

#[tokio::test]
async fn missing_mark_proves_nothing() {
    let server = people(3).await;
    let config = by_timestamp(&server);
    server.set(BASE, "contextCSN", &[&csn(5, 1)]).unwrap();
    let cursor = first_read(&config).await;
    server.set(BASE, "contextCSN", &[]).unwrap();
    assert_eq!(doubt_after(&config, &cursor).await, FreshnessDoubt::MarkGone(FreshnessMark::ContextCsn));
    assert!(full_scan_reason(&config, &cursor).await.is_some());

    let cursor = first_read(&config).await;
    assert_eq!(cursor.mark(), Some(FreshnessMark::NewestChange));
    server.inject(hidden("modifyTimestamp"));
    server.inject(hidden("createTimestamp"));
    assert_eq!(doubt_after(&config, &cursor).await, FreshnessDoubt::MarkGone(FreshnessMark::NewestChange));
    let cursor = first_read(&config).await;
    assert_eq!(cursor.mark(), None);
    assert_eq!(doubt_after(&config, &cursor).await, FreshnessDoubt::NoMark);
}

/// A replica behind a balancer has the same address and the same root DSE.
#[tokio::test]
async fn newest_change_shows_a_replica_that_lags() {
    let server = people(6).await;
    let config = by_timestamp(&server);
    let cursor = first_read(&config).await;
    assert_eq!(mark_after(&config, &cursor).await, FreshnessProof::Mark(FreshnessMark::NewestChange));

    for dn in [person(4), person(5), GROUP.to_owned()] {
        server.inject(LdapFault::HiddenEntry { dn }.on_any_search());
    }
    assert_eq!(doubt_after(&config, &cursor).await, FreshnessDoubt::NewestMissing);
    assert!(full_scan_reason(&config, &cursor).await.is_some());

    // Any later change shows that the server has received everything before it.
    server.set(&person(1), "mail", &["p1@acme.test"]).unwrap();
    assert_eq!(mark_after(&config, &cursor).await, FreshnessProof::Mark(FreshnessMark::NewestChange));
    assert_eq!(full_scan_reason(&config, &cursor).await, None);
}

/// An incremental read advances the mark: otherwise a replica that lags behind it would count as recent.
#[tokio::test]
async fn incremental_read_advances_the_newest_change() {
    let server = people(4).await;
    let config = by_timestamp(&server);
    let first = first_read(&config).await;
    server.add(&person(9), &[("objectClass", &["person"])]).unwrap();
    let mut directory = Directory::connect(&config).await.unwrap();
    let ChangeResponse::Changes(mut changes) = directory.changes(&first, NOW).await.unwrap() else {
        panic!("a full scan was needed");
    };
    changes.compare_scope(&mut directory, &[]).await;
    let mut read = directory.read_changes(*changes);
    while read.next_page().await.unwrap().is_some() {}
    let later = read.cursor();
    drop(directory);
    server.inject(LdapFault::HiddenEntry { dn: person(9) }.on_any_search());
    assert!(matches!(mark_after(&config, &first).await, FreshnessProof::Mark(_)));
    assert_eq!(doubt_after(&config, &later).await, FreshnessDoubt::NewestMissing);
}

/// The root DSEs of two replicas may be equal; then their addresses tell them apart.
#[tokio::test]
async fn another_address_is_another_server() {
    let nameless = ["dnsHostName", "serverName", "dsServiceName"].map(|name| (name.to_owned(), Vec::new()));
    let options = || LdapOptions { root_dse: nameless.to_vec(), ..LdapOptions::default() };
    let [a, b] = [people_with(3, options()).await, people_with(3, options()).await];
    let cursor = first_read(&by_timestamp(&a)).await;
    assert!(matches!(mark_after(&by_timestamp(&a), &cursor).await, FreshnessProof::Mark(_)));
    assert_eq!(doubt_after(&by_timestamp(&b), &cursor).await, FreshnessDoubt::OtherServer);
    assert!(full_scan_reason(&by_timestamp(&b), &cursor).await.is_some());
}

#[tokio::test]
async fn two_reads_in_a_row_of_one_server_agree_on_removals() {
    let named = |name: &str| LdapOptions { server_name: name.to_owned(), ..LdapOptions::default() };
    let [a, b] = [people_with(3, named("a")).await, people_with(3, named("b")).await];
    let removals = |users: &[u8]| RemovalSet::of(users.iter().map(|user| AnchorHash([*user; 16])).collect());
    let doubtful = |result: Result<CompleteRead, IncompleteRead>| match result {
        Err(IncompleteRead::Doubtful(read)) => read,
        other => panic!("{other:?}"),
    };
    let (config_a, config_b) = (by_timestamp(&a), by_timestamp(&b));
    let first = first_read(&config_a).await;

    let (cursor, result) = read_after(&config_b, Some(&first)).await;
    let read = doubtful(result);
    assert_eq!(read.confirm(removals(&[])).unwrap().freshness(), FreshnessProof::NothingMissing);
    assert!(read.confirm(removals(&[1])).is_err(), "the first read");
    let after_b = cursor.doubted(removals(&[1]));
    assert!(!after_b.is_resumable(), "the next read is full");

    let (cursor, result) = read_after(&config_b, Some(&after_b)).await;
    let read = doubtful(result);
    assert!(read.confirm(removals(&[2])).is_err(), "another removal");
    assert_eq!(read.confirm(removals(&[1])).unwrap().freshness(), FreshnessProof::SecondRead);
    // From now on this server's data is what is known.
    assert!(matches!(mark_after(&config_b, &cursor.confirmed()).await, FreshnessProof::Mark(_)));

    // The users that only the second server showed are known, too, so the first one has to agree with itself.
    let (cursor, result) = read_after(&config_a, Some(&after_b)).await;
    assert!(doubtful(result).confirm(removals(&[1])).is_err(), "reads of two servers do not agree");
    let after_a = cursor.doubted(removals(&[1]));
    let (_, result) = read_after(&config_a, Some(&after_a)).await;
    assert!(doubtful(result).confirm(removals(&[1])).is_ok());

    // An acceptance counts for that server alone.
    assert_eq!(mark_after(&config_b, &after_b.clone().accepted()).await, FreshnessProof::Accepted);
    assert_eq!(doubt_after(&config_a, &after_b.accepted()).await, FreshnessDoubt::OtherServer);
}
