//! Retention of users that left: content, expiry, and return.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests fail loudly, helpers included")]

mod common;

use std::collections::BTreeMap;

use common::dump::{Item, expiring, items, number, text};
use common::faults::Faults;
use common::*;
use model::{
    CreateIntent, DeprovisionReason, Desired, DesiredUser, HoldReason, Managed, ScanVersion, Status,
    UnixSeconds, UserName, Value,
};
use store::{
    AccountClaim, DesiredWrite, HistoryEvent, OutcomeWrite, RecordWrite, ScanLease, Store, StoreError,
    UserOutcome,
};

const DAY: i64 = 24 * 60 * 60;

/// A user with every attribute of the record set.
fn ada() -> Desired {
    let set = |text: &str| Managed::Set(Value::Text(text.into()));
    Desired::Present(DesiredUser {
        user_name: UserName::new("Ada@Example.test").unwrap(),
        active: true,
        attributes: [
            ("name.givenName".into(), set("Augusta")),
            ("name.familyName".into(), set("Lovelace")),
            ("displayName".into(), set("Augusta Lovelace")),
            ("title".into(), set("Enchantress of Numbers")),
            ("phoneNumbers.mobile".into(), set("+44 20 7946 0958")),
            ("addresses.work.formatted".into(), set("12 St James's Square")),
            ("employeeNumber".into(), Managed::Set(Value::Integer(18_151_210))),
            ("manager".into(), Managed::Set(Value::Reference(dn("charles")))),
            ("department".into(), Managed::Clear),
        ]
        .into(),
        create_only: [("nickName".into(), Value::Text("Bird".into()))].into(),
    })
}

/// Personal values that no item may hold after she left.
const PERSONAL: [&str; 9] =
    ["augusta", "lovelace", "enchantress", "numbers", "7946", "james", "18151210", "bird", "phonenumbers"];

fn gone(reason: DeprovisionReason) -> Desired {
    Desired::Absent { user_name: Some(UserName::new("Ada@Example.test").unwrap()), reason }
}

async fn write_ada(store: &Store, scan: &ScanLease, desired: Desired, status: Status) -> RecordWrite {
    let previous = record_of(store, "ada").await;
    let asked = DesiredWrite { anchor: anchor("ada"), dn: Some(dn("ada")), desired, status, previous };
    store.write_desired(scan, asked).await.unwrap()
}

/// A later scan by another process.
async fn scan_at(store: &Store, now: UnixSeconds) -> ScanLease {
    store.take_lease("scan", now, 900).await.unwrap().unwrap()
}

/// Ada with an account, waiting for her manager's.
async fn arrive(store: &Store, scan: &ScanLease) {
    write_ada(store, scan, ada(), Status::Pending).await;
    let mut lease = lease(store, "ada").await;
    store.claim_account(&mut lease, &matched("1815")).await.unwrap();
    let event = HistoryEvent {
        at: NOW,
        version: ScanVersion(1),
        action: "created; updated title, phoneNumbers.mobile".into(),
        reason: None,
        result: "the target keeps 'Enchantress of Numbers' of Augusta Lovelace for Ada@Example.test".into(),
        account: Some(account("1815")),
    };
    let applied = model::AppliedState { user_name: ada().user_name().cloned(), ..applied("ada", true) };
    let outcome =
        UserOutcome { references: missing(&[dn("charles")]), event: Some(event), ..in_sync(Some(applied)) };
    store.write_outcome(lease, outcome, NOW).await.unwrap();
}

async fn leave(store: &Store, scan: &ScanLease) {
    store.write_removal(scan, &released("ada")).await.unwrap();
    let lease = lease(store, "ada").await;
    store.write_outcome(lease, in_sync(Some(applied("ada", false))), NOW).await.unwrap();
}

fn record(items: &BTreeMap<(String, String), Item>) -> &Item {
    let pk = format!("corp#user#{}", anchor("ada").hash());
    &items[&(pk, "record".to_owned())]
}

