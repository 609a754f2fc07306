//! Every incomplete read is recognised, and its users are still returned.

use std::time::Duration;

use directory::{Directory, Membership, ReadItem, Scope};
use embedded_ldap::{LdapFault, LdapOptions, ResultCode};
use model::{DeprovisionReason, IncompleteRead, UnixSeconds};

use crate::support::{BASE, GROUP, ReadOutcome, config, people, people_with, person, read, read_from};

/// Read of ten people on four pages, with a fault.
async fn read_with(fault: LdapFault) -> ReadOutcome {
    let server = people(10).await;
    server.inject(fault);
    let outcome = read(&config(&server.url())).await;
    assert!(server.faults_fired() > 0, "the fault had no effect");
    outcome
}

#[tokio::test]
async fn complete_read_has_a_proof() {
    let server = people(10).await;
    let outcome = read(&config(&server.url())).await;
    assert_eq!(outcome.dns().len(), 10);
    assert_eq!(outcome.result.unwrap().pages(), 4);
}

#[tokio::test]
async fn full_last_page_ends_the_read() {
    let server = people(9).await;
    let outcome = read(&config(&server.url())).await;
    assert_eq!((outcome.dns().len(), outcome.result.is_ok()), (9, true));
}

#[tokio::test]
async fn empty_directory_is_complete() {
    let server = people(0).await;
    let outcome = read(&config(&server.url())).await;
    assert_eq!((outcome.dns().len(), outcome.result.is_ok()), (0, true));
}

#[tokio::test]
async fn lost_connection_is_incomplete() {
    let outcome = read_with(LdapFault::CutAfterEntries { entries: 5 }).await;
    assert_eq!(outcome.dns().len(), 5);
    assert!(
        matches!(outcome.reason(), IncompleteRead::BrokeOff(why) if why.contains("dc=acme,dc=test was cut off"))
    );
}

#[tokio::test]
async fn connection_lost_inside_an_entry_is_incomplete() {
    let outcome = read_with(LdapFault::CutAfterBytes { bytes: 700 }).await;
    assert!(outcome.dns().len() < 10);
    assert!(matches!(outcome.reason(), IncompleteRead::BrokeOff(_)));
}

#[tokio::test]
async fn failed_page_is_incomplete() {
    for (code, number) in [
        (ResultCode::TimeLimitExceeded, 3),
        (ResultCode::AdminLimitExceeded, 11),
        (ResultCode::InsufficientAccessRights, 50),
        (ResultCode::Busy, 51),
        (ResultCode::Unavailable, 52),
        (ResultCode::Referral, 10),
    ] {
        let outcome = read_with(LdapFault::FailPage { page: 2, entries: 1, code }).await;
        assert_eq!(outcome.dns().len(), 4);
        assert!(
            matches!(outcome.reason(), IncompleteRead::Refused { page: 2, code, .. } if code == number),
            "{number}"
        );
    }
}

#[tokio::test]
async fn size_limit_is_incomplete() {
    let server = people_with(10, LdapOptions { size_limit: Some(7), ..LdapOptions::default() }).await;
    let outcome = read(&config(&server.url())).await;
    assert_eq!(outcome.dns().len(), 7);
    assert!(matches!(outcome.reason(), IncompleteRead::Refused { code: 4, .. }));
}

#[tokio::test]
async fn smaller_pages_than_requested_are_complete() {
    let options = LdapOptions { size_limit: Some(2), size_limit_per_page: true, ..LdapOptions::default() };
    let server = people_with(10, options).await;
    let outcome = read(&config(&server.url())).await;
    assert_eq!(outcome.dns().len(), 10);
    assert_eq!(outcome.result.unwrap().pages(), 5);
}

#[tokio::test]
async fn reference_to_another_server_is_incomplete() {
    let outcome = read_with(LdapFault::Referral { page: 2 }).await;
    assert_eq!(outcome.dns().len(), 10);
    assert_eq!(outcome.reason(), IncompleteRead::Referrals(1));
}

/// Every search of a whole Active Directory domain returns such references. They lead to no users.
#[tokio::test]
async fn reference_to_the_configuration_partition_is_ignored() {
    let root_dse = vec![("configurationNamingContext".to_owned(), vec!["DC=Elsewhere,DC=Test".to_owned()])];
    let server = people_with(10, LdapOptions { root_dse, ..LdapOptions::default() }).await;
    server.inject(LdapFault::Referral { page: 2 });
    assert!(read(&config(&server.url())).await.result.is_ok());
    assert!(server.faults_fired() > 0);
}

