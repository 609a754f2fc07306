//! All items of a table.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;

use super::Place;

pub type Item = HashMap<String, AttributeValue>;

/// Every item, by key.
pub async fn items(place: &Place) -> BTreeMap<(String, String), Item> {
    let client = place.client();
    let mut items = BTreeMap::new();
    let mut pages = client.scan().table_name(place.table().name()).into_paginator().send();
    while let Some(page) = pages.next().await {
        for item in page.unwrap().items.unwrap_or_default() {
            items.insert((text(&item, "PK").unwrap(), text(&item, "SK").unwrap()), item);
        }
    }
    items
}

pub fn text(item: &Item, name: &str) -> Option<String> {
    item.get(name).map(|value| value.as_s().unwrap().clone())
}

pub fn number(item: &Item, name: &str) -> Option<i64> {
    item.get(name).map(|value| value.as_n().unwrap().parse().unwrap())
}

/// Checks that each record's items exist, are its own, and expire with it. Returns the number of expiring records.
pub async fn expiring(place: &Place) -> usize {
    let items = items(place).await;
    let records = items.iter().filter(|((_, sk), _)| sk == "record");
    let mut expiring = 0;
    for ((pk, _), record) in records {
        let connection = pk.split_once("#user#").unwrap().0;
        let expires_at = number(record, "expires_at");
        expiring += usize::from(expires_at.is_some());
        let name = text(record, "claimed").map(|name| (format!("{connection}#name#{name}"), "owner".into()));
        let account = text(record, "account").map(|id| (format!("{connection}#accounts"), id));
        for key in [name, account].into_iter().flatten() {
            let item = items.get(&key).unwrap_or_else(|| panic!("{key:?} is missing"));
            assert_eq!(text(item, "anchor"), text(record, "anchor"), "{key:?}");
            assert_eq!(number(item, "expires_at"), expires_at, "{key:?}");
        }
    }
    expiring
}