#[tokio::test]
async fn record_of_departed_user_keeps_little() -> Result<(), StoreError> {
    let (place, _table, store) = corp().await;
    let store = store.with_retention_days(30);
    let scan = scan(&store).await;
    arrive(&store, &scan).await;
    let before = items(&place).await;
    assert!(format!("{:?}", record(&before)).contains("Enchantress"), "it was there");
    assert_eq!(store.fetch_referrers(dn("charles"), &account("1")).await?, [anchor("ada").hash()]);
    leave(&store, &scan).await;

    let items = items(&place).await;
    let mut names: Vec<_> = record(&items).keys().map(String::as_str).collect();
    names.sort_unstable();
    // Of these, `anchor`, `account`, `desired` (the name and why), `applied` (the name and a fingerprint) and `claimed`
    // (the name, folded) are about the person; the rest counts and dates.
    let expected = "PK SK account anchor applied attempts claimed desired expires_at lease_number \
recorded_lease released rev status version";
    assert_eq!(names.join(" "), expected);
    let keys: Vec<_> = items.keys().map(|(pk, sk)| format!("{pk} / {sk}")).collect();
    let hash = anchor("ada").hash();
    let expected = [
        "corp / state".to_owned(),
        "corp#accounts / 1815".to_owned(),
        "corp#name#ada@example.test / owner".to_owned(),
        format!("corp#user#{hash} / event#001800000000#000000000001"),
        format!("corp#user#{hash} / record"),
    ];
    assert_eq!(keys, expected);

    // Her user name is in these places, and no other personal value is in any.
    let mut with_name = Vec::new();
    for ((pk, sk), item) in &items {
        for (attribute, value) in item {
            let value = format!("{value:?}").to_lowercase();
            if value.contains("ada@example.test") {
                with_name.push(format!("{}: {attribute}", if sk == "record" { "record" } else { pk }));
            }
            for personal in PERSONAL.iter().filter(|_| !sk.starts_with("event#")) {
                assert!(!value.contains(personal), "{personal} is in {pk} / {sk}: {attribute}");
            }
        }
    }
    with_name.sort();
    let expected =
        ["corp#name#ada@example.test: PK", "record: applied", "record: claimed", "record: desired"];
    assert_eq!(with_name, expected);
    let history = store.fetch_history(hash, None, 9).await?;
    let texts: Vec<_> = history.iter().map(|event| (event.action.as_str(), event.result.as_str())).collect();
    let expected =
        ("created; updated title, phoneNumbers.mobile", "the target keeps '(value)' of (value) for (value)");
    assert_eq!(texts, [expected], "history names attributes and has no values");

    let expires: Vec<_> = items.values().map(|item| number(item, "expires_at")).collect();
    let (kept, history) = (Some(NOW.plus(30 * DAY).0), Some(NOW.plus(90 * DAY).0));
    assert_eq!(expires, [None, kept, kept, history, kept]);
    assert_eq!(expiring(&place).await, 1);
    Ok(())
}

#[tokio::test]
async fn return_within_retention_keeps_account() -> Result<(), StoreError> {
    let (place, _table, store) = corp().await;
    let first = scan(&store).await;
    arrive(&store, &first).await;
    leave(&store, &first).await;
    assert_eq!(expiring(&place).await, 1);

    let later = scan_at(&store, NOW.plus(50 * DAY)).await;
    assert_eq!(write_ada(&store, &later, ada(), Status::Pending).await, RecordWrite::Done);
    assert_eq!(expiring(&place).await, 0);
    let back = record_of(&store, "ada").await.unwrap();
    assert_eq!((&back.desired, &back.status), (&Some(ada()), &Status::Pending));
    assert_eq!(back.link.map(|link| link.account), Some(account("1815")));
    assert_eq!(store.count_enabled_accounts(9).await?, 0, "until it is switched on again");

    store.write_outcome(lease(&store, "ada").await, in_sync(Some(applied("ada", true))), NOW).await?;
    assert_eq!(expiring(&place).await, 0);
    assert_eq!(store.count_enabled_accounts(9).await?, 1);
    Ok(())
}

