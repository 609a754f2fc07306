//! Writes of scans: desired users, statuses, user names and transfers.

mod common;

use std::collections::HashSet;

use aws_sdk_dynamodb::types::AttributeValue::S;
use common::*;
use model::{
    Anchor, DeprovisionReason, Desired, DesiredUser, DisabledOption, HoldReason, Managed, ScanVersion,
    Status, UserName, Value,
};
use store::{RecordWrite, StatusWrite, StoreError};

fn every_status() -> Vec<Status> {
    let error = || "userName: too \"long\" – ü".to_owned();
    let mut all = vec![
        Status::InSync,
        Status::Pending,
        Status::Retrying { error: error() },
        Status::Failed { error: error() },
        Status::Conflict { owner: anchor("other") },
        Status::Invalid { error: error(), dn: None },
    ];
    for departure in [
        DeprovisionReason::Deleted,
        DeprovisionReason::OutOfScope,
        DeprovisionReason::MovedOutOfBase,
        DeprovisionReason::Disabled,
    ] {
        all.extend(
            [HoldReason::OverLimit, HoldReason::NeverWritten, HoldReason::AwaitingSafeguard]
                .map(|reason| Status::Held { reason: departure, hold: reason }),
        );
    }
    all.extend(
        [DisabledOption::Create, DisabledOption::Update, DisabledOption::Deprovision]
            .map(|by| Status::Skipped { option: by }),
    );
    all
}

#[tokio::test]
async fn every_status_and_desired_user_round_trips() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    let scan = scan(&store).await;
    let rich = Desired::Present(DesiredUser {
        user_name: UserName::new("Ada.Lovelace@Example.test").unwrap(),
        active: false,
        attributes: [
            ("text".into(), Managed::Set(Value::Text("x \u{1F600} \"quoted\"\n".into()))),
            ("integer".into(), Managed::Set(Value::Integer(i64::MIN))),
            ("boolean".into(), Managed::Set(Value::Boolean(true))),
            ("reference".into(), Managed::Set(Value::Reference(dn("boss")))),
            ("account".into(), Managed::Set(Value::Account(account("7")))),
            ("clear".into(), Managed::Clear),
        ]
        .into(),
        create_only: Default::default(),
    });
    let unnamed = Desired::Absent { user_name: None, reason: DeprovisionReason::OutOfScope };
    for desired in [rich, unnamed, absent("a"), present("a")] {
        for status in every_status() {
            let mut asked = write("a", desired.clone(), record_of(&store, "a").await);
            asked.status = status.clone();
            assert_eq!(store.write_desired(&scan, asked).await?, RecordWrite::Done);
            let record = record_of(&store, "a").await.unwrap();
            assert_eq!(record.desired.as_ref(), Some(&desired));
            assert_eq!(record.status, status);
            // The DN of a user that left is not stored.
            let left = status == Status::InSync && matches!(desired, Desired::Absent { .. });
            assert_eq!((record.anchor, record.dn), (anchor("a"), (!left).then(|| dn("a"))));
            assert_eq!((record.version, record.removal_released, record.link), (ScanVersion(1), false, None));
        }
    }
    Ok(())
}

#[tokio::test]
async fn older_scan_can_not_overwrite_newer_record() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    let (old, new) = (scan(&store).await, scan(&store).await);
    assert_eq!(want(&store, &new, "a", present("a")).await, RecordWrite::Done);
    assert_eq!(want(&store, &old, "a", present("stale")).await, RecordWrite::Outdated);
    assert_eq!(want(&store, &old, "a", absent("a")).await, RecordWrite::Outdated);
    assert_eq!(store.write_removal(&old, &released("a")).await?, RecordWrite::Outdated);
    assert_eq!(store.write_status(&old, status_of("a", Status::InSync)).await?, RecordWrite::Outdated);
    let record = record_of(&store, "a").await.unwrap();
    assert_eq!((record.desired, record.version), (Some(present("a")), ScanVersion(2)));
    assert_eq!(name_owner(&store, &user_name("stale")).await, None, "the stale claim was not written either");
    Ok(())
}

#[tokio::test]
async fn first_entry_keeps_the_user_name() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    let scan = scan(&store).await;
    assert_eq!(want(&store, &scan, "a", present("jo")).await, RecordWrite::Done);
    let shouted = Desired::Present(DesiredUser {
        user_name: UserName::new("JO@EXAMPLE.TEST").unwrap(),
        active: true,
        attributes: Default::default(),
        create_only: Default::default(),
    });
    for _ in 0..2 {
        let written = want(&store, &scan, "b", shouted.clone()).await;
        assert_eq!(written, RecordWrite::NameTaken { by: anchor("a") });
        let record = record_of(&store, "b").await.unwrap();
        assert_eq!(record.status, Status::Conflict { owner: anchor("a") });
        assert_eq!(record.desired, Some(shouted.clone()), "the desired user is written");
    }
    assert_eq!(want(&store, &scan, "a", present("jo")).await, RecordWrite::Done, "the owner keeps the name");
    Ok(())
}

