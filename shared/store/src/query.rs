//! Reading single items and ranges.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::query::QueryOutput;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;

use crate::Store;
use crate::errors::{StoreError, classify};
use crate::item::{TableItem, text};
use crate::keys::{DN_INDEX, DN_PK, ItemKey, PK, SK, WORK_INDEX, WORK_PK, WORK_SK};
use crate::meter::COUNTED;
use crate::retry_throttled::retry_throttled;

/// Where a range is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QuerySource {
    /// The table, consistently.
    Items,
    /// The table as it is or was a moment ago, for half the price.
    ItemsLately,
    /// The index of records that are not settled; an index can't be read consistently.
    Work,
    /// The index of records by where their entries are.
    Dn,
}

/// How fresh an item has to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Consistency {
    Strong,
    Eventual,
}

/// Which part of a partition is read.
#[derive(Clone, Debug)]
pub(crate) enum KeyRange {
    All,
    /// Sort keys that begin so.
    Prefix(String),
    /// Sort keys from the first to the second, both included.
    Between(String, String),
}

const QUERY: &str = "read a range (Query)";
const GET: &str = "read an item (GetItem)";

impl Store {
    /// One item, consistently.
    pub(crate) async fn get(&self, key: &ItemKey) -> Result<Option<TableItem>, StoreError> {
        retry_throttled(|| self.get_item(key, Consistency::Strong)).await
    }

    /// One item as it is or was a moment ago, for half the price.
    pub(crate) async fn get_lately(&self, key: &ItemKey) -> Result<Option<TableItem>, StoreError> {
        retry_throttled(|| self.get_item(key, Consistency::Eventual)).await
    }

    async fn get_item(
        &self,
        key: &ItemKey,
        consistency: Consistency,
    ) -> Result<Option<TableItem>, StoreError> {
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

    /// The beginnings of a query, to which paging and projection may be added.
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
    ) -> Result<QueryOutput, StoreError> {
        let query = query.set_exclusive_start_key(after);
        retry_throttled(|| self.query_once(query.clone())).await
    }

    async fn query_once(&self, query: QueryFluentBuilder) -> Result<QueryOutput, StoreError> {
        let sent = query.return_consumed_capacity(COUNTED).send().await;
        let found = sent.map_err(|error| classify(QUERY, &self.table, &error))?;
        self.meter.read(&found.consumed_capacity);
        Ok(found)
    }

    /// All items of a query, up to a limit.
    pub(crate) async fn items(
        &self,
        query: QueryFluentBuilder,
        limit: usize,
    ) -> Result<Vec<TableItem>, StoreError> {
        let mut items = Vec::new();
        let mut after = None;
        loop {
            let left = limit.saturating_sub(items.len());
            // More than a thousand don't fit a page of 1 MB anyway where it matters.
            let query = match i32::try_from(left) {
                Ok(few) if few <= 1_000 => query.clone().limit(few.max(1)),
                _ => query.clone(),
            };
            let page = self.page(query, after).await?;
            items.extend(page.items.unwrap_or_default());
            after = page.last_evaluated_key;
            if after.is_none() || items.len() >= limit {
                items.truncate(limit);
                return Ok(items);
            }
        }
    }
}
