//! Keys of all items. No other module builds a key.

use std::collections::HashMap;
use std::fmt;

use aws_sdk_dynamodb::types::AttributeValue;
use model::{AccountId, AnchorHash, DnKey, ScanVersion, TargetIdentity, UnixSeconds};

pub(crate) const PK: &str = "PK";
pub(crate) const SK: &str = "SK";
/// Index of records that are not in sync.
pub(crate) const WORK_INDEX: &str = "by_work";
/// Its partition key.
pub(crate) const WORK_PK: &str = "work_pk";
/// Its sort key.
pub(crate) const WORK_SK: &str = "work_sk";
/// Index of records by DN.
pub(crate) const DN_INDEX: &str = "by_dn";
/// Its partition key.
pub(crate) const DN_PK: &str = "dn_pk";
/// Time after which DynamoDB may delete an item.
pub(crate) const EXPIRES_AT: &str = "expires_at";

pub(crate) const RECORD: &str = "record";
pub(crate) const HEADER: &str = "header";
pub(crate) const EVENT_PREFIX: &str = "event#";
pub(crate) const SCAN_PREFIX: &str = "scan#";

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct ItemKey {
    pub pk: String,
    pub sk: String,
}

impl ItemKey {
    /// The key as the SDK takes it.
    pub fn attributes(&self) -> HashMap<String, AttributeValue> {
        HashMap::from([
            (PK.to_owned(), AttributeValue::S(self.pk.clone())),
            (SK.to_owned(), AttributeValue::S(self.sk.clone())),
        ])
    }
}

/// For messages. A user name in the key is masked.
impl fmt::Display for ItemKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.pk.split_once("#name#") {
            Some((connection, _)) => write!(f, "'{connection}#name#(a user name)' / '{}'", self.sk),
            None => write!(f, "'{}' / '{}'", self.pk, self.sk),
        }
    }
}

/// The keys of one connection.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionKeys {
    connection: String,
}

impl ConnectionKeys {
    pub fn of(connection: &str) -> Self {
        Self { connection: connection.replace('%', "%25").replace('#', "%23") }
    }

    /// The partition of the `work` index.
    pub fn work(&self) -> String {
        self.connection.clone()
    }

    /// The partition of the `work` index for users in sync with a missing reference.
    pub fn rechecks(&self) -> String {
        format!("{}#rechecks", self.connection)
    }

    pub fn state(&self) -> ItemKey {
        ItemKey { pk: self.connection.clone(), sk: "state".to_owned() }
    }

    pub fn scan(&self, version: ScanVersion) -> ItemKey {
        ItemKey { pk: self.connection.clone(), sk: format!("{SCAN_PREFIX}{:012}", version.0) }
    }

    pub fn breaker(&self) -> ItemKey {
        ItemKey { pk: self.connection.clone(), sk: "breaker".to_owned() }
    }

    pub fn link_drops(&self) -> ItemKey {
        ItemKey { pk: self.connection.clone(), sk: "link_drops".to_owned() }
    }

    pub fn snapshot(&self, sk: &str) -> ItemKey {
        ItemKey { pk: format!("{}#snapshot", self.connection), sk: sk.to_owned() }
    }

    pub fn record(&self, hash: &AnchorHash) -> ItemKey {
        ItemKey { pk: format!("{}#user#{hash}", self.connection), sk: RECORD.to_owned() }
    }

    /// A history event of a user; see [`event_sk`].
    pub fn event(&self, hash: &AnchorHash, sk: String) -> ItemKey {
        ItemKey { pk: self.record(hash).pk, sk }
    }

    pub fn name(&self, folded: &str) -> ItemKey {
        ItemKey { pk: format!("{}#name#{folded}", self.connection), sk: "owner".to_owned() }
    }

    pub fn accounts(&self) -> String {
        format!("{}#accounts", self.connection)
    }

    pub fn account(&self, id: &AccountId) -> ItemKey {
        ItemKey { pk: self.accounts(), sk: id.as_str().to_owned() }
    }

