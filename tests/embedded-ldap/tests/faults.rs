//! Faults as a client sees them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)] // A failed assertion may panic.

mod support;

use std::time::{Duration, Instant};

use embedded_ldap::{EmbeddedLdap, FaultInjection, LdapFault, LdapOptions, ResultCode};
use ldap3::{Ldap, Scope};
use support::*;

/// Server with a fault and ten people, on four pages of three.
async fn faulty(fault: impl Into<FaultInjection>) -> (EmbeddedLdap, Ldap) {
    let server = server_with(10, LdapOptions::default()).await;
    server.inject(fault);
    let ldap = bound(&server).await;
    (server, ldap)
}

async fn read_count(ldap: &mut Ldap) -> usize {
    read_all(ldap, 3).await.unwrap().len()
}

#[tokio::test]
async fn connection_closes_after_some_entries() {
    let (server, mut ldap) = faulty(LdapFault::CutAfterEntries { entries: 4 }.once()).await;
    let first = page(&mut ldap, 3, Vec::new()).await.unwrap();
    assert_eq!(first.entries.len(), 3);
    assert!(page(&mut ldap, 3, first.cookie()).await.is_err());
    assert_eq!(server.faults_fired(), 1);
    assert_eq!(read_count(&mut bound(&server).await).await, 10);
}

#[tokio::test]
async fn connection_closes_between_two_pages() {
    let (_server, mut ldap) = faulty(LdapFault::CutAfterEntries { entries: 3 }).await;
    assert!(page(&mut ldap, 3, Vec::new()).await.is_err());
}

#[tokio::test]
async fn connection_closes_inside_a_message() {
    for bytes in [0, 1, 50, 500, 1_500] {
        let (server, mut ldap) = faulty(LdapFault::CutAfterBytes { bytes }.once()).await;
        assert!(read_all(&mut ldap, 3).await.is_err(), "{bytes} bytes");
        assert_eq!(server.faults_fired(), 1, "{bytes} bytes");
    }
}

#[tokio::test]
async fn page_fails_with_result_code() {
    for (code, number) in [
        (ResultCode::InsufficientAccessRights, 50),
        (ResultCode::Busy, 51),
        (ResultCode::Unavailable, 52),
        (ResultCode::TimeLimitExceeded, 3),
        (ResultCode::SizeLimitExceeded, 4),
        (ResultCode::AdminLimitExceeded, 11),
        (ResultCode::Referral, 10),
    ] {
        let (_server, mut ldap) = faulty(LdapFault::FailPage { page: 2, entries: 1, code }.once()).await;
        let first = page(&mut ldap, 3, Vec::new()).await.unwrap();
        let second = page(&mut ldap, 3, first.cookie()).await.unwrap();
        assert_eq!((second.entries.len(), second.result.rc), (1, number));
        assert_eq!(second.result.refs.is_empty(), number != 10);
        assert_eq!(read_count(&mut ldap).await, 10);
    }
}

#[tokio::test]
async fn referral_precedes_the_entries() {
    let (_server, mut ldap) = faulty(LdapFault::Referral { page: 1 }).await;
    let first = page(&mut ldap, 3, Vec::new()).await.unwrap();
    assert_eq!((first.entries.len(), first.references, first.result.rc), (3, 1, 0));
}

#[tokio::test]
async fn stale_replica_succeeds_with_fewer_entries() {
    let (server, mut ldap) = faulty(LdapFault::StaleReplica { entries: 5 }).await;
    assert_eq!(read_count(&mut ldap).await, 5);
    assert_eq!(server.faults_fired(), 1);
}

#[tokio::test]
async fn empty_cookie_ends_the_search_early() {
    let (server, mut ldap) = faulty(LdapFault::EndEarly { page: 2 }).await;
    assert_eq!(read_count(&mut ldap).await, 6);
    assert_eq!(server.faults_fired(), 1);
}

#[tokio::test]
async fn paging_control_is_missing_or_malformed() {
    let (_server, mut ldap) = faulty(LdapFault::MissingControl { page: 1 }).await;
    let first = page(&mut ldap, 3, Vec::new()).await.unwrap();
    assert_eq!((first.result.rc, first.control), (0, None));

    let (_server, mut ldap) = faulty(LdapFault::MalformedControl { page: 1 }).await;
    let first = page(&mut ldap, 3, Vec::new()).await.unwrap();
    assert_eq!((first.result.rc, first.control), (0, Some(vec![0x30, 0x7f, 0x02])));
}

#[tokio::test]
async fn page_repeats_before_the_next() {
    let (server, mut ldap) = faulty(LdapFault::RepeatPage { page: 2, times: 2 }).await;
    assert_eq!(read_count(&mut ldap).await, 16);
    assert_eq!(server.faults_fired(), 2);
    server.clear_faults();

    server.inject(LdapFault::RepeatPage { page: 4, times: usize::MAX });
    let mut cookie = Vec::new();
    for _ in 0..20 {
        cookie = page(&mut ldap, 3, cookie).await.unwrap().cookie();
        assert!(!cookie.is_empty());
    }
}