#[tokio::test]
async fn user_found_in_sync_and_absent_expires() -> Result<(), StoreError> {
    let (place, _table, store) = corp().await;
    let scan = scan(&store).await;
    // A user without account and record.
    write_ada(&store, &scan, gone(DeprovisionReason::OutOfScope), Status::InSync).await;
    let found = items(&place).await;
    assert_eq!(number(record(&found), "expires_at"), Some(NOW.plus(90 * DAY).0));
    assert_eq!(text(record(&found), "dn_pk"), None);

    // Wanted again, without an account yet, and gone again.
    write_ada(&store, &scan, ada(), Status::Pending).await;
    assert_eq!(expiring(&place).await, 0);
    write_ada(&store, &scan, gone(DeprovisionReason::Deleted), Status::InSync).await;
    assert_eq!(expiring(&place).await, 1);
    assert_eq!(name_owner(&store, ada().user_name().unwrap()).await, Some(anchor("ada")));

    // A status other than in sync keeps the record; in sync lets it expire.
    for (status, expire) in [(Status::Invalid { error: "x".into(), dn: None }, 0), (Status::InSync, 1)] {
        store.write_status(&scan, status_of("ada", status)).await?;
        assert_eq!(expiring(&place).await, expire);
    }
    store.write_removal(&scan, &released("ada")).await?;
    assert_eq!(expiring(&place).await, 0);
    Ok(())
}

#[tokio::test]
async fn disabled_manager_is_found_by_dn() -> Result<(), StoreError> {
    let (place, _table, store) = corp().await;
    let scan = scan(&store).await;
    arrive(&store, &scan).await;
    leave(&store, &scan).await;
    write_ada(&store, &scan, gone(DeprovisionReason::Disabled), Status::InSync).await;
    assert_eq!(expiring(&place).await, 1);
    assert_eq!(store.find_by_dn(dn("ada")).await?.unwrap().anchor, anchor("ada"));
    write_ada(&store, &scan, gone(DeprovisionReason::Deleted), Status::InSync).await;
    assert_eq!(store.find_by_dn(dn("ada")).await?, None);
    Ok(())
}

#[tokio::test]
async fn changed_reason_keeps_expiry() -> Result<(), StoreError> {
    let (place, _table, store) = corp().await;
    let first = scan(&store).await;
    arrive(&store, &first).await;
    leave(&store, &first).await;
    let later = scan_at(&store, NOW.plus(40 * DAY)).await;
    write_ada(&store, &later, gone(DeprovisionReason::OutOfScope), Status::InSync).await;
    assert_eq!(number(record(&items(&place).await), "expires_at"), Some(NOW.plus(90 * DAY).0));
    assert_eq!(expiring(&place).await, 1);
    Ok(())
}

#[tokio::test]
async fn record_with_active_account_never_expires() -> Result<(), StoreError> {
    let (place, _table, store) = corp().await;
    let scan = scan(&store).await;
    arrive(&store, &scan).await;
    write_ada(&store, &scan, gone(DeprovisionReason::Deleted), Status::InSync).await;
    assert_eq!(expiring(&place).await, 0);
    store.write_status(&scan, status_of("ada", Status::InSync)).await?;
    assert_eq!(expiring(&place).await, 0);
    store.write_outcome(lease(&store, "ada").await, in_sync(None), NOW).await?;
    assert_eq!(expiring(&place).await, 0);
    Ok(())
}

#[tokio::test]
async fn late_outcome_revives_record() -> Result<(), StoreError> {
    let (place, _table, store) = corp().await;
    let scan = scan(&store).await;
    arrive(&store, &scan).await;
    leave(&store, &scan).await;
    write_ada(&store, &scan, gone(DeprovisionReason::Disabled), Status::Pending).await;
    assert_eq!(expiring(&place).await, 0);
    let busy = lease(&store, "ada").await;
    write_ada(&store, &scan, gone(DeprovisionReason::Deleted), Status::InSync).await;
    assert_eq!(expiring(&place).await, 1);

    // Her account was active when the record was about to expire, so she is pending again.
    let finished = store.write_outcome(busy, in_sync(Some(applied("ada", true))), NOW).await?;
    assert_eq!(finished, OutcomeWrite::Outdated);
    assert_eq!(expiring(&place).await, 0);
    let record = record_of(&store, "ada").await.unwrap();
    assert!(record.status == Status::Pending && record.has_active_account());
    assert_eq!(store.count_enabled_accounts(9).await?, 1);
    Ok(())
}