#[tokio::test]
async fn rename_frees_old_name_and_conflict_keeps_it() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    let scan = scan(&store).await;
    want(&store, &scan, "a", present("a")).await;
    want(&store, &scan, "b", present("b")).await;

    assert_eq!(want(&store, &scan, "b", present("a")).await, RecordWrite::NameTaken { by: anchor("a") });
    assert_eq!(name_owner(&store, &user_name("b")).await, Some(anchor("b")), "the old name is kept");

    assert_eq!(want(&store, &scan, "a", present("a2")).await, RecordWrite::Done);
    assert_eq!(name_owner(&store, &user_name("a")).await, None);
    assert_eq!(want(&store, &scan, "b", present("a")).await, RecordWrite::Done);
    assert_eq!(name_owner(&store, &user_name("a")).await, Some(anchor("b")));
    assert_eq!(name_owner(&store, &user_name("b")).await, None, "the old name is given up");
    Ok(())
}

#[tokio::test]
async fn scan_write_needs_no_fresh_record() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    let scan = scan(&store).await;
    want(&store, &scan, "a", present("a")).await;
    let old = record_of(&store, "a").await;
    want(&store, &scan, "a", present("b")).await;
    for previous in [None, old] {
        assert_eq!(store.write_desired(&scan, write("a", present("c"), previous)).await?, RecordWrite::Done);
        want(&store, &scan, "a", present("b")).await;
    }
    for name in ["a", "c"] {
        assert_eq!(name_owner(&store, &user_name(name)).await, None);
    }
    assert_eq!(name_owner(&store, &user_name("b")).await, Some(anchor("a")));
    Ok(())
}

#[tokio::test]
async fn scan_write_keeps_what_provisioning_wrote() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    let scan = scan(&store).await;
    want(&store, &scan, "a", present("a")).await;
    let unaware = record_of(&store, "a").await;
    provision(&store, "a", "1").await;
    assert_eq!(store.write_desired(&scan, write("a", present("a"), unaware)).await?, RecordWrite::Done);
    let record = record_of(&store, "a").await.unwrap();
    let link = record.link.unwrap();
    assert_eq!((link.account, link.applied), (account("1"), Some(applied("a", true))));
    assert_eq!((record.status, record.attempts), (Status::Pending, 0));
    Ok(())
}

#[tokio::test]
async fn only_released_removal_is_marked_released() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    let scan = scan(&store).await;
    want(&store, &scan, "a", present("a")).await;
    provision(&store, "a", "1").await;
    assert_eq!(store.write_removal(&scan, &released("a")).await?, RecordWrite::Done);
    let record = record_of(&store, "a").await.unwrap();
    assert!(record.removal_released && record.status == Status::Pending && record.dn.is_none());
    assert_eq!(record.desired, Some(absent("a")));
    assert!(record.link.is_some());

    let held = Status::Held { reason: DeprovisionReason::Deleted, hold: HoldReason::OverLimit };
    store.write_status(&scan, status_of("a", held)).await?;
    assert!(!record_of(&store, "a").await.unwrap().removal_released, "a held removal is not released");

    store.write_removal(&scan, &released("a")).await?;
    want(&store, &scan, "a", present("a")).await;
    assert!(
        !record_of(&store, "a").await.unwrap().removal_released,
        "a returned user has no released removal"
    );
    Ok(())
}

#[tokio::test]
async fn status_write_keeps_desired_user() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    let scan = scan(&store).await;
    want(&store, &scan, "a", present("a")).await;
    let skipped = Status::Skipped { option: DisabledOption::Create };
    assert_eq!(store.write_status(&scan, status_of("a", skipped.clone())).await?, RecordWrite::Done);
    let record = record_of(&store, "a").await.unwrap();
    assert_eq!((record.desired, record.dn, record.status), (Some(present("a")), Some(dn("a")), skipped));

    let invalid = Status::Invalid { error: "userName is empty".into(), dn: None };
    store
        .write_status(&scan, StatusWrite { dn: Some(dn("new")), ..status_of("new", invalid.clone()) })
        .await?;
    let record = record_of(&store, "new").await.unwrap();
    assert_eq!((record.desired, record.dn, record.status), (None, Some(dn("new")), invalid));
    Ok(())
}