    /// This connection in the list of those with this target.
    pub fn sibling(&self, target: &TargetIdentity) -> ItemKey {
        ItemKey { pk: siblings_of(target), sk: self.connection.clone() }
    }

    /// The claim of an account among the connections with this target.
    pub fn account_claim(&self, target: &TargetIdentity, id: &AccountId) -> ItemKey {
        ItemKey { pk: format!("{}#claims", siblings_of(target)), sk: id.as_str().to_owned() }
    }

    /// Name of the connection in the items of its siblings.
    pub fn connection(&self) -> &str {
        &self.connection
    }

    /// The partition of the users that refer to a DN.
    pub fn references(&self, dn: &DnKey) -> String {
        format!("{}#references#{dn}", self.connection)
    }

    pub fn reference(&self, dn: &DnKey, hash: &AnchorHash) -> ItemKey {
        ItemKey { pk: self.references(dn), sk: hash.to_string() }
    }

    pub fn dn(&self, dn: &DnKey) -> String {
        format!("{}#dn#{dn}", self.connection)
    }

    /// The DN key in a record's `dn_pk`.
    pub fn parse_dn(&self, text: &str) -> Option<DnKey> {
        let key = text.strip_prefix(&self.connection)?.strip_prefix("#dn#")?;
        DnKey::try_from(key.to_owned()).ok()
    }

    /// The user name in the partition key of a name's item.
    pub fn parse_name<'a>(&self, pk: &'a str) -> Option<&'a str> {
        pk.strip_prefix(self.connection.as_str())?.strip_prefix("#name#")
    }

    /// The anchor hash in a record's partition key.
    pub fn parse_record(&self, pk: &str) -> Option<AnchorHash> {
        pk.strip_prefix(&self.connection)?.strip_prefix("#user#")?.parse().ok()
    }
}

/// Partition of the connections with this target. No connection's name begins with `#`.
pub(crate) fn siblings_of(target: &TargetIdentity) -> String {
    format!("#target#{target}")
}

/// Sort key of a history event: time, then number of the user's lease. A user can be provisioned twice in a second, and each
/// lease writes one event.
pub(crate) fn event_sk(at: UnixSeconds, lease_number: u64) -> String {
    format!("{EVENT_PREFIX}{:012}#{lease_number:012}", at.0.max(0))
}

/// Sort key in the `by_work` index: status, then time of the next attempt.
pub(crate) fn work_sk(word: &str, next_attempt: UnixSeconds, hash: &AnchorHash) -> String {
    format!("{word}#{:012}#{hash}", next_attempt.0.max(0))
}

/// Parts of a sort key in the `by_work` index.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct WorkKey<'a> {
    pub word: &'a str,
    /// Time of the next attempt.
    pub at: UnixSeconds,
    pub hash: AnchorHash,
}

impl<'a> WorkKey<'a> {
    pub fn parse(text: &'a str) -> Option<Self> {
        let (word, rest) = text.split_once('#')?;
        let (seconds, hash) = rest.split_once('#')?;
        Some(Self { word, at: UnixSeconds(seconds.parse().ok()?), hash: hash.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connection_keys_do_not_overlap() {
        let (plain, nested) = (ConnectionKeys::of("corp"), ConnectionKeys::of("corp#user"));
        assert_ne!(plain.record(&AnchorHash([1; 16])).pk, nested.state().pk);
        assert_eq!(nested.state().pk, "corp%23user");
    }

    #[test]
    fn keys_round_trip() {
        let (keys, hash) = (ConnectionKeys::of("corp"), AnchorHash([0xab; 16]));
        assert_eq!(keys.parse_record(&keys.record(&hash).pk), Some(hash));
        let dn = DnKey::of("cn=a");
        assert_eq!(keys.parse_dn(&keys.dn(&dn)), Some(dn));
        let sk = work_sk("pending", UnixSeconds(7), &hash);
        assert_eq!(WorkKey::parse(&sk), Some(WorkKey { word: "pending", at: UnixSeconds(7), hash }));
    }

    #[test]
    fn displayed_key_masks_user_name() {
        assert!(!ConnectionKeys::of("corp").name("ada@example.test").to_string().contains("ada"));
    }
}
