//! Reads of single items and of ranges.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::query::QueryOutput;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use serde::de::DeserializeOwned;

use crate::Store;
use crate::errors::{Result, classify};
use crate::item::{ItemReader, TableItem, text};
use crate::keys::{DN_INDEX, DN_PK, ItemKey, PK, SK, WORK_INDEX, WORK_PK, WORK_SK};
use crate::meter::COUNTED;
use crate::retry_throttled::retry_throttled;

/// Table or index that a range is read from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QuerySource {
    /// The table, consistently.
    Items,
    /// The table, eventually consistently, for half the cost.
    ItemsLately,
    /// The index of records that are not in sync. An index can't be read consistently.
    Work,
    /// The index of records by DN.
    Dn,
}

/// Consistency of a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Consistency {
    Strong,
    Eventual,
}

/// Range of sort keys within a partition.
#[derive(Clone, Debug)]
pub(crate) enum KeyRange {
    All,
    /// Sort keys with this prefix.
    Prefix(String),
    /// Sort keys between these two, inclusive.
    Between(String, String),
}

const QUERY: &str = "read a range (Query)";
const GET: &str = "read an item (GetItem)";

impl Store {
    /// One item, consistently.
    pub(crate) async fn get(&self, key: &ItemKey) -> Result<Option<TableItem>> {
        retry_throttled(|| self.get_item(key, Consistency::Strong)).await
    }

    /// One item, eventually consistently, for half the cost.
    pub(crate) async fn get_lately(&self, key: &ItemKey) -> Result<Option<TableItem>> {
        retry_throttled(|| self.get_item(key, Consistency::Eventual)).await
    }

    async fn get_item(&self, key: &ItemKey, consistency: Consistency) -> Result<Option<TableItem>> {
        let sent = self
            .client
            .get_item()
            .table_name(&self.table)
            .set_key(Some(key.attributes()))
            .consistent_read(consistency == Consistency::Strong)
            .return_consumed_capacity(COUNTED)
            .send()
            .await;
        let found = sent.map_err(|error| classify(GET, &self.table, &error))?;
        self.meter.read(&found.consumed_capacity);
        Ok(found.item)
    }

    /// A query for a range; the caller may add paging and a projection.
    pub(crate) fn range(&self, from: QuerySource, partition: &str, part: &KeyRange) -> QueryFluentBuilder {
        let (index, pk, sk) = match from {
            QuerySource::Items | QuerySource::ItemsLately => (None, PK, SK),
            QuerySource::Work => (Some(WORK_INDEX), WORK_PK, WORK_SK),
            QuerySource::Dn => (Some(DN_INDEX), DN_PK, SK),
        };
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .set_index_name(index.map(str::to_owned))
            .consistent_read(from == QuerySource::Items)
            .expression_attribute_names("#pk", pk)
            .expression_attribute_values(":pk", text(partition));
        match part {
            KeyRange::All => query.key_condition_expression("#pk = :pk"),
            KeyRange::Prefix(prefix) => query
                .key_condition_expression("#pk = :pk AND begins_with(#sk, :prefix)")
                .expression_attribute_names("#sk", sk)
                .expression_attribute_values(":prefix", text(prefix)),
            KeyRange::Between(first, last) => query
                .key_condition_expression("#pk = :pk AND #sk BETWEEN :first AND :last")
                .expression_attribute_names("#sk", sk)
                .expression_attribute_values(":first", text(first))
                .expression_attribute_values(":last", text(last)),
        }
    }

    /// One page of a query.
    pub(crate) async fn page(
        &self,
        query: QueryFluentBuilder,
        after: Option<HashMap<String, aws_sdk_dynamodb::types::AttributeValue>>,
    ) -> Result<QueryOutput> {
        let query = query.set_exclusive_start_key(after);
        retry_throttled(|| self.query_once(query.clone())).await
    }

    async fn query_once(&self, query: QueryFluentBuilder) -> Result<QueryOutput> {
        let sent = query.return_consumed_capacity(COUNTED).send().await;
        let found = sent.map_err(|error| classify(QUERY, &self.table, &error))?;
        self.meter.read(&found.consumed_capacity);
        Ok(found)
    }

    /// Values of one attribute in a range of items, the newest first.
    pub(crate) async fn newest<T: DeserializeOwned>(
        &self,
        query: QueryFluentBuilder,
        attribute: &str,
        limit: usize,
    ) -> Result<Vec<T>> {
        let items = self.items(query.scan_index_forward(false), limit).await?;
        let values = items.iter().map(|item| {
            let read = ItemReader::new(item);
            read.required(attribute, read.json(attribute)?)
        });
        values.collect()
    }

    /// All items of a query, up to a limit.
    pub(crate) async fn items(&self, query: QueryFluentBuilder, limit: usize) -> Result<Vec<TableItem>> {
        let mut items = Vec::new();
        let mut after = None;
        loop {
            let left = limit.saturating_sub(items.len());
            // Without a limit, a page is 1 MB.
            let most = i32::try_from(left).ok().map(|left| left.max(1));
            let page = self.page(query.clone().set_limit(most), after).await?;
            items.extend(page.items.unwrap_or_default());
            after = page.last_evaluated_key;
            if after.is_none() || items.len() >= limit {
                items.truncate(limit);
                return Ok(items);
            }
        }
    }
}