#[tokio::test]
async fn user_too_large_for_an_item_is_reported() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    let scan = scan(&store).await;
    for size in [395_000, 500_000] {
        let mut huge = present("a");
        if let Desired::Present(user) = &mut huge {
            user.attributes.insert("note".into(), Managed::Set(Value::Text("x".repeat(size))));
        }
        let error = store.write_desired(&scan, write("a", huge, None)).await.unwrap_err();
        assert!(matches!(error, StoreError::TooLarge { .. }), "{error}");
    }
    let long = "x".repeat(389_000);
    let record = Status::Failed { error: long.clone() };
    store.write_status(&scan, status_of("a", record)).await?;
    let mut two = present("a");
    if let Desired::Present(user) = &mut two {
        user.attributes.insert("note".into(), Managed::Set(Value::Text(long)));
    }
    let mut asked = write("a", two, None);
    asked.status = Status::Failed { error: "x".repeat(100_000) };
    let error = store.write_desired(&scan, asked).await.unwrap_err();
    assert!(matches!(&error, StoreError::TooLarge { .. }), "refused by the table: {error}");
    Ok(())
}

#[tokio::test]
async fn account_is_transferred_to_recreated_entry() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    let scan = scan(&store).await;
    want(&store, &scan, "old", present("jo")).await;
    provision(&store, "old", "1").await;
    want(&store, &scan, "new", present("before")).await;
    assert_eq!(want(&store, &scan, "new", present("jo")).await, RecordWrite::NameTaken { by: anchor("old") });
    let (from, to) = (record_of(&store, "old").await.unwrap(), record_of(&store, "new").await.unwrap());

    assert!(store.transfer(&scan, transfer_of(&from, &to)).await?);
    let (old, new) = (record_of(&store, "old").await.unwrap(), record_of(&store, "new").await.unwrap());
    assert_eq!((old.link, old.status), (None, Status::InSync));
    let gone = Desired::Absent { user_name: Some(user_name("jo")), reason: DeprovisionReason::Deleted };
    assert_eq!(old.desired, Some(gone));
    assert_eq!((new.link, new.status), (from.link.clone(), Status::Pending));
    assert_eq!(name_owner(&store, &user_name("jo")).await, Some(anchor("new")));
    assert_eq!(name_owner(&store, &user_name("before")).await, None);

    assert!(!store.transfer(&scan, transfer_of(&from, &to)).await?, "the records have changed");
    assert_eq!(store.count_enabled_accounts(9).await?, 1);
    Ok(())
}

#[tokio::test]
async fn transfer_requires_free_and_unchanged_records() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    let scan = scan(&store).await;
    want(&store, &scan, "old", present("jo")).await;
    provision(&store, "old", "1").await;
    want(&store, &scan, "new", present("jo")).await;
    let (from, to) = (record_of(&store, "old").await.unwrap(), record_of(&store, "new").await.unwrap());

    let working = lease(&store, "old").await;
    assert!(!store.transfer(&scan, transfer_of(&from, &to)).await?);
    store.write_outcome(working, in_sync(Some(applied("jo", false))), NOW).await?;
    assert!(!store.transfer(&scan, transfer_of(&from, &to)).await?, "the applied state has changed");
    let unchanged = record_of(&store, "new").await.unwrap();
    assert_eq!(unchanged, to, "nothing was written");
    assert_eq!(name_owner(&store, &user_name("jo")).await, Some(anchor("old")));

    let from = record_of(&store, "old").await.unwrap();
    assert!(store.transfer(&scan, transfer_of(&from, &to)).await?);
    Ok(())
}

/// In the terminal, one process scans and provisions. A lease of its own is left by a process that was killed.
#[tokio::test]
async fn own_user_lease_does_not_block_transfer() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    let scan = scan(&store).await;
    want(&store, &scan, "old", present("jo")).await;
    provision(&store, "old", "1").await;
    want(&store, &scan, "new", present("jo")).await;
    let (from, to) = (record_of(&store, "old").await.unwrap(), record_of(&store, "new").await.unwrap());

    let hashes = [anchor("old").hash(), anchor("new").hash()];
    let strangers = store.lease_user(hashes[1], "stranger", minute(NOW)).await?.unwrap();
    let left_behind = store.lease_user(hashes[0], scan.owner(), minute(NOW)).await?.unwrap();
    assert!(
        !store.transfer(&scan, transfer_of(&from, &to)).await?,
        "another worker's lease blocks the transfer"
    );
    store.return_lease(strangers).await?;
    let also_left_behind = store.lease_user(hashes[1], scan.owner(), minute(NOW)).await?.unwrap();

    assert!(store.transfer(&scan, transfer_of(&from, &to)).await?);
    assert_eq!(record_of(&store, "new").await.unwrap().link, from.link);
    for dead in [left_behind, also_left_behind] {
        assert_eq!(store.write_outcome(dead, in_sync(None), NOW).await, Err(StoreError::LeaseLost));
    }
    for hash in hashes {
        assert!(
            store.lease_user(hash, "another", minute(NOW)).await?.is_some(),
            "the lease is free afterwards"
        );
    }
    Ok(())
}

