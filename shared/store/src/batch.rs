//! Batch requests. What the service leaves unprocessed is requested again, with growing pauses.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::batch_get_item::BatchGetItemOutput;
use aws_sdk_dynamodb::operation::batch_write_item::BatchWriteItemOutput;
use aws_sdk_dynamodb::types::{KeysAndAttributes, WriteRequest};

use crate::Store;
use crate::errors::{Result, StoreError, classify, incomplete};
use crate::item::TableItem;
use crate::keys::ItemKey;
use crate::meter::COUNTED;
use crate::retry_throttled::{batch_backoff, retry_throttled};
use crate::write::ItemWrite;

/// The most keys that one `BatchGetItem` takes.
pub(crate) const GET_CHUNK: usize = 100;
/// The most items that one `BatchWriteItem` takes.
pub(crate) const WRITE_CHUNK: usize = 25;

const GET: &str = "read many items (BatchGetItem)";
const WRITE: &str = "write many items (BatchWriteItem)";

impl Store {
    /// Up to [`GET_CHUNK`] items, consistently, in no order.
    pub(crate) async fn get_chunk(&self, keys: &[ItemKey]) -> Result<Vec<TableItem>> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let mut items = Vec::with_capacity(keys.len());
        let mut left: Vec<_> = keys.iter().map(ItemKey::attributes).collect();
        let mut pauses = batch_backoff();
        loop {
            let wanted = KeysAndAttributes::builder().set_keys(Some(left)).consistent_read(true).build();
            let wanted = wanted.map_err(incomplete(GET))?;
            let found = retry_throttled(|| self.get_once(wanted.clone())).await?;
            let mut by_table = found.responses.unwrap_or_default();
            let got = by_table.remove(&self.table).unwrap_or_default();
            // Large items take several responses. Only an empty response means that the table is throttled.
            if !got.is_empty() {
                pauses = batch_backoff();
            }
            items.extend(got);
            let unread = found.unprocessed_keys.unwrap_or_default().remove(&self.table);
            left = match unread {
                Some(unread) if !unread.keys.is_empty() => unread.keys,
                _ => return Ok(items),
            };
            let Some(pause) = pauses.next() else { return Err(StoreError::Throttled(GET)) };
            tokio::time::sleep(pause).await;
        }
    }

    /// Up to [`WRITE_CHUNK`] puts and deletions without conditions, each for itself.
    pub(crate) async fn write_chunk(&self, writes: &[ItemWrite]) -> Result<()> {
        let mut left: Vec<_> = writes.iter().map(|write| write.in_batch(WRITE)).collect::<Result<_>>()?;
        let mut pauses = batch_backoff();
        while !left.is_empty() {
            let requests = HashMap::from([(self.table.clone(), left)]);
            let done = retry_throttled(|| self.write_once(requests.clone())).await?;
            left = done.unprocessed_items.unwrap_or_default().remove(&self.table).unwrap_or_default();
            if left.is_empty() {
                break;
            }
            let Some(pause) = pauses.next() else { return Err(StoreError::Throttled(WRITE)) };
            tokio::time::sleep(pause).await;
        }
        Ok(())
    }

    async fn get_once(&self, wanted: KeysAndAttributes) -> Result<BatchGetItemOutput> {
        let request = self.client.batch_get_item().request_items(&self.table, wanted);
        let sent = request.return_consumed_capacity(COUNTED).send().await;
        let found = sent.map_err(|error| classify(GET, &self.table, &error))?;
        self.meter.read(found.consumed_capacity());
        Ok(found)
    }

    async fn write_once(&self, requests: HashMap<String, Vec<WriteRequest>>) -> Result<BatchWriteItemOutput> {
        let request = self.client.batch_write_item().set_request_items(Some(requests));
        let sent = request.return_consumed_capacity(COUNTED).send().await;
        let done = sent.map_err(|error| classify(WRITE, &self.table, &error))?;
        self.meter.write(done.consumed_capacity());
        Ok(done)
    }
}
