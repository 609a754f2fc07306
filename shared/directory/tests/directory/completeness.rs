//! Each way of not seeing everybody is noticed, and whoever was seen before is given all the same.

use std::time::Duration;

use directory::{Directory, Membership, ReadItem, Scope};
use embedded_ldap::{LdapFault, LdapOptions, ResultCode};
use model::{DeprovisionReason, IncompleteRead, UnixSeconds};

use crate::support::{BASE, GROUP, Outcome, config, people, people_with, person, read, read_from};

/// Ten people on four pages, with a fault.
async fn read_with(fault: LdapFault) -> Outcome {
    let server = people(10).await;
    server.inject(fault);
    let outcome = read(&config(&server.url())).await;
    assert!(server.faults_fired() > 0, "the fault did not show");
    outcome
}

#[tokio::test]
async fn everybody_is_seen_and_proved() {
    let server = people(10).await;
    let outcome = read(&config(&server.url())).await;
    assert_eq!(outcome.dns().len(), 10);
    assert_eq!(outcome.verdict.unwrap().pages(), 4);
}

#[tokio::test]
async fn a_full_last_page_is_the_last_all_the_same() {
    let server = people(9).await;
    let outcome = read(&config(&server.url())).await;
    assert_eq!((outcome.dns().len(), outcome.verdict.is_ok()), (9, true));
}

#[tokio::test]
async fn an_empty_directory_is_a_complete_one() {
    let server = people(0).await;
    let outcome = read(&config(&server.url())).await;
    assert_eq!((outcome.dns().len(), outcome.verdict.is_ok()), (0, true));
}

#[tokio::test]
async fn a_lost_connection() {
    let outcome = read_with(LdapFault::CutAfterEntries { entries: 5 }).await;
    assert_eq!(outcome.dns().len(), 5);
    assert!(
        matches!(outcome.doubt(), IncompleteRead::BrokeOff(why) if why.contains("dc=acme,dc=test was cut off"))
    );
}

#[tokio::test]
async fn a_connection_lost_inside_an_entry() {
    let outcome = read_with(LdapFault::CutAfterBytes { bytes: 700 }).await;
    assert!(outcome.dns().len() < 10);
    assert!(matches!(outcome.doubt(), IncompleteRead::BrokeOff(_)));
}

#[tokio::test]
async fn a_page_that_fails() {
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
            matches!(outcome.doubt(), IncompleteRead::Refused { page: 2, code, .. } if code == number),
            "{number}"
        );
    }
}

#[tokio::test]
async fn a_size_limit() {
    let server = people_with(10, LdapOptions { size_limit: Some(7), ..LdapOptions::default() }).await;
    let outcome = read(&config(&server.url())).await;
    assert_eq!(outcome.dns().len(), 7);
    assert!(matches!(outcome.doubt(), IncompleteRead::Refused { code: 4, .. }));
}

#[tokio::test]
async fn smaller_pages_than_asked_for_do_no_harm() {
    let options = LdapOptions { size_limit: Some(2), size_limit_per_page: true, ..LdapOptions::default() };
    let server = people_with(10, options).await;
    let outcome = read(&config(&server.url())).await;
    assert_eq!(outcome.dns().len(), 10);
    assert_eq!(outcome.verdict.unwrap().pages(), 5);
}

#[tokio::test]
async fn a_reference_to_another_server() {
    let outcome = read_with(LdapFault::Referral { page: 2 }).await;
    assert_eq!(outcome.dns().len(), 10);
    assert_eq!(outcome.doubt(), IncompleteRead::Referrals(1));
}

/// A search of a whole Active Directory domain always brings such references. What they lead to holds no users.
#[tokio::test]
async fn a_reference_to_the_forests_configuration_does_not_count() {
    let root_dse = vec![("configurationNamingContext".to_owned(), vec!["DC=Elsewhere,DC=Test".to_owned()])];
    let server = people_with(10, LdapOptions { root_dse, ..LdapOptions::default() }).await;
    server.inject(LdapFault::Referral { page: 2 });
    assert!(read(&config(&server.url())).await.verdict.is_ok());
    assert!(server.faults_fired() > 0);
}

#[tokio::test]
async fn a_page_without_the_paging_control() {
    assert_eq!(read_with(LdapFault::MissingControl { page: 2 }).await.doubt(), IncompleteRead::NoEnd);
    // The last page is the one where it would matter most.
    assert_eq!(read_with(LdapFault::MissingControl { page: 4 }).await.doubt(), IncompleteRead::NoEnd);
}

#[tokio::test]
async fn a_paging_control_that_is_none() {
    let outcome = read_with(LdapFault::MalformedControl { page: 2 }).await;
    assert_eq!(outcome.dns().len(), 6);
    assert_eq!(outcome.doubt(), IncompleteRead::NoEnd);
}

#[tokio::test]
async fn an_entry_that_is_none() {
    let outcome = read_with(LdapFault::GarbledEntry { page: 2 }).await;
    assert_eq!(outcome.dns().len(), 9);
    let unidentified: Vec<_> = outcome
        .sightings
        .iter()
        .filter(|sighting| matches!(sighting, ReadItem::Unidentified { .. }))
        .collect();
    let why = "the entry can't be read: one of its attributes has no set of values";
    assert_eq!(unidentified, [&ReadItem::Unidentified { dn: person(3), why: why.to_owned() }]);
    assert_eq!(outcome.doubt(), IncompleteRead::Undecodable(1));
}

#[tokio::test]
async fn an_entry_without_an_anchor() {
    let outcome = read_with(LdapFault::WithoutUuid { dn: person(4) }).await;
    assert_eq!(outcome.dns().len(), 9);
    assert_eq!(outcome.doubt(), IncompleteRead::Undecodable(1));
}