#[tokio::test]
async fn pages_are_delayed() {
    let (_server, mut ldap) = faulty(LdapFault::Slow { delay: Duration::from_millis(50) }).await;
    let start = Instant::now();
    assert_eq!(read_count(&mut ldap).await, 10);
    assert!(start.elapsed() >= Duration::from_millis(200));
}

#[tokio::test]
async fn anchors_are_missing_or_shared() {
    let (server, mut ldap) = faulty(LdapFault::WithoutUuid { dn: user(1) }.once()).await;
    server.inject(LdapFault::DuplicateUuid { dn: user(2), of: user(0) }.once());
    let entries = read_all(&mut ldap, 3).await.unwrap();
    assert!(!entries[1].attrs.contains_key("entryUUID"));
    assert_eq!(entries[2].attrs["entryUUID"], entries[0].attrs["entryUUID"]);
    assert_eq!(server.faults_fired(), 2);
    let entries = read_all(&mut ldap, 3).await.unwrap();
    assert_ne!(entries[2].attrs["entryUUID"], entries[0].attrs["entryUUID"]);
}

#[tokio::test]
async fn garbled_entry_is_a_valid_message() {
    let (_server, mut ldap) = faulty(LdapFault::GarbledEntry { page: 1 }.on_any_search()).await;
    let (entries, result) = {
        let answer = ldap.search(PEOPLE, Scope::Subtree, "(uid=*)", vec!["*"]).await.unwrap();
        (answer.0, answer.1)
    };
    assert_eq!((entries.len(), result.rc), (10, 0));
    let first = entries.into_iter().next().unwrap();
    let panicked = std::panic::catch_unwind(|| ldap3::SearchEntry::construct(first)).is_err();
    assert!(panicked, "expected a decoder without checks to fail");
}

#[tokio::test]
async fn another_server_answers_afterwards() {
    let (server, mut ldap) = faulty(LdapFault::OtherServer.once()).await;
    let before = attributes(&mut ldap, "", vec!["+"]).await;
    let first = page(&mut ldap, 3, Vec::new()).await.unwrap();
    let during = attributes(&mut ldap, "", vec!["+"]).await;
    assert!(!first.cookie().is_empty());
    for attribute in ["dnsHostName", "serverName", "dsServiceName"] {
        assert_ne!(before[attribute], during[attribute]);
    }
    assert_eq!(read_count(&mut ldap).await, 10);
    assert_eq!(attributes(&mut ldap, "", vec!["+"]).await, during);
    server.clear_faults();
    assert_eq!(attributes(&mut ldap, "", vec!["+"]).await, before);
}

#[tokio::test]
async fn base_is_unreadable_once_afterwards() {
    for (code, number) in [(ResultCode::NoSuchObject, 32), (ResultCode::InsufficientAccessRights, 50)] {
        let (_server, mut ldap) = faulty(LdapFault::BaseUnreadable { code }).await;
        assert!(read(&mut ldap, PEOPLE, vec!["1.1"]).await.is_some());
        assert_eq!(read_count(&mut ldap).await, 10);
        let refused = ldap.search(PEOPLE, Scope::Base, "(objectClass=*)", vec!["1.1"]).await.unwrap();
        assert_eq!(refused.1.rc, number);
        assert!(read(&mut ldap, PEOPLE, vec!["1.1"]).await.is_some());
    }
}

#[tokio::test]
async fn bind_is_refused() {
    let (server, _ldap) =
        faulty(LdapFault::RefuseBind { code: ResultCode::InvalidCredentials }.after(1).times(1)).await;
    let LdapOptions { bind_dn, password, .. } = LdapOptions::default();
    let mut ldap = connect(&server).await;
    assert_eq!(ldap.simple_bind(&bind_dn, &password).await.unwrap().rc, 49);
    assert_eq!(ldap.simple_bind(&bind_dn, &password).await.unwrap().rc, 0);
}

#[tokio::test]
async fn faults_apply_to_matching_searches() {
    let busy = LdapFault::FailPage { page: 1, entries: 0, code: ResultCode::Busy };
    let (server, mut ldap) = faulty(busy.clone().after(1).times(2)).await;
    let mut codes = Vec::new();
    for _ in 0..4 {
        codes.push(page(&mut ldap, 3, Vec::new()).await.unwrap().result.rc);
    }
    assert_eq!(codes, [0, 51, 51, 0]);

    server.inject(busy.clone());
    assert_eq!(find(&mut ldap, PEOPLE, "(uid=*)").await.len(), 10, "an unpaged search is not affected");
    assert!(read(&mut ldap, &user(0), vec!["*"]).await.is_some());
    server.inject(busy.on_any_search());
    assert!(read(&mut ldap, &user(0), vec!["*"]).await.is_none());
    server.clear_faults();
    assert_eq!(read_count(&mut ldap).await, 10);
}
