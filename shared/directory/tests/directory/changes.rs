//! Incremental reads: their entries, their proof, and the reasons for a full scan.

use directory::{
    ChangeDetection, ChangeResponse, Cursor, Directory, DirectoryConfig, Membership, ReadItem, Scope,
    ScopeComparison,
};
use embedded_ldap::{EmbeddedLdap, LdapFault, ResultCode};
use model::{Anchor, AnchorHash, CompleteRead, DeprovisionReason, Fingerprint, IncompleteRead, UnixSeconds};

use crate::support::{BASE, GROUP, config, people, person};

const NOW: UnixSeconds = UnixSeconds(0);

type KnownUsers = Vec<(AnchorHash, Fingerprint)>;

pub fn anchor(server: &EmbeddedLdap, dn: &str) -> Anchor {
    Anchor::from_text(&server.entry_uuid(dn).unwrap()).unwrap()
}

/// Configuration of the group with change detection by timestamp.
fn by_timestamp(server: &EmbeddedLdap) -> DirectoryConfig {
    let mut config = config(&server.url());
    config.changes = ChangeDetection::Auto;
    let membership = Membership::MemberOf { attribute: "memberOf".to_owned() };
    config.scope = Scope::Group { dn: GROUP.to_owned(), membership, nested: false };
    config
}

/// Full read: its users and its cursor.
async fn full_read(directory: &mut Directory) -> (KnownUsers, Cursor) {
    let mut read = directory.read(None, NOW).await.unwrap();
    let mut known = Vec::new();
    while let Some(page) = read.next_page().await.unwrap() {
        for item in page {
            let ReadItem::Entry(entry) = item else { panic!("an entry without an anchor") };
            known.push((entry.anchor.hash(), Fingerprint([0; 16])));
        }
    }
    known.sort_unstable();
    let cursor = read.cursor();
    read.finish().await.unwrap();
    (known, cursor)
}

/// Incremental read: the DNs that were read, and the proof.
pub async fn changes(
    directory: &mut Directory,
    cursor: &Cursor,
    known: &KnownUsers,
) -> (Vec<String>, Result<CompleteRead, IncompleteRead>) {
    let mut changed = match directory.changes(cursor, NOW).await.unwrap() {
        ChangeResponse::Changes(changed) => changed,
        ChangeResponse::FullScanNeeded(why) => panic!("full scan needed: {why}"),
    };
    if changed.needs_comparison(|hash| known.iter().any(|(known, _)| known == hash)) {
        match changed.compare_scope(directory, known).await {
            ScopeComparison::Done => {}
            ScopeComparison::Incomplete(incomplete) => return (Vec::new(), Err(incomplete)),
            ScopeComparison::FullScanNeeded(why) => panic!("full scan needed: {why}"),
        }
    }
    let mut changes = directory.read_changes(*changed);
    let mut read = Vec::new();
    loop {
        match changes.next_page().await {
            Ok(Some(page)) => read.extend(page.into_iter().map(|item| match item {
                ReadItem::Entry(entry) => entry.dn,
                ReadItem::Unidentified { why, .. } => panic!("{why}"),
            })),
            Ok(None) => break,
            Err(incomplete) => return (read, Err(incomplete)),
        }
    }
    read.sort();
    (read, changes.finish().await)
}

async fn full_scan_reason(directory: &mut Directory, cursor: &Cursor) -> String {
    match directory.changes(cursor, NOW).await.unwrap() {
        ChangeResponse::Changes(_) => panic!("an incremental read was possible"),
        ChangeResponse::FullScanNeeded(why) => why,
    }
}

/// Advances the time, so that the overlap reaches no entry.
async fn pass_time(server: &EmbeddedLdap) {
    for _ in 0..700 {
        server.set(BASE, "description", &["later"]).unwrap();
    }
}

#[tokio::test]
async fn incremental_read_shows_added_changed_and_missing_users() {
    let server = people(10).await;
    pass_time(&server).await;
    server.set(&person(9), "mail", &["p9@acme.test"]).unwrap();
    let mut directory = Directory::connect(&by_timestamp(&server)).await.unwrap();
    let (known, cursor) = full_read(&mut directory).await;
    assert_eq!(known.len(), 10);

    let gone = anchor(&server, &person(1));
    let left = anchor(&server, &person(2));
    server.set(&person(0), "mail", &["new@acme.test"]).unwrap();
    server.delete(&person(1)).unwrap();
    server.remove_member(GROUP, &person(2)).unwrap();
    server.add("uid=new,dc=acme,dc=test", &[("objectClass", &["person"])]).unwrap();
    server.add_member(GROUP, "uid=new,dc=acme,dc=test").unwrap();
    server.add("uid=other,dc=acme,dc=test", &[("objectClass", &["person"])]).unwrap();

    let (read, proof) = changes(&mut directory, &cursor, &known).await;
    // The latest modified entry before the cursor is read again.
    assert_eq!(read, ["uid=new,dc=acme,dc=test", "uid=p0,dc=acme,dc=test", "uid=p9,dc=acme,dc=test"]);
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

/// A move out of the base is not a deletion.
#[tokio::test]
async fn move_out_of_base_is_distinguished_from_deletion() {
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
async fn cursor_belongs_to_one_server_and_one_query() {
    let server = people(3).await;
    let config = by_timestamp(&server);
    let mut directory = Directory::connect(&config).await.unwrap();
    let (known, cursor) = full_read(&mut directory).await;
    // A stored cursor is valid too.
    let cursor: Cursor = serde_json::from_str(&serde_json::to_string(&cursor).unwrap()).unwrap();
    assert!(changes(&mut directory, &cursor, &known).await.1.is_ok());

    let mut other = config.clone();
    other.attributes.push("title".to_owned());
    let mut other = Directory::connect(&other).await.unwrap();
    assert_eq!(full_scan_reason(&mut other, &cursor).await, "the configuration has changed");

    server.add("ou=new,dc=acme,dc=test", &[("objectClass", &["organizationalUnit"])]).unwrap();
    assert!(full_scan_reason(&mut directory, &cursor).await.starts_with("a container was added"));

    server.inject(LdapFault::OtherServer.on_any_search().times(1));
    let _ = directory.find("uid", "p1").await.unwrap();
    assert_eq!(
        full_scan_reason(&mut directory, &cursor).await,
        "another server answers than in the last scan"
    );
}

/// `memberOf` changes with a group, without a change of the user's entry.
#[tokio::test]
async fn computed_attribute_prevents_incremental_reads() {
    let server = people(1).await;
    let mut config = by_timestamp(&server);
    config.attributes.push("memberof".to_owned());
    let mut directory = Directory::connect(&config).await.unwrap();
    let (_, cursor) = full_read(&mut directory).await;
    assert!(!cursor.is_resumable());
}

#[tokio::test]
async fn unfinished_incremental_read_has_no_proof() {
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
            let (known, cursor) = full_read(&mut directory).await;
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

/// Whether an incremental read ends with a proof.
async fn is_complete(directory: &mut Directory, cursor: &Cursor, known: &KnownUsers) -> bool {
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
