//! History of a user: actions and their results.

use model::{AccountId, AnchorHash, Desired, Managed, ScanVersion, UnixSeconds, UserName, UserRecord, Value};
use serde::{Deserialize, Serialize};

use crate::Store;
use crate::errors::Result;
use crate::item::{json, number};
use crate::keys::{EVENT_PREFIX, EXPIRES_AT, event_sk};
use crate::query::{KeyRange, QuerySource};
use crate::user_lease::UserLease;
use crate::write::ItemWrite;

/// One action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEvent {
    /// Time of the action.
    pub at: UnixSeconds,
    /// Scan that requested it.
    pub version: ScanVersion,
    /// The action: `create`, `update`, `deprovision` …
    pub action: String,
    /// Reason, where the action alone does not show it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Result.
    pub result: String,
    /// Account at the target.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
}

const EVENT: &str = "event";
pub(crate) const DAY: i64 = 24 * 60 * 60;

impl Store {
    /// The write that stores an event until it expires.
    pub(crate) fn event(&self, lease: &UserLease, event: &HistoryEvent) -> Result<ItemWrite> {
        let user = &lease.record;
        let key = self.keys.event(&user.anchor.hash(), event_sk(event.at, lease.number));
        let expires_at = event.at.plus(i64::from(self.history_days) * DAY);
        let event = json(&key, &impersonal(event, user))?;
        Ok(ItemWrite::put(key).set(EVENT, event).set(EXPIRES_AT, number(expires_at.0)))
    }

    /// Events of a user, newest first; with a time, only earlier ones.
    pub async fn fetch_history(
        &self,
        hash: AnchorHash,
        before: Option<UnixSeconds>,
        limit: usize,
    ) -> Result<Vec<HistoryEvent>> {
        let part = match before {
            None => KeyRange::Prefix(EVENT_PREFIX.to_owned()),
            // Events at that time sort after its bare number.
            Some(at) => {
                KeyRange::Between(EVENT_PREFIX.to_owned(), format!("{EVENT_PREFIX}{:012}", at.0.max(0)))
            }
        };
        let query = self.range(QuerySource::Items, &self.keys.record(&hash).pk, &part);
        self.newest(query, EVENT, limit).await
    }
}

/// The event without the user's own values. A target's messages are masked already; here it holds for every writer. The
/// action consists of attribute names, which are not personal.
fn impersonal(event: &HistoryEvent, user: &UserRecord) -> HistoryEvent {
    let HistoryEvent { at, version, action, reason, result, account } = event;
    let mut values = own_values(user);
    // Longest first: a value must not survive because a part of it was removed before.
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

/// Shorter values are common words or codes, and stay. So do numbers of this length, such as a department: with them the
/// status of a response would be replaced.
const SHORTEST_VALUE: usize = 3;

fn own_values(user: &UserRecord) -> Vec<&str> {
    let applied = user.link.as_ref().and_then(|link| link.applied.as_ref()?.user_name.as_ref());
    let names = applied.into_iter().chain(user.user_name());
    let mut values: Vec<&str> = names.map(UserName::as_str).collect();
    if let Some(Desired::Present(desired)) = &user.desired {
        let set = desired.attributes.values().filter_map(|managed| match managed {
            Managed::Set(value) => Some(value),
            Managed::Clear => None,
        });
        values.extend(set.chain(desired.create_only.values()).filter_map(|value| match value {
            Value::Text(text) => Some(text.as_str()),
            _ => None,
        }));
    }
    values.retain(|value| {
        let length = value.chars().count();
        length > SHORTEST_VALUE
            || (length == SHORTEST_VALUE && !value.bytes().all(|byte| byte.is_ascii_digit()))
    });
    values
}

/// The text without a value, where the value stands as a whole word.
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
    fn value_is_masked_as_a_whole_word() {
        assert_eq!(
            without("'Chief' is no title for a Chief, Chiefly", "Chief"),
            "'(value)' is no title for a (value), Chiefly"
        );
        assert_eq!(without("done", "done"), "(value)");
        assert_eq!(without("abandoned", "done"), "abandoned");
        assert_eq!(without("jo@x.test: taken", "jo@x.test"), "(value): taken");
    }
}