/// DynamoDB deletes late: an expired item may exist for days.
#[tokio::test]
async fn expired_name_and_account_are_free() -> Result<(), StoreError> {
    let (place, _table, store) = corp().await;
    let first = scan(&store).await;
    arrive(&store, &first).await;
    leave(&store, &first).await;
    let name = ada().user_name().cloned().unwrap();
    let namesake = |previous| DesiredWrite {
        anchor: anchor("namesake"),
        dn: Some(dn("namesake")),
        desired: ada(),
        status: Status::Pending,
        previous,
    };

    let almost = NOW.plus(90 * DAY - 1);
    let asked = store.fetch_name_owners(std::slice::from_ref(&name), almost).await?;
    assert_eq!(asked.get("ada@example.test"), Some(&anchor("ada")));
    let early = scan_at(&store, almost).await;
    let taken = store.write_desired(&early, namesake(None)).await?;
    assert_eq!(taken, RecordWrite::NameTaken { by: anchor("ada") });
    let hash = anchor("namesake").hash();
    let mut worker = store.lease_user(hash, "worker", minute(almost)).await?.unwrap();
    assert_eq!(
        store.claim_account(&mut worker, &matched("1815")).await?,
        AccountClaim::OwnedBy(anchor("ada"))
    );
    store.return_lease(worker).await?;

    let over = NOW.plus(90 * DAY);
    assert!(store.fetch_name_owners(&[name], over).await?.is_empty());
    let late = scan_at(&store, over).await;
    assert_eq!(
        store.write_desired(&late, namesake(record_of(&store, "namesake").await)).await?,
        RecordWrite::Done
    );
    let mut worker = store.lease_user(hash, "worker", minute(over)).await?.unwrap();
    assert!(matches!(store.claim_account(&mut worker, &matched("1815")).await?, AccountClaim::Owned(_)));
    store.write_outcome(worker, in_sync(Some(applied("ada", true))), over).await?;

    // Ada returns while her record exists. Her name and account belong to other entries.
    let written = write_ada(&store, &late, ada(), Status::Pending).await;
    assert_eq!(written, RecordWrite::NameTaken { by: anchor("namesake") });
    let back = record_of(&store, "ada").await.unwrap();
    assert_eq!((back.link, back.status), (None, Status::Conflict { owner: anchor("namesake") }));
    assert_eq!(store.fetch_account_owner(&account("1815")).await?, Some(anchor("namesake")));
    assert_eq!(expiring(&place).await, 0);
    Ok(())
}

#[tokio::test]
async fn late_return_without_successor_keeps_everything() -> Result<(), StoreError> {
    let (place, _table, store) = corp().await;
    let first = scan(&store).await;
    arrive(&store, &first).await;
    leave(&store, &first).await;
    // DynamoDB has deleted a part of it.
    let client = place.client();
    let value = |text: &str| aws_sdk_dynamodb::types::AttributeValue::S(text.to_owned());
    let delete = client.delete_item().table_name(place.table().name());
    delete.key("PK", value("corp#accounts")).key("SK", value("1815")).send().await.unwrap();

    let late = scan_at(&store, NOW.plus(91 * DAY)).await;
    assert_eq!(write_ada(&store, &late, ada(), Status::Pending).await, RecordWrite::Done);
    assert_eq!(expiring(&place).await, 0);
    assert_eq!(record_of(&store, "ada").await.unwrap().link.unwrap().account, account("1815"));
    Ok(())
}

