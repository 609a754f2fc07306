//! Reading what has changed: what is found, what it proves, and when everybody must be read instead.

use directory::{
    ChangeDetection, ChangeResponse, Cursor, Directory, DirectoryConfig, Membership, ReadItem, Scope,
    ScopeComparison,
};
use embedded_ldap::{EmbeddedLdap, LdapFault, ResultCode};
use model::{Anchor, AnchorHash, CompleteRead, DeprovisionReason, Fingerprint, IncompleteRead, UnixSeconds};

use crate::support::{BASE, GROUP, config, people, person};

const NOW: UnixSeconds = UnixSeconds(0);

type Known = Vec<(AnchorHash, Fingerprint)>;

pub fn anchor(server: &EmbeddedLdap, dn: &str) -> Anchor {
    Anchor::from_text(&server.entry_uuid(dn).unwrap()).unwrap()
}

/// The people of the group, by the time of their last modification.
fn by_timestamp(server: &EmbeddedLdap) -> DirectoryConfig {
    let mut config = config(&server.url());
    config.changes = ChangeDetection::Auto;
    let membership = Membership::MemberOf { attribute: "memberOf".to_owned() };
    config.scope = Scope::Group { dn: GROUP.to_owned(), membership, nested: false };
    config
}

/// Reads everybody: who they are, and where to go on.
async fn everybody(directory: &mut Directory) -> (Known, Cursor) {
    let mut read = directory.read(None, NOW).await.unwrap();
    let mut known = Vec::new();
    while let Some(page) = read.next_page().await.unwrap() {
        for sighting in page {
            let ReadItem::Entry(entry) = sighting else { panic!("somebody without an id") };
            known.push((entry.anchor.hash(), Fingerprint([0; 16])));
        }
    }
    known.sort_unstable();
    let cursor = read.cursor();
    read.finish().await.unwrap();
    (known, cursor)
}

/// Reads what has changed: who of those in scope were looked at, and the proof.
pub async fn changes(
    directory: &mut Directory,
    cursor: &Cursor,
    known: &Known,
) -> (Vec<String>, Result<CompleteRead, IncompleteRead>) {
    let mut changed = match directory.changes(cursor, NOW).await.unwrap() {
        ChangeResponse::Changes(changed) => changed,
        ChangeResponse::FullScanNeeded(why) => panic!("everybody is to be read: {why}"),
    };
    if changed.needs_comparison(|hash| known.iter().any(|(known, _)| known == hash)) {
        match changed.compare_scope(directory, known).await {
            ScopeComparison::Done => {}
            ScopeComparison::Incomplete(incomplete) => return (Vec::new(), Err(incomplete)),
            ScopeComparison::FullScanNeeded(why) => panic!("everybody is to be read: {why}"),
        }
    }
    let mut changes = directory.read_changes(*changed);
    let mut looked_at = Vec::new();
    loop {
        match changes.next_page().await {
            Ok(Some(page)) => looked_at.extend(page.into_iter().map(|sighting| match sighting {
                ReadItem::Entry(entry) => entry.dn,
                ReadItem::Unidentified { why, .. } => panic!("{why}"),
            })),
            Ok(None) => break,
            Err(incomplete) => return (looked_at, Err(incomplete)),
        }
    }
    looked_at.sort();
    (looked_at, changes.finish().await)
}

async fn why_everybody(directory: &mut Directory, cursor: &Cursor) -> String {
    match directory.changes(cursor, NOW).await.unwrap() {
        ChangeResponse::Changes(_) => panic!("the changes were read"),
        ChangeResponse::FullScanNeeded(why) => why,
    }
}

/// Long ago, so that the overlap shows nobody.
async fn settled(server: &EmbeddedLdap) {
    for _ in 0..700 {
        server.set(BASE, "description", &["time goes by"]).unwrap();
    }
}

