//! What was done for a user, and with which result.

use model::{AccountId, AnchorHash, UnixSeconds, Version};
use serde::{Deserialize, Serialize};

use crate::Store;
use crate::errors::StoreError;
use crate::item::{Reader, json, number};
use crate::keys::{EVENT_PREFIX, EXPIRES_AT};
use crate::query::{From, Part};
use crate::write::Write;

/// One thing that was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEvent {
    /// When.
    pub at: UnixSeconds,
    /// Which scan had asked for it.
    pub version: Version,
    /// What was done, as a word: `create`, `update`, `deprovision` …
    pub action: String,
    /// Why, if that is not plain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// What came of it.
    pub result: String,
    /// To which account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
}

const EVENT: &str = "event";
const DAY: i64 = 24 * 60 * 60;

impl Store {
    /// The write that remembers an event until it expires.
    pub(crate) fn event(
        &self,
        hash: &AnchorHash,
        event: &HistoryEvent,
        attempt: u32,
    ) -> Result<Write, StoreError> {
        let key = self.keys.event(hash, event.at, event.version, attempt);
        let expires_at = event.at.plus(i64::from(self.history_days) * DAY);
        Ok(Write::put(key.clone()).set(EVENT, json(&key, event)?).set(EXPIRES_AT, number(expires_at.0)))
    }

    /// What was done for a user, the newest first.
    pub async fn fetch_history(
        &self,
        hash: AnchorHash,
        limit: usize,
    ) -> Result<Vec<HistoryEvent>, StoreError> {
        let part = Part::Prefix(EVENT_PREFIX.to_owned());
        let query = self.range(From::Items, &self.keys.record(&hash).pk, &part).scan_index_forward(false);
        let items = self.items(query, limit).await?;
        let events = items.iter().map(|item| {
            let read = Reader::new(item);
            read.required(EVENT, read.json(EVENT)?)
        });
        events.collect()
    }
}
