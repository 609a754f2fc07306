//! Two connections with one target: an account has one owner, also if both link it at the same moment.

mod common;

use common::*;
use model::TargetIdentity;
use store::{AccountClaim, Store, StoreError};

/// A connection with a user, bound to the target.
async fn connection(place: &Place, name: &str, user: &str) -> Result<Store, StoreError> {
    let store = place.table().connection(name);
    let scan = scan(&store).await;
    store.bind_target(&scan, &TargetIdentity::new("https://one.test", "test")).await?;
    want(&store, &scan, user, present(user)).await;
    Ok(store)
}

/// Two connections that know each other.
async fn siblings(place: &Place) -> Result<[Store; 2], StoreError> {
    connection(place, "north", "ada").await?;
    connection(place, "south", "joe").await?;
    Ok(["north", "south"].map(|name| place.table().connection(name)))
}

async fn claim(store: &Store, user: &str, id: &str) -> Result<AccountClaim, StoreError> {
    let mut lease = lease(store, user).await;
    let claimed = store.claim_account(&mut lease, &matched(id)).await?;
    store.return_lease(lease).await?;
    Ok(claimed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn account_that_two_connections_link_at_the_same_moment_has_one_owner() -> Result<(), StoreError> {
    let place = Place::new().await;
    if place.is_moto_without("keeps concurrent writes when a transaction is cancelled") {
        return Ok(());
    }
    for round in 0..30 {
        let id = round.to_string();
        let [north, south] = siblings(&place).await?;
        let both = [(north.clone(), "ada"), (south.clone(), "joe")].map(|(store, user)| {
            let id = id.clone();
            tokio::spawn(async move { claim(&store, user, &id).await })
        });
        let [first, second] = both;
        let claims = [first.await.unwrap()?, second.await.unwrap()?];
        let is_owned = |claim: &AccountClaim| matches!(claim, AccountClaim::Owned(_));
        assert_eq!(claims.iter().filter(|claim| is_owned(claim)).count(), 1, "round {round}: {claims:?}");
        let account = account(&id);
        let owners = [north.fetch_account_owner(&account).await?, south.fetch_account_owner(&account).await?];
        assert_eq!(owners.iter().flatten().count(), 1, "round {round}: {owners:?}");
        // The other connection is told the owner, and sees it later too.
        let owner = owners.iter().flatten().next().unwrap();
        let refused = claims.iter().find(|claim| !is_owned(claim)).unwrap();
        assert_eq!(*refused, AccountClaim::OwnedBy(owner.clone()));
    }
    Ok(())
}

#[tokio::test]
async fn account_that_passes_to_a_sibling_is_free_at_once() -> Result<(), StoreError> {
    let place = Place::new().await;
    let [north, south] = siblings(&place).await?;
    assert!(matches!(claim(&north, "ada", "1").await?, AccountClaim::Owned(_)));
    // The user leaves the first connection, and the second one has an entry with the same name.
    let scan = north.take_lease("scan", NOW, 900).await?.unwrap();
    north.write_removal(&scan, &released("ada")).await?;
    let joins = south.take_lease("scan", NOW, 900).await?.unwrap();
    want(&south, &joins, "moved", present("ada")).await;
    let to = north.find_sibling_claim(&account("1"), Some(&user_name("ada"))).await?.unwrap();
    let mut leaver = lease(&north, "ada").await;
    north.give_up_account(&mut leaver, &to).await?;
    assert!(matches!(claim(&south, "moved", "1").await?, AccountClaim::Owned(_)));
    Ok(())
}

#[tokio::test]
async fn account_that_was_just_linked_is_closed_to_siblings_for_ten_minutes() -> Result<(), StoreError> {
    let place = Place::new().await;
    let [north, south] = siblings(&place).await?;
    assert!(matches!(claim(&north, "ada", "1").await?, AccountClaim::Owned(_)));
    // Without an owner among the records, only the claim shows that the account was linked a moment ago.
    let scan = north.take_lease("scan", NOW, 900).await?.unwrap();
    north.write_removal(&scan, &released("ada")).await?;
    assert_eq!(south.find_sibling_owner(&account("1")).await?, None);
    assert_eq!(claim(&south, "joe", "1").await?, AccountClaim::OwnedBy(anchor("ada")));

    let period = minute(NOW.plus(600));
    let mut later = south.lease_user(anchor("joe").hash(), "worker", period).await?.unwrap();
    assert!(matches!(south.claim_account(&mut later, &matched("1")).await?, AccountClaim::Owned(_)));
    Ok(())
}

#[tokio::test]
async fn account_id_of_another_target_is_another_account() -> Result<(), StoreError> {
    let place = Place::new().await;
    let [north, _] = siblings(&place).await?;
    for (name, user) in [("east", "eve"), ("west", "bob")] {
        let store = place.table().connection(name);
        let scan = scan(&store).await;
        store.bind_target(&scan, &TargetIdentity::new("https://two.test", "test")).await?;
        want(&store, &scan, user, present(user)).await;
    }
    let east = place.table().connection("east");
    assert!(matches!(claim(&north, "ada", "1").await?, AccountClaim::Owned(_)));
    assert!(matches!(claim(&east, "eve", "1").await?, AccountClaim::Owned(_)));
    Ok(())
}