#[tokio::test]
async fn page_without_the_paging_control_is_incomplete() {
    assert_eq!(read_with(LdapFault::MissingControl { page: 2 }).await.reason(), IncompleteRead::NoEnd);
    // This includes the last page.
    assert_eq!(read_with(LdapFault::MissingControl { page: 4 }).await.reason(), IncompleteRead::NoEnd);
}

#[tokio::test]
async fn malformed_paging_control_is_incomplete() {
    let outcome = read_with(LdapFault::MalformedControl { page: 2 }).await;
    assert_eq!(outcome.dns().len(), 6);
    assert_eq!(outcome.reason(), IncompleteRead::NoEnd);
}

#[tokio::test]
async fn malformed_entry_is_incomplete() {
    let outcome = read_with(LdapFault::GarbledEntry { page: 2 }).await;
    assert_eq!(outcome.dns().len(), 9);
    let unidentified: Vec<_> =
        outcome.items.iter().filter(|item| matches!(item, ReadItem::Unidentified { .. })).collect();
    let why = "the entry can't be read: one of its attributes has no set of values";
    assert_eq!(unidentified, [&ReadItem::Unidentified { dn: person(3), why: why.to_owned() }]);
    assert_eq!(outcome.reason(), IncompleteRead::Undecodable(1));
}

#[tokio::test]
async fn entry_without_an_anchor_is_incomplete() {
    let outcome = read_with(LdapFault::WithoutUuid { dn: person(4) }).await;
    assert_eq!(outcome.dns().len(), 9);
    assert_eq!(outcome.reason(), IncompleteRead::Undecodable(1));
}

#[tokio::test]
async fn base_unreadable_at_the_end_is_incomplete() {
    for code in [ResultCode::NoSuchObject, ResultCode::InsufficientAccessRights] {
        let outcome = read_with(LdapFault::BaseUnreadable { code }).await;
        assert_eq!(outcome.reason(), IncompleteRead::BaseUnreadable("after"));
    }
}

#[tokio::test]
async fn another_server_at_the_end_is_incomplete() {
    assert_eq!(read_with(LdapFault::OtherServer).await.reason(), IncompleteRead::ServerChanged);
}

#[tokio::test]
async fn group_missing_at_the_end_is_incomplete() {
    for membership in [
        Membership::Member { attribute: "member".to_owned() },
        Membership::MemberOf { attribute: "memberOf".to_owned() },
    ] {
        let server = people(10).await;
        let mut config = config(&server.url());
        config.scope = Scope::Group { dn: GROUP.to_owned(), membership, nested: false };
        let mut directory = Directory::connect(&config).await.unwrap();
        let mut read = directory.read(None, UnixSeconds(0)).await.unwrap();
        read.next_page().await.unwrap().unwrap();
        server.delete(GROUP).unwrap();
        while read.next_page().await.unwrap().is_some() {}
        let reason = read.finish().await.unwrap_err();
        assert!(matches!(&reason, IncompleteRead::BrokeOff(why) if why.contains(GROUP)), "{reason}");
    }
}

#[tokio::test]
async fn timeout_is_incomplete() {
    let server = people(10).await;
    server.inject(LdapFault::Slow { delay: Duration::from_secs(60) });
    let mut config = config(&server.url());
    config.timeout = Duration::from_millis(200);
    let reason = read(&config).await.reason();
    assert!(
        matches!(&reason, IncompleteRead::BrokeOff(why) if why.contains("longer than 0.2 s")),
        "{reason}"
    );
}

#[tokio::test]
async fn repeated_page_is_complete() {
    let outcome = read_with(LdapFault::RepeatPage { page: 2, times: 3 }).await;
    assert_eq!(outcome.dns().len(), 10 + 3 * 3);
    assert!(outcome.result.is_ok());
}

#[tokio::test]
async fn endlessly_repeated_page_ends_the_read() {
    let outcome = read_with(LdapFault::RepeatPage { page: 2, times: usize::MAX }).await;
    assert!(matches!(outcome.reason(), IncompleteRead::BrokeOff(why) if why.contains("over and over")));
}

#[tokio::test]
async fn unfinished_read_has_no_proof() {
    let server = people(10).await;
    let mut directory = Directory::connect(&config(&server.url())).await.unwrap();
    let mut read = directory.read(None, UnixSeconds(0)).await.unwrap();
    read.next_page().await.unwrap().unwrap();
    assert_eq!(read.finish().await.unwrap_err(), IncompleteRead::NoEnd);
    // The connection stays usable.
    assert!(read_from(&mut directory).await.result.is_ok());
}

