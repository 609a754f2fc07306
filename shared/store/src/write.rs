//! Conditional writes: a single one as it is, several as a transaction.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{
    AttributeValue, CancellationReason, Delete, DeleteRequest, Put, PutRequest, ReturnValue,
    ReturnValuesOnConditionCheckFailure, TransactWriteItem, Update, WriteRequest,
};

use crate::Store;
use crate::errors::{Result, StoreError, classify, incomplete, says_too_large};
use crate::item::{TableItem, number};
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
    set_if_absent: Vec<(&'static str, AttributeValue)>,
    remove: BTreeSet<&'static str>,
    bump: Vec<&'static str>,
    conditions: Vec<String>,
    values: HashMap<String, AttributeValue>,
}

/// Sets the parts that all of the SDK's builders of conditional writes have; the builders share no trait.
macro_rules! conditional {
    ($builder:expr, $table:expr, $write:expr) => {
        $builder
            .table_name($table)
            .set_condition_expression($write.condition())
            .set_expression_attribute_names($write.names())
            .set_expression_attribute_values($write.expression_values())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    };
}

/// Sends a single write. `Ok(Err(…))` is the refusal by its condition.
macro_rules! send {
    ($store:expr, $write:expr, $action:expr, $error:ident, $request:expr) => {{
        let request = conditional!($request, &$store.table, $write);
        match request.return_consumed_capacity(COUNTED).send().await {
            Ok(done) => {
                $store.meter.write(&done.consumed_capacity);
                Ok(Ok(done))
            }
            Err(SdkError::ServiceError(service)) => match service.into_err() {
                $error::ConditionalCheckFailedException(failed) => Ok(Err(failed.item)),
                other => Err($store.single_failure($action, &$write.key, other)),
            },
            Err(error) => Err(classify($action, &$store.table, &error)),
        }
    }};
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

    pub fn put(key: ItemKey) -> Self {
        Self::new(key, WriteKind::Put)
    }

    pub fn delete(key: ItemKey) -> Self {
        Self::new(key, WriteKind::Delete)
    }

    fn new(key: ItemKey, kind: WriteKind) -> Self {
        Self {
            key,
            kind,
            set: Vec::new(),
            set_if_absent: Vec::new(),
            remove: BTreeSet::new(),
            bump: Vec::new(),
            conditions: Vec::new(),
            values: HashMap::new(),
        }
    }

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

    /// Sets an attribute that the stored item lacks.
    pub fn set_if_absent(mut self, name: &'static str, value: AttributeValue) -> Self {
        self.set_if_absent.push((name, value));
        self
    }

    /// Sets an attribute, or removes it where there is no value.
    pub fn set_or_remove(self, name: &'static str, value: Option<AttributeValue>) -> Self {
        match value {
            Some(value) => self.set(name, value),
            None => self.remove(name),
        }
    }

    pub fn remove(mut self, name: &'static str) -> Self {
        self.set.retain(|(other, _)| *other != name);
        self.remove.insert(name);
        self
    }

    pub fn remove_all(self, names: impl IntoIterator<Item = &'static str>) -> Self {
        names.into_iter().fold(self, Self::remove)
    }

    /// Increments a number that starts at 0.
    pub fn bump(mut self, name: &'static str) -> Self {
        self.bump.push(name);
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
        let absent = self
            .set_if_absent
            .iter()
            .map(|(name, _)| format!("#{name} = if_not_exists(#{name}, :set_{name})"));
        let set = self.set.iter().map(|(name, _)| format!("#{name} = :set_{name}")).chain(absent).collect();
        let remove = self.remove.iter().map(|name| format!("#{name}")).collect();
        let bump = self.bump.iter().map(|name| format!("#{name} :one")).collect();
        let clauses: [(&str, Vec<String>); 3] = [("SET", set), ("REMOVE", remove), ("ADD", bump)];
        let clauses = clauses.iter().filter(|(_, parts)| !parts.is_empty());
        clauses.map(|(word, parts)| format!("{word} {}", parts.join(", "))).collect::<Vec<_>>().join(" ")
    }

    /// Aliases of all attributes. Every name is aliased, because some are reserved words.
    fn names(&self) -> Option<HashMap<String, String>> {
        let changed = self
            .set
            .iter()
            .chain(&self.set_if_absent)
            .map(|(name, _)| name)
            .chain(&self.remove)
            .chain(&self.bump);
        let changed = changed.copied().filter(|_| self.kind == WriteKind::Update);
        let conditions = self.conditions.iter().flat_map(|condition| condition.split('#').skip(1));
        let conditions =
            conditions.filter_map(|tail| tail.split(|c: char| !c.is_alphanumeric() && c != '_').next());
        let names: HashMap<_, _> =
            changed.chain(conditions).map(|name| (format!("#{name}"), name.to_owned())).collect();
        (!names.is_empty()).then_some(names)
    }

    fn expression_values(&self) -> Option<HashMap<String, AttributeValue>> {
        let mut values = self.values.clone();
        if self.kind == WriteKind::Update {
            let set = self.set.iter().chain(&self.set_if_absent);
            values.extend(set.map(|(name, value)| (format!(":set_{name}"), value.clone())));
            if !self.bump.is_empty() {
                values.insert(":one".to_owned(), number(1));
            }
        }
        (!values.is_empty()).then_some(values)
    }

    fn item(&self) -> TableItem {
        let mut item = self.key.attributes();
        item.extend(self.set.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
        item
    }

    /// The write in a batch, which takes neither conditions nor updates.
    pub fn in_batch(&self, action: &'static str) -> Result<WriteRequest> {
        let request = WriteRequest::builder();
        let request = match self.kind {
            WriteKind::Put => {
                let put = PutRequest::builder().set_item(Some(self.item()));
                request.put_request(put.build().map_err(incomplete(action))?)
            }
            WriteKind::Delete => {
                let delete = DeleteRequest::builder().set_key(Some(self.key.attributes()));
                request.delete_request(delete.build().map_err(incomplete(action))?)
            }
            WriteKind::Update => return Err(incomplete(action)(())),
        };
        Ok(request.build())
    }

    fn in_transaction(&self, table: &str) -> Result<TransactWriteItem> {
        let (item, key) = (TransactWriteItem::builder(), Some(self.key.attributes()));
        let item = match self.kind {
            WriteKind::Update => {
                let update = Update::builder().set_key(key).update_expression(self.update_expression());
                item.update(conditional!(update, table, self).build().map_err(incomplete(TRANSACT))?)
            }
            WriteKind::Put => {
                let put = Put::builder().set_item(Some(self.item()));
                item.put(conditional!(put, table, self).build().map_err(incomplete(TRANSACT))?)
            }
            WriteKind::Delete => {
                let delete = Delete::builder().set_key(key);
                item.delete(conditional!(delete, table, self).build().map_err(incomplete(TRANSACT))?)
            }
        };
        Ok(item.build())
    }
}

const TRANSACT: &str = "write several items together (TransactWriteItems)";
const UPDATE: &str = "update an item (UpdateItem)";
const PUT: &str = "write an item (PutItem)";
const DELETE: &str = "delete an item (DeleteItem)";

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ConditionResult {
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
    Done,
    /// None was written, because conditions failed; in the order of the writes.
    Refused(Vec<ConditionResult>),
}

impl CommitResult {
    pub fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }

    /// The stored item that made the condition of the first write fail, if the answer shows it.
    pub fn into_first_item(self) -> Option<TableItem> {
        match self {
            Self::Done => None,
            Self::Refused(results) => match results.into_iter().next() {
                Some(ConditionResult::Refused(item)) => item,
                _ => None,
            },
        }
    }
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
    pub(crate) async fn commit(&self, writes: &[ItemWrite]) -> Result<CommitResult> {
        match writes {
            [] => Ok(CommitResult::Done),
            [single] => Ok(match retry_throttled(|| self.write_single(single)).await? {
                ConditionResult::Held => CommitResult::Done,
                refused => CommitResult::Refused(vec![refused]),
            }),
            several => self.transact(several).await,
        }
    }

    /// One update; returns the item as it is afterwards.
    pub(crate) async fn update_and_read(&self, write: &ItemWrite) -> Result<UpdateResult> {
        retry_throttled(|| self.update(write, ReturnValue::AllNew)).await
    }

    async fn update(&self, write: &ItemWrite, answer: ReturnValue) -> Result<UpdateResult> {
        let request = self.client.update_item().set_key(Some(write.key.attributes()));
        let request = request.update_expression(write.update_expression()).return_values(answer);
        Ok(match send!(self, write, UPDATE, UpdateItemError, request)? {
            Ok(done) => UpdateResult::Now(done.attributes.unwrap_or_default()),
            Err(item) => UpdateResult::Refused(item),
        })
    }

    async fn write_single(&self, write: &ItemWrite) -> Result<ConditionResult> {
        let refused = match write.kind {
            WriteKind::Update => match self.update(write, ReturnValue::None).await? {
                UpdateResult::Now(_) => None,
                UpdateResult::Refused(item) => Some(item),
            },
            WriteKind::Put => {
                let request = self.client.put_item().set_item(Some(write.item()));
                send!(self, write, PUT, PutItemError, request)?.err()
            }
            WriteKind::Delete => {
                let request = self.client.delete_item().set_key(Some(write.key.attributes()));
                send!(self, write, DELETE, DeleteItemError, request)?.err()
            }
        };
        Ok(refused.map_or(ConditionResult::Held, ConditionResult::Refused))
    }

    /// All or nothing, as a transaction also for a single write. DynamoDB recognises a repeated transaction, so a retry
    /// after a lost response succeeds instead of failing on its own first attempt.
    pub(crate) async fn transact(&self, writes: &[ItemWrite]) -> Result<CommitResult> {
        let items: Vec<_> =
            writes.iter().map(|write| write.in_transaction(&self.table)).collect::<Result<_, _>>()?;
        retry_throttled(|| self.transact_once(writes, items.clone())).await
    }

    async fn transact_once(
        &self,
        writes: &[ItemWrite],
        items: Vec<TransactWriteItem>,
    ) -> Result<CommitResult> {
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
    fn cancelled(&self, writes: &[ItemWrite], reasons: Vec<CancellationReason>) -> Result<CommitResult> {
        let has = |code: &str| reasons.iter().any(|reason| reason.code() == Some(code));
        if has("ConditionalCheckFailed") {
            let result = |reason: CancellationReason| match reason.code() {
                Some("ConditionalCheckFailed") => ConditionResult::Refused(reason.item),
                _ => ConditionResult::Held,
            };
            return Ok(CommitResult::Refused(reasons.into_iter().map(result).collect()));
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
                    return Err(StoreError::TooLarge(write.key.to_string()));
                }
                Some(code) => {
                    return Err(StoreError::Refused { action: TRANSACT, code: code.to_owned() });
                }
            }
        }
        Err(StoreError::Throttled(TRANSACT))
    }

    fn single_failure<E: ProvideErrorMetadata>(
        &self,
        action: &'static str,
        key: &ItemKey,
        error: E,
    ) -> StoreError {
        match self.service_failure(action, error) {
            StoreError::TooLarge { .. } => StoreError::TooLarge(key.to_string()),
            other => other,
        }
    }

    fn service_failure<E: ProvideErrorMetadata>(&self, action: &'static str, error: E) -> StoreError {
        classify(action, &self.table, &SdkError::service_error(error, ()))
    }
}
