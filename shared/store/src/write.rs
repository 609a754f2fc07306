//! Conditional writes: a single one as it is, several as a transaction.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, Delete, Put, ReturnValue, ReturnValuesOnConditionCheckFailure,
    TransactWriteItem, Update,
};

use crate::Store;
use crate::errors::{StoreError, classify, says_too_large};
use crate::item::TableItem;
use crate::keys::ItemKey;
use crate::meter::COUNTED;
use crate::retry_throttled::retry_throttled;

/// Write of one item. In conditions, `#name` is the attribute of that name and `:name` a value passed with the
/// condition.
#[derive(Clone, Debug)]
pub(crate) struct ItemWrite {
    key: ItemKey,
    kind: WriteKind,
    set: Vec<(&'static str, AttributeValue)>,
    remove: BTreeSet<&'static str>,
    add: Vec<(&'static str, AttributeValue)>,
    conditions: Vec<String>,
    values: HashMap<String, AttributeValue>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WriteKind {
    Update,
    Put,
    Delete,
}

impl ItemWrite {
    /// Updates attributes, and creates a missing item.
    pub fn update(key: ItemKey) -> Self {
        Self::new(key, WriteKind::Update)
    }

    /// Writes the whole item.
    pub fn put(key: ItemKey) -> Self {
        Self::new(key, WriteKind::Put)
    }

    /// Deletes the item.
    pub fn delete(key: ItemKey) -> Self {
        Self::new(key, WriteKind::Delete)
    }

    fn new(key: ItemKey, kind: WriteKind) -> Self {
        Self {
            key,
            kind,
            set: Vec::new(),
            remove: BTreeSet::new(),
            add: Vec::new(),
            conditions: Vec::new(),
            values: HashMap::new(),
        }
    }

    /// Key of the item.
    pub fn key(&self) -> &ItemKey {
        &self.key
    }

    /// Sets an attribute; a later call wins.
    pub fn set(mut self, name: &'static str, value: AttributeValue) -> Self {
        self.remove.remove(name);
        self.set.retain(|(other, _)| *other != name);
        self.set.push((name, value));
        self
    }

    /// Sets an attribute, or removes it where there is no value.
    pub fn set_or_remove(self, name: &'static str, value: Option<AttributeValue>) -> Self {
        match value {
            Some(value) => self.set(name, value),
            None => self.remove(name),
        }
    }

    /// Removes an attribute.
    pub fn remove(mut self, name: &'static str) -> Self {
        self.set.retain(|(other, _)| *other != name);
        self.remove.insert(name);
        self
    }

    /// Increments a number that starts at 0.
    pub fn bump(self, name: &'static str) -> Self {
        self.add(name, 1)
    }

    /// Adds to a number that starts at 0.
    pub fn add(mut self, name: &'static str, amount: i64) -> Self {
        self.add.push((name, AttributeValue::N(amount.to_string())));
        self
    }

    /// Adds a condition; all conditions must hold.
    pub fn only_if<const N: usize>(
        mut self,
        condition: &str,
        values: [(&'static str, AttributeValue); N],
    ) -> Self {
        self.conditions.push(format!("({condition})"));
        self.values.extend(values.into_iter().map(|(name, value)| (format!(":{name}"), value)));
        self
    }

    fn condition(&self) -> Option<String> {
        (!self.conditions.is_empty()).then(|| self.conditions.join(" AND "))
    }

    fn update_expression(&self) -> String {
        let mut clauses = Vec::new();
        if !self.set.is_empty() {
            let parts: Vec<_> = self.set.iter().map(|(name, _)| format!("#{name} = :set_{name}")).collect();
            clauses.push(format!("SET {}", parts.join(", ")));
        }
        if !self.remove.is_empty() {
            let parts: Vec<_> = self.remove.iter().map(|name| format!("#{name}")).collect();
            clauses.push(format!("REMOVE {}", parts.join(", ")));
        }
        if !self.add.is_empty() {
            let parts: Vec<_> = self.add.iter().map(|(name, _)| format!("#{name} :add_{name}")).collect();
            clauses.push(format!("ADD {}", parts.join(", ")));
        }
        clauses.join(" ")
    }

    /// Aliases of all attributes. Every name is aliased, because some are reserved words.
    fn names(&self) -> Option<HashMap<String, String>> {
        let mut names = HashMap::new();
        let mut add = |name: &str| names.insert(format!("#{name}"), name.to_owned());
        if self.kind == WriteKind::Update {
            let changed = self.set.iter().chain(&self.add).map(|(name, _)| name);
            changed.chain(&self.remove).for_each(|name| {
                add(name);
            });
        }
        for condition in &self.conditions {
            for tail in condition.split('#').skip(1) {
                let end = tail.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(tail.len());
                add(tail.get(..end).unwrap_or_default());
            }
        }
        (!names.is_empty()).then_some(names)
    }

    fn expression_values(&self) -> Option<HashMap<String, AttributeValue>> {
        let mut values = self.values.clone();
        if self.kind == WriteKind::Update {
            values.extend(self.set.iter().map(|(name, value)| (format!(":set_{name}"), value.clone())));
            values.extend(self.add.iter().map(|(name, value)| (format!(":add_{name}"), value.clone())));
        }
        (!values.is_empty()).then_some(values)
    }

    fn item(&self) -> TableItem {
        let mut item = self.key.attributes();
        item.extend(self.set.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        item
    }

    fn in_transaction(&self, table: &str) -> Result<TransactWriteItem, StoreError> {
        const OLD: ReturnValuesOnConditionCheckFailure = ReturnValuesOnConditionCheckFailure::AllOld;
        let incomplete = |_| StoreError::Refused { action: TRANSACT, code: "incomplete".to_owned() };
        let item = TransactWriteItem::builder();
        Ok(match self.kind {
            WriteKind::Update => item.update(
                Update::builder()
                    .table_name(table)
                    .set_key(Some(self.key.attributes()))
                    .update_expression(self.update_expression())
                    .set_condition_expression(self.condition())
                    .set_expression_attribute_names(self.names())
                    .set_expression_attribute_values(self.expression_values())
                    .return_values_on_condition_check_failure(OLD)
                    .build()
                    .map_err(incomplete)?,
            ),
            WriteKind::Put => item.put(
                Put::builder()
                    .table_name(table)
                    .set_item(Some(self.item()))
                    .set_condition_expression(self.condition())
                    .set_expression_attribute_names(self.names())
                    .set_expression_attribute_values(self.expression_values())
                    .return_values_on_condition_check_failure(OLD)
                    .build()
                    .map_err(incomplete)?,
            ),
            WriteKind::Delete => item.delete(
                Delete::builder()
                    .table_name(table)
                    .set_key(Some(self.key.attributes()))
                    .set_condition_expression(self.condition())
                    .set_expression_attribute_names(self.names())
                    .set_expression_attribute_values(self.expression_values())
                    .return_values_on_condition_check_failure(OLD)
                    .build()
                    .map_err(incomplete)?,
            ),
        }
        .build())
    }
}

const TRANSACT: &str = "write several items together (TransactWriteItems)";
const UPDATE: &str = "update an item (UpdateItem)";
const PUT: &str = "write an item (PutItem)";
const DELETE: &str = "delete an item (DeleteItem)";

/// Result of one write's condition.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ConditionResult {
    /// The condition held.
    Held,
    /// The condition failed; the stored item.
    Refused(Option<TableItem>),
}

impl ConditionResult {
    pub fn is_refused(&self) -> bool {
        matches!(self, Self::Refused(_))
    }
}

/// Result of a set of writes: all are written, or none.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum CommitResult {
    /// All were written.
    Done,
    /// None was written, because conditions failed; in the order of the writes.
    Refused(Vec<ConditionResult>),
}

/// Result of a single update.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum UpdateResult {
    /// The item after the update.
    Now(TableItem),
    /// The condition failed; the stored item.
    Refused(Option<TableItem>),
}

impl Store {
    /// Writes all or nothing. A single write is not sent as a transaction, which costs twice as much.
    pub(crate) async fn commit(&self, writes: &[ItemWrite]) -> Result<CommitResult, StoreError> {
        match writes {
            [] => Ok(CommitResult::Done),
            [single] => {
                let verdict = match single.kind {
                    WriteKind::Update => match self.update(single, ReturnValue::None).await? {
                        UpdateResult::Now(_) => ConditionResult::Held,
                        UpdateResult::Refused(item) => ConditionResult::Refused(item),
                    },
                    WriteKind::Put => retry_throttled(|| self.put(single)).await?,
                    WriteKind::Delete => retry_throttled(|| self.delete(single)).await?,
                };
                Ok(match verdict {
                    ConditionResult::Held => CommitResult::Done,
                    refused => CommitResult::Refused(vec![refused]),
                })
            }
            several => self.transact(several).await,
        }
    }

    /// One update; returns the item as it is afterwards.
    pub(crate) async fn update_and_read(&self, write: &ItemWrite) -> Result<UpdateResult, StoreError> {
        self.update(write, ReturnValue::AllNew).await
    }

    async fn update(&self, write: &ItemWrite, answer: ReturnValue) -> Result<UpdateResult, StoreError> {
        retry_throttled(|| self.update_once(write, answer.clone())).await
    }

    async fn update_once(&self, write: &ItemWrite, answer: ReturnValue) -> Result<UpdateResult, StoreError> {
        let sent = self
            .client
            .update_item()
            .table_name(&self.table)
            .set_key(Some(write.key.attributes()))
            .update_expression(write.update_expression())
            .set_condition_expression(write.condition())
            .set_expression_attribute_names(write.names())
            .set_expression_attribute_values(write.expression_values())
            .return_values(answer)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(COUNTED)
            .send()
            .await;
        match sent {
            Ok(done) => {
                self.meter.write(&done.consumed_capacity);
                Ok(UpdateResult::Now(done.attributes.unwrap_or_default()))
            }
            Err(SdkError::ServiceError(service)) => match service.into_err() {
                UpdateItemError::ConditionalCheckFailedException(failed) => {
                    Ok(UpdateResult::Refused(failed.item))
                }
                other => Err(self.single_failure(UPDATE, &write.key, other)),
            },
            Err(error) => Err(classify(UPDATE, &self.table, &error)),
        }
    }

    async fn put(&self, write: &ItemWrite) -> Result<ConditionResult, StoreError> {
        let sent = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(write.item()))
            .set_condition_expression(write.condition())
            .set_expression_attribute_names(write.names())
            .set_expression_attribute_values(write.expression_values())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(COUNTED)
            .send()
            .await;
        match sent {
            Ok(done) => {
                self.meter.write(&done.consumed_capacity);
                Ok(ConditionResult::Held)
            }
            Err(SdkError::ServiceError(service)) => match service.into_err() {
                PutItemError::ConditionalCheckFailedException(failed) => {
                    Ok(ConditionResult::Refused(failed.item))
                }
                other => Err(self.single_failure(PUT, &write.key, other)),
            },
            Err(error) => Err(classify(PUT, &self.table, &error)),
        }
    }

    async fn delete(&self, write: &ItemWrite) -> Result<ConditionResult, StoreError> {
        let sent = self
            .client
            .delete_item()
            .table_name(&self.table)
            .set_key(Some(write.key.attributes()))
            .set_condition_expression(write.condition())
            .set_expression_attribute_names(write.names())
            .set_expression_attribute_values(write.expression_values())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
            .return_consumed_capacity(COUNTED)
            .send()
            .await;
        match sent {
            Ok(done) => {
                self.meter.write(&done.consumed_capacity);
                Ok(ConditionResult::Held)
            }
            Err(SdkError::ServiceError(service)) => match service.into_err() {
                DeleteItemError::ConditionalCheckFailedException(failed) => {
                    Ok(ConditionResult::Refused(failed.item))
                }
                other => Err(self.single_failure(DELETE, &write.key, other)),
            },
            Err(error) => Err(classify(DELETE, &self.table, &error)),
        }
    }

    /// All or nothing, as a transaction also for a single write. DynamoDB recognises a repeated transaction, so a retry
    /// after a lost response succeeds instead of failing on its own first attempt.
    pub(crate) async fn transact(&self, writes: &[ItemWrite]) -> Result<CommitResult, StoreError> {
        if writes.is_empty() {
            return Ok(CommitResult::Done);
        }
        let items: Vec<_> =
            writes.iter().map(|write| write.in_transaction(&self.table)).collect::<Result<_, _>>()?;
        retry_throttled(|| self.transact_once(writes, items.clone())).await
    }

    async fn transact_once(
        &self,
        writes: &[ItemWrite],
        items: Vec<TransactWriteItem>,
    ) -> Result<CommitResult, StoreError> {
        let request = self.client.transact_write_items().set_transact_items(Some(items));
        match request.return_consumed_capacity(COUNTED).send().await {
            Ok(done) => {
                self.meter.write(done.consumed_capacity());
                Ok(CommitResult::Done)
            }
            Err(SdkError::ServiceError(service)) => match service.into_err() {
                TransactWriteItemsError::TransactionCanceledException(cancelled) => {
                    self.cancelled(writes, cancelled.cancellation_reasons.unwrap_or_default())
                }
                other => Err(self.service_failure(TRANSACT, other)),
            },
            Err(error) => Err(classify(TRANSACT, &self.table, &error)),
        }
    }

    /// Meaning of a cancelled transaction: failed conditions, a mistake, or a collision that can be retried.
    fn cancelled(
        &self,
        writes: &[ItemWrite],
        reasons: Vec<CancellationReason>,
    ) -> Result<CommitResult, StoreError> {
        let has = |code: &str| reasons.iter().any(|reason| reason.code() == Some(code));
        if has("ConditionalCheckFailed") {
            let verdict = |reason: CancellationReason| match reason.code() {
                Some("ConditionalCheckFailed") => ConditionResult::Refused(reason.item),
                _ => ConditionResult::Held,
            };
            return Ok(CommitResult::Refused(reasons.into_iter().map(verdict).collect()));
        }
        for (write, reason) in writes.iter().zip(&reasons) {
            match reason.code() {
                Some(
                    "None"
                    | "TransactionConflict"
                    | "ThrottlingError"
                    | "ProvisionedThroughputExceeded"
                    | "RequestLimitExceeded",
                )
                | None => {}
                Some(_) if says_too_large(reason.message()) => {
                    return Err(StoreError::TooLarge { key: write.key.to_string() });
                }
                Some(code) => {
                    return Err(StoreError::Refused { action: TRANSACT, code: code.to_owned() });
                }
            }
        }
        Err(StoreError::Throttled { action: TRANSACT })
    }

    fn single_failure<E: ProvideErrorMetadata>(
        &self,
        action: &'static str,
        key: &ItemKey,
        error: E,
    ) -> StoreError {
        match self.service_failure(action, error) {
            StoreError::TooLarge { .. } => StoreError::TooLarge { key: key.to_string() },
            other => other,
        }
    }

    fn service_failure<E: ProvideErrorMetadata>(&self, action: &'static str, error: E) -> StoreError {
        classify(action, &self.table, &SdkError::service_error(error, ()))
    }
}