#[tokio::test]
async fn who_came_who_changed_and_who_is_gone() {
    let server = people(10).await;
    settled(&server).await;
    server.set(&person(9), "mail", &["p9@acme.test"]).unwrap();
    let mut directory = Directory::connect(&by_timestamp(&server)).await.unwrap();
    let (known, cursor) = everybody(&mut directory).await;
    assert_eq!(known.len(), 10);

    let gone = anchor(&server, &person(1));
    let left = anchor(&server, &person(2));
    server.set(&person(0), "mail", &["new@acme.test"]).unwrap();
    server.delete(&person(1)).unwrap();
    server.remove_member(GROUP, &person(2)).unwrap();
    server.add("uid=new,dc=acme,dc=test", &[("objectClass", &["person"])]).unwrap();
    server.add_member(GROUP, "uid=new,dc=acme,dc=test").unwrap();
    server.add("uid=other,dc=acme,dc=test", &[("objectClass", &["person"])]).unwrap();

    let (looked_at, proof) = changes(&mut directory, &cursor, &known).await;
    // The last one who was modified before is looked at once more, which does no harm.
    assert_eq!(looked_at, ["uid=new,dc=acme,dc=test", "uid=p0,dc=acme,dc=test", "uid=p9,dc=acme,dc=test"]);
    let proof = proof.unwrap();
    for (anchor, accounted_for) in [(&gone, true), (&left, true), (&anchor(&server, &person(5)), false)] {
        assert_eq!(proof.accounts_for(&anchor.hash()), accounted_for);
    }
    let departures = directory.departures(&[gone.clone(), left.clone()]).await.unwrap();
    assert_eq!(
        departures,
        [(gone, DeprovisionReason::Deleted), (left, DeprovisionReason::OutOfScope)].into()
    );
}

/// Moved to another branch: out of the base, and not gone.
#[tokio::test]
async fn why_somebody_left_is_known() {
    let server = people(0).await;
    let staff = "ou=staff,dc=acme,dc=test";
    server.add(staff, &[("objectClass", &["organizationalUnit"])]).unwrap();
    server.add("uid=ada,ou=staff,dc=acme,dc=test", &[("objectClass", &["person"])]).unwrap();
    let mut config = config(&server.url());
    config.base_dn = staff.to_owned();
    let ada = anchor(&server, "uid=ada,ou=staff,dc=acme,dc=test");
    let mut directory = Directory::connect(&config).await.unwrap();
    server.rename("uid=ada,ou=staff,dc=acme,dc=test", "uid=ada,dc=acme,dc=test").unwrap();
    let departures = directory.departures(std::slice::from_ref(&ada)).await.unwrap();
    assert_eq!(departures, [(ada.clone(), DeprovisionReason::MovedOutOfBase)].into());
    server.delete("uid=ada,dc=acme,dc=test").unwrap();
    let departures = directory.departures(std::slice::from_ref(&ada)).await.unwrap();
    assert_eq!(departures, [(ada, DeprovisionReason::Deleted)].into());
}

#[tokio::test]
async fn a_cursor_is_good_for_one_server_and_one_question() {
    let server = people(3).await;
    let config = by_timestamp(&server);
    let mut directory = Directory::connect(&config).await.unwrap();
    let (known, cursor) = everybody(&mut directory).await;
    // It survives being written down.
    let cursor: Cursor = serde_json::from_str(&serde_json::to_string(&cursor).unwrap()).unwrap();
    assert!(changes(&mut directory, &cursor, &known).await.1.is_ok());

    let mut other = config.clone();
    other.attributes.push("title".to_owned());
    let mut other = Directory::connect(&other).await.unwrap();
    assert_eq!(why_everybody(&mut other, &cursor).await, "the configuration has changed");

    server.add("ou=new,dc=acme,dc=test", &[("objectClass", &["organizationalUnit"])]).unwrap();
    assert!(why_everybody(&mut directory, &cursor).await.starts_with("a container was added"));

    server.inject(LdapFault::OtherServer.on_any_search().times(1));
    let _ = directory.find("uid", "p1").await.unwrap();
    assert_eq!(why_everybody(&mut directory, &cursor).await, "another server answers than in the last scan");
}

/// An attribute that follows from a group's change is read with everybody, each time.
#[tokio::test]
async fn there_is_no_cursor_for_what_changes_by_itself() {
    let server = people(1).await;
    let mut config = by_timestamp(&server);
    config.attributes.push("memberof".to_owned());
    let mut directory = Directory::connect(&config).await.unwrap();
    let (_, cursor) = everybody(&mut directory).await;
    assert!(!cursor.is_resumable());
}