#[tokio::test]
async fn name_owners_are_read_in_batches() -> Result<(), StoreError> {
    let (_place, table, store) = corp().await;
    let scan = scan(&store).await;
    for number in 0..130 {
        let user = format!("u{number}");
        store.write_desired(&scan, write(&user, present(&user), None)).await?;
    }
    let mut names: Vec<_> = (0..140).map(|number| user_name(&format!("u{number}"))).collect();
    names.push(UserName::new("U7@Example.Test").unwrap());
    let owners = store.fetch_name_owners(&names, NOW).await?;
    assert_eq!(owners.len(), 130);
    assert_eq!(owners.get("u7@example.test"), Some(&anchor("u7")));
    assert_eq!(owners.get("u135@example.test"), None);
    assert!(store.fetch_name_owners(&[], NOW).await?.is_empty());
    assert!(table.connection("other").fetch_name_owners(&names, NOW).await?.is_empty());
    Ok(())
}

#[tokio::test]
async fn unwanted_name_can_be_claimed() -> Result<(), StoreError> {
    let (_place, _table, store) = corp().await;
    let scan = scan(&store).await;
    want(&store, &scan, "old", present("jo")).await;
    want(&store, &scan, "new", present("jo")).await;
    let new = record_of(&store, "new").await.unwrap();
    let old: Anchor = anchor("old");
    assert!(!store.claim_name(&scan, &new, Some(&old)).await?, "the owner still wants it");
    assert!(!store.claim_name(&scan, &new, None).await?);

    want(&store, &scan, "old", absent("jo")).await;
    assert!(
        !store.claim_name(&scan, &new, Some(&anchor("third"))).await?,
        "the third entry does not own the name"
    );
    assert!(store.claim_name(&scan, &new, Some(&old)).await?);
    assert_eq!(record_of(&store, "new").await.unwrap().status, Status::Pending);
    assert_eq!(name_owner(&store, &user_name("jo")).await, Some(anchor("new")));

    // The entry that lost the name is in conflict when it returns, and can take another name.
    assert_eq!(want(&store, &scan, "old", present("jo")).await, RecordWrite::NameTaken { by: anchor("new") });
    assert_eq!(want(&store, &scan, "old", present("jo2")).await, RecordWrite::Done);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_concurrent_writers_gets_the_name() -> Result<(), StoreError> {
    let (place, _table, store) = corp().await;
    if place.is_moto_without("isolates no transactions: a cancelled one takes back concurrent writes") {
        return Ok(());
    }
    let scan = scan(&store).await;
    let names: Vec<String> = (0..24).map(|number| format!("u{number}")).collect();
    let writes = names.iter().map(|user| store.write_desired(&scan, write(user, present("jo"), None)));
    let results = futures::future::join_all(writes).await;
    let owner = name_owner(&store, &user_name("jo")).await.unwrap();
    for (user, written) in names.iter().zip(results) {
        match written? {
            RecordWrite::Done => assert_eq!(owner, anchor(user)),
            RecordWrite::NameTaken { by } => assert_eq!(owner, by),
            RecordWrite::Outdated => panic!("{user} is not outdated"),
        }
        let in_sync = record_of(&store, user).await.unwrap().status == Status::Pending;
        assert_eq!(in_sync, owner == anchor(user));
    }
    Ok(())
}

#[tokio::test]
async fn unreadable_record_hides_no_other_record() -> Result<(), StoreError> {
    let (place, table, store) = corp().await;
    let scan = scan(&store).await;
    for user in ["a", "b", "c"] {
        want(&store, &scan, user, present(user)).await;
    }
    let hash = |user: &str| anchor(user).hash();
    let is_damaged = |((_, sk), item): &((String, String), dump::Item)| {
        sk == "record" && dump::text(item, "anchor").as_deref() == Some(anchor("b").as_str())
    };
    let ((pk, sk), _) = dump::items(&place).await.into_iter().find(is_damaged).unwrap();
    let update = place.client().update_item().table_name(table.name()).key("PK", S(pk)).key("SK", S(sk));
    let update =
        update.update_expression("SET desired = :cut").expression_attribute_values(":cut", S("{".into()));
    update.send().await.unwrap();

    assert!(store.fetch_record(hash("b")).await.is_err());
    let found = store.fetch_readable_records(&["a", "b", "c"].map(hash)).await?;
    assert_eq!(found.unreadable, [hash("b")].into());
    assert_eq!(found.records.keys().copied().collect::<HashSet<_>>(), [hash("a"), hash("c")].into());
    Ok(())
}