/// The next page is requested ahead, so its entries arrive during other requests.
#[tokio::test]
async fn answers_of_two_requests_are_kept_apart() {
    let root_dse = vec![("highestCommittedUSN".to_owned(), vec!["7".to_owned()])];
    let server = people_with(10, LdapOptions { root_dse, ..LdapOptions::default() }).await;
    let mut directory = Directory::connect(&config(&server.url())).await.unwrap();
    let mut read = directory.read(None, UnixSeconds(0)).await.unwrap();
    let mut seen = 0;
    while let Some(page) = read.next_page().await.unwrap() {
        seen += page.len();
        read.update_replication_state().await;
    }
    assert_eq!(seen, 10);
    assert_eq!(read.finish().await.unwrap().pages(), 4);
}

/// The protocol does not show an empty cookie that comes too early, or a replica that lags. The search by anchor for each
/// missing user and the planner's safeguard cover both.
#[tokio::test]
async fn early_end_is_complete_but_causes_no_departure() {
    for fault in [LdapFault::EndEarly { page: 2 }, LdapFault::StaleReplica { entries: 6 }] {
        let server = people(10).await;
        server.inject(fault);
        let mut directory = Directory::connect(&config(&server.url())).await.unwrap();
        let outcome = read_from(&mut directory).await;
        assert_eq!((outcome.dns().len(), outcome.result.is_ok()), (6, true));

        server.delete(&person(9)).unwrap();
        let missing: Vec<_> = (6..9).map(|number| anchor_of(&server, number)).collect();
        assert_eq!(directory.departures(&missing).await.unwrap().len(), 0);
    }
}

fn anchor_of(server: &embedded_ldap::EmbeddedLdap, number: usize) -> model::Anchor {
    model::Anchor::from_text(&server.entry_uuid(&person(number)).unwrap()).unwrap()
}

/// A server without paging sends everything in one answer.
#[tokio::test]
async fn server_without_paging_is_complete_or_not() {
    let no_paging =
        || LdapOptions { root_dse: vec![("supportedControl".to_owned(), vec![])], ..LdapOptions::default() };
    let server = people_with(10, no_paging()).await;
    let outcome = read(&config(&server.url())).await;
    assert_eq!(outcome.dns().len(), 10);
    assert_eq!((outcome.result.unwrap().pages(), server.pages()), (1, 0));

    let server = people_with(10, LdapOptions { size_limit: Some(7), ..no_paging() }).await;
    let outcome = read(&config(&server.url())).await;
    assert_eq!(outcome.dns().len(), 7);
    assert!(matches!(outcome.reason(), IncompleteRead::Refused { page: 1, code: 4, .. }));

    let server = people_with(10, no_paging()).await;
    server.inject(LdapFault::CutAfterEntries { entries: 5 }.on_any_search().after(1));
    let outcome = read(&config(&server.url())).await;
    assert_eq!(outcome.dns().len(), 5);
    assert!(matches!(outcome.reason(), IncompleteRead::BrokeOff(_)));
}

/// An entry that moves during a read may be missing in it. The search by anchor finds it.
#[tokio::test]
async fn entry_moved_during_a_read_has_not_departed() {
    let server = people(10).await;
    let mut config = config(&server.url());
    config.scope = Scope::Group {
        dn: GROUP.to_owned(),
        membership: Membership::Member { attribute: "member".to_owned() },
        nested: false,
    };
    let mut directory = Directory::connect(&config).await.unwrap();
    let mover = anchor_of(&server, 8);
    let leaver = anchor_of(&server, 9);
    let mut read = directory.read(None, UnixSeconds(0)).await.unwrap();
    read.next_page().await.unwrap().unwrap();
    // The members were read under the old DN.
    server.rename(&person(8), &format!("uid=moved,{BASE}")).unwrap();
    server.remove_member(GROUP, &person(9)).unwrap();
    let mut seen = Vec::new();
    while let Some(page) = read.next_page().await.unwrap() {
        seen.extend(page);
    }
    assert!(read.finish().await.is_ok());
    assert!(!seen.iter().any(|item| matches!(item, ReadItem::Entry(entry) if entry.anchor == mover)));

    let departures = directory.departures(&[mover.clone(), leaver.clone()]).await.unwrap();
    assert_eq!(departures, [(leaver, DeprovisionReason::OutOfScope)].into());
}