#[tokio::test]
async fn changes_that_are_not_read_to_the_end_prove_nothing() {
    let fail = LdapFault::FailPage { page: 1, entries: 1, code: ResultCode::SizeLimitExceeded };
    let faults = [
        LdapFault::CutAfterEntries { entries: 0 }.on_any_search(),
        LdapFault::CutAfterBytes { bytes: 10 }.on_any_search(),
        fail.times(1),
    ];
    let mut fired = [0; 3];
    for (fault, fired) in faults.into_iter().zip(&mut fired) {
        for after in 0..12 {
            let server = people(10).await;
            let mut directory = Directory::connect(&by_timestamp(&server)).await.unwrap();
            let (known, cursor) = everybody(&mut directory).await;
            server.delete(&person(1)).unwrap();
            server.inject(fault.clone().after(after).times(1));
            let is_complete = is_complete(&mut directory, &cursor, &known).await;
            let has_fired = server.faults_fired() > 0;
            assert_eq!(is_complete, !has_fired, "{fault:?} after {after}");
            *fired += usize::from(has_fired);
        }
    }
    assert!(fired.iter().all(|times| *times >= 2), "{fired:?}");
}

/// Whether the changes can be read to their end, with a proof.
async fn is_complete(directory: &mut Directory, cursor: &Cursor, known: &Known) -> bool {
    let Ok(ChangeResponse::Changes(mut changed)) = directory.changes(cursor, NOW).await else { return false };
    let ScopeComparison::Done = changed.compare_scope(directory, known).await else { return false };
    let mut changes = directory.read_changes(*changed);
    loop {
        match changes.next_page().await {
            Ok(Some(_)) => {}
            Ok(None) => return changes.finish().await.is_ok(),
            Err(_) => return false,
        }
    }
}

/// A replica that has not caught up, or a server restored from a backup, says so by its own mark.
#[tokio::test]
async fn a_server_that_knows_less_than_before_proves_nothing() {
    let mark = |number: u32| format!("20260101120000.{number:06}Z#000000#001#000000");
    let server = people(3).await;
    server.set(BASE, "contextCSN", &[&mark(5)]).unwrap();
    let mut directory = Directory::connect(&by_timestamp(&server)).await.unwrap();
    let (_, cursor) = everybody(&mut directory).await;

    server.set(BASE, "contextCSN", &[&mark(4)]).unwrap();
    assert_eq!(
        why_everybody(&mut directory, &cursor).await,
        "the server lacks changes that the last scan saw"
    );
    let verdict = read_after(&mut directory, &cursor).await;
    assert_eq!(verdict.unwrap_err(), IncompleteRead::Behind);

    server.set(BASE, "contextCSN", &[&mark(6)]).unwrap();
    assert!(read_after(&mut directory, &cursor).await.is_ok());
    // Another server of the same site shows by its mark that it knows as much.
    server.inject(LdapFault::OtherServer.on_any_search().times(1));
    let _ = directory.find("uid", "p1").await.unwrap();
    assert!(read_after(&mut directory, &cursor).await.is_ok());
}

/// One that says nothing about how much it knows is believed when it answers for the second time.
#[tokio::test]
async fn another_server_has_to_show_that_it_has_caught_up() {
    let server = people(3).await;
    let mut directory = Directory::connect(&by_timestamp(&server)).await.unwrap();
    let (_, cursor) = everybody(&mut directory).await;
    server.inject(LdapFault::OtherServer.on_any_search().times(1));
    let _ = directory.find("uid", "p1").await.unwrap();
    let mut read = directory.read(Some(&cursor), NOW).await.unwrap();
    while read.next_page().await.unwrap().is_some() {}
    let now = read.cursor();
    assert_eq!(read.finish().await.unwrap_err(), IncompleteRead::AnotherServer);
    assert!(read_after(&mut directory, &now).await.is_ok());
}

async fn read_after(directory: &mut Directory, cursor: &Cursor) -> Result<CompleteRead, IncompleteRead> {
    let mut read = directory.read(Some(cursor), NOW).await.unwrap();
    while read.next_page().await?.is_some() {}
    read.finish().await
}