#[tokio::test]
async fn transferred_items_do_not_expire() -> Result<(), StoreError> {
    let (place, _table, store) = corp().await;
    let scan = scan(&store).await;
    arrive(&store, &scan).await;
    leave(&store, &scan).await;
    let again = DesiredWrite {
        anchor: anchor("again"),
        dn: Some(dn("again")),
        desired: ada(),
        status: Status::Pending,
        previous: None,
    };
    store.write_desired(&scan, again.clone()).await?;
    let (from, to) = (record_of(&store, "ada").await.unwrap(), record_of(&store, "again").await.unwrap());
    assert!(store.transfer(&scan, transfer_of(&from, &to)).await?);
    assert_eq!(expiring(&place).await, 1, "only the old record expires");
    assert_eq!(store.fetch_account_owner(&account("1815")).await?, Some(anchor("again")));
    let old = record(&items(&place).await).clone();
    assert_eq!((text(&old, "claimed"), text(&old, "account")), (None, None));

    // The same when a worker takes the account over from a user that is pending removal.
    want(&store, &scan, "old", present("old")).await;
    provision(&store, "old", "2").await;
    want(&store, &scan, "new", present("new")).await;
    store.write_removal(&scan, &released("old")).await?;
    let from = record_of(&store, "old").await.unwrap();
    let mut new = lease(&store, "new").await;
    assert!(store.take_over_account(&mut new, &matched("2"), &from.anchor).await?.is_some());
    assert_eq!(expiring(&place).await, 2);
    store.write_outcome(new, in_sync(Some(applied("new", true))), NOW).await?;
    assert_eq!(expiring(&place).await, 2);
    Ok(())
}

#[tokio::test]
async fn departed_user_is_not_made_pending() -> Result<(), StoreError> {
    let (place, _table, store) = corp().await;
    let scan = scan(&store).await;
    arrive(&store, &scan).await;
    leave(&store, &scan).await;
    store.reopen_referrer(dn("charles"), &account("1"), anchor("ada").hash()).await?;
    assert_eq!(record_of(&store, "ada").await.unwrap().status, Status::InSync);
    assert_eq!(expiring(&place).await, 1);
    Ok(())
}

#[tokio::test]
async fn changed_manager_ends_earlier_wait() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    let scan = scan(&store).await;
    arrive(&store, &scan).await;
    let hash = anchor("ada").hash();
    let waits = |name: &str| UserOutcome { references: missing(&[dn(name)]), ..in_sync(None) };
    store.write_outcome(lease(&store, "ada").await, waits("mary"), NOW).await?;
    assert_eq!(store.fetch_referrers(dn("charles"), &account("1")).await?, []);
    assert_eq!(store.fetch_referrers(dn("mary"), &account("1")).await?, [hash]);

    let failed = UserOutcome { status: Status::Retrying { error: "x".into() }, ..in_sync(None) };
    store.write_outcome(lease(&store, "ada").await, failed, NOW).await?;
    assert_eq!(
        store.fetch_referrers(dn("mary"), &account("1")).await?,
        [hash],
        "a failure says nothing about it"
    );
    store.write_outcome(lease(&store, "ada").await, in_sync(None), NOW).await?;
    assert_eq!(store.fetch_referrers(dn("mary"), &account("1")).await?, []);
    Ok(())
}

#[tokio::test]
async fn record_is_kept_when_a_create_intent_appears_while_the_user_leaves() -> Result<(), StoreError> {
    let faults = Faults::start().await;
    let (store, direct) = (faults.table.connection("corp"), faults.place.table().connection("corp"));
    want(&direct, &scan(&direct).await, "a", present("a")).await;
    let mut worker = lease(&direct, "a").await;
    let scan = scan(&direct).await;
    let leaving =
        store.write_desired(&scan, DesiredWrite { status: Status::InSync, ..write("a", absent("a"), None) });
    let intent = CreateIntent { user_name: user_name("a"), external_id: None };
    let creating = async {
        assert!(direct.store_create_intent(&mut worker, intent).await.unwrap());
    };
    assert_eq!(faults.meanwhile(leaving, creating).await?, RecordWrite::Done);
    let record = record_of(&direct, "a").await.unwrap();
    let held = Status::Held { reason: DeprovisionReason::Deleted, hold: HoldReason::AwaitingSafeguard };
    assert!(record.status == held && record.create_intent.is_some(), "{record:?}");
    Ok(())
}