#[tokio::test]
async fn a_base_that_can_no_longer_be_read() {
    for code in [ResultCode::NoSuchObject, ResultCode::InsufficientAccessRights] {
        let outcome = read_with(LdapFault::BaseUnreadable { code }).await;
        assert_eq!(outcome.doubt(), IncompleteRead::BaseUnreadable("after"));
    }
}

#[tokio::test]
async fn another_server_at_the_end() {
    assert_eq!(read_with(LdapFault::OtherServer).await.doubt(), IncompleteRead::ServerChanged);
}

#[tokio::test]
async fn a_group_that_is_gone_at_the_end() {
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
        let doubt = read.finish().await.unwrap_err();
        assert!(matches!(&doubt, IncompleteRead::BrokeOff(why) if why.contains(GROUP)), "{doubt}");
    }
}

#[tokio::test]
async fn an_answer_that_does_not_come() {
    let server = people(10).await;
    server.inject(LdapFault::Slow { delay: Duration::from_secs(60) });
    let mut config = config(&server.url());
    config.timeout = Duration::from_millis(200);
    let doubt = read(&config).await.doubt();
    assert!(matches!(&doubt, IncompleteRead::BrokeOff(why) if why.contains("longer than 0.2 s")), "{doubt}");
}

#[tokio::test]
async fn a_page_that_comes_twice_does_no_harm() {
    let outcome = read_with(LdapFault::RepeatPage { page: 2, times: 3 }).await;
    assert_eq!(outcome.dns().len(), 10 + 3 * 3);
    assert!(outcome.verdict.is_ok());
}

#[tokio::test]
async fn a_page_that_comes_for_ever_ends() {
    let outcome = read_with(LdapFault::RepeatPage { page: 2, times: usize::MAX }).await;
    assert!(matches!(outcome.doubt(), IncompleteRead::BrokeOff(why) if why.contains("over and over")));
}

#[tokio::test]
async fn what_is_not_read_to_the_end_proves_nothing() {
    let server = people(10).await;
    let mut directory = Directory::connect(&config(&server.url())).await.unwrap();
    let mut read = directory.read(None, UnixSeconds(0)).await.unwrap();
    read.next_page().await.unwrap().unwrap();
    assert_eq!(read.finish().await.unwrap_err(), IncompleteRead::NoEnd);
    // The connection is as good as before.
    assert!(read_from(&mut directory).await.verdict.is_ok());
}

/// A page is asked for before the one before it is worked on, so its entries come while something else is asked.
#[tokio::test]
async fn answers_to_two_questions_do_not_mix() {
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

/// An empty cookie that comes too early, and a replica that is behind, look like any other end: nothing in the
/// protocol tells. Two things stand behind it: a look-up of each who seems to have left, and the planner's safety
/// limits.
#[tokio::test]
async fn an_early_end_goes_unnoticed_but_nobody_departs() {
    for fault in [LdapFault::EndEarly { page: 2 }, LdapFault::StaleReplica { entries: 6 }] {
        let server = people(10).await;
        server.inject(fault);
        let mut directory = Directory::connect(&config(&server.url())).await.unwrap();
        let outcome = read_from(&mut directory).await;
        assert_eq!((outcome.dns().len(), outcome.verdict.is_ok()), (6, true));

        server.delete(&person(9)).unwrap();
        let missing: Vec<_> = (6..9).map(|number| anchor_of(&server, number)).collect();
        assert_eq!(directory.departures(&missing).await.unwrap().len(), 0);
    }
}

fn anchor_of(server: &embedded_ldap::EmbeddedLdap, number: usize) -> model::Anchor {
    model::Anchor::from_text(&server.entry_uuid(&person(number)).unwrap()).unwrap()
}

/// A server without paging answers at once, and its success is the end.
#[tokio::test]
async fn a_server_without_paging() {
    let no_paging =
        || LdapOptions { root_dse: vec![("supportedControl".to_owned(), vec![])], ..LdapOptions::default() };
    let server = people_with(10, no_paging()).await;
    let outcome = read(&config(&server.url())).await;
    assert_eq!(outcome.dns().len(), 10);
    assert_eq!((outcome.verdict.unwrap().pages(), server.pages()), (1, 0));

    let server = people_with(10, LdapOptions { size_limit: Some(7), ..no_paging() }).await;
    let outcome = read(&config(&server.url())).await;
    assert_eq!(outcome.dns().len(), 7);
    assert!(matches!(outcome.doubt(), IncompleteRead::Refused { page: 1, code: 4, .. }));

    let server = people_with(10, no_paging()).await;
    server.inject(LdapFault::CutAfterEntries { entries: 5 }.on_any_search().after(1));
    let outcome = read(&config(&server.url())).await;
    assert_eq!(outcome.dns().len(), 5);
    assert!(matches!(outcome.doubt(), IncompleteRead::BrokeOff(_)));
}

/// Moved while the read goes on: seen twice, or not at all. The look-up finds out.
#[tokio::test]
async fn whoever_moves_during_a_read_has_not_left() {
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
    // The group's members are known by now, under the old name.
    server.rename(&person(8), &format!("uid=moved,{BASE}")).unwrap();
    server.remove_member(GROUP, &person(9)).unwrap();
    let mut seen = Vec::new();
    while let Some(page) = read.next_page().await.unwrap() {
        seen.extend(page);
    }
    assert!(read.finish().await.is_ok());
    assert!(!seen.iter().any(|sighting| matches!(sighting, ReadItem::Entry(entry) if entry.anchor == mover)));

    let departures = directory.departures(&[mover.clone(), leaver.clone()]).await.unwrap();
    assert_eq!(departures, [(leaver, DeprovisionReason::OutOfScope)].into());
}
