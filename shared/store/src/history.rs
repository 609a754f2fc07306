//! What was done for a user, and with which result.

use model::{AccountId, AnchorHash, Desired, Managed, ScanVersion, UnixSeconds, UserName, UserRecord, Value};
use serde::{Deserialize, Serialize};

use crate::Store;
use crate::errors::StoreError;
use crate::item::{ItemReader, json, number};
use crate::keys::{EVENT_PREFIX, EXPIRES_AT};
use crate::query::{KeyRange, QuerySource};
use crate::write::ItemWrite;

/// One thing that was done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEvent {
    /// When.
    pub at: UnixSeconds,
    /// Which scan had asked for it.
    pub version: ScanVersion,
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
pub(crate) const DAY: i64 = 24 * 60 * 60;

impl Store {
    /// The write that remembers an event until it expires.
    pub(crate) fn event(
        &self,
        user: &UserRecord,
        event: &HistoryEvent,
        attempt: u32,
    ) -> Result<ItemWrite, StoreError> {
        let key = self.keys.event(&user.anchor.hash(), event.at, event.version, attempt);
        let expires_at = event.at.plus(i64::from(self.history_days) * DAY);
        let event = json(&key, &impersonal(event, user))?;
        Ok(ItemWrite::put(key).set(EVENT, event).set(EXPIRES_AT, number(expires_at.0)))
    }

    /// What was done for a user, the newest first.
    pub async fn fetch_history(
        &self,
        hash: AnchorHash,
        limit: usize,
    ) -> Result<Vec<HistoryEvent>, StoreError> {
        self.fetch_history_before(hash, None, limit).await
    }

    /// What was done for a user before some moment, the newest first.
    pub async fn fetch_history_before(
        &self,
        hash: AnchorHash,
        before: Option<UnixSeconds>,
        limit: usize,
    ) -> Result<Vec<HistoryEvent>, StoreError> {
        let part = match before {
            None => KeyRange::Prefix(EVENT_PREFIX.to_owned()),
            // Whatever comes at that moment sorts after its bare number.
            Some(at) => {
                KeyRange::Between(EVENT_PREFIX.to_owned(), format!("{EVENT_PREFIX}{:012}", at.0.max(0)))
            }
        };
        let query =
            self.range(QuerySource::Items, &self.keys.record(&hash).pk, &part).scan_index_forward(false);
        let items = self.items(query, limit).await?;
        let events = items.iter().map(|item| {
            let read = ItemReader::new(item);
            read.required(EVENT, read.json(EVENT)?)
        });
        events.collect()
    }
}

/// The event without the person's own values. What a target said comes without them already; this is the place where
/// it holds for whoever wrote the event. The action is made of the names of attributes, and those are no one's.
fn impersonal(event: &HistoryEvent, user: &UserRecord) -> HistoryEvent {
    let HistoryEvent { at, version, action, reason, result, account } = event;
    let mut values = own_values(user);
    // The longest first: a name must not survive because a part of it was taken out before.
    values.sort_by_key(|value| std::cmp::Reverse(value.len()));
    let clean = |text: &String| values.iter().fold(text.clone(), |text, value| without(&text, value));
    HistoryEvent {
        at: *at,
        version: *version,
        action: action.clone(),
        reason: reason.as_ref().map(clean),
        result: clean(result),
        account: account.clone(),
    }
}

/// Shorter values are common words or codes.
const SHORTEST_VALUE: usize = 3;

fn own_values(user: &UserRecord) -> Vec<&str> {
    let applied = user.link.as_ref().and_then(|link| link.applied.as_ref()?.user_name.as_ref());
    let mut values: Vec<&str> = applied.map(UserName::as_str).into_iter().collect();
    values.extend(user.user_name().map(UserName::as_str));
    if let Some(Desired::Present(desired)) = &user.desired {
        let set = desired.attributes.values().filter_map(|managed| match managed {
            Managed::Set(Value::Text(text)) => Some(text.as_str()),
            _ => None,
        });
        let create_only = desired.create_only.values().filter_map(|value| match value {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        });
        values.extend(set.chain(create_only));
    }
    values.retain(|value| value.chars().count() >= SHORTEST_VALUE);
    values
}

/// The text without a value, where that stands as a word of its own.
fn without(text: &str, value: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(value) {
        let joined_before =
            clean.chars().chain(before.chars()).next_back().is_some_and(char::is_alphanumeric);
        let joined_after = after.chars().next().is_some_and(char::is_alphanumeric);
        clean.push_str(before);
        clean.push_str(if joined_before || joined_after { value } else { "(value)" });
        rest = after;
    }
    clean.push_str(rest);
    clean
}

#[cfg(test)]
mod tests {
    use super::without;

    #[test]
    fn a_value_is_taken_out_as_a_word_and_not_out_of_words() {
        assert_eq!(
            without("'Chief' is no title for a Chief, Chiefly", "Chief"),
            "'(value)' is no title for a (value), Chiefly"
        );
        assert_eq!(without("done", "done"), "(value)");
        assert_eq!(without("abandoned", "done"), "abandoned");
        assert_eq!(without("jo@x.test: taken", "jo@x.test"), "(value): taken");
    }
}
